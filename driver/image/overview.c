/*
 * overview.c: what a pool shows of itself in one call
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/overview.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/listing.h"
#include "service/loans.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/record.h"
#include "store/recordfind.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"
#include "xml/xml.h"

/* --- jobs --- */

/* The names that the caller may see: access rules may hide volumes, and their jobs with them. */
static GHashTable *
replOverviewSeen(virStoragePoolPtr pool)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    int count = replBelowPool(pool)->storagePoolNumOfVolumes(pool);
    g_autofree char **names = count >= 0 ? g_new0(char *, count + 1) : NULL;
    int i;

    if (!names || (count = replBelowPool(pool)->storagePoolListVolumes(pool, names, count)) < 0)
        return NULL;
    for (i = 0; i < count; i++)
        g_hash_table_add(seen, names[i]);
    return g_steal_pointer(&seen);
}

static void
replOverviewAddLoans(const GPtrArray *loans, GHashTable *seen, ReplOverview *overview)
{
    guint i;

    for (i = 0; i < loans->len; i++) {
        const ReplOverviewLoan *loan = g_ptr_array_index(loans, i);

        if (g_hash_table_contains(seen, loan->volume))
            g_ptr_array_add(overview->loans, replOverviewLoanCopy(loan));
    }
}

/* Jobs that make images of the pool, and those of other hosts that read some. Returns 0, or -1 with the error reported. */
static int
replOverviewAddJobs(virStoragePoolPtr pool, const ReplRegion *region, ReplOverview *overview)
{
    g_autoptr(GPtrArray) made = replMakersList(region->uuidstr, NULL);
    g_autoptr(GPtrArray) loans = replLoansList(region->uuidstr);
    g_autoptr(GHashTable) seen = NULL;
    guint i;

    if (made->len == 0 && loans->len == 0)
        return 0;
    if (!(seen = replOverviewSeen(pool)))
        return -1;
    replOverviewAddLoans(loans, seen, overview);
    for (i = 0; i < made->len; i++) {
        const ReplMade *one = g_ptr_array_index(made, i);
        g_autoptr(ReplJobInfo) info = replJobInfo(one->job);
        ReplOverviewJob *job;

        if (one->isMember || !g_hash_table_contains(seen, one->volume) || info->state == REPL_JOB_COMPLETED ||
            info->state == REPL_JOB_CANCELLED)
            continue;
        if (info->state == REPL_JOB_PLANNED || info->state == REPL_JOB_QUEUED)
            info->eta_s = replServiceEstimate(info);
        job = g_new0(ReplOverviewJob, 1);
        job->volume = g_strdup(one->volume);
        job->info = g_steal_pointer(&info);
        g_ptr_array_add(overview->jobs, job);
    }
    return 0;
}

/* --- shares --- */

typedef struct {
    const char *project;    /* with whom */
    const ReplPoolDir *dir; /* of the owner's pool */
    GPtrArray *shared;      /* of ReplOverviewShared: name is the volume's so far */
} ReplOverviewGather;

static void
replOverviewTakeShare(const char *volume, const char *id, const ReplShare *share, void *opaque)
{
    ReplOverviewGather *gather = opaque;
    ReplOverviewShared *shared;

    if (!g_str_equal(share->project, gather->project) ||
        (share->state != REPL_SHARE_OFFERED && share->state != REPL_SHARE_ACCEPTED))
        return;
    shared = g_new0(ReplOverviewShared, 1);
    shared->image = g_strdup(id);
    shared->name = g_strdup(volume);
    shared->project = g_strdup(gather->dir->label->project);
    shared->region = g_strdup(gather->dir->label->name);
    shared->state = share->state;
    g_ptr_array_add(gather->shared, shared);
}

/* The volume's name becomes the display name where there is one. */
static void
replOverviewNameShares(ReplStaging *staging, GPtrArray *shared, guint from)
{
    guint i;

    for (i = from; i < shared->len; i++) {
        ReplOverviewShared *one = g_ptr_array_index(shared, i);
        g_autoptr(ReplImage) image = replRecordLoad(staging, one->name, NULL);

        if (image && image->name) {
            g_free(one->name);
            one->name = g_strdup(image->name);
        }
    }
}

static int
replOverviewCompareShared(gconstpointer a, gconstpointer b)
{
    const ReplOverviewShared *x = *(ReplOverviewShared *const *)a;
    const ReplOverviewShared *y = *(ReplOverviewShared *const *)b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->image, y->image);
}

/* What the pools of other projects in the same region share with this one. */
static void
replOverviewAddShared(const ReplRegion *region, ReplOverview *overview)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(region->label->name);
    guint i;

    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *dir = g_ptr_array_index(set->pools, i);
        ReplOverviewGather gather = {region->label->project, dir, overview->shared};
        g_autoptr(ReplRegion) owner = NULL;
        g_autoptr(ReplStaging) staging = NULL;
        guint from = overview->shared->len;

        if (g_str_equal(dir->label->project, region->label->project) ||
            !(owner = replRegionOfUuidString(dir->uuid)) ||
            !(staging = replRegionStaging(owner, FALSE, NULL)))
            continue;
        replRecordEachShare(staging, replOverviewTakeShare, &gather);
        replOverviewNameShares(staging, overview->shared, from);
    }
    g_ptr_array_sort(overview->shared, replOverviewCompareShared);
}

char *
replOverviewXml(virStoragePoolPtr pool, const ReplRegion *region, unsigned int flags)
{
    g_autoptr(ReplOverview) overview = replOverviewNew();

    if (replOverviewAddJobs(pool, region, overview) < 0)
        return NULL;
    replOverviewAddShared(region, overview);
    if (flags & REPL_OVERVIEW_IMAGES) {
        replOverviewWantImages(overview, flags >> REPL_OVERVIEW_PART_SHIFT);
        if (replListingAdd(pool, region, overview) < 0)
            return NULL;
    }
    return replFormatOverview(overview);
}
