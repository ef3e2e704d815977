/*
 * limit.h: token buckets that hold a job, or all jobs of the daemon, to a bandwidth
 *
 * A taker reserves its bytes and is admitted when the bucket has served all that was reserved
 * before and its own. So takers of one bucket go in the order they came, a change of the rate
 * works on those that wait already, and a block larger than the burst needs no special case: it is
 * paid for before it is moved. An idle bucket saves up at most a tenth of a second.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Pure: the caller brings the clock (microseconds that never go back) and the lock. */
typedef struct {
    guint64 rate_bytesPerSec; /* 0: no limit */
    guint64 reserved_bytes;   /* of all takers, ever */
    guint64 served_bytes;     /* what the rate has allowed, at most reserved + burst */
    guint64 rest;             /* of a byte, in millionths */
    gint64 last_us;           /* when served was brought up to date */
} ReplLimit;

void
replLimitInit(ReplLimit *limit, guint64 rate_bytesPerSec, gint64 now_us);

void
replLimitSetRate(ReplLimit *limit, guint64 rate_bytesPerSec, gint64 now_us);

/* Gets in line with @bytes. Returns the ticket to wait with. */
guint64
replLimitReserve(ReplLimit *limit, guint64 bytes, gint64 now_us);

/* 0: admitted; else the microseconds after which it is worth asking again. */
gint64
replLimitWait(ReplLimit *limit, guint64 ticket, gint64 now_us);

/* Leaves the line with @bytes that will not be moved; those behind move up. */
void
replLimitRefund(ReplLimit *limit, guint64 bytes, gint64 now_us);

/* The same for several threads, with the monotonic clock: what all jobs of the daemon share. */
typedef struct _ReplLimiter ReplLimiter;

ReplLimiter *
replLimiterNew(guint64 rate_bytesPerSec);

ReplLimiter *
replLimiterRef(ReplLimiter *limiter);

void
replLimiterUnref(ReplLimiter *limiter);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLimiter, replLimiterUnref)

void
replLimiterSetRate(ReplLimiter *limiter, guint64 rate_bytesPerSec);

guint64
replLimiterReserve(ReplLimiter *limiter, guint64 bytes);

gint64
replLimiterWait(ReplLimiter *limiter, guint64 ticket);

void
replLimiterRefund(ReplLimiter *limiter, guint64 bytes);
