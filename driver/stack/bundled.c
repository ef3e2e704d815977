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

void
replBundledStart(void)
{
    static const ReplEndpointKind kind = {.source = replBundleSourceNew};
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

/* Whether the caller may read the volume, and it begins as a bundle does. 1, 0, or -1 with the error reported. */
static int
replBundledLook(virStorageVolPtr vol)
{
    g_autofree char *name = g_strdup(virStorageVolGetName(vol));
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplSource) source = NULL;

    if (!replBundledPool(vol, uuid, uuidstr)) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), name);
        return -1;
    }
    if (replAccessVol(virStorageVolGetConnect(vol), uuid, name, replVirt.StorageVolDownloadEnsureACL) < 0)
        return -1;
    source = replBundleSourceNew(uuidstr, name, REPL_SOURCE_IS_BUNDLE);
    return source != NULL;
}

int
replBundledAsked(const ReplRequest *request, virStorageVolPtr vol)
{
    g_autoptr(ReplPool) pool = NULL;
    int is;

    if (request->sourceIs == REPL_SOURCE_IS_IMAGE)
        return 0;
    is = replBundledLook(vol);
    if (is > 0 || request->sourceIs == REPL_SOURCE_AS_FOUND) {
        /* Refuses a caller who may not read the volume with the same error as for any volume. */
        if (is < 0)
            virResetLastError();
        return is > 0;
    }
    if (is == 0 && (pool = replPoolOfVol(vol)))
        replReportError(VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is no bundle"),
                        virStorageVolGetName(vol), virStoragePoolGetName(pool));
    return -1;
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

    if (!replBundledPool(vol, uuid, uuidstr) ||
        !(source = replBundleSourceNew(uuidstr, name, REPL_SOURCE_IS_BUNDLE))) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), name);
        return NULL;
    }
    if (replSourceHold(source, &err) < 0 || replSourceDescribe(source, xml->request, &from.facts, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    from.poolUuid = uuidstr;
    from.bundle = name;
    from.source = g_steal_pointer(&source);
    return replSubmitDistant(pool, region, xml, &from, NULL, flags);
}
