/*
 * limit.c: token buckets
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/limit.h"

#include "base/lock.h"

#define LIMIT_BURSTS_PER_SEC 10

struct _ReplLimiter {
    gint refs; /* atomic */

    ReplLock monitor;

    /* guarded by monitor */
    ReplLimit limit;
};

/* Lets time pass: what the rate allows since the last call is served. */
static void
replLimitServe(ReplLimit *limit, gint64 now_us)
{
    guint64 most = limit->reserved_bytes + limit->rate_bytesPerSec / LIMIT_BURSTS_PER_SEC;
    guint64 passed_us = now_us > limit->last_us ? now_us - limit->last_us : 0;
    guint64 amount; /* millionths of a byte */

    limit->last_us = MAX(limit->last_us, now_us);
    if (limit->rate_bytesPerSec == 0) {
        limit->served_bytes = limit->reserved_bytes;
    } else if (!g_uint64_checked_mul(&amount, limit->rate_bytesPerSec, passed_us) ||
               !g_uint64_checked_add(&amount, amount, limit->rest)) {
        limit->served_bytes = MAX(limit->served_bytes, most);
    } else {
        limit->served_bytes += amount / G_USEC_PER_SEC;
        limit->rest = amount % G_USEC_PER_SEC;
    }
    if (limit->served_bytes >= most) {
        limit->served_bytes = most;
        limit->rest = 0;
    }
}

void
replLimitInit(ReplLimit *limit, guint64 rate_bytesPerSec, gint64 now_us)
{
    *limit = (ReplLimit){.rate_bytesPerSec = rate_bytesPerSec, .last_us = now_us};
}

void
replLimitSetRate(ReplLimit *limit, guint64 rate_bytesPerSec, gint64 now_us)
{
    replLimitServe(limit, now_us);
    limit->rate_bytesPerSec = rate_bytesPerSec;
    replLimitServe(limit, now_us); /* a smaller burst, or no limit at all, holds from now on */
}

guint64
replLimitReserve(ReplLimit *limit, guint64 bytes, gint64 now_us)
{
    replLimitServe(limit, now_us);
    limit->reserved_bytes += bytes;
    return limit->reserved_bytes;
}

gint64
replLimitWait(ReplLimit *limit, guint64 ticket, gint64 now_us)
{
    guint64 missing_bytes;
    double wait_us;

    replLimitServe(limit, now_us);
    if (limit->served_bytes >= ticket)
        return 0;
    missing_bytes = ticket - limit->served_bytes;
    wait_us = (double)missing_bytes * G_USEC_PER_SEC / limit->rate_bytesPerSec;
    return wait_us < G_MAXINT32 ? (gint64)wait_us + 1 : G_MAXINT32;
}

void
replLimitRefund(ReplLimit *limit, guint64 bytes, gint64 now_us)
{
    limit->served_bytes += bytes;
    replLimitServe(limit, now_us); /* which cuts it to the burst */
}

ReplLimiter *
replLimiterNew(guint64 rate_bytesPerSec)
{
    ReplLimiter *limiter = g_new0(ReplLimiter, 1);

    limiter->refs = 1;
    replLockInit(&limiter->monitor);
    replLimitInit(&limiter->limit, rate_bytesPerSec, g_get_monotonic_time());
    return limiter;
}

ReplLimiter *
replLimiterRef(ReplLimiter *limiter)
{
    g_atomic_int_inc(&limiter->refs);
    return limiter;
}

void
replLimiterUnref(ReplLimiter *limiter)
{
    if (!limiter || !g_atomic_int_dec_and_test(&limiter->refs))
        return;
    replLockClear(&limiter->monitor);
    g_free(limiter);
}

void
replLimiterSetRate(ReplLimiter *limiter, guint64 rate_bytesPerSec)
{
    REPL_GUARD(&limiter->monitor);

    replLimitSetRate(&limiter->limit, rate_bytesPerSec, g_get_monotonic_time());
}

guint64
replLimiterReserve(ReplLimiter *limiter, guint64 bytes)
{
    REPL_GUARD(&limiter->monitor);

    return replLimitReserve(&limiter->limit, bytes, g_get_monotonic_time());
}

gint64
replLimiterWait(ReplLimiter *limiter, guint64 ticket)
{
    REPL_GUARD(&limiter->monitor);

    return replLimitWait(&limiter->limit, ticket, g_get_monotonic_time());
}

void
replLimiterRefund(ReplLimiter *limiter, guint64 bytes)
{
    REPL_GUARD(&limiter->monitor);

    replLimitRefund(&limiter->limit, bytes, g_get_monotonic_time());
}
