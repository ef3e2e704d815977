/*
 * pools.c: the pools of type region of this daemon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/pools.h"

#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "peer/defs.h"
#include "virt/access.h"

typedef struct {
    ReplPeerPool *now;
    ReplPeerPool *next; /* defined while it ran; NULL: as now */
    gboolean active;
    gboolean persistent;
    gboolean autostart;
} ReplPeerSlot;

/* Held over a change, disk I/O included, but not while the stock driver is asked; guards the definitions on disk.
 * Taken before replPoolsLock. */
static ReplLock replPoolsChange = REPL_LOCK_INIT;
static ReplDefs *replPoolsDefs;

/* Guards these four; never held over disk I/O. */
static ReplLock replPoolsLock = REPL_LOCK_INIT;
static GHashTable *replPoolsSlots; /* UUID -> ReplPeerSlot */
static GHashTable
    *replPoolsReserved; /* names and UUIDs -> how many stock definitions are under way, -1: one of ours is */
static char *replPoolsAllowedUris;
static ReplPeerStock replPoolsStock;

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

static ReplPeerSlot *
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

static int
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

/* Whether @key is free for a pool of ours (nobody has it), or for one of the stock driver's (none of ours has it). */
static gboolean
replPoolsIsFree(const char *key, gboolean ours)
{
    int count = GPOINTER_TO_INT(g_hash_table_lookup(replPoolsReserved, key));

    return ours ? count == 0 : count >= 0;
}

static void
replPoolsCount(const char *key, gboolean ours, gboolean more)
{
    int count = GPOINTER_TO_INT(g_hash_table_lookup(replPoolsReserved, key));

    count = ours ? (more ? -1 : 0) : (more ? count + 1 : count - 1);
    if (count)
        g_hash_table_insert(replPoolsReserved, g_strdup(key), GINT_TO_POINTER(count));
    else
        g_hash_table_remove(replPoolsReserved, key);
}

/* A name is told from a UUID in the table by what stands before it: no name has a '/'. */
static char *
replPoolsNameKey(const char *name)
{
    return g_strconcat("/", name, NULL);
}

static int
replPoolsReserve(const char *name, const char *uuid, gboolean ours, GError **err)
{
    g_autofree char *key = replPoolsNameKey(name);

    REPL_GUARD(&replPoolsLock);
    if (!replPoolsIsFree(key, ours) || (uuid && !replPoolsIsFree(uuid, ours))) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("Another call is just defining storage pool '%s'"),
                     name);
        return -1;
    }
    if (replPoolsDuplicate(name, uuid, ours, err) < 0)
        return -1;
    replPoolsCount(key, ours, TRUE);
    if (uuid)
        replPoolsCount(uuid, ours, TRUE);
    return 0;
}

void
replPeerPoolsUnreserve(const char *name, const unsigned char *uuid, gboolean ours)
{
    g_autofree char *key = replPoolsNameKey(name);
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!replPoolsSlots)
        return;
    if (uuid)
        replUuidFormat(uuid, uuidstr);
    REPL_GUARD(&replPoolsLock);
    replPoolsCount(key, ours, FALSE);
    if (uuid)
        replPoolsCount(uuidstr, ours, FALSE);
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
static void
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

static ReplPeerSlot *
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

/* ---- start */

static ReplPeerPool *
replPoolsLoadOne(const ReplRegionPool *def)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerPool) pool = replPeerPoolNew(def, replPoolsAllowedUris, &err);

    if (!pool) {
        replError("Storage pool '%s' stays out: %s", def->name, err->message);
        return NULL;
    }
    if (replPoolsStock.hasName(def->name) || replPoolsStock.hasUuid(pool->uuid)) {
        replError(
            "Storage pool '%s' of type 'region' stays out: another pool of this host has its name or UUID",
            def->name);
        return NULL;
    }
    return g_steal_pointer(&pool);
}

static void
replPoolsLoadPersistent(const ReplRegionPool *def)
{
    g_autoptr(ReplPeerPool) pool = replPoolsLoadOne(def);
    g_autoptr(GError) err = NULL;

    if (!pool)
        return;
    if (replPoolsDuplicate(def->name, def->uuid, FALSE, &err) < 0)
        replError("Storage pool '%s' stays out: %s", def->name, err->message);
    else
        replPoolsAdd(pool, TRUE, replDefsAutostart(replPoolsDefs, def->name));
}

/* It ran when the daemon ended: it goes on with the definition that it had. */
static void
replPoolsLoadRunning(const ReplRegionPool *def)
{
    g_autoptr(ReplPeerPool) pool = replPoolsLoadOne(def);
    g_autoptr(GError) err = NULL;
    ReplPeerSlot *slot;

    if (!pool)
        return;
    if (replPoolsDuplicate(def->name, def->uuid, TRUE, &err) < 0) {
        replError("Storage pool '%s' stays out: %s", def->name, err->message);
        return;
    }
    if ((slot = replPoolsSlot(pool->uuid))) {
        slot->next = slot->now;
        slot->now = g_steal_pointer(&pool);
    } else {
        slot = replPoolsAdd(pool, FALSE, FALSE);
    }
    replPoolsSetActive(slot, TRUE);
}

static void
replPoolsAutostart(void)
{
    g_autoptr(GPtrArray) entries = replPeerPoolsAll();
    guint i;

    for (i = 0; i < entries->len; i++) {
        const ReplPeerPoolEntry *entry = g_ptr_array_index(entries, i);
        ReplPeerSlot *slot = replPoolsSlot(entry->pool->uuid);
        g_autoptr(GError) err = NULL;

        if (!entry->autostart || entry->active)
            continue;
        if (replDefsSave(replPoolsDefs, FALSE, entry->pool->def, &err) < 0)
            replWarn("Storage pool '%s' is started, but not when the daemon restarts: %s",
                     entry->pool->def->name, err->message);
        replPoolsSetActive(slot, TRUE);
    }
}

int
replPeerPoolsStart(const char *configDir, const char *runDir, const char *allowed, const ReplPeerStock *stock,
                   GError **err)
{
    g_autoptr(GPtrArray) persistent = NULL;
    g_autoptr(GPtrArray) running = NULL;
    guint i;

    if (replPoolsSlots)
        return 0;
    replPoolsDefs = replDefsNew(configDir, runDir);
    if (!(persistent = replDefsLoad(replPoolsDefs, TRUE, err)) ||
        !(running = replDefsLoad(replPoolsDefs, FALSE, err)))
        return -1;
    replPoolsStock = *stock;
    replPoolsAllowedUris = g_strdup(allowed);
    replPoolsReserved = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    replPoolsSlots = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replPeerSlotFree);
    REPL_GUARD(&replPoolsChange);
    for (i = 0; i < persistent->len; i++)
        replPoolsLoadPersistent(g_ptr_array_index(persistent, i));
    for (i = 0; i < running->len; i++)
        replPoolsLoadRunning(g_ptr_array_index(running, i));
    replPoolsAutostart();
    return 0;
}
