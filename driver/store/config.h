/*
 * config.h: the configuration file, storage-replication.conf
 *
 * Lines `key = value`, the value in quotes or not, `#` begins a comment: as libvirt's own files. A
 * line that cannot be used costs one log line and leaves the default.
 * tools/storage-replication.conf documents each key; a test holds it to the defaults here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Fixed after loading. */
typedef struct {
    guint maxJobs;                 /* max_jobs: running at once in a daemon */
    guint maxWaiting;              /* max_waiting: synchronous requests that may block a worker */
    guint64 maxSize_bytes;         /* max_size_gib: virtual size of a replica within a region */
    char *defaultKey;              /* default_key: usage name of the secret of encryption='default' */
    guint64 bandwidth_bytesPerSec; /* bandwidth_mib_per_s: of all jobs together, 0: no limit */
    guint64 checkpoint_bytes;      /* checkpoint_mib: at most this much is copied again after a crash */
    guint bundleLevel;             /* bundle_level: of zstd in bundles, 0: they are not compressed */
    guint serveHosts;              /* serve_hosts: whether other hosts may open sessions on this one */
    guint peerGone_s;              /* peer_gone_seconds: how long a job waits for another host */
    guint helperTime_s;            /* qemu_img_seconds: CPU time of a look at an untrusted image */
    guint64 helperMemory_bytes;    /* qemu_img_memory_mib: its address space */
    char *trustedLibvirt; /* trusted_libvirt: newest libvirt to work with beyond those checked; empty: none */
    guint peerWait_s;     /* peer_seconds: that a call waits for a peer */
    guint peerMaxWaiting; /* max_peer_waiting: calls that may block a worker while a peer is slow */
    char *peerUris;       /* peer_uris: that are let in beside the harmless ones, separated by blanks */
} ReplConfig;

/* Never NULL: a file that is missing means the defaults, one that cannot be read the same and a log
 * line. */
ReplConfig *
replConfigLoad(const char *path);

ReplConfig *
replConfigCopy(const ReplConfig *config);

void
replConfigFree(ReplConfig *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplConfig, replConfigFree)

/* Where the file is: /etc/libvirt/storage-replication.conf for the system daemon (@privileged),
 * else in $XDG_CONFIG_HOME/libvirt. */
char *
replConfigPath(gboolean privileged);
