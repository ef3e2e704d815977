/*
 * traffic.h: what the connections that carry a job's bytes tell those who show the job
 *
 * In:    bytes that went over a network, and the host that is waited for; by any thread.
 * Out:   both, at any time.
 * Owner: reference counted: connections may outlive the job.
 * Lock:  one guards all of it; nothing else is done with it held.
 *
 * Of several ends of a job that are on other hosts (a relay between two), the one that was lost last is the one waited for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct _ReplTraffic ReplTraffic;

ReplTraffic *
replTrafficNew(void);

ReplTraffic *
replTrafficRef(ReplTraffic *traffic);

void
replTrafficUnref(ReplTraffic *traffic);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplTraffic, replTrafficUnref)

/* So many more bytes went, in either direction. @traffic NULL: nobody counts them. */
void
replTrafficAdd(ReplTraffic *traffic, guint64 bytes);

guint64
replTrafficBytes(ReplTraffic *traffic);

/* A link that the bytes take was seen to carry so much; of several the slowest counts. 0: nothing was seen. */
void
replTrafficLink(ReplTraffic *traffic, guint64 rate_bytesPerSec);

guint64
replTrafficLinkRate(ReplTraffic *traffic);

/* The host @name is waited for. @traffic NULL: nobody wants to know. */
void
replTrafficWaits(ReplTraffic *traffic, const char *name);

/* The host @name is there; NULL: none is waited for. */
void
replTrafficGoesOn(ReplTraffic *traffic, const char *name);

/* The host that is waited for; NULL: none. */
char *
replTrafficAwaited(ReplTraffic *traffic);

/* Part of a connection: whom it tells, and the name of the host that it leads to. Zeroed: nobody is told. Guarded by the
 * connection's lock. */
typedef struct {
    ReplTraffic *traffic; /* a reference */
    char *host;
} ReplTrafficReport;

void
replTrafficReportTo(ReplTrafficReport *report, ReplTraffic *traffic, const char *host);

void
replTrafficReportClear(ReplTrafficReport *report);
