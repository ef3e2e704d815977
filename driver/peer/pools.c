/*
 * pools.c: the pools of type region of this daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/poolspriv.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "peer/reserve.h"
#include "virt/access.h"

ReplLock replPoolsChange = REPL_LOCK_INIT;
ReplDefs *replPoolsDefs;
ReplPeerStock replPoolsStock;

/* Guards these two; never held over disk I/O. */
static ReplLock replPoolsLock = REPL_LOCK_INIT;
static GHashTable *replPoolsSlots; /* UUID -> ReplPeerSlot */
static char *replPoolsAllowedUris;

static void
replPeerSlotFree(gpointer opaque)
{
    ReplPeerSlot *slot = opaque;

    replPeerPoolUnref(slot->now);
    replPeerPoolUnref(slot->next);
    g_free(slot);
}

void
replPeerPoolEntryFree(ReplPeerPoolEntry *entry)
{
    if (entry)
        replPeerPoolUnref(entry->pool);
    g_free(entry);
}

static ReplPeerPoolEntry *
replPeerSlotEntry(const ReplPeerSlot *slot)
{
    ReplPeerPoolEntry *entry = g_new0(ReplPeerPoolEntry, 1);

    entry->pool = replPeerPoolRef(slot->now);
    entry->active = slot->active;
    entry->persistent = slot->persistent;
    entry->autostart = slot->autostart;
    return entry;
}

/* ---- looking; all of these take the lock themselves */

ReplPeerSlot *
replPoolsSlot(const unsigned char *uuid)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    replUuidFormat(uuid, uuidstr);
    return replPoolsSlots ? g_hash_table_lookup(replPoolsSlots, uuidstr) : NULL;
}

static ReplPeerSlot *
replPoolsSlotOfName(const char *name)
{
    GHashTableIter iter;
    gpointer slot;

    if (!replPoolsSlots)
        return NULL;
    g_hash_table_iter_init(&iter, replPoolsSlots);
    while (g_hash_table_iter_next(&iter, NULL, &slot)) {
        if (g_str_equal(((ReplPeerSlot *)slot)->now->def->name, name))
            return slot;
    }
    return NULL;
}

ReplPeerPoolEntry *
replPeerPoolsFind(const unsigned char *uuid)
{
    const ReplPeerSlot *slot;

    if (!replPoolsSlots)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    return (slot = replPoolsSlot(uuid)) ? replPeerSlotEntry(slot) : NULL;
}

ReplPeerPoolEntry *
replPeerPoolsFindName(const char *name)
{
    const ReplPeerSlot *slot;

    if (!replPoolsSlots)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    return (slot = replPoolsSlotOfName(name)) ? replPeerSlotEntry(slot) : NULL;
}

static int
replPeerPoolEntryCompare(gconstpointer a, gconstpointer b)
{
    const ReplPeerPoolEntry *x = *(const ReplPeerPoolEntry *const *)a;
    const ReplPeerPoolEntry *y = *(const ReplPeerPoolEntry *const *)b;

    return strcmp(x->pool->def->name, y->pool->def->name);
}

static GPtrArray *
replPoolsWhere(gboolean (*wanted)(const ReplPeerSlot *slot, gconstpointer a, gconstpointer b),
               gconstpointer a, gconstpointer b)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)replPeerPoolEntryFree);
    GHashTableIter iter;
    gpointer slot;

    if (!replPoolsSlots)
        return entries;
    replLockTake(&replPoolsLock);
    g_hash_table_iter_init(&iter, replPoolsSlots);
    while (g_hash_table_iter_next(&iter, NULL, &slot)) {
        if (!wanted || wanted(slot, a, b))
            g_ptr_array_add(entries, replPeerSlotEntry(slot));
    }
    replLockDrop(&replPoolsLock);
    g_ptr_array_sort(entries, replPeerPoolEntryCompare);
    return entries;
}

GPtrArray *
replPeerPoolsAll(void)
{
    return replPoolsWhere(NULL, NULL, NULL);
}

static gboolean
replPoolsIsBehind(const ReplPeerSlot *slot, gconstpointer peer, gconstpointer source)
{
    return slot->active && slot->now->peer == peer &&
           (!source || g_str_equal(slot->now->def->source, source));
}

GPtrArray *
replPeerPoolsBehind(const ReplPeer *peer, const char *source)
{
    return replPoolsWhere(replPoolsIsBehind, peer, source);
}

ReplRegionPool *
replPeerPoolsInactive(const unsigned char *uuid)
{
    const ReplPeerSlot *slot;

    if (!replPoolsSlots)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    if (!(slot = replPoolsSlot(uuid)))
        return NULL;
    return replRegionPoolCopy(slot->next ? slot->next->def : slot->now->def);
}

char *
replPeerPoolsAllowed(void)
{
    if (!replPoolsSlots)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    return g_strdup(replPoolsAllowedUris);
}

void
replPeerPoolsAllow(const char *allowed)
{
    if (!replPoolsSlots)
        return;
    REPL_GUARD(&replPoolsLock);
    g_free(replPoolsAllowedUris);
    replPoolsAllowedUris = g_strdup(allowed);
}

/* ---- names and UUIDs */

int
replPoolsDuplicate(const char *name, const char *uuid, gboolean ours, GError **err)
{
    const ReplPeerSlot *slot;

    if ((slot = replPoolsSlotOfName(name)) && (!ours || !uuid || !g_str_equal(slot->now->def->uuid, uuid))) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("pool '%s' is already defined with uuid %s"), name,
                     slot->now->def->uuid);
        return -1;
    }
    if (uuid && (slot = g_hash_table_lookup(replPoolsSlots, uuid)) &&
        (!ours || !g_str_equal(slot->now->def->name, name))) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("pool '%s' is already defined with uuid %s"),
                     slot->now->def->name, uuid);
        return -1;
    }
    return 0;
}

/* Takes the reservation, and looks whether a pool of type region has the name or the UUID. */
static int
replPoolsReserve(const char *name, const char *uuid, gboolean ours, GError **err)
{
    int ret;

    if (!replReserveTake(name, uuid, ours)) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("Another call is just defining storage pool '%s'"),
                     name);
        return -1;
    }
    replLockTake(&replPoolsLock);
    ret = replPoolsDuplicate(name, uuid, ours, err);
    replLockDrop(&replPoolsLock);
    if (ret < 0)
        replReserveGive(name, uuid, ours);
    return ret;
}

void
replPeerPoolsUnreserve(const char *name, const unsigned char *uuid, gboolean ours)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!replPoolsSlots)
        return;
    if (uuid)
        replUuidFormat(uuid, uuidstr);
    replReserveGive(name, uuid ? uuidstr : NULL, ours);
}

int
replPeerPoolsReserve(const char *name, const unsigned char *uuid, gboolean ours, GError **err)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!replPoolsSlots)
        return 0;
    if (uuid)
        replUuidFormat(uuid, uuidstr);
    if (replPoolsReserve(name, uuid ? uuidstr : NULL, ours, err) < 0)
        return -1;
    /* The stock driver looks after its own; who defines one of them holds a reservation, too. */
    if (!ours || (!replPoolsStock.hasName(name) && (!uuid || !replPoolsStock.hasUuid(uuid))))
        return 0;
    replPeerPoolsUnreserve(name, uuid, ours);
    replErrorSet(
        err, VIR_ERR_OPERATION_FAILED,
        _("Storage pool '%s' cannot be defined: another pool of this host has its name or UUID already"),
        name);
    return -1;
}

/* ---- changes; all with replPoolsChange held */

/* Whether the peer of the slot's running definition is to be connected. */
void
replPoolsSetActive(ReplPeerSlot *slot, gboolean active)
{
    ReplPeerPool *before = slot->now;

    replLockTake(&replPoolsLock);
    slot->active = active;
    /* What was defined in the meantime holds from the next start on. */
    if (!active && slot->next)
        slot->now = g_steal_pointer(&slot->next);
    else
        before = NULL;
    replLockDrop(&replPoolsLock);
    if (active)
        replPeerUse(slot->now->peer);
    else
        replPeerLeave(before ? before->peer : slot->now->peer);
    replPeerPoolUnref(before);
}

ReplPeerSlot *
replPoolsAdd(ReplPeerPool *pool, gboolean persistent, gboolean autostart)
{
    ReplPeerSlot *slot = g_new0(ReplPeerSlot, 1);

    slot->now = replPeerPoolRef(pool);
    slot->persistent = persistent;
    slot->autostart = autostart;
    REPL_GUARD(&replPoolsLock);
    g_hash_table_insert(replPoolsSlots, g_strdup(pool->def->uuid), slot);
    return slot;
}

static void
replPoolsDrop(ReplPeerSlot *slot)
{
    g_autofree char *uuid = g_strdup(slot->now->def->uuid);
    gpointer gone = NULL;
    g_autofree char *key = NULL;

    replLockTake(&replPoolsLock);
    g_hash_table_steal_extended(replPoolsSlots, uuid, (gpointer *)&key, &gone);
    replLockDrop(&replPoolsLock);
    replPeerSlotFree(gone);
}

/* A new definition of a pool that is there: at once, or when it is started next. */
static void
replPoolsRedefine(ReplPeerSlot *slot, ReplPeerPool *pool)
{
    ReplPeerPool **place = slot->active ? &slot->next : &slot->now;
    ReplPeerPool *before;

    replLockTake(&replPoolsLock);
    before = *place;
    *place = replPeerPoolRef(pool);
    slot->persistent = TRUE;
    replLockDrop(&replPoolsLock);
    replPeerPoolUnref(before);
}

ReplPeerPoolEntry *
replPeerPoolsDefine(ReplPeerPool *pool, gboolean *fresh, GError **err)
{
    ReplPeerSlot *slot;

    REPL_GUARD(&replPoolsChange);
    if (replDefsCheckName(pool->def->name, err) < 0 || replDefsSave(replPoolsDefs, TRUE, pool->def, err) < 0)
        return NULL;
    slot = replPoolsSlot(pool->uuid);
    *fresh = !slot;
    if (slot)
        replPoolsRedefine(slot, pool);
    else
        slot = replPoolsAdd(pool, TRUE, FALSE);
    return replPeerSlotEntry(slot);
}

ReplPeerPoolEntry *
replPeerPoolsCreate(ReplPeerPool *pool, GError **err)
{
    ReplPeerSlot *slot;

    REPL_GUARD(&replPoolsChange);
    slot = replPoolsSlot(pool->uuid);
    if (slot && slot->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("pool is already active as '%s'"), pool->def->name);
        return NULL;
    }
    if (replDefsCheckName(pool->def->name, err) < 0 || replDefsSave(replPoolsDefs, FALSE, pool->def, err) < 0)
        return NULL;
    if (!slot) {
        slot = replPoolsAdd(pool, FALSE, FALSE);
    } else {
        /* It runs as it was created, and as it was defined from the next time on. */
        replLockTake(&replPoolsLock);
        slot->next = slot->now;
        slot->now = replPeerPoolRef(pool);
        replLockDrop(&replPoolsLock);
    }
    replPoolsSetActive(slot, TRUE);
    return replPeerSlotEntry(slot);
}

static ReplPeerSlot *
replPoolsNeed(const unsigned char *uuid, GError **err)
{
    ReplPeerSlot *slot = replPoolsSlot(uuid);
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!slot) {
        replUuidFormat(uuid, uuidstr);
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("no storage pool with matching uuid '%s'"), uuidstr);
    }
    return slot;
}

int
replPeerPoolsUndefine(const unsigned char *uuid, GError **err)
{
    ReplPeerSlot *slot;

    REPL_GUARD(&replPoolsChange);
    if (!(slot = replPoolsNeed(uuid, err)))
        return -1;
    if (slot->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is still active"),
                     slot->now->def->name);
        return -1;
    }
    if (replDefsSetAutostart(replPoolsDefs, slot->now->def->name, FALSE, err) < 0 ||
        replDefsRemove(replPoolsDefs, TRUE, slot->now->def->name, err) < 0)
        return -1;
    replPoolsDrop(slot);
    return 0;
}

int
replPeerPoolsActivate(const unsigned char *uuid, GError **err)
{
    ReplPeerSlot *slot;

    REPL_GUARD(&replPoolsChange);
    if (!(slot = replPoolsNeed(uuid, err)))
        return -1;
    if (slot->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is already active"),
                     slot->now->def->name);
        return -1;
    }
    if (replDefsSave(replPoolsDefs, FALSE, slot->now->def, err) < 0)
        return -1;
    replPoolsSetActive(slot, TRUE);
    return 0;
}

int
replPeerPoolsDeactivate(const unsigned char *uuid, GError **err)
{
    ReplPeerSlot *slot;

    REPL_GUARD(&replPoolsChange);
    if (!(slot = replPoolsNeed(uuid, err)))
        return -1;
    if (!slot->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is not active"),
                     slot->now->def->name);
        return -1;
    }
    if (replDefsRemove(replPoolsDefs, FALSE, slot->now->def->name, err) < 0)
        return -1;
    replPoolsSetActive(slot, FALSE);
    if (!slot->persistent)
        replPoolsDrop(slot);
    return 0;
}

int
replPeerPoolsSetAutostart(const unsigned char *uuid, gboolean on, GError **err)
{
    ReplPeerSlot *slot;

    REPL_GUARD(&replPoolsChange);
    if (!(slot = replPoolsNeed(uuid, err)))
        return -1;
    if (!slot->persistent) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s", _("pool has no config file"));
        return -1;
    }
    if (replDefsSetAutostart(replPoolsDefs, slot->now->def->name, on, err) < 0)
        return -1;
    replLockTake(&replPoolsLock);
    slot->autostart = on;
    replLockDrop(&replPoolsLock);
    return 0;
}

void
replPoolsOpen(ReplDefs *defs, const ReplPeerStock *stock, const char *allowed)
{
    replPoolsDefs = defs;
    replPoolsStock = *stock;
    replPoolsAllowedUris = g_strdup(allowed);
    replPoolsSlots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replPeerSlotFree);
}

gboolean
replPoolsIsOpen(void)
{
    return replPoolsSlots != NULL;
}
