/*
 * rate.c: how fast links to other hosts were seen to carry bytes
 *
 * Moments without a job, and those in which only signs of life go, say nothing about a link: only parts of some size count, and the
 * time between those that follow each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/rate.h"

#include "base/lock.h"

/* Smaller parts are signs of life and questions. */
#define REPL_RATE_PART_bytes 4096u

/* A longer gap between two parts is a pause, not the link. */
#define REPL_RATE_GAP_us (2 * G_USEC_PER_SEC)

/* So much busy time makes one sample. */
#define REPL_RATE_SAMPLE_us G_USEC_PER_SEC

typedef struct {
    gint64 last_us; /* when bytes went last */
    gint64 busy_us; /* of the sample that is being taken, and its bytes */
    guint64 bytes;
    guint64 seen_bytesPerSec;
} ReplRate;

static ReplLock replRateLock = REPL_LOCK_INIT; /* guards the table */
static GHashTable *replRates;                  /* URI -> ReplRate */

/* One sample moves the rate by a quarter: a disk may have been slow, or a buffer have taken the first bytes at once. */
static void
replRateSample(ReplRate *rate)
{
    guint64 now = rate->bytes * G_USEC_PER_SEC / (guint64)rate->busy_us;

    rate->seen_bytesPerSec = rate->seen_bytesPerSec > 0 ? (rate->seen_bytesPerSec * 3 + now) / 4 : now;
    rate->busy_us = 0;
    rate->bytes = 0;
}

void
replRateCarried(const char *uri, guint64 bytes)
{
    gint64 now_us = g_get_monotonic_time();
    ReplRate *rate;
    REPL_GUARD(&replRateLock);

    if (bytes < REPL_RATE_PART_bytes)
        return;
    if (!replRates)
        replRates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!(rate = g_hash_table_lookup(replRates, uri))) {
        rate = g_new0(ReplRate, 1);
        g_hash_table_insert(replRates, g_strdup(uri), rate);
    }
    if (now_us - rate->last_us <= REPL_RATE_GAP_us) {
        rate->busy_us += now_us - rate->last_us;
        rate->bytes += bytes;
    }
    rate->last_us = now_us;
    if (rate->busy_us >= REPL_RATE_SAMPLE_us)
        replRateSample(rate);
}

guint64
replRateSeen(const char *uri)
{
    const ReplRate *rate;
    REPL_GUARD(&replRateLock);

    rate = replRates ? g_hash_table_lookup(replRates, uri) : NULL;
    return rate ? rate->seen_bytesPerSec : 0;
}
