/*
 * lists.c: calls that concern all pools at once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/lists.h"

#include "peer/remote.h"
#include "virt/access.h"
#include "virt/events.h"
#include "virt/report.h"

#define REPL_LIST_PERSISTENCE                                                                                \
    (VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT | VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT)
#define REPL_LIST_ACTIVITY (VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE | VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE)
#define REPL_LIST_AUTOSTART                                                                                  \
    (VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART | VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART)

int
replPeerListNames(virConnectPtr conn, gboolean active, char **names, int max, ReplVirtPoolFilter filter)
{
    g_autoptr(GPtrArray) entries = replPeerPoolsAll();
    int count = 0;
    guint i;

    for (i = 0; i < entries->len && count < max; i++) {
        const ReplPeerPoolEntry *entry = g_ptr_array_index(entries, i);

        if (!entry->active != !active || !filter(conn, entry->pool->aclDef))
            continue;
        if (names)
            names[count] = g_strdup(entry->pool->def->name);
        count++;
    }
    return count;
}

/* Of each pair of flags, none or both mean all. */
static gboolean
replPeerListWants(const ReplPeerPoolEntry *entry, guint flags)
{
    if ((flags & REPL_LIST_PERSISTENCE) &&
        !(flags & (entry->persistent ? VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT
                                     : VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT)))
        return FALSE;
    if ((flags & REPL_LIST_ACTIVITY) && !(flags & (entry->active ? VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
                                                                 : VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE)))
        return FALSE;
    if ((flags & REPL_LIST_AUTOSTART) &&
        !(flags & (entry->autostart ? VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART
                                    : VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART)))
        return FALSE;
    /* What is left are the stock driver's types. */
    return !(flags & ~(guint)(REPL_LIST_PERSISTENCE | REPL_LIST_ACTIVITY | REPL_LIST_AUTOSTART));
}

GPtrArray *
replPeerListAll(virConnectPtr conn, unsigned int flags)
{
    GPtrArray *pools = g_ptr_array_new_with_free_func((GDestroyNotify)replPoolUnref);
    g_autoptr(GPtrArray) entries = replPeerPoolsAll();
    guint i;

    for (i = 0; i < entries->len; i++) {
        const ReplPeerPoolEntry *entry = g_ptr_array_index(entries, i);
        virStoragePoolPtr pool;

        if (replPeerListWants(entry, flags) &&
            replVirt.ConnectListAllStoragePoolsCheckACL(conn, entry->pool->aclDef) &&
            (pool = replRemotePoolHandle(conn, entry)))
            g_ptr_array_add(pools, pool);
    }
    return pools;
}

gboolean
replPeerHasName(const char *name)
{
    g_autoptr(ReplPeerPoolEntry) entry = replPeerPoolsFindName(name);

    return entry != NULL;
}

static ReplPeerPoolEntry *
replPeerNeed(ReplPeerPoolEntry *entry, const char *what)
{
    /* The pool was there when the caller chose this table, and was undefined since. */
    if (!entry)
        replReportError(VIR_ERR_NO_STORAGE_POOL, _("no storage pool with matching %s"), what);
    return entry;
}

virStoragePoolPtr
replPeerLookupName(virConnectPtr conn, const char *name)
{
    g_autoptr(ReplPeerPoolEntry) entry = replPeerNeed(replPeerPoolsFindName(name), name);

    if (!entry || replVirt.StoragePoolLookupByNameEnsureACL(conn, entry->pool->aclDef) < 0)
        return NULL;
    return replRemotePoolHandle(conn, entry);
}

virStoragePoolPtr
replPeerLookupUuid(virConnectPtr conn, const unsigned char *uuid)
{
    g_autoptr(ReplPeerPoolEntry) entry = replPeerNeed(replPeerPoolsFind(uuid), "uuid");

    if (!entry || replVirt.StoragePoolLookupByUUIDEnsureACL(conn, entry->pool->aclDef) < 0)
        return NULL;
    return replRemotePoolHandle(conn, entry);
}

/* Parses the definition, and gives it a new UUID when it has none: as with the stock driver, it is then
 * another pool than the one that has its name already. */
static ReplRegionPool *
replPeerParse(const char *xml, GError **err)
{
    ReplRegionPool *def = replRegionPoolParse(xml, err);

    if (!def || def->uuid)
        return def;
    def->uuid = g_uuid_string_random();
    return def;
}

/* Asks the peer whether its pool may stand behind this one, so that a definition that cannot work is refused
 * at once. If the peer is away, the definition is accepted, and the pool is checked when the peer is
 * there. */
static int
replPeerTry(ReplPeerPool *pool, GError **err)
{
    const ReplPeerPoolEntry entry = {pool, TRUE, TRUE, FALSE};
    g_autoptr(ReplRemoteCall) call = replRemoteCallNew(&entry, NULL, replRemoteActNothing);
    g_autoptr(GError) why = NULL;
    int ret;

    replPeerUse(pool->peer);
    ret = replPeerCallQuick(pool->peer, &call->call, &why);
    replPeerLeave(pool->peer);
    /* Only what is wrong with the definition itself counts: the peer may mend the rest. */
    if (ret == 0 || !g_error_matches(why, REPL_ERROR, VIR_ERR_OPERATION_INVALID))
        return 0;
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

typedef ReplPeerPoolEntry *(*ReplPeerMake)(ReplPeerPool *pool, GError **err);

static ReplPeerPoolEntry *
replPeerMakeDefined(ReplPeerPool *pool, GError **err)
{
    gboolean fresh;
    ReplPeerPoolEntry *entry = replPeerPoolsDefine(pool, &fresh, err);

    if (entry)
        replEventsLifecycle(pool->def->name, pool->uuid, VIR_STORAGE_POOL_EVENT_DEFINED);
    return entry;
}

static ReplPeerPoolEntry *
replPeerMakeCreated(ReplPeerPool *pool, GError **err)
{
    ReplPeerPoolEntry *entry = replPeerPoolsCreate(pool, err);

    if (entry)
        replEventsLifecycle(pool->def->name, pool->uuid, VIR_STORAGE_POOL_EVENT_STARTED);
    return entry;
}

static virStoragePoolPtr
replPeerMakePool(virConnectPtr conn, const char *xml, ReplVirtPoolAcl check, ReplPeerMake make)
{
    GError *err = NULL;
    g_autofree char *allowed = replPeerPoolsAllowed();
    g_autoptr(ReplRegionPool) def = replPeerParse(xml, &err);
    g_autoptr(ReplPeerPool) pool = def ? replPeerPoolNew(def, allowed, &err) : NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;

    if (pool && check(conn, pool->aclDef) < 0)
        return NULL;
    if (pool && replPeerPoolsReserve(def->name, pool->uuid, TRUE, &err) == 0) {
        if (replPeerTry(pool, &err) == 0)
            entry = make(pool, &err);
        replPeerPoolsUnreserve(def->name, pool->uuid, TRUE);
    }
    if (entry)
        return replRemotePoolHandle(conn, entry);
    replReport(err);
    return NULL;
}

virStoragePoolPtr
replPeerDefine(virConnectPtr conn, const char *xml, unsigned int flags)
{
    (void)flags; /* VALIDATE is what always happens */
    return replPeerMakePool(conn, xml, replVirt.StoragePoolDefineXMLEnsureACL, replPeerMakeDefined);
}

virStoragePoolPtr
replPeerCreate(virConnectPtr conn, const char *xml, unsigned int flags)
{
    if (flags) {
        replReportError(VIR_ERR_NO_SUPPORT, "%s",
                        _("A pool of type 'region' is on another host and cannot be built from here"));
        return NULL;
    }
    return replPeerMakePool(conn, xml, replVirt.StoragePoolCreateXMLEnsureACL, replPeerMakeCreated);
}
