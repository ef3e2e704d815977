/*
 * libvirt-replication.h: the C library of image replication, on top of libvirt's public API
 *
 * Everything that the library does can be done with libvirt's own calls and the XML whose names are in
 * virt-replication.h; it saves an application from writing and reading that XML. Link with
 * `pkg-config --libs libvirt-replication`.
 *
 *   - region.h: pools that are regions, with their images and jobs in one call; labels
 *   - image.h:  one image: look it up, read it, change it, share it
 *   - copy.h:   replicate one or many images to one or many regions; plans, bundles
 *   - job.h:    steer and watch the jobs that this makes
 *   - key.h:    the libvirt secrets that encrypted images need
 *
 * Threads: all functions may be called from any thread at any time, with the same connection too. The
 * library keeps nothing between calls but the last error of each thread.
 *
 * Memory: structures are made by the library only, and may grow at their end in later versions; an
 * application reads them and gives them back to the function that is named beside them. Arrays end with
 * NULL and are freed with free(). Strings that are not known are NULL.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LIBVIRT_REPLICATION_H
#define LIBVIRT_REPLICATION_H

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <libvirt-replication/virt-replication.h>
#include <libvirt-replication/image.h>
#include <libvirt-replication/region.h>
#include <libvirt-replication/copy.h>
#include <libvirt-replication/job.h>
#include <libvirt-replication/key.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * virtReplicationGetVersion:
 *
 * Returns the version of the library that is loaded, as VIRT_REPLICATION_VERSION_NUMBER is that of the
 * header.
 *
 * Since: 1.0.0
 */
unsigned long
virtReplicationGetVersion(void);

/**
 * virtReplicationGetLastError:
 *
 * The error of the last function of this library that failed in the calling thread. It is an error object
 * of libvirt with libvirt's codes: the very error of the libvirt call that failed, or, where the library itself
 * refuses, one of domain VIR_FROM_STORAGE. Look for errors here, not with virGetLastError(): libvirt lets nobody
 * set that from outside, and frees of objects reset it.
 *
 * Note that libvirt prints errors on stderr unless the application calls virSetErrorFunc(), and that the
 * library makes some calls that may fail without any harm.
 *
 * Returns the error, which belongs to the library and stays valid until the thread's next call into it,
 * or NULL when none failed yet.
 *
 * Since: 1.0.0
 */
virErrorPtr
virtReplicationGetLastError(void);

/**
 * virtReplicationGetLastErrorMessage:
 *
 * Returns the message of virtReplicationGetLastError(), never NULL.
 *
 * Since: 1.0.0
 */
const char *
virtReplicationGetLastErrorMessage(void);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_REPLICATION_H */
