/*
 * stock_see.c: what a job has in a pool of a host without the module, and what else is there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>

#include "endpoint/stocktargetpriv.h"

typedef struct {
    ReplLineWork work;
    GPtrArray *held;       /* of ReplStockHeld */
    ReplStockSight *sight; /* result */
} ReplStockSee;

void
replStockSightFree(ReplStockSight *sight)
{
    if (!sight)
        return;
    g_array_unref(sight->states);
    g_strfreev(sight->names);
    g_free(sight);
}

static void
replStockSeeClear(ReplLineWork *work)
{
    ReplStockSee *see = (ReplStockSee *)work;

    g_ptr_array_unref(see->held);
    replStockSightFree(see->sight);
}

static int
replStockSeePool(ReplStockSee *see, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    virStoragePoolInfo info;
    virStorageVolPtr *vols = NULL;
    int count;

    if (virStoragePoolGetInfo(pool, &info) < 0 || (count = virStoragePoolListAllVolumes(pool, &vols, 0)) < 0)
        return replLineFail(link, err);
    see->sight->available_bytes = info.available;
    see->sight->names = g_new0(char *, count + 1);
    for (int i = 0; i < count; i++) {
        see->sight->names[i] = g_strdup(virStorageVolGetName(vols[i]));
        virStorageVolFree(vols[i]);
    }
    free(vols);
    virResetLastError();
    return 0;
}

static int
replStockSeeRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplStockSee *see = (ReplStockSee *)work;

    see->sight = g_new0(ReplStockSight, 1);
    see->sight->states = g_array_new(FALSE, TRUE, sizeof(int));
    if (replStockSeePool(see, link, pool, err) < 0)
        return -1;
    for (guint i = 0; i < see->held->len; i++) {
        const ReplStockHeld *held = g_ptr_array_index(see->held, i);
        g_auto(ReplStockFile) file = {0};
        int state =
            held->nonce_bytes ? replStockStateOf(work, link, pool, held, &file, err) : REPL_STOCK_NONE;

        if (state < 0)
            return -1;
        if (state != REPL_STOCK_OTHER)
            see->sight->mine_bytes += file.allocated_bytes;
        g_array_append_val(see->sight->states, state);
    }
    return 0;
}

static ReplLineWork *
replStockSeeNew(gpointer opaque)
{
    ReplStockTarget *target = opaque;
    ReplStockSee *see = replLineWorkNew(sizeof(*see), replStockSeeRun, replStockSeeClear);
    guint count;

    {
        REPL_GUARD(&target->journal->lock);
        count = target->journal->record->layers->len;
    }
    see->held = g_ptr_array_new_with_free_func((GDestroyNotify)replStockHeldFree);
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(see->held, replStockTargetHeld(target, i));
    return &see->work;
}

ReplStockSight *
replStockTargetSee(ReplStockTarget *target, GError **err)
{
    g_autoptr(ReplLineWork) work = replLineDo(target->line, replStockSeeNew, target, err);

    return work ? g_steal_pointer(&((ReplStockSee *)work)->sight) : NULL;
}
