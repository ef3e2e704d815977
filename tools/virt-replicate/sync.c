/*
 * sync.c: making a policy so
 *
 * A run looks at all regions, begins what can begin, waits until something ends, and looks again: replicas that are
 * there now feed further regions. Nothing is kept but the jobs of the daemon: two runs at once ask for the same
 * copies with the same tokens, and get the same jobs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sync.h"

#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "syncpriv.h"
#include "target.h"

#define REPL_SYNC_ROUND_us (250 * 1000)

/* Whether the list says what images were copied from; modules that do not are asked for each volume. */
static bool
replSyncNeedsDetails(virtReplicationRegion *const *regions)
{
    size_t i, j;

    for (i = 0; regions[i]; i++) {
        for (j = 0; j < regions[i]->nimages; j++) {
            if (regions[i]->images[j]->sourceID || regions[i]->images[j]->detailed)
                return false;
        }
    }
    return true;
}

static virtReplicationRegion **
replSyncLook(ReplClient *client)
{
    virtReplicationRegion **regions =
        replTargetRegions(client, VIRT_REPLICATION_LIST_IMAGES | VIRT_REPLICATION_LIST_INACTIVE);

    if (!regions || !replSyncNeedsDetails(regions))
        return regions;
    replTargetFreeRegions(regions);
    return replTargetRegions(client, VIRT_REPLICATION_LIST_DETAILED | VIRT_REPLICATION_LIST_INACTIVE);
}

/* Whether copies may run now. Sets the rate. */
static bool
replSyncIsOpen(ReplSync *sync)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    return replPolicyOpenAt(sync->policy, g_date_time_get_hour(now) * 60 + g_date_time_get_minute(now),
                            &sync->rate);
}

/* Failed jobs are tried again, once in a run. */
static void
replSyncRetry(ReplSync *sync, const ReplWish *wish)
{
    g_autoptr(virStorageVol) vol = NULL;
    char *key = g_strdup_printf("%s %s", wish->origin->id, wish->region);

    if (sync->options->dryRun || !g_hash_table_add(sync->refused, key))
        return;
    vol = virtReplicationImageGetVolume(sync->client->conn, wish->replica);
    if (!vol || virtReplicationJobRetry(vol) < 0) {
        replClientFailWith(wish->origin->name, virtReplicationGetLastError());
        return;
    }
    replClientSay(sync->client, _("trying %s in %s again"), wish->origin->name, wish->region);
}

static void
replSyncRetryAll(ReplSync *sync, const ReplPolicyPlan *plan)
{
    guint i;

    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);

        if (wish->state == REPL_WISH_FAILED)
            replSyncRetry(sync, wish);
    }
}

static void
replSyncDelete(ReplSync *sync, const ReplGone *gone)
{
    g_autoptr(virStorageVol) vol = NULL;

    if (sync->options->dryRun) {
        replClientSay(sync->client, _("would delete %s of %s"), gone->replica->name, gone->replica->region);
        replSyncReportAdd(sync->report->deletions, gone->replica->name, gone->replica->region, NULL);
        return;
    }
    vol = virtReplicationImageGetVolume(sync->client->conn, gone->replica);
    if (!vol) {
        replClientFail();
    } else if (virStorageVolDelete(vol, VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS) < 0) {
        replClientFailWith(gone->replica->name, virGetLastError());
    } else {
        replSyncReportAdd(sync->report->deletions, gone->replica->name, gone->replica->region, NULL);
        replClientSay(sync->client, _("deleted %s of %s"), gone->replica->name, gone->replica->region);
        return;
    }
    replSyncReportAdd(sync->report->lags, gone->replica->name, gone->replica->region, NULL);
}

/* Once in a run, by what was there at its beginning. */
static void
replSyncDeleteAll(ReplSync *sync, const ReplPolicyPlan *plan)
{
    guint i;

    for (i = 0; i < plan->gone->len; i++) {
        const ReplGone *gone = &g_array_index(plan->gone, ReplGone, i);

        if (gone->allowed) {
            replSyncDelete(sync, gone);
            continue;
        }
        sync->report->kept++;
        replClientSay(sync->client, _("%s of %s stays for now: %s"), gone->replica->name,
                      gone->replica->region, gone->why);
    }
}

/* A wish that was not fulfilled. What was refused or failed in this run was said then. */
static void
replSyncLag(const ReplSync *sync, const ReplWish *wish)
{
    replSyncReportAdd(sync->report->lags, wish->origin->name, wish->region, NULL);
    if (wish->state == REPL_WISH_TAKEN)
        replClientError(_("%s: another image has the name '%s' in region '%s'"), wish->origin->name,
                        wish->origin->volume, wish->region);
    else if (wish->state == REPL_WISH_AWAY)
        replClientError(_("%s: region '%s' cannot be listed: %s"), wish->origin->name, wish->region,
                        !wish->target             ? _("there is none of that name")
                        : wish->target->listError ? wish->target->listError
                                                  : _("it is not active"));
}

/* How things stand at the end. A dry run has counted what is missing as copied. */
static void
replSyncCount(const ReplSync *sync, const ReplPolicyPlan *plan)
{
    guint i;

    sync->report->there = 0;
    sync->report->coming = sync->running->len;
    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);
        bool missing = wish->state == REPL_WISH_MISSING || wish->state == REPL_WISH_FAILED;

        if (replSyncIsRunning(sync, wish->origin->id, wish->region) || (missing && sync->options->dryRun))
            continue;
        if (wish->state == REPL_WISH_THERE)
            sync->report->there++;
        else if (wish->state == REPL_WISH_COMING)
            sync->report->coming++;
        else
            replSyncLag(sync, wish);
    }
}

static bool
replSyncSave(const ReplSync *sync)
{
    g_autoptr(GError) error = NULL;

    if (sync->options->dryRun || replSyncStateSave(sync->state, &error))
        return true;
    replClientError(_("What was done could not be noted: %s"), error->message);
    return false;
}

/* Waits until a copy has ended, or the user or the clock ends the wait. */
static void
replSyncWait(ReplSync *sync)
{
    while (sync->running->len > 0 && !replProgressInterrupted() && replSyncIsOpen(sync)) {
        if (replSyncCopyLook(sync) > 0)
            return;
        g_usleep(REPL_SYNC_ROUND_us);
    }
}

/* One look at the world, and what follows. Returns whether another round may bring more; *@status is set on error. */
static bool
replSyncRound(ReplSync *sync, bool first, int *status)
{
    virtReplicationRegion **regions = replSyncLook(sync->client);
    g_autoptr(ReplPolicyPlan) plan = NULL;
    guint refused = g_hash_table_size(sync->refused);
    bool more;

    if (!regions) {
        *status = REPL_EXIT_FAILED;
        return false;
    }
    plan = replPolicyPlanMake(sync->policy, regions, sync->state, g_get_real_time() / G_USEC_PER_SEC,
                              sync->options->allowDelete);
    sync->report->closed = !replSyncIsOpen(sync);
    if (first)
        replSyncDeleteAll(sync, plan);
    if (!sync->report->closed) {
        replSyncCopyResume(sync, plan);
        replSyncRetryAll(sync, plan);
        if (sync->options->wait && !sync->options->dryRun)
            replSyncCopyAdopt(sync, regions, plan);
        replSyncCopyBegin(sync, plan);
    }
    /* A refused copy leaves its source free for another one. */
    more = (g_hash_table_size(sync->refused) > refused || (sync->running->len > 0 && sync->options->wait)) &&
           !sync->options->dryRun && !replProgressInterrupted() && !sync->report->closed;
    if (!more)
        replSyncCount(sync, plan);
    replTargetFreeRegions(regions);
    if (!replSyncSave(sync))
        *status = REPL_EXIT_FAILED;
    return more;
}

static int
replSyncStatus(const ReplSyncReport *report, int status)
{
    if (status != REPL_EXIT_DONE)
        return status;
    if (report->lags->len > 0)
        return report->there + report->copies->len + report->coming > 0 ? REPL_EXIT_PARTLY : REPL_EXIT_FAILED;
    return report->coming > 0 ? REPL_EXIT_RUNNING : REPL_EXIT_DONE;
}

int
replSyncRun(ReplClient *client, const ReplPolicy *policy, ReplSyncState *state,
            const ReplSyncOptions *options, ReplSyncReport *report)
{
    ReplSync sync = {
        .client = client, .policy = policy, .state = state, .options = options, .report = report};
    int status = REPL_EXIT_DONE;
    bool first = true;

    sync.running = g_ptr_array_new_with_free_func(replSyncCopyFree);
    sync.refused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    replProgressCatchInterrupt();
    while (replSyncRound(&sync, first, &status)) {
        replSyncWait(&sync);
        if (!replSyncIsOpen(&sync))
            replSyncCopyPause(&sync);
        first = false;
    }
    status = replSyncStatus(report, status);
    state->lastRun = g_get_real_time() / G_USEC_PER_SEC;
    state->lastStatus = (guint)status;
    if (status == REPL_EXIT_DONE)
        state->lastSuccess = state->lastRun;
    if (!replSyncSave(&sync))
        status = REPL_EXIT_FAILED;
    g_ptr_array_free(sync.running, TRUE);
    g_hash_table_destroy(sync.refused);
    return status;
}
