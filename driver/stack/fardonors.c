/*
 * fardonors.c: where blocks of a damaged image may be on other hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/fardonors.h"

#include "image/view.h"
#include "peer/remote.h"
#include "region/home.h"
#include "stack/byid.h"
#include "store/jobrecord.h"
#include "virt/access.h"
#include "xml/peerxml.h"

/* Each may cost a session. */
#define REPL_FAR_DONORS_MAX 16

typedef struct {
    ReplConn *conn;
    const ReplRegion *region;
    const char *volume;
    GPtrArray *donors;
} ReplFarSearch;

static gboolean
replFarHas(const ReplFarSearch *search, const char *poolUuid, const char *volume)
{
    for (guint i = 0; i < search->donors->len; i++) {
        const ReplJobLayer *donor = g_ptr_array_index(search->donors, i);

        if (g_str_equal(donor->sourcePoolUuid, poolUuid) && g_str_equal(donor->sourceVolume, volume))
            return TRUE;
    }
    return FALSE;
}

static void
replFarAdd(ReplFarSearch *search, const ReplPeerPoolEntry *entry, const char *volume)
{
    const char *uuid = entry->pool->def->uuid;

    if (!entry->active || search->donors->len >= REPL_FAR_DONORS_MAX || replFarHas(search, uuid, volume))
        return;
    if (replRemoteMayVol(search->conn, entry, volume, replVirt.StorageVolDownloadEnsureACL) == 0)
        g_ptr_array_add(search->donors, replJobLayerNew(volume, uuid, search->volume, REPL_STEP_VERIFY));
    virResetLastError();
}

/* A volume of a pool of type region by its key. */
static void
replFarAddKey(ReplFarSearch *search, const char *key)
{
    g_autofree char *volume = NULL;
    g_autofree char *uuidstr = NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (replPeerVolKeyParse(key, &uuidstr, &volume) && replUuidParse(uuidstr, uuid) &&
        (entry = replPeerPoolsFind(uuid)))
        replFarAdd(search, entry, volume);
}

/* The image that this one was replicated from, wherever it is by now. */
static void
replFarAddSource(ReplFarSearch *search)
{
    g_autoptr(ReplImage) image = replViewImageQuick(search->region, search->volume, NULL);
    g_autoptr(GPtrArray) found = NULL;

    if (!image || !image->source.id)
        return;
    found = replByIdFar(search->conn, image->source.id);
    for (guint i = 0; i < found->len; i++)
        replFarAddKey(search, virStorageVolGetKey(g_ptr_array_index(found, i)));
}

/* What jobs of this host have made of the image. */
static void
replFarAddReplicas(ReplFarSearch *search)
{
    g_autoptr(ReplStaging) home = replHomeOwn(FALSE, NULL);
    g_autoptr(GPtrArray) records = home ? replJobRecordList(home, NULL, NULL) : NULL;

    for (guint i = 0; records && i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);
        g_autoptr(ReplPeerPoolEntry) entry = NULL;
        unsigned char uuid[VIR_UUID_BUFLEN];

        if (record->info->state == REPL_JOB_COMPLETED &&
            g_strcmp0(record->sourcePoolUuid, search->region->uuidstr) == 0 &&
            g_strcmp0(record->sourceVolume, search->volume) == 0 &&
            replUuidParse(record->targetPoolUuid, uuid) && (entry = replPeerPoolsFind(uuid)))
            replFarAdd(search, entry, record->volume);
    }
}

GPtrArray *
replFarDonors(const ReplRegion *region, const char *volume)
{
    GPtrArray *donors = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    ReplFarSearch search = {conn, region, volume, donors};
    g_autoptr(GPtrArray) pools = replPeerPoolsAll();

    if (!conn) {
        virResetLastError();
        return donors;
    }
    replFarAddSource(&search);
    replFarAddReplicas(&search);
    for (guint i = 0; i < pools->len; i++)
        replFarAdd(&search, g_ptr_array_index(pools, i), volume);
    return donors;
}
