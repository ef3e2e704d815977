/*
 * stock_deeds.c: what a job does to its volumes in a pool of a host without the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "endpoint/stocktargetpriv.h"

#define REPL_STOCK_SETTLE_us (5 * G_USEC_PER_SEC)
#define REPL_STOCK_SETTLE_tick_us (G_USEC_PER_SEC / 20)

typedef struct _ReplStockDeed ReplStockDeed;

/* What is to be done: a pattern of which each try is a copy. */
typedef struct {
    int (*act)(ReplStockDeed *deed, ReplLink *link, virStoragePoolPtr pool, GError **err);
    const ReplStockHeld *held;
    gboolean fresh;
    const char *more;
    const ReplStockWritten *written;
} ReplStockWish;

struct _ReplStockDeed {
    ReplLineWork work;
    int (*act)(ReplStockDeed *deed, ReplLink *link, virStoragePoolPtr pool, GError **err);
    ReplStockHeld *held;
    gboolean fresh;
    char *more;
    ReplStockWritten written;
};

static void
replStockDeedClear(ReplLineWork *work)
{
    ReplStockDeed *deed = (ReplStockDeed *)work;

    replStockHeldFree(deed->held);
    g_free(deed->more);
}

static int
replStockDeedRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockDeed *deed = (ReplStockDeed *)work;

    return deed->act(deed, link, pool, err);
}

static ReplLineWork *
replStockDeedNew(gpointer opaque)
{
    const ReplStockWish *wish = opaque;
    ReplStockDeed *deed = replLineWorkNew(sizeof(*deed), replStockDeedRun, replStockDeedClear);

    deed->work.quiet_s = REPL_LINE_QUIET_s;
    deed->act = wish->act;
    deed->held =
        replStockHeldNew(wish->held->job, wish->held->volume, wish->held->nonce_bytes, wish->held->digest);
    deed->fresh = wish->fresh;
    deed->more = g_strdup(wish->more);
    if (wish->written)
        deed->written = *wish->written;
    return &deed->work;
}

static int
replStockTargetDo(ReplStockTarget *target, ReplStockWish *wish, GError **err)
{
    g_autoptr(ReplLineWork) work = replLineDo(target->line, replStockDeedNew, wish, err);

    return work ? 0 : -1;
}

static int
replStockActTake(ReplStockDeed *deed, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    return replStockTake(&deed->work, link, pool, deed->held, deed->fresh, deed->more, err);
}

int
replStockTargetTake(ReplStockTarget *target, const ReplStockHeld *held, gboolean fresh, const char *more,
                    GError **err)
{
    ReplStockWish wish = {.act = replStockActTake, .held = held, .fresh = fresh, .more = more};

    return replStockTargetDo(target, &wish, err);
}

static int
replStockActGiveBack(ReplStockDeed *deed, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    return replStockGiveBack(&deed->work, link, pool, deed->held, err);
}

int
replStockTargetGiveBack(ReplStockTarget *target, const ReplStockHeld *held, GError **err)
{
    ReplStockWish wish = {.act = replStockActGiveBack, .held = held};

    return replStockTargetDo(target, &wish, err);
}

static int
replStockActPlace(ReplStockDeed *deed, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    return replStockPlace(&deed->work, link, pool, deed->held, deed->written.block, deed->written.block_bytes,
                          deed->written.size_bytes, err);
}

int
replStockTargetPlace(ReplStockTarget *target, const ReplStockHeld *held, const ReplStockWritten *written,
                     GError **err)
{
    ReplStockWish wish = {.act = replStockActPlace, .held = held, .written = written};

    return replStockTargetDo(target, &wish, err);
}

/* Waits until libvirt there sees the volume in its format: it refreshes the pool by itself a moment after an
 * upload. If it does not, asks it to. */
static int
replStockActSettle(ReplStockDeed *deed, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    gint64 until_us = g_get_monotonic_time() + REPL_STOCK_SETTLE_us;

    for (;;) {
        g_auto(ReplStockFile) file = {0};
        int rc = replStockStat(link, pool, deed->held->volume, &file, err);

        replLineMoved(&deed->work);
        if (rc <= 0)
            return rc;
        if (g_strcmp0(file.format, deed->more) == 0)
            return 0;
        if (g_get_monotonic_time() > until_us)
            break;
        g_usleep(REPL_STOCK_SETTLE_tick_us);
    }
    return virStoragePoolRefresh(pool, 0) < 0 ? replLineFail(link, err) : 0;
}

void
replStockTargetSettle(ReplStockTarget *target, const char *volume, const char *format)
{
    g_autoptr(ReplStockHeld) held = replStockHeldNew("", volume, 0, 0);
    ReplStockWish wish = {.act = replStockActSettle, .held = held, .more = format};

    replStockTargetDo(target, &wish, NULL);
}
