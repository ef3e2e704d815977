/*
 * meter.c: how fast a job goes and when it will be done
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/meter.h"

#define METER_WINDOW_US (4.0 * G_USEC_PER_SEC)
/* Shorter intervals would be noise: a block is written at once and then nothing for a while. */
#define METER_INTERVAL_US (G_USEC_PER_SEC / 4)

void
replMeterReset(ReplMeter *meter, gint64 now_us)
{
    *meter = (ReplMeter){.tick_us = now_us};
}

/* Closes the interval that ends at @now_us. */
static void
replMeterTick(ReplMeter *meter, gint64 now_us)
{
    double dt_us = now_us - meter->tick_us;
    double share = dt_us / (METER_WINDOW_US + dt_us);
    double rate = meter->pending_bytes * (G_USEC_PER_SEC / dt_us);

    meter->mean += share * (rate - meter->mean);
    meter->weight += share * (1 - meter->weight);
    meter->pending_bytes = 0;
    meter->tick_us = now_us;
}

void
replMeterAdd(ReplMeter *meter, guint64 bytes, gint64 now_us)
{
    meter->pending_bytes += bytes;
    if (now_us - meter->tick_us >= METER_INTERVAL_US)
        replMeterTick(meter, now_us);
}

guint64
replMeterRate(const ReplMeter *meter, gint64 now_us)
{
    ReplMeter copy = *meter;

    if (now_us - copy.tick_us >= METER_INTERVAL_US)
        replMeterTick(&copy, now_us);
    return copy.weight > 0 ? (guint64)(copy.mean / copy.weight) : 0;
}

gint64
replMeterEta(guint64 remaining_bytes, guint64 rate_bytesPerSec)
{
    guint64 eta_s;

    if (remaining_bytes == 0)
        return 0;
    if (rate_bytesPerSec == 0)
        return -1;
    eta_s = (remaining_bytes - 1) / rate_bytesPerSec + 1;
    return eta_s > G_MAXINT64 ? -1 : (gint64)eta_s;
}
