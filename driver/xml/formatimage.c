/*
 * formatimage.c: <replication:image>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/format.h"
#include "xml/xml.h"

static void
replFormatSource(GString *out, const ReplImageSource *source)
{
    if (!source->region && !source->id && !source->pool && !source->volume)
        return;
    replFormatBegin(out, 3, "source");
    replFormatAttr(out, "region", source->region);
    replFormatAttr(out, "id", source->id);
    replFormatAttr(out, "pool", source->pool);
    replFormatAttr(out, "volume", source->volume);
    replFormatEnd(out);
}

static void
replFormatSnapshots(GString *out, const char *const *volumes)
{
    guint count = volumes ? g_strv_length((char **)volumes) : 0;
    guint i;

    replFormatBegin(out, 3, "snapshots");
    replFormatAttrNumber(out, "count", count);
    if (count == 0) {
        replFormatEnd(out);
        return;
    }
    replFormatOpen(out);
    for (i = 0; i < count; i++) {
        replFormatBegin(out, 4, "snapshot");
        replFormatAttr(out, "volume", volumes[i]);
        replFormatEnd(out);
    }
    replFormatClose(out, 3, "snapshots");
}

static void
replFormatConversion(GString *out, const ReplConversion *conv)
{
    replFormatBegin(out, 4, "conversion");
    replFormatAttrNumber(out, "time", MAX(conv->when_s, 0));
    replFormatAttr(out, "by", conv->by);
    replFormatAttr(out, "action", conv->action);
    replFormatAttr(out, "from", conv->fromSecret);
    replFormatAttr(out, "to", conv->toSecret);
    replFormatEnd(out);
}

/* The secret has libvirt's own shape and no prefix, so that it can be pasted into <encryption>. */
static void
replFormatEncryption(GString *out, const ReplImage *image)
{
    guint i;

    if (!image->secret && image->conversions->len == 0)
        return;
    replFormatBegin(out, 3, "encryption");
    if (image->secret) /* libvirt's <secret> has either of the two */
        replFormatAttr(out, "usage", image->secretUsage);
    replFormatOpen(out);
    if (image->secret) {
        g_string_append(out, "        <secret type='passphrase'");
        replFormatAttr(out, "uuid", image->secret);
        replFormatEnd(out);
    }
    for (i = 0; i < image->conversions->len; i++)
        replFormatConversion(out, g_ptr_array_index(image->conversions, i));
    replFormatClose(out, 3, "encryption");
}

static void
replFormatShares(GString *out, const ReplImage *image)
{
    guint i;

    for (i = 0; i < image->shares->len; i++) {
        const ReplShare *share = g_ptr_array_index(image->shares, i);

        replFormatBegin(out, 3, "share");
        replFormatAttr(out, "project", share->project);
        replFormatAttr(out, "state", replShareStateToString(share->state));
        replFormatEnd(out);
    }
}

static void
replFormatMembers(GString *out, const ReplImage *image)
{
    guint i;

    if (image->members->len == 0)
        return;
    replFormatBegin(out, 3, "members");
    replFormatOpen(out);
    for (i = 0; i < image->members->len; i++) {
        replFormatBegin(out, 4, "member");
        replFormatAttr(out, "volume", g_ptr_array_index(image->members, i));
        replFormatEnd(out);
    }
    replFormatClose(out, 3, "members");
}

static gboolean
replFormatJobHasEnded(const ReplJobInfo *job)
{
    return job->state == REPL_JOB_COMPLETED || job->state == REPL_JOB_FAILED ||
           job->state == REPL_JOB_CANCELLED;
}

void
replFormatJobAttrs(GString *out, const ReplJobInfo *job)
{
    guint64 left = job->total_bytes > job->processed_bytes ? job->total_bytes - job->processed_bytes : 0;

    replFormatAttr(out, "id", job->id);
    replFormatAttr(out, "state", replJobStateToString(job->state));
    replFormatAttrNumber(out, "progress", replJobInfoProgress(job));
    replFormatAttrNumber(out, "processed", job->processed_bytes);
    replFormatAttrNumber(out, "total", job->total_bytes);
    replFormatAttrNumber(out, "remaining", left);
    if (job->wire_bytes > 0)
        replFormatAttrNumber(out, "wire", job->wire_bytes);
    replFormatAttrNumber(out, "rate", job->rate_bytesPerSec);
    if (job->eta_s >= 0 && !replFormatJobHasEnded(job))
        replFormatAttrNumber(out, "eta", job->eta_s);
    if (job->link_bytesPerSec > 0 && !replFormatJobHasEnded(job))
        replFormatAttrNumber(out, "link-rate", job->link_bytesPerSec);
    if (job->peer)
        replFormatAttr(out, "peer", job->peer);
    if (job->host)
        replFormatAttr(out, "host", job->host);
    if (job->without)
        replFormatAttr(out, "without", job->without);
    if (job->position > 0)
        replFormatAttrNumber(out, "position", job->position);
    if (job->bandwidth_bytesPerSec > 0)
        replFormatAttrNumber(out, "bandwidth", job->bandwidth_bytesPerSec);
    if (job->peakSpace_bytes > 0)
        replFormatAttrNumber(out, "peak-space", job->peakSpace_bytes);
    if (job->started_s > 0)
        replFormatAttrNumber(out, "started", job->started_s);
    if (job->ended_s > 0)
        replFormatAttrNumber(out, "ended", job->ended_s);
}

static void
replFormatJob(GString *out, const ReplJobInfo *job)
{
    guint i;

    replFormatBegin(out, 3, "job");
    replFormatJobAttrs(out, job);
    if (job->steps->len == 0 && !job->error && !job->hasAfter) {
        replFormatEnd(out);
        return;
    }
    replFormatOpen(out);
    for (i = 0; i < job->steps->len; i++) {
        const ReplStep *step = g_ptr_array_index(job->steps, i);

        replFormatBegin(out, 4, "step");
        replFormatAttr(out, "layer", step->layer);
        replFormatAttr(out, "volume", step->volume);
        replFormatAttr(out, "action", replStepActionToString(step->action));
        replFormatAttrNumber(out, "bytes", step->bytes);
        if (step->snapshotsLost > 0)
            replFormatAttrNumber(out, "snapshots-lost", step->snapshotsLost);
        if (step->bitmapsLost > 0)
            replFormatAttrNumber(out, "bitmaps-lost", step->bitmapsLost);
        replFormatAttr(out, "state", replStepStateToString(step->state));
        replFormatEnd(out);
    }
    if (job->hasAfter) {
        replFormatBegin(out, 4, "usage");
        replFormatAttrNumber(out, "images", job->after.images);
        replFormatAttrNumber(out, "snapshots", job->after.snapshots);
        replFormatAttrNumber(out, "bytes", job->after.bytes);
        replFormatEnd(out);
    }
    replFormatElement(out, 4, "error", job->error);
    replFormatClose(out, 3, "job");
}

static void
replFormatVerified(GString *out, const ReplVerified *verified)
{
    guint i;

    replFormatBegin(out, 3, "verified");
    replFormatAttrNumber(out, "when", MAX(verified->when_s, 0));
    replFormatAttr(out, "state", replVerifiedStateToString(verified->state));
    replFormatAttr(out, "digests", verified->made ? "made" : "kept");
    replFormatAttrNumber(out, "blocks", verified->blocks);
    if (verified->damages->len == 0) {
        replFormatEnd(out);
        return;
    }
    replFormatOpen(out);
    for (i = 0; i < verified->damages->len; i++) {
        const ReplVerifiedDamage *damage = g_ptr_array_index(verified->damages, i);

        replFormatBegin(out, 4, "damage");
        replFormatAttr(out, "volume", damage->volume);
        replFormatAttrNumber(out, "offset", damage->offset_bytes);
        replFormatAttrNumber(out, "bytes", damage->length_bytes);
        replFormatEnd(out);
    }
    replFormatClose(out, 3, "verified");
}

char *
replFormatImage(const ReplImage *image, const char *project, const char *displayName,
                const char *const *snapshotVolumes, gboolean withJob)
{
    GString *out = g_string_new("  <metadata>\n");

    replFormatBegin(out, 2, "image");
    replFormatNamespace(out);
    replFormatAttr(out, "id", image->id);
    replFormatAttr(out, "status", replImageStatusToString(image->status));
    replFormatAttr(out, "type", replImageTypeToString(image->type));
    /* An image belongs to one project; sharing names the others. */
    replFormatAttr(out, "visibility", "private");
    replFormatAttr(out, "project", image->project ? image->project : project);
    replFormatAttr(out, "fast-create", image->fastCreate ? "yes" : "no");
    replFormatOpen(out);
    replFormatElement(out, 3, "name", image->name ? image->name : displayName);
    replFormatElement(out, 3, "description", image->description);
    replFormatElement(out, 3, "reason", image->reason);
    replFormatSource(out, &image->source);
    replFormatSnapshots(out, snapshotVolumes);
    replFormatEncryption(out, image);
    replFormatMembers(out, image);
    replFormatShares(out, image);
    if (image->verified)
        replFormatVerified(out, image->verified);
    if (withJob && image->job)
        replFormatJob(out, image->job);
    replFormatClose(out, 2, "image");
    g_string_append(out, "  </metadata>\n");
    return g_string_free(out, FALSE);
}
