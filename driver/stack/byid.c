/*
 * byid.c: images by their id
 *
 * An image that the caller may not read, and that is not shared with the target's project, is refused in the words of
 * one that is not there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/byid.h"

#include <string.h>

#include "image/find.h"
#include "image/share.h"
#include "image/view.h"
#include "stack/bundled.h"
#include "stack/distant.h"
#include "stack/submission.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

static virStorageVolPtr
replByIdVol(virConnectPtr conn, const ReplFoundImage *found)
{
    g_autoptr(ReplPool) pool =
        replBelowUuid(found->region->uuid)->storagePoolLookupByUUID(conn, found->region->uuid);

    return pool ? replBelowPool(pool)->storageVolLookupByName(pool, found->volume) : NULL;
}

/* Drops the images from @found that the caller may not use as a source for @target: he may not read them, and
 * no share with the target's project covers them. */
static void
replByIdKeepReadable(virConnectPtr conn, const ReplRegion *target, GPtrArray *found)
{
    guint i;

    for (i = found->len; i-- > 0;) {
        const ReplFoundImage *one = g_ptr_array_index(found, i);

        if ((target && replShareCovers(one->region, one->volume, target->label->project)) ||
            replAccessVol(conn, one->region->uuid, one->volume, replVirt.StorageVolDownloadEnsureACL) == 0)
            continue;
        virResetLastError();
        g_ptr_array_remove_index(found, i);
    }
}

/* The one image with the id of the request; NULL with the error reported. */
static const ReplFoundImage *
replByIdOne(const GPtrArray *found, const char *id)
{
    g_autofree char *names = NULL;

    if (found->len == 1)
        return g_ptr_array_index(found, 0);
    if (found->len == 0) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("There is no image '%s' that can be replicated here"), id);
        return NULL;
    }
    names = replFoundNames(found);
    replReportError(
        VIR_ERR_OPERATION_INVALID,
        _("Image id '%s' is that of several volumes: %s. Replicate one of them by vol-create-from"), id,
        names);
    return NULL;
}

/* Checks the target before the answer can tell the caller whether there is an image of that id. */
static int
replByIdCheckTarget(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml,
                    unsigned int flags)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *placeholder =
        replVolXmlComplete(xml, xml->request->name ? xml->request->name : xml->request->image, &err);
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (!placeholder) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    if (virStoragePoolGetUUID(pool, uuid) < 0 ||
        replAccessNewVol(virStoragePoolGetConnect(pool), uuid, placeholder,
                         flags & VIR_STORAGE_VOL_CREATE_VALIDATE,
                         replVirt.StorageVolCreateXMLFromEnsureACL) < 0)
        return -1;
    if (replRegionIsRegion(region) || xml->request->bundle != REPL_BUNDLE_NONE)
        return 0;
    replReportError(VIR_ERR_OPERATION_INVALID,
                    _("The target pool '%s' is not a region pool: it has no <replication:region> label"),
                    virStoragePoolGetName(pool));
    return -1;
}

/* Looks for the image on other hosts. Returns FALSE when none has it, else TRUE with *vol set to the replica,
 * or to NULL with the error reported (when several have it, too). */
static gboolean
replByIdPull(virStoragePoolPtr pool, const ReplVolXml *xml, unsigned int flags, virStorageVolPtr *vol)
{
    g_autoptr(GPtrArray) far = replByIdFar(virStoragePoolGetConnect(pool), xml->request->image);
    g_autoptr(GString) names = g_string_new(NULL);

    *vol = NULL;
    if (far->len == 1)
        *vol = replDistantPull(pool, xml, g_ptr_array_index(far, 0), flags);
    if (far->len < 2)
        return far->len == 1;
    for (guint i = 0; i < far->len; i++)
        g_string_append_printf(names, "%s%s", i ? ", " : "", virStorageVolGetKey(g_ptr_array_index(far, i)));
    replReportError(
        VIR_ERR_OPERATION_INVALID,
        _("Image id '%s' is that of several volumes: %s. Replicate one of them by vol-create-from"),
        xml->request->image, names->str);
    return TRUE;
}

virStorageVolPtr
replSubmitById(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml, unsigned int flags)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(ReplVol) source = NULL;
    const ReplFoundImage *image;
    virStorageVolPtr pulled;
    int bundled;

    if (replByIdCheckTarget(pool, region, xml, flags) < 0)
        return NULL;
    found = replFindImages(xml->request->image, NULL);
    replByIdKeepReadable(conn, region, found);
    if (found->len == 0 && replByIdPull(pool, xml, flags, &pulled))
        return pulled;
    if (!(image = replByIdOne(found, xml->request->image)))
        return NULL;
    {
        /* Of a shared image the caller may have no other right. */
        g_auto(ReplIdentity) identity G_GNUC_UNUSED = replIdentityBecomeSystem();

        if (!(source = replByIdVol(conn, image)))
            return NULL;
    }
    if ((bundled = replBundledAsked(xml->request, source)) < 0)
        return NULL;
    if (bundled)
        return replBundledSubmit(pool, xml, source, flags);
    return replSubmit(pool, region, xml, source, image->region, flags);
}

virStorageVolPtr
replLookupById(virConnectPtr conn, const char *key)
{
    gboolean here = g_str_has_prefix(key, REPL_IMAGE_KEY_HERE);
    g_autofree char *id = g_ascii_strdown(key + strlen(here ? REPL_IMAGE_KEY_HERE : REPL_IMAGE_KEY), -1);
    g_autoptr(GPtrArray) far = NULL;
    g_autoptr(GPtrArray) found = replFindImages(id, NULL);
    guint i;

    for (i = 0; i < found->len; i++) {
        virStorageVolPtr vol = replByIdVol(conn, g_ptr_array_index(found, i));

        if (vol)
            return vol;
    }
    virResetLastError();
    if (!here && (far = replByIdFar(conn, id)) && far->len > 0)
        return g_ptr_array_steal_index(far, 0);
    replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching key %s"), key);
    return NULL;
}
