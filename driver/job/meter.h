/*
 * meter.h: how fast a job goes and when it will be done
 *
 * An average over the last few seconds that weighs recent ones more. Pure: the caller brings the
 * clock (microseconds that never go back) and the lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct {
    gint64 tick_us;        /* when the running interval began */
    guint64 pending_bytes; /* counted since */
    double mean;           /* bytes/s, weighted over the intervals that are over */
    double weight;         /* 0..1: how much of the window is filled; mean / weight is the rate */
} ReplMeter;

/* Forgets all; also at a pause, so that the time of standing still does not count. */
void
replMeterReset(ReplMeter *meter, gint64 now_us);

void
replMeterAdd(ReplMeter *meter, guint64 bytes, gint64 now_us);

/* Bytes per second, 0 before anything can be said. Falls towards 0 while nothing is added. */
guint64
replMeterRate(const ReplMeter *meter, gint64 now_us);

/* Seconds until @remaining_bytes are done at @rate_bytesPerSec, rounded up; -1: unknown. */
gint64
replMeterEta(guint64 remaining_bytes, guint64 rate_bytesPerSec);
