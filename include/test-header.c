/*
 * test-header.c: an application that knows only the public header; compiled as C and as C++
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libvirt-replication/virt-replication.h>

int
main(void)
{
    int failed = 0;

    failed |= virtReplicationJobStateFromString("planned") != VIRT_REPLICATION_JOB_PLANNED;
    failed |= virtReplicationJobStateFromString("cancelled") != VIRT_REPLICATION_JOB_CANCELLED;
    failed |= virtReplicationJobStateFromString("waiting") != VIRT_REPLICATION_JOB_WAITING;
    failed |= virtReplicationJobStateIsEnded(VIRT_REPLICATION_JOB_WAITING);
    failed |= virtReplicationJobStateFromString("Cancelled") != -1;
    failed |= virtReplicationJobStateFromString("") != -1;
    failed |= virtReplicationJobStateFromString(NULL) != -1;
    failed |= virtReplicationJobStateIsEnded(VIRT_REPLICATION_JOB_PAUSED);
    failed |= !virtReplicationJobStateIsEnded(VIRT_REPLICATION_JOB_COMPLETED);
    failed |= !virtReplicationJobStateIsEnded(VIRT_REPLICATION_JOB_CANCELLED);
    failed |= virtReplicationJobStateIsEnded(-1);
    failed |= strcmp(VIRT_REPLICATION_NAMESPACE, "urn:libvirt-replication:1.0") != 0;
    return failed;
}
