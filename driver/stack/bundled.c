/*
 * bundled.c: vol-create-from of a bundle: an image is made of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/bundled.h"

#include "endpoint/bundle_source.h"
#include "endpoint/open.h"
#include "stack/submission.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

/* A bundle is a kind of source only: as a target it is a volume like any other. */
static ReplTarget *
replBundledTarget(ReplJournal *journal, ReplHolding *holding)
{
    (void)journal;
    (void)holding;
    return NULL;
}

void
replBundledStart(void)
{
    static const ReplEndpointKind kind = {.source = replBundleSourceNew, .target = replBundledTarget};
    static gboolean started;

    if (started)
        return;
    started = TRUE;
    replEndpointRegister(&kind);
}

/* The UUID of the volume's pool; FALSE when it has none. */
static gboolean
replBundledPool(virStorageVolPtr vol, unsigned char *uuid, char *uuidstr)
{
    g_autoptr(ReplPool) pool = replPoolOfVol(vol);

    if (!pool || virStoragePoolGetUUID(pool, uuid) < 0)
        return FALSE;
    replUuidFormat(uuid, uuidstr);
    return TRUE;
}

gboolean
replBundledIs(virStorageVolPtr vol)
{
    g_autofree char *name = g_strdup(virStorageVolGetName(vol));
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplSource) source = NULL;
    gboolean may;

    /* Refuses a caller who may not read the volume with the same error as for any volume. */
    may = replBundledPool(vol, uuid, uuidstr) &&
          replAccessVol(virStorageVolGetConnect(vol), uuid, name, replVirt.StorageVolDownloadEnsureACL) == 0;
    if (!may)
        virResetLastError();
    source = may ? replBundleSourceNew(uuidstr, name) : NULL;
    return source != NULL;
}

virStorageVolPtr
replBundledSubmit(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr vol, unsigned int flags)
{
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    g_autofree char *name = g_strdup(virStorageVolGetName(vol));
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplSource) source = NULL;
    g_autoptr(GError) err = NULL;
    ReplSubmitFrom from = {0};

    if (!replBundledPool(vol, uuid, uuidstr) || !(source = replBundleSourceNew(uuidstr, name))) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), name);
        return NULL;
    }
    if (replSourceHold(source, &err) < 0 || replSourceDescribe(source, xml->request, &from.facts, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    from.poolUuid = uuidstr;
    from.volume = name;
    from.source = g_steal_pointer(&source);
    return replSubmitDistant(pool, region, xml, &from, NULL, flags);
}
