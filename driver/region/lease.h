/*
 * lease.h: this host works in that pool's staging folder
 *
 * Held while a job of ours waits or works there, so that of two hosts on shared storage only one
 * takes up the jobs on record. A thread renews what is held, and takes up jobs that another host
 * has let go.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "store/staging.h"

/* Counted: each success is paired with a Drop. Returns 0, or -1 with @err set
 * (VIR_ERR_OPERATION_FAILED naming the host that works there). */
int
replLeasesHold(const char *poolUuid, ReplStaging *staging, GError **err);

/* Whether a lease is there that this daemon does not hold: another host's, or one that could not be removed. */
gboolean
replLeasesIsLeft(const char *poolUuid, ReplStaging *staging);

void
replLeasesDrop(const char *poolUuid);

/* Sets what is called for watched pools. Once, at start. */
void
replLeasesStart(void (*again)(const char *poolUuid));

/* Something of the pool's jobs could not be read, written or removed: looks at them again in a thread of ours, once, after
 * REPL_LEASE_RENEW_s. */
void
replLeasesWatch(const char *poolUuid);

/* If the pool is watched: calls it soon, not at the next renewal. */
void
replLeasesHurry(const char *poolUuid);

/* Ends the thread and gives all leases back. */
void
replLeasesStop(void);
