/*
 * ending.c: the administrator's hook is told of the end of a replication
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/ending.h"

#include <stdlib.h>
#include <string.h>

#include "image/view.h"
#include "service/service.h"
#include "virt/below.h"
#include "virt/secrets.h"
#include "xml/xml.h"

typedef struct {
    unsigned char targetUuid[VIR_UUID_BUFLEN];
    char *volume;
    ReplImage *image; /* as it was at the end */
} ReplEnding;

static void
replEndingFree(gpointer opaque)
{
    ReplEnding *ending = opaque;

    g_free(ending->volume);
    replImageFree(ending->image);
    g_free(ending);
}

/* What vol-dumpxml shows; NULL when the volume is not that image any more. */
static char *
replEndingShown(const ReplEnding *ending, const ReplRegion *region)
{
    g_autoptr(ReplImage) now = replViewImage(region, ending->volume, NULL);
    g_autoptr(ReplConn) conn = NULL;
    g_autoptr(ReplPool) pool = NULL;
    g_autoptr(ReplVol) vol = NULL;
    g_autofree char *fragment = NULL;
    g_autofree char *secret = NULL;
    g_autofree char *xml = NULL;
    char *stock;

    if (!now || !g_str_equal(now->id, ending->image->id) || !(conn = replVirt.GetConnectStorage()) ||
        !(pool = replBelowUuid(region->uuid)->storagePoolLookupByUUID(conn, region->uuid)) ||
        !(vol = replBelowPool(pool)->storageVolLookupByName(pool, ending->volume)) ||
        !(stock = replBelowPool(pool)->storageVolGetXMLDesc(vol, 0)))
        return NULL;
    fragment = replViewImageXml(region, ending->volume, &secret);
    stock = replVolXmlShow(stock, &(ReplVolXmlKnown){.secret = secret});
    xml = fragment ? replXmlInsert(stock, "volume", fragment) : g_strdup(stock);
    free(stock);
    return g_steal_pointer(&xml);
}

/* The volume is gone: its name, and what its record said last. */
static char *
replEndingLast(const ReplEnding *ending, const ReplRegion *region)
{
    g_autofree char *name = g_markup_escape_text(ending->volume, -1);
    g_autofree char *stock = g_strdup_printf("<volume>\n  <name>%s</name>\n</volume>\n", name);
    g_autofree char *fragment = replFormatImage(
        ending->image, region ? region->label->project : REPL_PROJECT_DEFAULT, ending->volume, NULL, TRUE);

    return replXmlInsert(stock, "volume", fragment);
}

/* In the hook's own thread, as the daemon. */
static char *
replEndingXml(void *opaque)
{
    const ReplEnding *ending = opaque;
    g_auto(ReplIdentity) identity G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplRegion) region = replRegionOfUuid(ending->targetUuid);
    char *xml = region && region->dir ? replEndingShown(ending, region) : NULL;

    virResetLastError();
    return xml ? xml : replEndingLast(ending, region);
}

void
replEndingTellCheck(const ReplRegion *region, const char *volume, const ReplJobInfo *info)
{
    g_autoptr(ReplImage) image = replViewImageQuick(region, volume, NULL);
    ReplEnding *ending;

    if (!image)
        return;
    ending = g_new0(ReplEnding, 1);
    memcpy(ending->targetUuid, region->uuid, sizeof(ending->targetUuid));
    ending->volume = g_strdup(volume);
    replJobInfoFree(image->job);
    image->job = replJobInfoCopy(info);
    ending->image = g_steal_pointer(&image);
    replHookTell(replServiceHook(), ending->image->id, replJobStateToString(info->state), replEndingXml,
                 ending, replEndingFree);
}

void
replEndingTell(ReplReplication *replication, const ReplJobInfo *info)
{
    ReplEnding *ending = g_new0(ReplEnding, 1);

    memcpy(ending->targetUuid, replication->journal->targetUuid, sizeof(ending->targetUuid));
    ending->volume = g_strdup(replication->replica);
    ending->image = replHoldingImage(replication->holding);
    ending->image->status = info->state == REPL_JOB_COMPLETED ? REPL_IMAGE_AVAILABLE : REPL_IMAGE_ERROR;
    replJobInfoFree(ending->image->job);
    ending->image->job = replJobInfoCopy(info);
    replHookTell(replServiceHook(), ending->image->id, replJobStateToString(info->state), replEndingXml,
                 ending, replEndingFree);
}
