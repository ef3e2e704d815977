/*
 * view.c: what is shown of region pools and their images
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/view.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "image/standing.h"
#include "probe/graph.h"
#include "probe/kind.h"
#include "service/checks.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/record.h"
#include "store/recordfind.h"
#include "store/uploads.h"
#include "virt/report.h"
#include "virt/secrets.h"
#include "xml/xml.h"

/* What looking found, by the file's identity: looking reads the guest's data, so only once a file.
 */
#define REPL_VIEW_KINDS_MAX 8192

/* Guards the table. */
static ReplLock replViewLock = REPL_LOCK_INIT;
static GHashTable *replViewKinds; /* ReplFileIdentity -> ReplImageType */

static guint
replViewFileHash(gconstpointer key)
{
    const ReplFileIdentity *file = key;

    return (guint)(file->ino * 31 ^ (guint64)file->ctime_ns);
}

static gboolean
replViewFileEqual(gconstpointer a, gconstpointer b)
{
    return ((const ReplFileIdentity *)a)->dev == ((const ReplFileIdentity *)b)->dev &&
           replFileIdentityEqual(a, b);
}

static ReplImageType
replViewLook(const ReplRegion *region, const char *volume)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(region->label->name);
    g_autoptr(ReplChain) chain = NULL;
    const ReplPoolDir *dir = replPoolSetFindUuid(set, region->uuidstr);
    ReplImageType type = REPL_IMAGE_TYPE_UNKNOWN;

    if (!dir || !(chain = replChainOpen(set, dir, volume, NULL)) || replKindLook(chain, &type, NULL) < 0)
        return REPL_IMAGE_TYPE_UNKNOWN;
    return type;
}

/* @deep: look into the guest's data for what is not known yet. */
static ReplImageType
replViewKind(const ReplRegion *region, const char *volume, const ReplFileIdentity *file, gboolean deep)
{
    ReplImageType type;
    gpointer known;
    gboolean found;

    replLockTake(&replViewLock);
    if (!replViewKinds)
        replViewKinds = g_hash_table_new_full(replViewFileHash, replViewFileEqual, g_free, NULL);
    found = g_hash_table_lookup_extended(replViewKinds, file, NULL, &known);
    replLockDrop(&replViewLock);
    if (found)
        return GPOINTER_TO_INT(known);
    if (!deep)
        return REPL_IMAGE_TYPE_UNKNOWN;

    type = replViewLook(region, volume);
    replLockTake(&replViewLock);
    if (g_hash_table_size(replViewKinds) >= REPL_VIEW_KINDS_MAX)
        g_hash_table_remove_all(replViewKinds);
    g_hash_table_insert(replViewKinds, g_memdup2(file, sizeof(*file)), GINT_TO_POINTER(type));
    replLockDrop(&replViewLock);
    return type;
}

static char *
replViewMakeId(const ReplRegion *region, const char *volume, const ReplFileLook *look)
{
    return replImageDerivedId(region->uuid, volume, look->identity.ino, look->born_ns);
}

char *
replViewDerivedId(const ReplRegion *region, const char *volume)
{
    ReplFileLook look;

    return replFileLook(region->dir->dirFd, volume, &look) == 0 ? replViewMakeId(region, volume, &look)
                                                                : NULL;
}

gboolean
replViewIsDerived(const ReplRegion *region, const char *volume)
{
    g_autoptr(ReplStaging) staging = replRegionStaging(region, FALSE, NULL);
    g_autoptr(ReplImage) image = staging ? replRecordLoad(staging, volume, NULL) : NULL;

    return !image;
}

/* Adds what a plan promises: how long the job would take, and what the pool would hold afterwards. */
static void
replViewAddPlan(const ReplRegion *region, ReplHolding *holding, ReplJobInfo *info)
{
    ReplAmounts adds = replHoldingAdds(holding);

    if (info->state != REPL_JOB_PLANNED && info->state != REPL_JOB_QUEUED)
        return;
    info->eta_s = replServiceEstimate(info);
    if (info->state != REPL_JOB_PLANNED || replHoldingIsMember(holding) ||
        replViewUsage(region, &info->after) < 0)
        return;
    info->hasAfter = TRUE;
    /* The replica's placeholder is counted as an image already. */
    info->after.images += adds.images;
    info->after.snapshots += adds.snapshots;
    info->after.bytes += adds.bytes;
}

/* Takes @info over. */
static void
replViewSetJob(ReplImage *image, ReplJobInfo *info)
{
    replJobInfoFree(image->job);
    image->job = info;
}

static void
replViewAddCheck(ReplImage *image, ReplJob *check)
{
    g_autoptr(ReplJobInfo) info = replJobInfo(check);

    if (!replJobStateIsEnded(info->state))
        replViewSetJob(image, g_steal_pointer(&info));
}

/* @deep: look into the guest's data for the type of an image, if it is not known yet. */
static ReplImage *
replViewMake(const ReplRegion *region, const ReplStandingRecords *records, const char *volume,
             const ReplFileLook *look, gboolean deep)
{
    g_auto(ReplStanding) standing = {0};
    g_autoptr(ReplImage) image = NULL;
    /* Before the record is read: a job that has ended by then is in it. */
    g_autoptr(ReplJob) check = replChecksFind(region->uuidstr, volume);

    replStandingFind(region, records, volume, look, &standing);
    if (!(image = g_steal_pointer(&standing.record))) {
        g_autofree char *id = replViewMakeId(region, volume, look);

        image = replImageNew(id);
    }
    image->status = standing.state.status;
    if (image->status != REPL_IMAGE_AVAILABLE)
        image->reason = replStateReason(standing.state.because, volume);
    /* The job in the record is as old as its last write: show the job itself. A layer on its way shows the one that
     * makes it. One that verifies or heals makes nothing: the image stays available. */
    if (standing.info) {
        replViewSetJob(image, replJobInfoCopy(standing.info));
        if (standing.holding)
            replViewAddPlan(region, standing.holding, image->job);
    }
    if (check)
        replViewAddCheck(image, check);
    if (image->type == REPL_IMAGE_TYPE_UNKNOWN && image->status == REPL_IMAGE_AVAILABLE)
        image->type = replViewKind(region, volume, &look->identity, deep);
    /* What cannot be looked at (an encrypted disk) counts as what most images are. */
    if (deep && image->type == REPL_IMAGE_TYPE_UNKNOWN)
        image->type = REPL_IMAGE_TYPE_SYSTEM_DISK;
    return g_steal_pointer(&image);
}

/* Returns 0, or -1 with @err set. */
static int
replViewLookAt(const ReplRegion *region, const char *volume, ReplFileLook *look, GError **err)
{
    if (region->dir && replFileLook(region->dir->dirFd, volume, look) == 0)
        return 0;
    if (!region->dir)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
    else if (errno == ENOENT)
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("Storage pool '%s' has no volume '%s'"), region->name,
                     volume);
    else
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s' of pool '%s'"), volume, region->name);
    return -1;
}

static ReplImage *
replViewOne(const ReplRegion *region, const char *volume, gboolean deep, GError **err)
{
    g_auto(ReplStandingRecords) records = {0};
    ReplFileLook look;

    if (replViewLookAt(region, volume, &look, err) < 0)
        return NULL;
    replStandingRecordsOpen(region, &records);
    return replViewMake(region, &records, volume, &look, deep);
}

ReplImage *
replViewImage(const ReplRegion *region, const char *volume, GError **err)
{
    return replViewOne(region, volume, TRUE, err);
}

ReplImage *
replViewImageQuick(const ReplRegion *region, const char *volume, GError **err)
{
    return replViewOne(region, volume, FALSE, err);
}

ReplImage *
replViewImageLooked(const ReplRegion *region, const ReplStandingRecords *records, const char *volume,
                    const ReplFileLook *look)
{
    return replViewMake(region, records, volume, look, FALSE);
}

static const ReplStep *
replViewStep(const GPtrArray *steps, const char *volume)
{
    guint i;

    for (i = 0; volume && i < steps->len; i++) {
        const ReplStep *step = g_ptr_array_index(steps, i);

        if (g_strcmp0(step->volume, volume) == 0)
            return step;
    }
    return NULL;
}

/* The layers below @volume as the job will make them, nearest first. */
static char **
replViewPlanned(const GPtrArray *steps, const char *volume)
{
    const ReplStep *step = replViewStep(steps, volume);
    GPtrArray *names = g_ptr_array_new();

    while (step && names->len < steps->len && (step = replViewStep(steps, step->below)))
        g_ptr_array_add(names, g_strdup(step->volume));
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

/* The layers below: as they are, or as the job will make them. */
static char **
replViewSnapshots(const ReplRegion *region, const char *volume, const ReplImage *image)
{
    g_autoptr(ReplPoolSet) set = NULL;
    g_autoptr(ReplHead) head = NULL;
    const ReplPoolDir *dir;
    struct stat st;

    if (image->status != REPL_IMAGE_AVAILABLE && image->job && image->job->steps->len > 0)
        return replViewPlanned(image->job->steps, volume);
    /* Most volumes have none; the pools of the region are only looked at for those that do. */
    if (fstatat(region->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        !(head = replGraphCacheHead(replServiceCache(), region->dir, volume, &st, NULL)) || !head->backing)
        return g_new0(char *, 1);
    set = replRegionsSet(region->label->name);
    if (!(dir = replPoolSetFindUuid(set, region->uuidstr)))
        return g_new0(char *, 1);
    return replChainNames(replServiceCache(), set, dir, volume);
}

char *
replViewImageXml(const ReplRegion *region, const char *volume, char **secret)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplImage) image = replViewImage(region, volume, &err);
    g_auto(GStrv) snapshots = NULL;

    if (!image) {
        replDebug("No image record is shown for '%s': %s", volume, err->message);
        return NULL;
    }
    *secret = replSecretsOfImage(image);
    snapshots = replViewSnapshots(region, volume, image);
    return replFormatImage(image, image->project ? image->project : region->label->project,
                           image->name ? image->name : volume, (const char *const *)snapshots, TRUE);
}

int
replViewUsage(const ReplRegion *region, ReplAmounts *usage)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    const ReplPoolDir *dir = replPoolSetFindUuid(set, region->uuidstr);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplGraph) graph = NULL;

    if (!dir || !(graph = replGraphScan(replServiceCache(), set, dir, REPL_GRAPH_RECENTLY, &err))) {
        replWarn("The usage of pool '%s' cannot be counted: %s", region->name,
                 err ? err->message : "the pool is not active");
        return -1;
    }
    *usage = replGraphUsage(graph, dir);
    replMakersCorrectUsage(region->uuidstr, NULL, FALSE, usage);
    return 0;
}

void
replViewSweep(const ReplRegion *region)
{
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(GPtrArray) names = NULL;
    guint i;

    replGraphRefresh(replServiceCache());
    if (!region->dir || !(staging = replRegionStaging(region, FALSE, NULL)))
        return;
    replRecordsReset(staging);
    if (!(names = replRecordList(staging, NULL)))
        return;
    for (i = 0; i < names->len; i++)
        replRecordDropGone(staging, region->dir->dirFd, g_ptr_array_index(names, i), NULL);
    replUploadSweep(staging, region->dir->dirFd);
}
