/*
 * layerkey.c: which key opens a layer of a source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/layerkey.h"

#include "region/region.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/secrets.h"

/* The record of a volume of a pool here, NULL: none. */
static ReplImage *
replLayerKeyRecord(const ReplRegion *region, const char *volume)
{
    g_autoptr(ReplStaging) staging = region ? replRegionStaging(region, FALSE, NULL) : NULL;

    return staging ? replRecordLoad(staging, volume, NULL) : NULL;
}

/* The secret of a volume as libvirt has it in sight, until the next pool-refresh. */
static char *
replLayerKeyInSight(const ReplRegion *region, const char *volume)
{
    g_autofree char *xml = NULL;
    {
        g_auto(ReplPoolObjRef) obj = replVirt.StoragePoolObjFindPoolByUUID(region->uuid);
        ReplVirtVolDef *def = obj ? replVirt.StorageVolDefFindByName(obj, volume) : NULL;

        if (def)
            xml = replVirt.StorageVolDefFormat(replVirt.StoragePoolObjGetDef(obj), def);
    }
    return xml ? replSecretsOfXml(xml) : NULL;
}

char *
replLayerKey(const ReplPlanLayer *layer)
{
    const ReplSecretRef ref = {NULL, (char *)layer->secretUsage};
    g_autoptr(ReplRegion) region = NULL;
    g_autoptr(ReplImage) image = NULL;

    if (layer->secretUsage)
        return replSecretsResolve(&ref, NULL);
    region = replRegionOfUuidString(layer->poolUuid);
    image = replLayerKeyRecord(region, layer->volume);
    if (image && (image->secret || image->secretUsage))
        return replSecretsOfImage(image);
    return region ? replLayerKeyInSight(region, layer->volume) : NULL;
}

static char *
replLayerKeyLook(const ReplPlanLayer *layer)
{
    /* What a volume is encrypted with is shown to all who may see it; no value is asked for. */
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplRegion) region = NULL;
    g_autoptr(ReplImage) image = NULL;
    g_autofree char *uuid = NULL;

    region = replRegionOfUuidString(layer->poolUuid);
    image = replLayerKeyRecord(region, layer->volume);
    if (image && image->secretUsage)
        return g_strdup(image->secretUsage);
    uuid = replLayerKey(layer);
    return uuid ? replSecretsUsage(uuid) : NULL;
}

char *
replLayerKeyUsage(const ReplPlanLayer *layer)
{
    return layer->secretUsage || !layer->encrypted ? g_strdup(layer->secretUsage) : replLayerKeyLook(layer);
}
