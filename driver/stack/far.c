/*
 * far.c: jobs of this host whose replicas are on other hosts, as its pools of type region show them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/far.h"

#include <stdlib.h>
#include <string.h>

#include "peer/remote.h"
#include "replicate/push.h"
#include "service/makers.h"
#include "service/pending.h"
#include "service/service.h"
#include "stack/update.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"
#include "xml/format.h"
#include "xml/peerxml.h"

/* The pool's UUID out of the volume's key; the handle need not be one that was looked up. */
static char *
replFarPoolOf(virStorageVolPtr vol)
{
    g_autofree char *volume = NULL;
    char *uuid = NULL;

    if (!replPeerVolKeyParse(virStorageVolGetKey(vol), &uuid, &volume) ||
        !g_str_equal(volume, virStorageVolGetName(vol)))
        g_clear_pointer(&uuid, g_free);
    return uuid;
}

/* --- shown --- */

/* The image's record as it will be (@isImage), or what there is to tell of a layer on its way. */
static ReplImage *
replFarImage(const char *poolUuid, const char *volume, ReplJob *job, ReplHolding *holding)
{
    ReplImage *image;

    if (holding) {
        image = replHoldingImage(holding);
    } else {
        unsigned char uuid[VIR_UUID_BUFLEN] = {0};
        g_autofree char *id = replUuidParse(poolUuid, uuid) ? replImageDerivedId(uuid, volume, 0, 0) : NULL;

        image = replImageNew(id);
    }
    replJobInfoFree(image->job);
    image->job = replJobInfo(job);
    image->status = image->job->state == REPL_JOB_FAILED ? REPL_IMAGE_ERROR : REPL_IMAGE_PENDING;
    if (image->job->state == REPL_JOB_PLANNED || image->job->state == REPL_JOB_QUEUED)
        image->job->eta_s = replServiceEstimate(image->job);
    return image;
}

char *
replFarVolXml(virStorageVolPtr vol, char *stock)
{
    const char *volume = virStorageVolGetName(vol);
    g_autofree char *poolUuid = replFarPoolOf(vol);
    g_autoptr(ReplHolding) holding = NULL;
    g_autoptr(ReplJob) job = poolUuid ? replMakersFind(poolUuid, volume, &holding) : NULL;
    g_autoptr(ReplImage) image = NULL;
    g_autofree char *fragment = NULL;
    char *ret;

    if (!job && poolUuid)
        job = replMakersFindAny(poolUuid, volume);
    if (!job)
        return stock;
    image = replFarImage(poolUuid, volume, job, holding);
    if (holding) {
        g_autofree char *format = replHoldingFormat(holding);
        ReplVolXmlKnown known = {.pending = TRUE, .format = format};

        known.capacity_bytes = replHoldingCapacity(holding);
        known.allocation_bytes = MIN(image->job->processed_bytes, known.capacity_bytes);
        stock = replVolXmlShow(stock, &known);
    }
    fragment = replFormatImage(image, image->project ? image->project : REPL_PROJECT_DEFAULT,
                               image->name ? image->name : volume, NULL, TRUE);
    ret = replXmlInsert(stock, "volume", fragment);
    free(stock);
    return ret;
}

/* Whether the caller may see the volume, as in a list of the pool's. */
static gboolean
replFarIsShown(virConnectPtr conn, const ReplPeerPoolEntry *entry, const char *volume)
{
    g_autoptr(ReplPeerAclVol) vol = replPeerPoolAclVol(entry->pool, volume);
    gboolean shown = vol && replVirt.StoragePoolListAllVolumesCheckACL(conn, entry->pool->aclDef, vol->def);

    virResetLastError();
    return shown;
}

static void
replFarAddJob(ReplJob *made, const char *volume, ReplOverview *overview)
{
    ReplOverviewJob *job = g_new0(ReplOverviewJob, 1);

    job->volume = g_strdup(volume);
    job->info = replJobInfo(made);
    g_ptr_array_add(overview->jobs, job);
}

char *
replFarPoolXml(virStoragePoolPtr pool, char *stock)
{
    static const char end[] = "</replication:region>";
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    char uuid[VIR_UUID_STRING_BUFLEN];
    g_autoptr(GPtrArray) made = NULL;
    g_autoptr(GPtrArray) pushes = NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(ReplOverview) overview = NULL;
    g_autofree char *text = NULL;
    const char *at;
    char *ret;

    if (!stock || virStoragePoolGetUUIDString(pool, uuid) < 0)
        return stock;
    made = replMakersList(uuid, NULL);
    pushes = replPushList(uuid);
    if (made->len + pushes->len == 0 || !(at = g_strrstr(stock, end)) ||
        !(entry = replRemotePool(pool, replVirt.StoragePoolGetXMLDescEnsureACL)))
        return stock;
    overview = replOverviewNew();
    for (guint i = 0; i < made->len; i++) {
        const ReplMade *one = g_ptr_array_index(made, i);

        if (replFarIsShown(conn, entry, one->volume))
            replFarAddJob(one->job, one->volume, overview);
    }
    for (guint i = 0; i < pushes->len; i++) {
        ReplJob *job = g_ptr_array_index(pushes, i);
        g_autofree char *volume = replPushVolume(job);

        /* The host there shows it, too, as long as it is there. */
        if (!strstr(stock, replJobId(job)) && replFarIsShown(conn, entry, volume))
            replFarAddJob(job, volume, overview);
    }
    if (overview->jobs->len == 0)
        return stock;
    text = replFormatOverview(overview);
    ret = g_strdup_printf("%.*s%s    %s", (int)(at - stock), stock,
                          g_str_has_prefix(text, " ") ? text + 4 : text, at);
    free(stock);
    return ret;
}

/* --- guarded --- */

int
replFarGuard(virStorageVolPtr vol)
{
    g_autofree char *poolUuid = replFarPoolOf(vol);
    g_autoptr(GError) err = NULL;

    if (!poolUuid || replPinsCheck(replServicePins(), poolUuid, virStorageVolGetName(vol), &err) == 0)
        return 0;
    replReport(g_steal_pointer(&err));
    return -1;
}

int
replFarDelete(virStorageVolPtr vol)
{
    const char *volume = virStorageVolGetName(vol);
    g_autofree char *poolUuid = replFarPoolOf(vol);
    g_autoptr(ReplJob) job = poolUuid ? replMakersFind(poolUuid, volume, NULL) : NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(GError) err = NULL;
    int rc;

    if (!job)
        return replFarGuard(vol);
    if (!(entry = replRemotePoolOfVol(vol, replVirt.StorageVolDeleteEnsureACL)))
        return -1;
    if ((rc = replPendingCancel(job, &err)) == 0)
        return 1;
    if (rc > 0)
        return 0; /* the job completed first: the peer deletes the replica as any other volume */
    replReport(g_steal_pointer(&err));
    return -1;
}

/* --- changed --- */

/* Whether @update is about a job, and whether about anything else. */
static gboolean
replFarIsJobs(const ReplUpdate *update)
{
    return update->bandwidth_bytesPerSec >= 0 ||
           (update->verb != REPL_VERB_NONE && update->verb != REPL_VERB_VERIFY &&
            update->verb != REPL_VERB_HEAL);
}

static gboolean
replFarIsImages(const ReplUpdate *update)
{
    return update->name || update->description || update->type != REPL_IMAGE_TYPE_UNKNOWN || update->share ||
           update->members || update->secret.uuid || update->secret.usage;
}

/* The caller's rights, and that the update is one of a job alone. Returns 0, or -1 with the error reported. @pushed: the host there has the
 * module. */
static int
replFarMayUpdate(virConnectPtr conn, const ReplPeerPoolEntry *entry, const ReplUpdate *update,
                 gboolean pushed)
{
    if (replRemoteMayVol(conn, entry, update->volume, replVirt.StorageVolCreateXMLEnsureACL) < 0 ||
        (update->verb == REPL_VERB_CANCEL &&
         replRemoteMayVol(conn, entry, update->volume, replVirt.StorageVolDeleteEnsureACL) < 0))
        return -1;
    if (!replFarIsImages(update))
        return 0;
    if (pushed)
        replReportError(
            VIR_ERR_INVALID_ARG,
            _("The job of volume '%s' is one of this host, and its image is on another one: change "
              "them in two updates"),
            update->volume);
    else
        replReportError(
            VIR_ERR_NO_SUPPORT,
            _("Volume '%s' is on a host without the module, which keeps no records of images: only its job "
              "can be changed"),
            update->volume);
    return -1;
}

int
replFarUpdate(virStoragePoolPtr pool, const ReplUpdate *update, virStorageVolPtr *vol)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    char uuid[VIR_UUID_STRING_BUFLEN];
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    g_autoptr(GError) err = NULL;
    gboolean pushed;

    *vol = NULL;
    if (!update->volume || update->shareImage || virStoragePoolGetUUIDString(pool, uuid) < 0)
        return 0;
    job = replMakersFind(uuid, update->volume, NULL);
    pushed = !job && replFarIsJobs(update) && (job = replPushFind(uuid, update->volume));
    if (!job)
        return 0;
    if (!(entry = replRemotePool(pool, replVirt.StoragePoolGetInfoEnsureACL)) ||
        replFarMayUpdate(conn, entry, update, pushed) < 0)
        return 1;
    if (replUpdateJob(job, update, &err) < 0)
        replReport(g_steal_pointer(&err));
    else
        *vol = replRemoteVolHandle(conn, entry, update->volume);
    return 1;
}
