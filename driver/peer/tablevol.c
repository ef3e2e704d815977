/*
 * tablevol.c: the peers' table: what concerns a volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/tableparts.h"

#include <stdlib.h>
#include <string.h>

#include "peer/remote.h"
#include "virt/access.h"
#include "virt/report.h"
#include "xml/peerxml.h"
#include "xml/xml.h"

/* ---- look-ups */

static int
replPeerActLookup(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol = virStorageVolLookupByName(remote, call->volume);

    if (!vol)
        return -1;
    replVolUnref(vol);
    return 0;
}

/* A volume that the peer has and that the caller may see. */
static virStorageVolPtr
replPeerTableFind(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *name, ReplVirtVolAcl check)
{
    g_autoptr(ReplRemoteCall) call = replRemoteCallNew(entry, name, replPeerActLookup);

    if (replRemoteQuick(entry, call) < 0 || replRemoteMayVol(conn, entry, name, check) < 0)
        return NULL;
    return replRemoteVolHandle(conn, entry, name);
}

static int
replPeerAskNothing(virConnectPtr conn, ReplVirtPoolDef *def)
{
    (void)conn;
    (void)def;
    return 0;
}

virStorageVolPtr
replPeerTableVolLookupByName(virStoragePoolPtr pool, const char *name)
{
    /* The volume's own rights decide, as with the stock driver. */
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replPeerAskNothing);

    if (!entry)
        return NULL;
    return replPeerTableFind(virStoragePoolGetConnect(pool), entry, name,
                             replVirt.StorageVolLookupByNameEnsureACL);
}

virStorageVolPtr
replPeerTableVolLookupByKey(virConnectPtr conn, const char *key)
{
    g_autofree char *uuidstr = NULL;
    g_autofree char *name = NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (replPeerVolKeyParse(key, &uuidstr, &name) && replUuidParse(uuidstr, uuid))
        entry = replPeerPoolsFind(uuid);
    if (entry)
        return replPeerTableFind(conn, entry, name, replVirt.StorageVolLookupByKeyEnsureACL);
    replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching key %s"), key);
    return NULL;
}

virStorageVolPtr
replPeerTableVolLookupByPath(virConnectPtr conn, const char *path)
{
    g_autofree char *pool = NULL;
    g_autofree char *name = NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;

    if (replPeerVolPathParse(path, &pool, &name))
        entry = replPeerPoolsFindName(pool);
    if (entry)
        return replPeerTableFind(conn, entry, name, replVirt.StorageVolLookupByPathEnsureACL);
    replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching path '%s'"), path);
    return NULL;
}

static int
replPeerAskNothingVol(virConnectPtr conn, ReplVirtPoolDef *pool, ReplVirtVolDef *vol)
{
    (void)conn;
    (void)pool;
    (void)vol;
    return 0;
}

virStoragePoolPtr
replPeerTablePoolLookupByVolume(virStorageVolPtr vol)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePoolOfVol(vol, replPeerAskNothingVol);
    virConnectPtr conn = virStorageVolGetConnect(vol);

    if (!entry || replVirt.StoragePoolLookupByVolumeEnsureACL(conn, entry->pool->aclDef) < 0)
        return NULL;
    return replRemotePoolHandle(conn, entry);
}

/* ---- creation and removal */

static int
replPeerActCreate(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol;

    if (call->number && !call->call.link->daemonId) {
        replReportError(VIR_ERR_NO_SUPPORT, "%s",
                        _("Its daemon knows no images: it has no replication module"));
        return -1;
    }
    if (!(vol = virStorageVolCreateXML(remote, call->xml, call->flags)))
        return -1;
    free(call->text);
    call->text = strdup(virStorageVolGetName(vol));
    replVolUnref(vol);
    return call->text ? 0 : -1;
}

/* Cancelling a job takes its replica away, which is a right of its own. */
static int
replPeerTableMayCreate(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *xml,
                       const ReplVolXml *parsed)
{
    const ReplUpdate *update = parsed ? parsed->update : NULL;
    ReplVirtVolDef *def =
        replVirt.StorageVolDefParse(entry->pool->aclDef, xml, NULL, REPL_VIRT_VOL_PARSE_NO_CAPACITY);
    int may;

    if (!def)
        return -1;
    may = replVirt.StorageVolCreateXMLEnsureACL(conn, entry->pool->aclDef, def);
    replVirt.StorageVolDefFree(def);
    if (may < 0)
        return -1;
    if (!update || update->verb != REPL_VERB_CANCEL || !update->volume)
        return 0;
    return replRemoteMayVol(conn, entry, update->volume, replVirt.StorageVolDeleteEnsureACL);
}

virStorageVolPtr
replPeerTableVolCreateXML(virStoragePoolPtr pool, const char *xml, unsigned int flags)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePool(pool, replPeerAskNothing);
    g_autoptr(ReplVolXml) parsed = entry ? replVolXmlParse(xml, NULL) : NULL;
    g_autoptr(ReplRemoteCall) call = NULL;

    if (!entry || replPeerTableMayCreate(conn, entry, xml, parsed) < 0)
        return NULL;
    call = replRemoteCallNew(entry, NULL, replPeerActCreate);
    call->xml = g_strdup(xml);
    call->number = parsed && parsed->hasOurs;
    call->flags = flags;
    return replRemoteSlow(entry, call) < 0 ? NULL : replRemoteVolHandle(conn, entry, call->text);
}

virStorageVolPtr
replPeerTableVolCreateXMLFrom(virStoragePoolPtr pool, const char *xml, virStorageVolPtr source,
                              unsigned int flags)
{
    (void)xml;
    (void)source;
    (void)flags;
    replReportError(VIR_ERR_NO_SUPPORT,
                    _("Storage pool '%s' is on another host, or the source volume is: a volume is taken "
                      "there and back by a "
                      "<replication:replicate> in the XML"),
                    virStoragePoolGetName(pool));
    return NULL;
}

/* What the entries below have in common: the volume of the call is @vol. NULL: refused. */
static ReplRemoteCall *
replPeerTableVolCall(virStorageVolPtr vol, ReplVirtVolAcl check,
                     int (*act)(ReplRemoteCall *call, virStoragePoolPtr remote), ReplPeerPoolEntry **entry)
{
    if (!(*entry = replRemotePoolOfVol(vol, check)))
        return NULL;
    return replRemoteCallNew(*entry, virStorageVolGetName(vol), act);
}

static int
replPeerActDelete(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol = replRemoteVol(call);
    int ret = vol ? virStorageVolDelete(vol, call->flags) : -1;

    (void)remote;
    if (vol)
        replVolUnref(vol);
    return ret;
}

int
replPeerTableVolDelete(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRemoteCall) call =
        replPeerTableVolCall(vol, replVirt.StorageVolDeleteEnsureACL, replPeerActDelete, &entry);

    if (!call)
        return -1;
    call->flags = flags;
    return replRemoteSlow(entry, call);
}

static int
replPeerActWipe(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol = replRemoteVol(call);
    int ret = vol ? virStorageVolWipePattern(vol, call->algorithm, call->flags) : -1;

    (void)remote;
    if (vol)
        replVolUnref(vol);
    return ret;
}

int
replPeerTableVolWipePattern(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRemoteCall) call =
        replPeerTableVolCall(vol, replVirt.StorageVolWipePatternEnsureACL, replPeerActWipe, &entry);

    if (!call)
        return -1;
    call->algorithm = algorithm;
    call->flags = flags;
    return replRemoteSlow(entry, call);
}

int
replPeerTableVolWipe(virStorageVolPtr vol, unsigned int flags)
{
    return replPeerTableVolWipePattern(vol, VIR_STORAGE_VOL_WIPE_ALG_ZERO, flags);
}

static int
replPeerActResize(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol = replRemoteVol(call);
    int ret = vol ? virStorageVolResize(vol, call->number, call->flags) : -1;

    (void)remote;
    if (vol)
        replVolUnref(vol);
    return ret;
}

int
replPeerTableVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRemoteCall) call =
        replPeerTableVolCall(vol, replVirt.StorageVolResizeEnsureACL, replPeerActResize, &entry);

    if (!call)
        return -1;
    call->number = capacity;
    call->flags = flags;
    return replRemoteSlow(entry, call);
}

/* ---- what is told of a volume */

static int
replPeerActVolInfo(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol = replRemoteVol(call);
    int ret = -1;

    (void)remote;
    if (!vol)
        return -1;
    ret = call->flags ? virStorageVolGetInfoFlags(vol, &call->volInfo, call->flags)
                      : virStorageVolGetInfo(vol, &call->volInfo);
    replVolUnref(vol);
    return ret;
}

static int
replPeerTableVolInfo(virStorageVolPtr vol, virStorageVolInfoPtr info, guint flags, ReplVirtVolAcl check)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRemoteCall) call = replPeerTableVolCall(vol, check, replPeerActVolInfo, &entry);

    if (!call)
        return -1;
    call->flags = flags;
    if (replRemoteQuick(entry, call) < 0)
        return -1;
    *info = call->volInfo;
    return 0;
}

int
replPeerTableVolGetInfo(virStorageVolPtr vol, virStorageVolInfoPtr info)
{
    return replPeerTableVolInfo(vol, info, 0, replVirt.StorageVolGetInfoEnsureACL);
}

int
replPeerTableVolGetInfoFlags(virStorageVolPtr vol, virStorageVolInfoPtr info, unsigned int flags)
{
    return replPeerTableVolInfo(vol, info, flags, replVirt.StorageVolGetInfoFlagsEnsureACL);
}

static int
replPeerActVolXml(ReplRemoteCall *call, virStoragePoolPtr remote)
{
    virStorageVolPtr vol = replRemoteVol(call);

    (void)remote;
    if (!vol)
        return -1;
    free(call->text);
    call->text = virStorageVolGetXMLDesc(vol, call->flags);
    replVolUnref(vol);
    return call->text ? 0 : -1;
}

char *
replPeerTableVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplRemoteCall) call =
        replPeerTableVolCall(vol, replVirt.StorageVolGetXMLDescEnsureACL, replPeerActVolXml, &entry);
    g_autofree char *path = NULL;
    GError *err = NULL;
    char *xml;

    if (!call)
        return NULL;
    call->flags = flags;
    if (replRemoteQuick(entry, call) < 0)
        return NULL;
    replPeerPoolSeen(entry->pool, NULL, NULL, &path);
    if (!(xml = replPeerVolXml(call->text, entry->pool->def->name, entry->pool->def->uuid, path, &err)))
        replReport(err);
    return xml;
}

char *
replPeerTableVolGetPath(virStorageVolPtr vol)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePoolOfVol(vol, replVirt.StorageVolGetPathEnsureACL);

    return entry ? replPeerVolPath(entry->pool->def->name, virStorageVolGetName(vol)) : NULL;
}
