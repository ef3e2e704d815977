/*
 * formatoverview.c: <replication:counts>, <replication:job>, <replication:loan>, <replication:shared> and
 * <replication:images> of a pool
 *
 * A string of libvirt's RPC ends at 4 MiB. The bytes given to each kind below keep the whole pool
 * XML under 3 MiB, however long names are: what does not fit is counted, or stands in the next
 * part.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/format.h"
#include "xml/xml.h"

#define REPL_OVERVIEW_LIST_bytes (300 * 1024)
#define REPL_OVERVIEW_IMAGES_bytes (2 * 1024 * 1024)

static void
replFormatOverviewJob(GString *out, const ReplOverviewJob *job)
{
    const ReplJobInfo *info = job->info;

    replFormatBegin(out, 3, "job");
    replFormatAttr(out, "id", info->id);
    replFormatAttr(out, "volume", job->volume);
    replFormatAttr(out, "state", replJobStateToString(info->state));
    replFormatAttrNumber(out, "progress", replJobInfoProgress(info));
    replFormatAttrNumber(out, "rate", info->rate_bytesPerSec);
    if (info->eta_s >= 0 && info->state != REPL_JOB_FAILED)
        replFormatAttrNumber(out, "eta", info->eta_s);
    if (info->host)
        replFormatAttr(out, "host", info->host);
    replFormatEnd(out);
}

static void
replFormatOverviewLoan(GString *out, const ReplOverviewLoan *loan)
{
    replFormatBegin(out, 3, "loan");
    replFormatAttr(out, "id", loan->id);
    replFormatAttr(out, "volume", loan->volume);
    replFormatAttr(out, "host", loan->host);
    replFormatAttr(out, "state", replJobStateToString(loan->waiting ? REPL_JOB_WAITING : REPL_JOB_RUNNING));
    replFormatAttrNumber(out, "since", (guint64)loan->since_s);
    replFormatEnd(out);
}

static void
replFormatOverviewShared(GString *out, const ReplOverviewShared *shared)
{
    replFormatBegin(out, 3, "shared");
    replFormatAttr(out, "image", shared->image);
    replFormatAttr(out, "name", shared->name);
    replFormatAttr(out, "project", shared->project);
    replFormatAttr(out, "region", shared->region);
    replFormatAttr(out, "state", replShareStateToString(shared->state));
    replFormatEnd(out);
}

/* The first of @items, by number and by bytes. */
static void
replFormatOverviewList(GString *out, const GPtrArray *items, void (*format)(GString *, gconstpointer))
{
    gsize start = out->len;
    guint i;

    for (i = 0; i < items->len && i < REPL_OVERVIEW_MAX; i++) {
        gsize before = out->len;

        format(out, g_ptr_array_index(items, i));
        if (out->len - start > REPL_OVERVIEW_LIST_bytes) {
            g_string_truncate(out, before);
            return;
        }
    }
}

static void
replFormatOverviewImage(GString *out, const ReplOverviewImage *image)
{
    replFormatBegin(out, 4, "image");
    replFormatAttr(out, "id", image->id);
    replFormatAttr(out, "volume", image->volume);
    replFormatAttr(out, "name", image->name);
    replFormatAttr(out, "status", replImageStatusToString(image->status));
    replFormatAttr(out, "type", replImageTypeToString(image->type));
    replFormatAttr(out, "layer", image->isLayer ? "yes" : "no");
    replFormatAttrNumber(out, "bytes", image->bytes);
    replFormatAttr(out, "backing", image->backing);
    replFormatAttr(out, "source", image->source);
    if (!image->job) {
        replFormatEnd(out);
        return;
    }
    replFormatOpen(out);
    replFormatBegin(out, 5, "job");
    replFormatJobAttrs(out, image->job);
    if (image->job->error) {
        replFormatOpen(out);
        replFormatElement(out, 6, "error", image->job->error);
        replFormatClose(out, 5, "job");
    } else {
        replFormatEnd(out);
    }
    replFormatClose(out, 4, "image");
}

/* Parts are cut by bytes: part N is what stands behind N full ones. */
static void
replFormatOverviewImages(GString *out, const ReplOverview *overview)
{
    /* About what ordinary names need: a string that grows to megabytes is copied again and again. */
    g_autoptr(GString) lines =
        g_string_sized_new(MIN(overview->images->len * 192u, REPL_OVERVIEW_IMAGES_bytes));
    guint part = 0;
    guint i;

    for (i = 0; i < overview->images->len && part <= overview->part; i++) {
        gsize before = lines->len;

        replFormatOverviewImage(lines, g_ptr_array_index(overview->images, i));
        if (lines->len <= REPL_OVERVIEW_IMAGES_bytes)
            continue;
        if (part++ < overview->part)
            g_string_erase(lines, 0, before);
        else
            g_string_truncate(lines, before);
    }
    if (part < overview->part)
        g_string_truncate(lines, 0);
    replFormatBegin(out, 3, "images");
    replFormatAttrNumber(out, "count", overview->images->len);
    if (part > overview->part)
        replFormatAttrNumber(out, "next", overview->part + 1);
    replFormatOpen(out);
    g_string_append_len(out, lines->str, lines->len);
    replFormatClose(out, 3, "images");
}

char *
replFormatOverview(const ReplOverview *overview)
{
    GString *out = g_string_new(NULL);

    /* A later part repeats nothing of the first. */
    if (overview->images == NULL || overview->part == 0) {
        replFormatBegin(out, 3, "counts");
        replFormatAttrNumber(out, "jobs", overview->jobs->len);
        replFormatAttrNumber(out, "shared", overview->shared->len);
        replFormatEnd(out);
        replFormatOverviewList(out, overview->jobs,
                               (void (*)(GString *, gconstpointer))replFormatOverviewJob);
        replFormatOverviewList(out, overview->loans,
                               (void (*)(GString *, gconstpointer))replFormatOverviewLoan);
        replFormatOverviewList(out, overview->shared,
                               (void (*)(GString *, gconstpointer))replFormatOverviewShared);
    }
    if (overview->images)
        replFormatOverviewImages(out, overview);
    return g_string_free(out, FALSE);
}
