/*
 * update.c: vol-create with <replication:update>: a change to an image that is there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/update.h"

#include "endpoint/pushed_source.h"
#include "image/change.h"
#include "image/guard.h"
#include "image/rebind.h"
#include "image/share.h"
#include "image/view.h"
#include "probe/chain.h"
#include "region/region.h"
#include "replicate/check.h"
#include "replicate/life.h"
#include "service/checks.h"
#include "service/makers.h"
#include "service/pending.h"
#include "stack/fardonors.h"
#include "stack/lend.h"
#include "store/record.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

static int
replUpdateCancel(ReplJob *job, GError **err)
{
    int rc = replPendingCancel(job, err);

    if (rc > 0)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Replication job '%s' completed before it could be cancelled"), replJobId(job));
    return rc == 0 ? 0 : -1;
}

/* Reading and mending goes through all layers: each must be the caller's to read and, to be healed, to write. */
static int
replUpdateMayCheck(virConnectPtr conn, const ReplRegion *region, const ReplUpdate *update, GError **err)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(region->label->name);
    const ReplPoolDir *dir = replPoolSetFindUuid(set, region->uuidstr);
    g_autoptr(ReplChain) chain = dir ? replChainOpen(set, dir, update->volume, err) : NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    guint i;

    if (!chain) {
        if (!dir)
            replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return -1;
    }
    for (i = 0; i < chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(chain, i);

        if (!replUuidParse(layer->pool->uuid, uuid) ||
            replAccessVol(conn, uuid, layer->volume, replVirt.StorageVolDownloadEnsureACL) < 0 ||
            (update->verb == REPL_VERB_HEAL &&
             replAccessVol(conn, uuid, layer->volume, replVirt.StorageVolUploadEnsureACL) < 0))
            return -1;
    }
    return 0;
}

/* The host that pushes an image has its job: only that one can start it, or try it again. */
static int
replUpdateCheckHome(const ReplJob *job, ReplVerb verb, GError **err)
{
    const ReplJobRecord *record =
        replMakersHas(job) ? ((ReplReplication *)replJobOpaque(job))->journal->record : NULL;

    g_autofree char *host = NULL;

    if (!record || !replPushedIs(record) || (verb != REPL_VERB_START && verb != REPL_VERB_RETRY))
        return 0;
    host = replPushedHost(record->id);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Replication job '%s' is one of the host of its source, image '%s' of pool '%s' (%s): ask "
                   "that host for action '%s', in its pool of type 'region'"),
                 record->id, record->sourceVolume, record->sourcePool,
                 host ? host : _("which has not called since this daemon started"), replVerbToString(verb));
    return -1;
}

/* The job that @update is about, in *job: a reference, NULL when it is about none. */
static int
replUpdateFindJob(const ReplRegion *region, const ReplUpdate *update, ReplJob **job, GError **err)
{
    ReplJobState state;

    if (update->verb == REPL_VERB_NONE && update->bandwidth_bytesPerSec < 0)
        return 0;
    /* These make a job of their own. */
    if (replVerbIsCheck(update->verb))
        return replGuardSource(region, update->volume, err);
    if (!(*job = replMakersFind(region->uuidstr, update->volume, NULL)) &&
        !(*job = replChecksFind(region->uuidstr, update->volume))) {
        if (update->verb == REPL_VERB_CANCEL && replLendHas(region->uuidstr, update->volume))
            return 0;
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of pool '%s' has no replication job that has not ended"), update->volume,
                     region->name);
        return -1;
    }
    if (replUpdateCheckHome(*job, update->verb, err) < 0)
        return -1;
    state = replJobState(*job);
    if (update->verb == REPL_VERB_NONE || replJobVerbAllowed(state, update->verb))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Replication job '%s' is %s: it cannot %s"),
                 replJobId(*job), replJobStateToString(state), replVerbToString(update->verb));
    return -1;
}

static int
replUpdateStart(ReplJob *job, GError **err)
{
    int rc;

    /* A push is compared with its plan by the host that makes the replica. */
    if (!replMakersHas(job))
        return replJobDo(job, REPL_VERB_START, err);
    if (replReplicationCheckStart(job, err) < 0)
        return -1;
    rc = replJobDo(job, REPL_VERB_START, err);
    replReplicationSettle(job);
    return rc;
}

/* Limit and verb together: a verb that is refused leaves the limit as it was. */
int
replUpdateJob(ReplJob *job, const ReplUpdate *update, GError **err)
{
    g_autoptr(ReplJobInfo) before = job ? replJobInfo(job) : NULL;
    gboolean limits = update->bandwidth_bytesPerSec >= 0;
    int rc = 0;

    if (!job)
        return 0;
    if (limits && replJobSetBandwidth(job, update->bandwidth_bytesPerSec, err) < 0)
        return -1;
    if (update->verb == REPL_VERB_CANCEL)
        rc = replUpdateCancel(job, err);
    else if (update->verb == REPL_VERB_START)
        rc = replUpdateStart(job, err);
    else if (update->verb != REPL_VERB_NONE)
        rc = replJobDo(job, update->verb, err);
    if (rc == 0)
        return 0;
    if (limits)
        replJobSetBandwidth(job, before->bandwidth_bytesPerSec, NULL);
    return -1;
}

static void
replUpdateString(char **where, const char *value)
{
    if (!value)
        return;
    g_free(*where);
    *where = *value ? g_strdup(value) : NULL;
}

/* Sets the members of an image: with members it becomes a full machine, and without any it stops being
 * one. */
static void
replUpdateMembers(ReplImage *image, const GPtrArray *members)
{
    g_ptr_array_unref(image->members);
    image->members = replMembersCopy(members);
    if (members->len > 0) {
        image->type = REPL_IMAGE_TYPE_FULL_MACHINE;
        image->typeIsSet = TRUE;
    } else if (image->type == REPL_IMAGE_TYPE_FULL_MACHINE) {
        image->type = REPL_IMAGE_TYPE_UNKNOWN;
        image->typeIsSet = FALSE;
    }
}

/* Makes the changes that a running job has to know, too: the job writes the image's record at its end and
 * would undo them. */
static void
replUpdateImage(ReplImage *image, const void *opaque)
{
    const ReplUpdate *update = opaque;

    replUpdateString(&image->name, update->name);
    replUpdateString(&image->description, update->description);
    if (update->members)
        replUpdateMembers(image, update->members);
    if (update->type != REPL_IMAGE_TYPE_UNKNOWN) {
        image->type = update->type;
        image->typeIsSet = TRUE;
    }
}

typedef struct {
    const ReplUpdate *update;
    char *id; /* out: the image's */
} ReplUpdating;

static gboolean
replUpdateChange(ReplImage *image, void *opaque, GError **err)
{
    ReplUpdating *updating = opaque;
    const ReplUpdate *update = updating->update;

    if (update->share && replShareApply(image, update->volume, update->share, err) < 0)
        return FALSE;
    replUpdateImage(image, update);
    updating->id = g_strdup(image->id);
    return TRUE;
}

/* Makes all changes to the image's record at once and under its lock, so that what another client changes
 * meanwhile stays. @texts: there are others than to its shares. */
static int
replUpdateRecord(const ReplRegion *region, const ReplUpdate *update, gboolean texts, GError **err)
{
    ReplUpdating updating = {update, NULL};
    g_autoptr(ReplHolding) holding = NULL;
    g_autoptr(ReplJob) job = NULL;
    g_autofree char *id = NULL;

    if (replImageChange(region, update->volume, replUpdateChange, &updating, err) < 0) {
        g_free(updating.id);
        return -1;
    }
    id = updating.id;
    if (update->share)
        replShareSettle(id, update->share);
    /* A job that makes the image writes its record at the end. */
    if (texts && (job = replMakersFind(region->uuidstr, update->volume, &holding)))
        replHoldingChangeImage(holding, replUpdateImage, update);
    return 0;
}

/* Does all of the update or nothing. First come checks, which change nothing; then the verb for the job,
 * which changes nothing if it is refused; last one change of the record. */
static int
replUpdateApply(const ReplRegion *region, const ReplUpdate *update, GError **err)
{
    gboolean texts =
        update->name || update->description || update->type != REPL_IMAGE_TYPE_UNKNOWN || update->members;
    g_autoptr(GPtrArray) heal = NULL;
    g_autoptr(ReplJob) job = NULL;

    if ((update->members && replGuardSource(region, update->volume, err) < 0) ||
        replUpdateFindJob(region, update, &job, err) < 0 ||
        (update->share && replShareCheck(region, update->volume, update->share, err) < 0))
        return -1;
    if (update->secret.uuid || update->secret.usage)
        return replRebind(region, update->volume, &update->secret, err);
    if (replVerbIsCheck(update->verb)) {
        if (update->verb == REPL_VERB_HEAL)
            heal = replFarDonors(region, update->volume);
        if (replCheckStart(region, update->volume, heal, MAX(update->bandwidth_bytesPerSec, 0), err) < 0)
            return -1;
    } else if (replUpdateJob(job, update, err) < 0) {
        return -1;
    }
    /* There is no job here to cancel: what is ended is the reading by jobs of other hosts. */
    if (!job && update->verb == REPL_VERB_CANCEL)
        replLendEnd(region->uuidstr, update->volume);
    return texts || update->share ? replUpdateRecord(region, update, texts, err) : 0;
}

/* Of a pool without a label only the bundles are ours. @volume may be NULL. */
static gboolean
replUpdateIsBundle(const ReplRegion *region, const char *volume)
{
    return region && volume && !replViewIsDerived(region, volume);
}

static int
replUpdateRefusePool(virStoragePoolPtr pool)
{
    replReportError(VIR_ERR_OPERATION_INVALID,
                    _("Pool '%s' is not a region pool: it has no <replication:region> label"),
                    virStoragePoolGetName(pool));
    return -1;
}

/* A handle of the volume, without a check of rights. */
static virStorageVolPtr
replUpdateVolume(virConnectPtr conn, const char *poolUuid, const char *volume)
{
    g_auto(ReplIdentity) identity G_GNUC_UNUSED = replIdentityBecomeSystem();
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autoptr(ReplPool) pool =
        replUuidParse(poolUuid, uuid) ? replBelowUuid(uuid)->storagePoolLookupByUUID(conn, uuid) : NULL;

    return pool ? replBelowPool(pool)->storageVolLookupByName(pool, volume) : NULL;
}

/* A data disk is a volume of the pool that the caller may see, and no full machine itself. Returns 0, or -1 with the
 * error reported. */
static int
replUpdateCheckMember(virStoragePoolPtr pool, const ReplRegion *region, const char *member)
{
    g_autoptr(ReplVol) vol =
        replIsVolumeName(member) ? replBelowPool(pool)->storageVolLookupByName(pool, member) : NULL;
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(GError) err = NULL;

    if (!vol) {
        if (!replIsVolumeName(member))
            replReportError(VIR_ERR_INVALID_ARG, _("'%s' cannot be the name of a volume"), member);
        return -1;
    }
    if (!(image = replViewImageQuick(region, member, &err))) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    if (image->members->len == 0)
        return 0;
    replReportError(
        VIR_ERR_OPERATION_INVALID,
        _("Volume '%s' of pool '%s' is a full machine itself: it cannot be a disk of another one"), member,
        region->name);
    return -1;
}

static int
replUpdateCheckMembers(virStoragePoolPtr pool, const ReplRegion *region, const GPtrArray *members)
{
    guint i;

    for (i = 0; i < members->len; i++) {
        if (replUpdateCheckMember(pool, region, g_ptr_array_index(members, i)) < 0)
            return -1;
    }
    return 0;
}

/* What another project shares is answered in a pool of the own one: the image's volume may be out of the caller's
 * sight, and all that is asked is whether the caller may create in the pool. */
static virStorageVolPtr
replUpdateAnswer(virStoragePoolPtr pool, const ReplVolXml *xml, unsigned int flags)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    const ReplUpdate *update = xml->update;
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    g_autoptr(GError) err = NULL;
    g_autofree char *placeholder = replVolXmlComplete(xml, update->shareImage, &err);
    g_autofree char *ownerUuid = NULL;
    g_autofree char *volume = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (!placeholder) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (virStoragePoolGetUUID(pool, uuid) < 0 ||
        replAccessNewVol(conn, uuid, placeholder, flags & VIR_STORAGE_VOL_CREATE_VALIDATE,
                         replVirt.StorageVolCreateXMLEnsureACL) < 0 ||
        (!replRegionIsRegion(region) && replUpdateRefusePool(pool) < 0))
        return NULL;
    if (replShareByProject(region, update->shareImage, update->share, &ownerUuid, &volume, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    return replUpdateVolume(conn, ownerUuid, volume);
}

virStorageVolPtr
replUpdateRun(virStoragePoolPtr pool, const ReplVolXml *xml, unsigned int flags)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    const ReplUpdate *update = xml->update;
    g_autoptr(ReplRegion) region = replRegionOfPool(pool);
    g_autofree char *placeholder = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplVol) vol = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (update->shareImage)
        return replUpdateAnswer(pool, xml, flags);
    if (!(placeholder = replVolXmlComplete(xml, update->volume, &err))) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (virStoragePoolGetUUID(pool, uuid) < 0 ||
        replAccessNewVol(conn, uuid, placeholder, flags & VIR_STORAGE_VOL_CREATE_VALIDATE,
                         replVirt.StorageVolCreateXMLEnsureACL) < 0)
        return NULL;
    /* Cancelling takes the replica away. */
    if (region && update->verb == REPL_VERB_CANCEL &&
        replAccessVol(conn, region->uuid, update->volume, replVirt.StorageVolDeleteEnsureACL) < 0)
        return NULL;
    if (!replRegionIsRegion(region) && !replUpdateIsBundle(region, update->volume) &&
        replUpdateRefusePool(pool) < 0)
        return NULL;
    if (g_str_equal(update->volume, REPL_STAGING_NAME)) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), update->volume);
        return NULL;
    }
    if (!(vol = replBelowPool(pool)->storageVolLookupByName(pool, update->volume)))
        return NULL;
    if (update->members && replUpdateCheckMembers(pool, region, update->members) < 0)
        return NULL;
    if (replVerbIsCheck(update->verb) && replUpdateMayCheck(conn, region, update, &err) < 0) {
        if (err)
            replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replUpdateApply(region, update, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    return g_steal_pointer(&vol);
}
