/*
 * ops.h: our entries of the storage driver table
 *
 * Each entry has the name of the table's, extends what it must for region pools and hands
 * everything else to replNext. A pool without a label takes the short way: one look at the
 * registry.
 *
 * The room stack/ in five lines:
 * In:    libvirt's calls, in threads of the daemon's workers and with their client's identity; its state driver's calls.
 * Out:   answers and errors of libvirt's own kind; jobs in the queue (submission.h, accept.c), jobs of before (resume.h).
 * Owner: what a call gets it gives back before it returns; only jobs, pins and records outlive it.
 * Lock:  none; a call that waits for a job is counted first (replQueueEnterWait).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* Overwrite the entries that a part extends. */
void
replPoolOpsInstall(ReplVirtStorageDriver *table);
void
replListOpsInstall(ReplVirtStorageDriver *table);
void
replVolOpsInstall(ReplVirtStorageDriver *table);
void
replCreateOpsInstall(ReplVirtStorageDriver *table);
void
replAllOpsInstall(ReplVirtStorageDriver *table);
