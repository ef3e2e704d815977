/*
 * job.h: steering and watching the jobs that make replicas
 *
 * A job is named by the volume that it makes. Included by libvirt-replication.h; see there for threads,
 * memory and errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LIBVIRT_REPLICATION_JOB_H
#define LIBVIRT_REPLICATION_JOB_H

#ifndef LIBVIRT_REPLICATION_H
#error "Include <libvirt-replication/libvirt-replication.h> instead"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * virtReplicationJobGet:
 * @vol: a replica
 *
 * Returns its job, to be freed with virtReplicationJobFree(), or NULL on error: VIR_ERR_OPERATION_INVALID when
 * no job is known.
 *
 * Since: 1.0.0
 */
virtReplicationJob *
virtReplicationJobGet(virStorageVolPtr vol);

/**
 * virtReplicationJobFree:
 * @job: a job or NULL
 *
 * Since: 1.0.0
 */
void
virtReplicationJobFree(virtReplicationJob *job);

/**
 * virtReplicationJobLookup:
 * @conn: a connection
 * @id: a job's id or its beginning (at least 4 characters)
 *
 * Finds the replica of a job that has not ended, or has failed.
 *
 * Returns its volume, or NULL on error: VIR_ERR_NO_STORAGE_VOL when there is none, VIR_ERR_INVALID_ARG when
 * there are several.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationJobLookup(virConnectPtr conn, const char *id);

/**
 * virtReplicationJobStart:
 * @vol: a replica that is only planned
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationJobStart(virStorageVolPtr vol);

/**
 * virtReplicationJobCancel:
 * @vol: a pending replica
 *
 * Ends its job and cleans up: the volume is gone. Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationJobCancel(virStorageVolPtr vol);

/**
 * virtReplicationJobPause:
 * @vol: a pending replica
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationJobPause(virStorageVolPtr vol);

/**
 * virtReplicationJobResume:
 * @vol: a replica whose job is paused
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationJobResume(virStorageVolPtr vol);

/**
 * virtReplicationJobRetry:
 * @vol: a replica whose job failed
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationJobRetry(virStorageVolPtr vol);

/**
 * virtReplicationVerify:
 * @vol: an image
 *
 * Starts a job that reads the image with its layers and holds them against their digests.
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationVerify(virStorageVolPtr vol);

/**
 * virtReplicationHeal:
 * @vol: an image that a verification found damaged
 *
 * Starts a job that fetches the damaged blocks from where the image came from or went to.
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationHeal(virStorageVolPtr vol);

/**
 * virtReplicationProgressFunc:
 * @index: which of the replicas
 * @job: what is known now; valid during the call only
 * @opaque: of the caller
 *
 * Called for each replica in turn, then again after a while. A job whose replica has gone is shown as cancelled.
 *
 * Returns 0 to go on, anything else to stop waiting (the jobs go on).
 *
 * Since: 1.0.0
 */
typedef int (*virtReplicationProgressFunc)(size_t index, const virtReplicationJob *job, void *opaque);

/**
 * virtReplicationJobWait:
 * @vols: the replicas
 * @nvols: how many
 * @progress: called every 0.2 seconds or so, or NULL
 * @opaque: for @progress
 * @timeout_ms: how long to wait, -1: for ever
 *
 * Waits until all jobs have ended. A job that is paused or planned has not.
 *
 * Returns how many of them did not complete, or -1 on error: VIR_ERR_OPERATION_TIMEOUT after @timeout_ms,
 * VIR_ERR_OPERATION_ABORTED when @progress stopped it. The jobs go on in both cases.
 *
 * Since: 1.0.0
 */
int
virtReplicationJobWait(virStorageVolPtr *vols, size_t nvols, virtReplicationProgressFunc progress,
                       void *opaque, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_REPLICATION_JOB_H */
