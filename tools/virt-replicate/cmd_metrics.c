/*
 * cmd_metrics.c: virt-replicate metrics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "metrics.h"
#include "syncstate.h"
#include "target.h"

#define REPL_METRIC "virt_replication_"

static char *replMetricsOutput;

typedef gint64 (*ReplRegionValue)(const virtReplicationRegion *region);

static gint64
replMetricsActive(const virtReplicationRegion *region)
{
    return region->active;
}

static gint64
replMetricsPeerUp(const virtReplicationRegion *region)
{
    return region->peerURI ? g_strcmp0(region->peerState, "connected") == 0 : -1;
}

static gint64
replMetricsAvailable(const virtReplicationRegion *region)
{
    return region->active ? (gint64)region->available : -1;
}

static gint64
replMetricsUsedImages(const virtReplicationRegion *region)
{
    return region->usage.images;
}

static gint64
replMetricsUsedSnapshots(const virtReplicationRegion *region)
{
    return region->usage.snapshots;
}

static gint64
replMetricsUsedBytes(const virtReplicationRegion *region)
{
    return region->usage.bytes;
}

static gint64
replMetricsQuotaImages(const virtReplicationRegion *region)
{
    return region->quota.images;
}

static gint64
replMetricsQuotaSnapshots(const virtReplicationRegion *region)
{
    return region->quota.snapshots;
}

static gint64
replMetricsQuotaBytes(const virtReplicationRegion *region)
{
    return region->quota.bytes;
}

/* What there is to say of a region; -1 is left out. */
static const struct {
    const char *name;
    const char *help;
    ReplRegionValue value;
} replMetricsRegion[] = {
    {REPL_METRIC "region_active", "Whether the pool of the region is active.", replMetricsActive},
    {REPL_METRIC "region_peer_up", "Whether the other host of the region is connected.", replMetricsPeerUp},
    {REPL_METRIC "region_available_bytes", "Free space of the pool.", replMetricsAvailable},
    {REPL_METRIC "region_images", "Images in the region.", replMetricsUsedImages},
    {REPL_METRIC "region_snapshots", "Layers that images of the region need.", replMetricsUsedSnapshots},
    {REPL_METRIC "region_used_bytes", "Space that images and layers use.", replMetricsUsedBytes},
    {REPL_METRIC "region_quota_images", "Most images.", replMetricsQuotaImages},
    {REPL_METRIC "region_quota_snapshots", "Most layers.", replMetricsQuotaSnapshots},
    {REPL_METRIC "region_quota_bytes", "Most space.", replMetricsQuotaBytes},
};

static void
replMetricsRegions(GString *out, virtReplicationRegion *const *regions)
{
    size_t i, j;

    for (i = 0; i < G_N_ELEMENTS(replMetricsRegion); i++) {
        replMetricBegin(out, replMetricsRegion[i].name, replMetricsRegion[i].help);
        for (j = 0; regions[j]; j++) {
            gint64 value = replMetricsRegion[i].value(regions[j]);

            if (value >= 0)
                replMetricAdd(out, replMetricsRegion[i].name, value, "region", regions[j]->name, "pool",
                              regions[j]->pool, "project", regions[j]->project, NULL);
        }
    }
}

/* Jobs by state, every state of every region, so that a graph has no holes. */
static void
replMetricsJobs(GString *out, virtReplicationRegion *const *regions)
{
    static const char *const states[] = {"planned", "queued",  "running",   "verifying", "publishing",
                                         "paused",  "waiting", "completed", "failed"};
    size_t i, j, k;

    replMetricBegin(out, REPL_METRIC "jobs", "The newest jobs of all images, by state.");
    for (i = 0; regions[i]; i++) {
        for (j = 0; j < G_N_ELEMENTS(states); j++) {
            gint64 count = 0;

            for (k = 0; k < regions[i]->nimages; k++) {
                const virtReplicationJob *job = regions[i]->images[k]->job;

                count += job && g_strcmp0(job->stateName, states[j]) == 0;
            }
            replMetricAdd(out, REPL_METRIC "jobs", count, "region", regions[i]->name, "pool",
                          regions[i]->pool, "state", states[j], NULL);
        }
    }
}

typedef gint64 (*ReplJobValue)(const virtReplicationJob *job);

static gint64
replMetricsJobBytes(const virtReplicationJob *job)
{
    return (gint64)job->processed;
}

static gint64
replMetricsJobSeconds(const virtReplicationJob *job)
{
    if (job->started <= 0)
        return -1;
    return (job->ended > 0 ? job->ended : g_get_real_time() / G_USEC_PER_SEC) - job->started;
}

static gint64
replMetricsJobFailed(const virtReplicationJob *job)
{
    return job->state == VIRT_REPLICATION_JOB_FAILED;
}

static gint64
replMetricsJobSuccess(const virtReplicationJob *job)
{
    return job->state == VIRT_REPLICATION_JOB_COMPLETED ? job->ended : -1;
}

/* What there is to say of an image's newest job; -1 is left out. */
static const struct {
    const char *name;
    const char *help;
    ReplJobValue value;
} replMetricsJob[] = {
    {REPL_METRIC "job_processed_bytes", "Bytes that the newest job of the image has processed.",
     replMetricsJobBytes},
    {REPL_METRIC "job_duration_seconds", "Seconds that the newest job of the image takes, or took.",
     replMetricsJobSeconds},
    {REPL_METRIC "job_failed", "Whether the newest job of the image has failed.", replMetricsJobFailed},
    {REPL_METRIC "last_success_timestamp_seconds",
     "When the image was last replicated, or verified, with success.", replMetricsJobSuccess},
};

static void
replMetricsImages(GString *out, virtReplicationRegion *const *regions)
{
    size_t i, j, k;

    for (i = 0; i < G_N_ELEMENTS(replMetricsJob); i++) {
        replMetricBegin(out, replMetricsJob[i].name, replMetricsJob[i].help);
        for (j = 0; regions[j]; j++) {
            for (k = 0; k < regions[j]->nimages; k++) {
                const virtReplicationImage *image = regions[j]->images[k];
                gint64 value = image->job && !image->isLayer ? replMetricsJob[i].value(image->job) : -1;

                if (value >= 0)
                    replMetricAdd(out, replMetricsJob[i].name, value, "region", image->region, "pool",
                                  image->pool, "volume", image->volume, "image", image->name, NULL);
            }
        }
    }
}

static void
replMetricsLag(GString *out, const GPtrArray *states)
{
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    bool success;
    int round;
    guint i;

    for (round = 0; round < 2; round++) {
        const char *name =
            round ? REPL_METRIC "sync_success_timestamp_seconds" : REPL_METRIC "sync_lag_seconds";

        success = round;
        replMetricBegin(out, name,
                        success ? "When the image reached the region."
                                : "How long the region waits for the image.");
        for (i = 0; i < states->len; i++) {
            const ReplSyncState *state = g_ptr_array_index(states, i);
            GHashTableIter iter;
            gpointer value;

            g_hash_table_iter_init(&iter, state->pairs);
            while (g_hash_table_iter_next(&iter, NULL, &value)) {
                const ReplSyncPair *pair = value;
                gint64 lag = pair->done > 0 ? 0 : MAX(now - pair->wanted, 0);

                if (!success || pair->done > 0)
                    replMetricAdd(out, name, success ? pair->done : lag, "policy", state->policy, "image",
                                  pair->name, "id", pair->origin, "region", pair->region, NULL);
            }
        }
    }
}

static void
replMetricsRuns(GString *out, const GPtrArray *states)
{
    static const char *const names[] = {REPL_METRIC "sync_last_run_timestamp_seconds",
                                        REPL_METRIC "sync_last_full_success_timestamp_seconds",
                                        REPL_METRIC "sync_last_exit_status"};
    static const char *const helps[] = {"When the policy was last run.", "When a run left nothing undone.",
                                        "Exit status of the last run."};
    size_t i;
    guint j;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        replMetricBegin(out, names[i], helps[i]);
        for (j = 0; j < states->len; j++) {
            const ReplSyncState *state = g_ptr_array_index(states, j);
            gint64 values[] = {state->lastRun, state->lastSuccess, state->lastStatus};

            replMetricAdd(out, names[i], values[i], "policy", state->policy, NULL);
        }
    }
}

/* What runs of `sync` have noted; files that cannot be read are left out, and said. */
static GPtrArray *
replMetricsStates(void)
{
    GPtrArray *states = g_ptr_array_new_with_free_func((GDestroyNotify)replSyncStateFree);
    g_autofree char *folder = replSyncStateFolder();
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(GError) error = NULL;
        ReplSyncState *state;

        if (!g_str_has_suffix(name, ".state"))
            continue;
        if ((state = replSyncStateRead(path, &error)))
            g_ptr_array_add(states, state);
        else
            replClientError("%s: %s", path, error->message);
    }
    return states;
}

static int
replMetricsRun(ReplClient *client, int argc G_GNUC_UNUSED, char **argv G_GNUC_UNUSED)
{
    virtReplicationRegion **regions =
        replTargetRegions(client, VIRT_REPLICATION_LIST_IMAGES | VIRT_REPLICATION_LIST_INACTIVE);
    g_autoptr(GPtrArray) states = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    if (!regions)
        return REPL_EXIT_FAILED;
    states = replMetricsStates();
    replMetricsRegions(out, regions);
    replMetricsJobs(out, regions);
    replMetricsImages(out, regions);
    replMetricsLag(out, states);
    replMetricsRuns(out, states);
    replTargetFreeRegions(regions);
    if (!replMetricsOutput)
        fputs(out->str, stdout);
    /* The collector must never see half a file. */
    else if (!g_file_set_contents_full(replMetricsOutput, out->str, (gssize)out->len,
                                       G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
        return replClientError("%s", error->message);
    return REPL_EXIT_DONE;
}

static const GOptionEntry replMetricsEntries[] = {
    {"output", 'o', 0, G_OPTION_ARG_FILENAME, &replMetricsOutput,
     N_("write to this file, in one go, for the textfile collector of node_exporter"), N_("FILE")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdMetrics = {
    .name = "metrics",
    .args = "",
    .summary = N_("print regions, jobs and policies in Prometheus' text format"),
    .examples = (const char *const[]){"virt-replicate metrics",
                                      "virt-replicate metrics --output "
                                      "/var/lib/prometheus/node-exporter/virt-replicate.prom",
                                      NULL},
    .entries = replMetricsEntries,
    .max = 0,
    .run = replMetricsRun,
};
