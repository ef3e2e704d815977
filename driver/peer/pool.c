/*
 * pool.c: one pool of type region: its definition, its peer, and the pool behind it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/pool.h"

#include <stdlib.h>
#include <string.h>

#include "virt/access.h"
#include "virt/report.h"
#include "xml/peerxml.h"

#define REPL_PEER_ACL_VOLS_MAX 4096

static void
replPeerFactsClear(ReplPeerFacts *facts)
{
    g_free(facts->region);
    g_free(facts->project);
    g_free(facts->path);
    *facts = (ReplPeerFacts){0, NULL, NULL, NULL};
}

/* A definition that access control can be asked about. It has a target because the parser wants one; it is never used. */
static ReplVirtPoolDef *
replPeerPoolAclDef(const ReplRegionPool *def, GError **err)
{
    g_autofree char *name = g_markup_escape_text(def->name, -1);
    g_autofree char *xml =
        g_strdup_printf("<pool type='dir'><name>%s</name><uuid>%s</uuid><target><path>/nonexistent"
                        "</path></target></pool>",
                        name, def->uuid);
    ReplVirtPoolDef *acl = replVirt.StoragePoolDefParse(xml, NULL, 0);

    if (!acl)
        replTakeError(err);
    return acl;
}

ReplPeerPool *
replPeerPoolNew(const ReplRegionPool *def, const char *allowed, GError **err)
{
    g_autofree char *made = NULL;
    g_autoptr(ReplPeerUri) uri = NULL;
    ReplVirtPoolDef *acl;
    ReplPeerPool *pool;

    if (!def->uri && !(made = replPeerUriOfHost(def->host, def->port, err)))
        return NULL;
    if (!(uri = replPeerUriParse(made ? made : def->uri, allowed, err)) ||
        !(acl = replPeerPoolAclDef(def, err)))
        return NULL;
    pool = g_new0(ReplPeerPool, 1);
    g_atomic_ref_count_init(&pool->refs);
    replLockInit(&pool->lock);
    pool->aclVols =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)replPeerAclVolUnref);
    pool->def = replRegionPoolCopy(def);
    replUuidParse(def->uuid, pool->uuid);
    pool->aclDef = acl;
    pool->peer = replPeerGet(uri);
    pool->uri = g_steal_pointer(&uri);
    return pool;
}

ReplPeerPool *
replPeerPoolRef(ReplPeerPool *pool)
{
    g_atomic_ref_count_inc(&pool->refs);
    return pool;
}

void
replPeerPoolUnref(ReplPeerPool *pool)
{
    if (!pool || !g_atomic_ref_count_dec(&pool->refs))
        return;
    replPeerFactsClear(&pool->facts);
    g_hash_table_unref(pool->aclVols);
    replVirt.StoragePoolDefFree(pool->aclDef);
    replPeerUnref(pool->peer);
    replPeerUriFree(pool->uri);
    replRegionPoolFree(pool->def);
    replLockClear(&pool->lock);
    g_free(pool);
}

void
replPeerPoolForget(ReplPeerPool *pool)
{
    REPL_GUARD(&pool->lock);
    pool->facts.link = 0;
}

void
replPeerPoolSeen(ReplPeerPool *pool, char **region, char **project, char **path)
{
    REPL_GUARD(&pool->lock);
    if (region)
        *region = g_strdup(pool->facts.region ? pool->facts.region : pool->def->region);
    if (project)
        *project = g_strdup(pool->facts.project ? pool->facts.project : pool->def->project);
    if (path)
        *path = g_strdup(pool->facts.path);
}

/* Whether the pool there may stand behind @pool. */
static int
replPeerPoolJudge(const ReplPeerPool *pool, const ReplPeerPoolXml *xml, GError **err)
{
    const ReplRegionPool *def = pool->def;
    const char *region = xml->region ? xml->region : def->source;

    if (g_strcmp0(xml->type, REPL_REGION_POOL_TYPE) == 0) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Storage pool '%s' of peer '%s' is itself on another host: define a pool for that "
                       "host instead"),
                     def->source, pool->uri->text);
        return -1;
    }
    if (def->region && !g_str_equal(def->region, region)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Storage pool '%s' says that it is region '%s', but peer '%s' says that its pool '%s' "
                       "is region '%s'"),
                     def->name, def->region, pool->uri->text, def->source, region);
        return -1;
    }
    return 0;
}

int
replPeerPoolLearn(ReplPeerPool *pool, ReplLink *link, const char *text, GError **err)
{
    g_autoptr(ReplPeerPoolXml) xml = replPeerPoolXmlParse(text, NULL, NULL, err);

    if (!xml || replPeerPoolJudge(pool, xml, err) < 0)
        return -1;
    REPL_GUARD(&pool->lock);
    replPeerFactsClear(&pool->facts);
    pool->facts.link = link->id;
    pool->facts.region = g_strdup(xml->region ? xml->region : pool->def->source);
    pool->facts.project = g_strdup(xml->project);
    pool->facts.path = g_strdup(xml->path);
    return 0;
}

static gboolean
replPeerPoolKnows(ReplPeerPool *pool, const ReplLink *link)
{
    REPL_GUARD(&pool->lock);
    return pool->facts.link == link->id;
}

virStoragePoolPtr
replPeerPoolRemote(ReplPeerPool *pool, ReplLink *link, GError **err)
{
    virStoragePoolPtr remote;
    char *xml;
    int ret;

    if (!replPeerPoolKnows(pool, link))
        replLinkForgetPool(link, pool->def->source);
    if (!(remote = replLinkPool(link, pool->def->source, err)))
        return NULL;
    if (replPeerPoolKnows(pool, link))
        return remote;
    if (!(xml = virStoragePoolGetXMLDesc(remote, 0))) {
        replLinkTakeError(link->uri, link->transport, FALSE, err);
        virStoragePoolFree(remote);
        return NULL;
    }
    ret = replPeerPoolLearn(pool, link, xml, err);
    free(xml);
    if (ret == 0)
        return remote;
    virStoragePoolFree(remote);
    return NULL;
}

void
replPeerAclVolUnref(ReplPeerAclVol *vol)
{
    if (!vol || !g_atomic_ref_count_dec(&vol->refs))
        return;
    replVirt.StorageVolDefFree(vol->def);
    g_free(vol);
}

static ReplPeerAclVol *
replPeerAclVolRef(ReplPeerAclVol *vol)
{
    g_atomic_ref_count_inc(&vol->refs);
    return vol;
}

static ReplPeerAclVol *
replPeerAclVolNew(const ReplPeerPool *pool, const char *volume)
{
    g_autofree char *key = replPeerVolKey(pool->def->uuid, volume);
    g_autofree char *xml = g_markup_printf_escaped(
        "<volume><name>%s</name><key>%s</key><capacity>0</capacity></volume>", volume, key);
    ReplVirtVolDef *def =
        replVirt.StorageVolDefParse(pool->aclDef, xml, NULL, REPL_VIRT_VOL_PARSE_NO_CAPACITY);
    ReplPeerAclVol *vol;

    if (!def)
        return NULL;
    vol = g_new0(ReplPeerAclVol, 1);
    g_atomic_ref_count_init(&vol->refs);
    vol->def = def;
    return vol;
}

ReplPeerAclVol *
replPeerPoolAclVol(ReplPeerPool *pool, const char *volume)
{
    ReplPeerAclVol *vol;

    replLockTake(&pool->lock);
    if ((vol = g_hash_table_lookup(pool->aclVols, volume)))
        replPeerAclVolRef(vol);
    replLockDrop(&pool->lock);
    if (vol || !(vol = replPeerAclVolNew(pool, volume)))
        return vol;
    REPL_GUARD(&pool->lock);
    /* Clients may ask for any name. */
    if (g_hash_table_size(pool->aclVols) >= REPL_PEER_ACL_VOLS_MAX)
        g_hash_table_remove_all(pool->aclVols);
    g_hash_table_replace(pool->aclVols, g_strdup(volume), replPeerAclVolRef(vol));
    return vol;
}
