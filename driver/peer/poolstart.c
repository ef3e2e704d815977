/*
 * poolstart.c: the pools of type region that there are when the daemon starts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "base/log.h"
#include "peer/poolspriv.h"

static ReplPeerPool *
replPoolsLoadOne(const ReplRegionPool *def)
{
    g_autofree char *allowed = replPeerPoolsAllowed();
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerPool) pool = replPeerPoolNew(def, allowed, &err);

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
    ReplPeerKnown *known;

    if (!pool)
        return;
    if (replPoolsDuplicate(def->name, def->uuid, TRUE, &err) < 0) {
        replError("Storage pool '%s' stays out: %s", def->name, err->message);
        return;
    }
    if ((known = replPoolsKnown(pool->uuid))) {
        known->next = known->now;
        known->now = g_steal_pointer(&pool);
    } else {
        known = replPoolsAdd(pool, FALSE, FALSE);
    }
    replPoolsSetActive(known, TRUE);
}

static void
replPoolsAutostart(void)
{
    g_autoptr(GPtrArray) entries = replPeerPoolsAll();
    guint i;

    for (i = 0; i < entries->len; i++) {
        const ReplPeerPoolEntry *entry = g_ptr_array_index(entries, i);
        ReplPeerKnown *known = replPoolsKnown(entry->pool->uuid);
        g_autoptr(GError) err = NULL;

        if (!entry->autostart || entry->active)
            continue;
        if (replDefsSave(replPoolsDefs, FALSE, entry->pool->def, &err) < 0)
            replWarn("Storage pool '%s' is started, but not when the daemon restarts: %s",
                     entry->pool->def->name, err->message);
        replPoolsSetActive(known, TRUE);
    }
}

int
replPeerPoolsStart(const char *configDir, const char *runDir, const char *allowed, const ReplPeerStock *stock,
                   GError **err)
{
    g_autoptr(ReplDefs) defs = replDefsNew(configDir, runDir);
    g_autoptr(GPtrArray) persistent = NULL;
    g_autoptr(GPtrArray) running = NULL;
    guint i;

    if (replPoolsIsOpen())
        return 0;
    if (!(persistent = replDefsLoad(defs, TRUE, err)) || !(running = replDefsLoad(defs, FALSE, err)))
        return -1;
    replPoolsOpen(g_steal_pointer(&defs), stock, allowed);
    REPL_GUARD(&replPoolsChange);
    for (i = 0; i < persistent->len; i++)
        replPoolsLoadPersistent(g_ptr_array_index(persistent, i));
    for (i = 0; i < running->len; i++)
        replPoolsLoadRunning(g_ptr_array_index(running, i));
    replPoolsAutostart();
    return 0;
}
