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
#include "virt/below.h"

ReplLock replPoolsChange = REPL_LOCK_INIT;
ReplDefs *replPoolsDefs;
ReplPeerStock replPoolsStock;

/* Guards these two; never held over disk I/O. */
static ReplLock replPoolsLock = REPL_LOCK_INIT;
static GHashTable *replPoolsAll; /* UUID -> ReplPeerKnown */
static char *replPoolsAllowedUris;

static void
replPeerKnownFree(gpointer opaque)
{
    ReplPeerKnown *known = opaque;

    replPeerPoolUnref(known->now);
    replPeerPoolUnref(known->next);
    g_free(known);
}

void
replPeerPoolEntryFree(ReplPeerPoolEntry *entry)
{
    if (entry)
        replPeerPoolUnref(entry->pool);
    g_free(entry);
}

static ReplPeerPoolEntry *
replPeerKnownEntry(const ReplPeerKnown *known)
{
    ReplPeerPoolEntry *entry = g_new0(ReplPeerPoolEntry, 1);

    entry->pool = replPeerPoolRef(known->now);
    entry->active = known->active;
    entry->persistent = known->persistent;
    entry->autostart = known->autostart;
    return entry;
}

/* ---- looking; all of these take the lock themselves */

ReplPeerKnown *
replPoolsKnown(const unsigned char *uuid)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    replUuidFormat(uuid, uuidstr);
    return replPoolsAll ? g_hash_table_lookup(replPoolsAll, uuidstr) : NULL;
}

static ReplPeerKnown *
replPoolsKnownByName(const char *name)
{
    GHashTableIter iter;
    gpointer known;

    if (!replPoolsAll)
        return NULL;
    g_hash_table_iter_init(&iter, replPoolsAll);
    while (g_hash_table_iter_next(&iter, NULL, &known)) {
        if (g_str_equal(((ReplPeerKnown *)known)->now->def->name, name))
            return known;
    }
    return NULL;
}

gboolean
replPeerPoolsHas(const unsigned char *uuid)
{
    REPL_GUARD(&replPoolsLock);

    return replPoolsKnown(uuid) != NULL;
}

ReplPeerPoolEntry *
replPeerPoolsFind(const unsigned char *uuid)
{
    const ReplPeerKnown *known;

    if (!replPoolsAll)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    return (known = replPoolsKnown(uuid)) ? replPeerKnownEntry(known) : NULL;
}

ReplPeerPoolEntry *
replPeerPoolsFindName(const char *name)
{
    const ReplPeerKnown *known;

    if (!replPoolsAll)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    return (known = replPoolsKnownByName(name)) ? replPeerKnownEntry(known) : NULL;
}

static int
replPeerPoolEntryCompare(gconstpointer a, gconstpointer b)
{
    const ReplPeerPoolEntry *x = *(const ReplPeerPoolEntry *const *)a;
    const ReplPeerPoolEntry *y = *(const ReplPeerPoolEntry *const *)b;

    return strcmp(x->pool->def->name, y->pool->def->name);
}

static GPtrArray *
replPoolsWhere(gboolean (*wanted)(const ReplPeerKnown *known, gconstpointer a, gconstpointer b),
               gconstpointer a, gconstpointer b)
{
    GPtrArray *entries = g_ptr_array_new_with_free_func((GDestroyNotify)replPeerPoolEntryFree);
    GHashTableIter iter;
    gpointer known;

    if (!replPoolsAll)
        return entries;
    replLockTake(&replPoolsLock);
    g_hash_table_iter_init(&iter, replPoolsAll);
    while (g_hash_table_iter_next(&iter, NULL, &known)) {
        if (!wanted || wanted(known, a, b))
            g_ptr_array_add(entries, replPeerKnownEntry(known));
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
replPoolsIsBehind(const ReplPeerKnown *known, gconstpointer peer, gconstpointer source)
{
    return known->active && known->now->peer == peer &&
           (!source || g_str_equal(known->now->def->source, source));
}

GPtrArray *
replPeerPoolsBehind(const ReplPeer *peer, const char *source)
{
    return replPoolsWhere(replPoolsIsBehind, peer, source);
}

ReplRegionPool *
replPeerPoolsInactive(const unsigned char *uuid)
{
    const ReplPeerKnown *known;

    if (!replPoolsAll)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    if (!(known = replPoolsKnown(uuid)))
        return NULL;
    return replRegionPoolCopy(known->next ? known->next->def : known->now->def);
}

char *
replPeerPoolsAllowed(void)
{
    if (!replPoolsAll)
        return NULL;
    REPL_GUARD(&replPoolsLock);
    return g_strdup(replPoolsAllowedUris);
}

void
replPeerPoolsAllow(const char *allowed)
{
    if (!replPoolsAll)
        return;
    REPL_GUARD(&replPoolsLock);
    g_free(replPoolsAllowedUris);
    replPoolsAllowedUris = g_strdup(allowed);
}

/* ---- names and UUIDs */

int
replPoolsDuplicate(const char *name, const char *uuid, gboolean ours, GError **err)
{
    const ReplPeerKnown *known;

    if ((known = replPoolsKnownByName(name)) &&
        (!ours || !uuid || !g_str_equal(known->now->def->uuid, uuid))) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("pool '%s' is already defined with uuid %s"), name,
                     known->now->def->uuid);
        return -1;
    }
    if (uuid && (known = g_hash_table_lookup(replPoolsAll, uuid)) &&
        (!ours || !g_str_equal(known->now->def->name, name))) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("pool '%s' is already defined with uuid %s"),
                     known->now->def->name, uuid);
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

    if (!replPoolsAll)
        return;
    if (uuid)
        replUuidFormat(uuid, uuidstr);
    replReserveGive(name, uuid ? uuidstr : NULL, ours);
}

int
replPeerPoolsReserve(const char *name, const unsigned char *uuid, gboolean ours, GError **err)
{
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!replPoolsAll)
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

/* Whether the peer of the pool's running definition is to be connected. */
void
replPoolsSetActive(ReplPeerKnown *known, gboolean active)
{
    ReplPeerPool *before = known->now;

    replLockTake(&replPoolsLock);
    known->active = active;
    /* What was defined in the meantime holds from the next start on. */
    if (!active && known->next)
        known->now = g_steal_pointer(&known->next);
    else
        before = NULL;
    replLockDrop(&replPoolsLock);
    if (active)
        replPeerUse(known->now->peer);
    else
        replPeerLeave(before ? before->peer : known->now->peer);
    replPeerPoolUnref(before);
}

ReplPeerKnown *
replPoolsAdd(ReplPeerPool *pool, gboolean persistent, gboolean autostart)
{
    ReplPeerKnown *known = g_new0(ReplPeerKnown, 1);

    known->now = replPeerPoolRef(pool);
    known->persistent = persistent;
    known->autostart = autostart;
    REPL_GUARD(&replPoolsLock);
    g_hash_table_insert(replPoolsAll, g_strdup(pool->def->uuid), known);
    replBelowCountPeers(g_hash_table_size(replPoolsAll));
    return known;
}

static void
replPoolsDrop(ReplPeerKnown *known)
{
    g_autofree char *uuid = g_strdup(known->now->def->uuid);
    gpointer gone = NULL;
    g_autofree char *key = NULL;

    replLockTake(&replPoolsLock);
    g_hash_table_steal_extended(replPoolsAll, uuid, (gpointer *)&key, &gone);
    replBelowCountPeers(g_hash_table_size(replPoolsAll));
    replLockDrop(&replPoolsLock);
    replPeerKnownFree(gone);
}

/* A new definition of a pool that is there: at once, or when it is started next. */
static void
replPoolsRedefine(ReplPeerKnown *known, ReplPeerPool *pool)
{
    ReplPeerPool **changed = known->active ? &known->next : &known->now;
    ReplPeerPool *before;

    replLockTake(&replPoolsLock);
    before = *changed;
    *changed = replPeerPoolRef(pool);
    known->persistent = TRUE;
    replLockDrop(&replPoolsLock);
    replPeerPoolUnref(before);
}

ReplPeerPoolEntry *
replPeerPoolsDefine(ReplPeerPool *pool, gboolean *fresh, GError **err)
{
    ReplPeerKnown *known;

    REPL_GUARD(&replPoolsChange);
    if (replDefsCheckName(pool->def->name, err) < 0 || replDefsSave(replPoolsDefs, TRUE, pool->def, err) < 0)
        return NULL;
    known = replPoolsKnown(pool->uuid);
    *fresh = !known;
    if (known)
        replPoolsRedefine(known, pool);
    else
        known = replPoolsAdd(pool, TRUE, FALSE);
    return replPeerKnownEntry(known);
}

ReplPeerPoolEntry *
replPeerPoolsCreate(ReplPeerPool *pool, GError **err)
{
    ReplPeerKnown *known;

    REPL_GUARD(&replPoolsChange);
    known = replPoolsKnown(pool->uuid);
    if (known && known->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("pool is already active as '%s'"), pool->def->name);
        return NULL;
    }
    if (replDefsCheckName(pool->def->name, err) < 0 || replDefsSave(replPoolsDefs, FALSE, pool->def, err) < 0)
        return NULL;
    if (!known) {
        known = replPoolsAdd(pool, FALSE, FALSE);
    } else {
        /* The pool runs now as this call creates it; from its next start on it runs as it was defined. */
        replLockTake(&replPoolsLock);
        known->next = known->now;
        known->now = replPeerPoolRef(pool);
        replLockDrop(&replPoolsLock);
    }
    replPoolsSetActive(known, TRUE);
    return replPeerKnownEntry(known);
}

static ReplPeerKnown *
replPoolsNeed(const unsigned char *uuid, GError **err)
{
    ReplPeerKnown *known = replPoolsKnown(uuid);
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!known) {
        replUuidFormat(uuid, uuidstr);
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("no storage pool with matching uuid '%s'"), uuidstr);
    }
    return known;
}

int
replPeerPoolsUndefine(const unsigned char *uuid, GError **err)
{
    ReplPeerKnown *known;

    REPL_GUARD(&replPoolsChange);
    if (!(known = replPoolsNeed(uuid, err)))
        return -1;
    if (known->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is still active"),
                     known->now->def->name);
        return -1;
    }
    if (replDefsSetAutostart(replPoolsDefs, known->now->def->name, FALSE, err) < 0 ||
        replDefsRemove(replPoolsDefs, TRUE, known->now->def->name, err) < 0)
        return -1;
    replPoolsDrop(known);
    return 0;
}

int
replPeerPoolsActivate(const unsigned char *uuid, GError **err)
{
    ReplPeerKnown *known;

    REPL_GUARD(&replPoolsChange);
    if (!(known = replPoolsNeed(uuid, err)))
        return -1;
    if (known->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is already active"),
                     known->now->def->name);
        return -1;
    }
    if (replDefsSave(replPoolsDefs, FALSE, known->now->def, err) < 0)
        return -1;
    replPoolsSetActive(known, TRUE);
    return 0;
}

int
replPeerPoolsDeactivate(const unsigned char *uuid, GError **err)
{
    ReplPeerKnown *known;

    REPL_GUARD(&replPoolsChange);
    if (!(known = replPoolsNeed(uuid, err)))
        return -1;
    if (!known->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is not active"),
                     known->now->def->name);
        return -1;
    }
    if (replDefsRemove(replPoolsDefs, FALSE, known->now->def->name, err) < 0)
        return -1;
    replPoolsSetActive(known, FALSE);
    if (!known->persistent)
        replPoolsDrop(known);
    return 0;
}

int
replPeerPoolsSetAutostart(const unsigned char *uuid, gboolean on, GError **err)
{
    ReplPeerKnown *known;

    REPL_GUARD(&replPoolsChange);
    if (!(known = replPoolsNeed(uuid, err)))
        return -1;
    if (!known->persistent) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s", _("pool has no config file"));
        return -1;
    }
    if (replDefsSetAutostart(replPoolsDefs, known->now->def->name, on, err) < 0)
        return -1;
    replLockTake(&replPoolsLock);
    known->autostart = on;
    replLockDrop(&replPoolsLock);
    return 0;
}

void
replPoolsOpen(ReplDefs *defs, const ReplPeerStock *stock, const char *allowed)
{
    replPoolsDefs = defs;
    replPoolsStock = *stock;
    replPoolsAllowedUris = g_strdup(allowed);
    replPoolsAll = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replPeerKnownFree);
}

gboolean
replPoolsIsOpen(void)
{
    return replPoolsAll != NULL;
}
