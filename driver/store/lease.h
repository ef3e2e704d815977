/*
 * lease.h: which host works in a staging folder
 *
 * On shared storage two hosts must not both resume the jobs of one pool. The holder keeps an OFD
 * write lock on `lease.lock` as long as it lives, and writes its name and a fresh time into
 * `lease`.
 *
 * Where locks tell (local file systems; NFS and cluster file systems with working locks) the lock
 * alone refuses others, and a crash frees it: at once locally, when the server notices elsewhere.
 * Where a lock was given but may be known to this host only (NFS with nolock or local_lock, FUSE,
 * ...: any file system that is not known to be local), a lease of another host counts until it was
 * not renewed for REPL_LEASE_STALE_s: by the file system's own clock, or unchanged as long while we
 * looked. NFS hands out attributes up to a minute old, which the 120 s allow for. A host that slept
 * over its lease learns it from replLeaseRenew and must stop its jobs; between the last renewal and
 * that, two hosts may work at once on such a file system, with partial files and publishing still
 * all-or-nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "store/staging.h"

#define REPL_LEASE_RENEW_s 30
#define REPL_LEASE_STALE_s 120

typedef struct _ReplLease ReplLease;

/* Whether there is a lease file, of any host. */
gboolean
replLeaseIsThere(ReplStaging *staging);

/* Takes the lease for the host @hostId (a UUID made from its machine id). Returns the lease, or
 * NULL: with VIR_ERR_OPERATION_FAILED when another daemon of this host or another host, which is
 * named, holds it (try again later), or another code when it cannot be told. A process takes one
 * lease for a staging folder; a second try finds its own lock. */
ReplLease *
replLeaseTake(ReplStaging *staging, const char *hostId, GError **err);

/* To be called every REPL_LEASE_RENEW_s. Returns 0, or -1 with @err set: VIR_ERR_OPERATION_FAILED
 * when another host has taken it, another code when it could not be written (still ours). */
int
replLeaseRenew(ReplLease *lease, GError **err);

/* Gives it back, so that another host need not wait. NULL is fine. */
void
replLeaseRelease(ReplLease *lease);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLease, replLeaseRelease)
