/*
 * traffic.c: what the connections that carry a job's bytes tell those who show the job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/traffic.h"

#include "base/lock.h"

struct _ReplTraffic {
    gatomicrefcount refs;

    ReplLock lock; /* guards the rest */
    guint64 bytes;
    guint64 link_bytesPerSec; /* 0: not seen */
    char *awaited;
};

ReplTraffic *
replTrafficNew(void)
{
    ReplTraffic *traffic = g_new0(ReplTraffic, 1);

    g_atomic_ref_count_init(&traffic->refs);
    replLockInit(&traffic->lock);
    return traffic;
}

ReplTraffic *
replTrafficRef(ReplTraffic *traffic)
{
    g_atomic_ref_count_inc(&traffic->refs);
    return traffic;
}

void
replTrafficUnref(ReplTraffic *traffic)
{
    if (!traffic || !g_atomic_ref_count_dec(&traffic->refs))
        return;
    replLockClear(&traffic->lock);
    g_free(traffic->awaited);
    g_free(traffic);
}

void
replTrafficAdd(ReplTraffic *traffic, guint64 bytes)
{
    if (!traffic)
        return;
    REPL_GUARD(&traffic->lock);
    traffic->bytes += bytes;
}

guint64
replTrafficBytes(ReplTraffic *traffic)
{
    REPL_GUARD(&traffic->lock);

    return traffic->bytes;
}

void
replTrafficLink(ReplTraffic *traffic, guint64 rate_bytesPerSec)
{
    REPL_GUARD(&traffic->lock);

    if (rate_bytesPerSec > 0 &&
        (traffic->link_bytesPerSec == 0 || rate_bytesPerSec < traffic->link_bytesPerSec))
        traffic->link_bytesPerSec = rate_bytesPerSec;
}

guint64
replTrafficLinkRate(ReplTraffic *traffic)
{
    REPL_GUARD(&traffic->lock);

    return traffic->link_bytesPerSec;
}

void
replTrafficWaits(ReplTraffic *traffic, const char *name)
{
    if (!traffic)
        return;
    REPL_GUARD(&traffic->lock);
    if (g_strcmp0(traffic->awaited, name) == 0)
        return;
    g_free(traffic->awaited);
    traffic->awaited = g_strdup(name);
}

void
replTrafficGoesOn(ReplTraffic *traffic, const char *name)
{
    if (!traffic)
        return;
    REPL_GUARD(&traffic->lock);
    if (!name || g_strcmp0(traffic->awaited, name) == 0)
        g_clear_pointer(&traffic->awaited, g_free);
}

char *
replTrafficAwaited(ReplTraffic *traffic)
{
    REPL_GUARD(&traffic->lock);

    return g_strdup(traffic->awaited);
}

void
replTrafficReportTo(ReplTrafficReport *report, ReplTraffic *traffic, const char *host)
{
    replTrafficReportClear(report);
    report->traffic = replTrafficRef(traffic);
    report->host = g_strdup(host);
}

void
replTrafficReportClear(ReplTrafficReport *report)
{
    g_clear_pointer(&report->traffic, replTrafficUnref);
    g_clear_pointer(&report->host, g_free);
}
