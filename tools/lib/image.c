/*
 * image.c: reading one image, and finding it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "overview.h"
#include "resolve.h"

/* A volume alone does not say which region it is in: its pool does. */
static virtReplicationImage *
replImageOf(virStorageVolPtr vol, virStoragePoolPtr pool)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autofree char *xml = virStoragePoolGetXMLDesc(pool, 0);
    g_autoptr(xmlDoc) doc = xml ? replNodeParse(xml) : NULL;
    xmlNodePtr root = doc ? replNodeRoot(doc, "pool") : NULL;
    g_autoptr(virtReplicationRegion) region = root ? replReadRegion(root) : NULL;
    ReplImagePlace place = {.pool = virStoragePoolGetName(pool), .poolUUID = uuid};

    virStoragePoolGetUUIDString(pool, uuid);
    if (region)
        place = replRegionPlace(region);
    return replOverviewVolume(vol, &place);
}

virtReplicationImage *
virtReplicationImageGet(virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(virStoragePool) pool = NULL;
    virtReplicationImage *image;

    REPL_BEGIN(flags, 0, NULL);
    REPL_NEED(vol, NULL);
    if (!(pool = virStoragePoolLookupByVolume(vol))) {
        replErrorFromLibvirt();
        return NULL;
    }
    image = replImageOf(vol, pool);
    if (!image && replErrorCode() == VIR_ERR_OK)
        replError(VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is no image: its pool is no region"),
                  virStorageVolGetName(vol), virStoragePoolGetName(pool));
    return image;
}

virStorageVolPtr
virtReplicationImageGetVolume(virConnectPtr conn, const virtReplicationImage *image)
{
    g_autoptr(virStoragePool) pool = NULL;
    virStorageVolPtr vol;

    replErrorReset();
    REPL_NEED(image, NULL);
    pool = virStoragePoolLookupByUUIDString(conn, image->poolUUID);
    vol = pool ? virStorageVolLookupByName(pool, image->volume) : NULL;
    if (!vol)
        replErrorFromLibvirt();
    return vol;
}

virStorageVolPtr
virtReplicationLookup(virConnectPtr conn, const char *name)
{
    g_autoptr(GPtrArray) regions = NULL;
    const virtReplicationImage *image;

    replErrorReset();
    REPL_NEED(name, NULL);
    regions = g_ptr_array_new_with_free_func((GDestroyNotify)virtReplicationRegionFree);
    if (replOverviewList(conn, regions, VIRT_REPLICATION_LIST_IMAGES) < 0)
        return NULL;
    image = replResolve(regions, name);
    return image ? virtReplicationImageGetVolume(conn, image) : NULL;
}

virStorageVolPtr
virtReplicationLookupByID(virConnectPtr conn, const char *id)
{
    g_autofree char *key = NULL;
    virStorageVolPtr vol;

    replErrorReset();
    REPL_NEED(id, NULL);
    if (!g_uuid_string_is_valid(id)) {
        replError(VIR_ERR_INVALID_ARG, _("'%s' is not the id of an image"), id);
        return NULL;
    }
    key = g_strconcat(VIRT_REPLICATION_KEY_PREFIX, id, NULL);
    /* A module that does not know this key is searched through. */
    return (vol = virStorageVolLookupByKey(conn, key)) ? vol : virtReplicationLookup(conn, id);
}
