/*
 * showplan.c: what a copy will do, before it does
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <string.h>

#include "jsonout.h"
#include "pairs.h"
#include "size.h"
#include "table.h"

typedef struct {
    unsigned int layers; /* below the image */
    unsigned int reused;
    unsigned int snapshotsLost;
    unsigned int bitmapsLost;
    guint64 send;
} ReplPlanSums;

static ReplPlanSums
replPlanSums(const virtReplicationJob *job)
{
    ReplPlanSums sums = {.layers = job->nsteps > 0 ? (unsigned int)job->nsteps - 1 : 0};
    size_t i;

    for (i = 0; i < job->nsteps; i++) {
        const virtReplicationStep *step = &job->steps[i];

        sums.reused += g_strcmp0(step->action, VIRT_REPLICATION_STEP_REUSE) == 0;
        if (g_strcmp0(step->action, VIRT_REPLICATION_STEP_CLONE) != 0)
            sums.send += step->bytes;
        sums.snapshotsLost += step->snapshotsLost;
        sums.bitmapsLost += step->bitmapsLost;
    }
    return sums;
}

/* What is left of the target's quota afterwards: "97 images, 12.5 GiB", or "no limit". */
static char *
replPlanQuotaLeft(const ReplPair *pair)
{
    const virtReplicationAmount *after =
        pair->job->usageAfter.images >= 0 ? &pair->job->usageAfter : &pair->usage;
    GString *out = g_string_new(NULL);

    if (pair->quota.images >= 0)
        g_string_append_printf(
            out,
            ngettext("%lld image", "%lld images", (unsigned long)MAX(pair->quota.images - after->images, 0)),
            MAX(pair->quota.images - after->images, 0));
    if (pair->quota.snapshots >= 0)
        g_string_append_printf(out,
                               ngettext("%s%lld snapshot", "%s%lld snapshots",
                                        (unsigned long)MAX(pair->quota.snapshots - after->snapshots, 0)),
                               out->len ? ", " : "", MAX(pair->quota.snapshots - after->snapshots, 0));
    if (pair->quota.bytes >= 0) {
        g_autofree char *size = replSizeText((guint64)MAX(pair->quota.bytes - after->bytes, 0));

        g_string_append_printf(out, "%s%s", out->len ? ", " : "", size);
    }
    if (out->len == 0)
        g_string_append(out, _("no limit"));
    return g_string_free(out, FALSE);
}

static void
replPlanRow(ReplTable *table, const ReplPair *pair)
{
    ReplPlanSums sums = replPlanSums(pair->job);

    replTableAddColored(table, pair->label, REPL_COLOR_BOLD);
    replTableTake(table, g_strdup_printf("%u", sums.layers));
    replTableTake(table, replSizeText(sums.send));
    replTableTake(table, sums.reused > 0
                             ? g_strdup_printf(ngettext("%u layer", "%u layers", sums.reused), sums.reused)
                             : NULL);
    replTableTake(table, replSizeText(pair->job->peakSpace));
    replTableTake(table, replPlanQuotaLeft(pair));
    replTableTake(table, replTimeText(pair->job->eta));
}

static void
replPlanWarn(const ReplPair *pair)
{
    ReplPlanSums sums = replPlanSums(pair->job);

    if (sums.snapshotsLost > 0)
        printf(ngettext("%s: %u internal snapshot cannot be kept\n",
                        "%s: %u internal snapshots cannot be kept\n", sums.snapshotsLost),
               pair->label, sums.snapshotsLost);
    if (sums.bitmapsLost > 0)
        printf(ngettext("%s: %u dirty bitmap cannot be kept\n", "%s: %u dirty bitmaps cannot be kept\n",
                        sums.bitmapsLost),
               pair->label, sums.bitmapsLost);
}

static void
replPlanJson(ReplClient *client, const ReplPairs *pairs)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    size_t i;

    json_builder_begin_object(json);
    replJsonString(json, "event", "plan");
    json_builder_set_member_name(json, "pairs");
    json_builder_begin_array(json);
    for (i = 0; i < pairs->count; i++) {
        const ReplPair *pair = &pairs->list[i];

        json_builder_begin_object(json);
        replJsonString(json, "image", pair->name);
        replJsonString(json, "region", pair->region);
        replJsonString(json, "pool", pair->pool);
        replJsonString(json, "error", pair->error ? pair->error->message : NULL);
        replJsonAmount(json, "quota", &pair->quota);
        if (pair->job) {
            ReplPlanSums sums = replPlanSums(pair->job);

            replJsonNumber(json, "snapshots", sums.layers);
            replJsonNumber(json, "send", (gint64)sums.send);
            replJsonNumber(json, "reused", sums.reused);
            json_builder_set_member_name(json, "job");
            replJsonJob(json, pair->job);
        }
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
    json_builder_end_object(json);
    replJsonPrintLine(json);
}

void
replPairsShow(ReplClient *client, const ReplPairs *pairs)
{
    const char *const titles[] = {_("Copy"),   _(">Snapshots"), _(">To send"), _("Reused"),
                                  _(">Needs"), _("Quota left"), _(">Time"),    NULL};
    g_autoptr(ReplTable) table = NULL;
    size_t i;

    if (client->json) {
        replPlanJson(client, pairs);
        return;
    }
    if (client->quiet)
        return;
    table = replTableNew(&client->out, titles);
    for (i = 0; i < pairs->count; i++) {
        if (pairs->list[i].job && pairs->list[i].job->state == VIRT_REPLICATION_JOB_PLANNED)
            replPlanRow(table, &pairs->list[i]);
    }
    replTablePrint(table, NULL);
    for (i = 0; i < pairs->count; i++) {
        if (pairs->list[i].job)
            replPlanWarn(&pairs->list[i]);
    }
    fflush(stdout);
}
