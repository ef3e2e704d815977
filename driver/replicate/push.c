/*
 * push.c: a replica that another host makes of an image that this one reads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/push.h"

#include <glib-object.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "peer/pools.h"
#include "peer/rate.h"
#include "replicate/pushlink.h"
#include "replicate/pushpriv.h"
#include "replicate/pushsource.h"
#include "service/service.h"
#include "virt/access.h"
#include "virt/events.h"

/* How often the job is asked whether to go on. */
#define REPL_PUSH_TICK_ms 100

/* The other host undoes what it has when a push is cancelled. */
#define REPL_PUSH_CANCEL_us (15 * G_USEC_PER_SEC)

/* --- both ends --- */

static ReplPeerPoolEntry *
replPushPool(const ReplPush *push, GError **err)
{
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];

    if (!replUuidParse(push->record->targetPoolUuid, uuid) || !(entry = replPeerPoolsFind(uuid))) {
        replErrorSet(err, VIR_ERR_NO_STORAGE_POOL,
                     _("There is no pool of type 'region' with UUID '%s' any more"),
                     push->record->targetPoolUuid);
        return NULL;
    }
    if (!entry->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     entry->pool->def->name);
        return NULL;
    }
    return g_steal_pointer(&entry);
}

static int
replPushAdmit(void *opaque, guint64 bytes, GError **err)
{
    return replJobAdmit(opaque, bytes, err);
}

/* @limited: bytes go as the job's pause and limits let them; a job that is only planned lets none. */
static int
replPushOpen(ReplPush *push, ReplJob *job, gboolean limited, GError **err)
{
    const ReplJobRecord *record = push->record;
    g_autoptr(ReplPeerPoolEntry) entry = replPushPool(push, err);
    ReplPushLink *link;

    if (!entry || !(push->source = replPushSourceOpen(record, push->identity, job, err)))
        return -1;
    replSourceWatch(push->source, replJobTraffic(job));
    if (!(push->serve = replServeNew(push->source, NULL, NULL, err)))
        return -1;
    if (limited)
        replServeAdmit(push->serve, replPushAdmit, job);
    if (replServeHold(push->serve, err) < 0)
        return -1;
    if (!(link = replPushLinkNew(record, entry->pool->uri, entry->pool->def->source, push->serve, err)))
        return -1;
    replPushLinkWatch(link, replJobTraffic(job), record->targetPool);
    replTrafficLink(replJobTraffic(job), replRateSeen(entry->pool->uri->text));
    REPL_GUARD(&push->lock);
    push->link = link;
    return 0;
}

static ReplPushLink *
replPushTakeLink(ReplPush *push)
{
    REPL_GUARD(&push->lock);

    return g_steal_pointer(&push->link);
}

/* --- following the job there --- */

/* Returns 0 as long as it makes sense to wait for the other host, or -1 with @err set. */
static int
replPushCheckNews(const ReplPush *push, const ReplPushNews *news, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    guint wait_s = news->ever || push->resumed ? config->peerGone_s : config->peerWait_s;

    if (news->attached || (!news->refused && news->away_us < wait_s * G_USEC_PER_SEC))
        return 0;
    if (news->why && (news->refused || !news->ever))
        g_propagate_error(err, g_error_copy(news->why));
    else
        replErrorSet(err, VIR_ERR_NO_CONNECT, _("The other host has not come back for %u seconds: %s"),
                     wait_s, news->why ? news->why->message : _("nothing answers"));
    return -1;
}

/* What a status says of the job as a whole: 1 it is done, 0 it goes on, -1 with @err set. */
static int
replPushJudge(const ReplWireStatus *status, GError **err)
{
    const ReplJobInfo *info = status->info;

    if (!info || !status->over)
        return 0;
    if (info->state == REPL_JOB_COMPLETED)
        return 1;
    if (info->state == REPL_JOB_CANCELLED)
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("The replication was cancelled on the other host"));
    else
        replErrorSet(err, info->errorCode != 0 ? info->errorCode : VIR_ERR_OPERATION_FAILED, "%s",
                     info->error ? info->error : _("The replication has failed on the other host"));
    return -1;
}

static void
replPushNoteVolume(ReplPush *push, const char *volume)
{
    REPL_GUARD(&push->lock);

    push->listed = push->listed || volume;
    if (!volume || g_str_equal(volume, push->record->volume))
        return;
    g_free(push->record->volume);
    push->record->volume = g_strdup(volume);
}

static void
replPushShow(ReplPush *push, ReplJob *job, const ReplWireStatus *status)
{
    const ReplJobInfo *info = status->info;

    if (!info)
        return;
    replPushNoteVolume(push, status->volume);
    for (guint i = 0; i < info->steps->len; i++)
        replJobSetStepState(job, i, ((const ReplStep *)g_ptr_array_index(info->steps, i))->state);
    replJobSetProcessed(job, info->processed_bytes);
}

static gboolean
replPushHasPlan(const ReplPushNews *news)
{
    return news->status.info && (news->status.over || news->status.info->steps->len > 0);
}

/* The daemon stops. */
static int
replPushCheckStop(GError **err)
{
    if (!replPeersStopping())
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "%s", _("The daemon stops"));
    return -1;
}

/* Waits until the other host has a plan, and shows it as this job's. @attempt: it is an attempt's; else a request waits for the plan. */
static int
replPushAwaitPlan(ReplPush *push, ReplJob *job, gboolean attempt, GError **err)
{
    if (replPushOpen(push, job, attempt, err) < 0)
        return -1;
    for (;;) {
        g_auto(ReplPushNews) news = {0};

        replPushLinkWait(push->link, REPL_PUSH_TICK_ms, &news);
        if (replPushHasPlan(&news)) {
            if (replPushJudge(&news.status, err) < 0)
                return -1;
            replJobSetSteps(job, news.status.info->steps, news.status.info->peakSpace_bytes);
            replPushShow(push, job, &news.status);
            return 0;
        }
        if ((attempt ? replJobCheck(job, err) : replPushCheckStop(err)) < 0 ||
            replPushCheckNews(push, &news, err) < 0)
            return -1;
    }
}

static int
replPushPrepare(ReplJob *job, void *opaque, GError **err)
{
    return replPushAwaitPlan(opaque, job, TRUE, err);
}

/* What the other host's job is to be told now, to do what this one does. A job that is started, or goes on, has the other host
 * start, or go on with, what it only planned or paused. */
static void
replPushTell(ReplPushLink *link, ReplJob *job, const ReplPushNews *news, ReplJobState *told)
{
    ReplJobState here = replJobState(job);
    ReplJobState there = news->status.info ? news->status.info->state : REPL_JOB_STATE_LAST;
    ReplWireVerb verb;

    if (!news->attached)
        *told = REPL_JOB_STATE_LAST; /* what was said may not have arrived */
    if (!news->attached || !news->status.info || here == *told)
        return;
    if (here == REPL_JOB_PAUSED) {
        verb = REPL_WIRE_PAUSE;
    } else if (there == REPL_JOB_PLANNED) {
        verb = REPL_WIRE_START;
    } else if (there == REPL_JOB_PAUSED || *told == REPL_JOB_PAUSED) {
        verb = REPL_WIRE_RESUME;
    } else {
        *told = here;
        return;
    }
    if (replPushLinkControl(link, verb, 0))
        *told = here;
}

static int
replPushRun(ReplJob *job, void *opaque, GError **err)
{
    ReplPush *push = opaque;
    ReplJobState told = REPL_JOB_STATE_LAST;

    for (;;) {
        g_auto(ReplPushNews) news = {0};
        int rc;

        replPushLinkWait(push->link, REPL_PUSH_TICK_ms, &news);
        replPushShow(push, job, &news.status);
        if ((rc = replPushJudge(&news.status, err)) != 0)
            return rc > 0 ? 0 : -1;
        replPushTell(push->link, job, &news, &told);
        if (replJobCheck(job, err) < 0 || replPushCheckNews(push, &news, err) < 0)
            return -1;
    }
}

/* --- the end --- */

/* Has the other host cancel its job and undo what it has made. Returns 0, 1 when that one was faster and has made the replica, or
 * -1 with @err set when this host could not tell it so: the other host then lets go by itself, later. */
static int
replPushCancelThere(ReplPush *push, ReplPushLink *link, GError **err)
{
    gint64 until = g_get_monotonic_time() + REPL_PUSH_CANCEL_us;
    gboolean told = FALSE;

    while (g_get_monotonic_time() < until) {
        g_auto(ReplPushNews) news = {0};

        replPushLinkWait(link, REPL_PUSH_TICK_ms, &news);
        if (news.status.info && news.status.over)
            return news.status.info->state == REPL_JOB_COMPLETED;
        if (replPushCheckNews(push, &news, err) < 0)
            return news.refused ? 0 : -1;
        told = news.attached && (told || replPushLinkControl(link, REPL_WIRE_CANCEL, 0));
    }
    replErrorSet(err, VIR_ERR_NO_CONNECT, _("The other host does not say that it has cancelled job %s"),
                 push->record->id);
    return -1;
}

/* Cancels a push that no attempt works on: there is no link to the other host, so opens one for this. Returns as
 * replPushCancelThere(). */
static int
replPushCancelAlone(ReplPush *push, GError **err)
{
    g_autoptr(ReplPeerPoolEntry) entry = replPushPool(push, NULL);
    ReplPushLink *link;
    int rc;

    if (!entry)
        return 0;
    if (!(link = replPushLinkNew(push->record, entry->pool->uri, entry->pool->def->source, NULL, err)))
        return -1;
    rc = replPushCancelThere(push, link, err);
    replPushLinkStop(link);
    return rc;
}

static int
replPushAbort(ReplJob *job, void *opaque, const GError *why, gboolean keepPartials, GError **err)
{
    ReplPush *push = opaque;
    g_autoptr(GError) local = NULL;
    gboolean stays = push->resumed || push->record->request->async;
    ReplPushLink *link;
    int rc;

    (void)why;
    if (keepPartials && (replJobIsInterrupted(job) || stays))
        return 0;
    link = replPushTakeLink(push);
    rc = link ? replPushCancelThere(push, link, &local) : replPushCancelAlone(push, &local);
    if (link)
        replPushLinkStop(link);
    if (rc < 0)
        replWarn("Job %s: %s", push->record->id, local->message);
    if (rc <= 0)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Replication job '%s' completed before it could be cancelled"), push->record->id);
    return -1;
}

static void
replPushStop(ReplJob *job, void *opaque)
{
    ReplPush *push = opaque;
    REPL_GUARD(&push->lock);

    (void)job;
    if (push->link)
        replPushLinkWake(push->link);
}

static void
replPushClean(ReplJob *job, void *opaque)
{
    ReplPush *push = opaque;
    ReplPushLink *link = replPushTakeLink(push);

    replTrafficGoesOn(replJobTraffic(job), NULL);
    if (link)
        replPushLinkStop(link);
    if (push->source)
        replSourceCancel(push->source);
    g_clear_pointer(&push->serve, replServeFree);
    g_clear_pointer(&push->source, replSourceFree);
    replPinsDropJob(replServicePins(), push->record->id);
}

static void
replPushEnded(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    ReplPush *push = opaque;
    g_autoptr(ReplPeerPoolEntry) entry = replPushPool(push, NULL);

    /* A failed one may stay for long, and nobody may ever try it again. */
    replPushSourceDropMade(push->record);
    if (info->state != REPL_JOB_FAILED)
        replPushForget(job);
    if (entry)
        replEventsRefresh(entry->pool->def->name, entry->pool->uuid);
}

static char *
replPushDescribe(ReplJob *job, void *opaque)
{
    ReplPush *push = opaque;
    REPL_GUARD(&push->lock);

    (void)job;
    return g_strdup_printf("image '%s' of pool '%s' to volume '%s' of pool '%s' on another host",
                           push->record->sourceVolume, push->record->sourcePool, push->record->volume,
                           push->record->targetPool);
}

static void
replPushRelease(void *opaque)
{
    ReplPush *push = opaque;

    if (push->identity)
        g_object_unref(push->identity);
    replJobRecordFree(push->record);
    replLockClear(&push->lock);
    replLockClear(&push->saving);
    g_free(push);
}

static const ReplJobOps replPushOps = {
    .prepare = replPushPrepare,
    .run = replPushRun,
    .abort = replPushAbort,
    .stop = replPushStop,
    .clean = replPushClean,
    .record = replPushRecord,
    .ended = replPushEnded,
    .describe = replPushDescribe,
    .release = replPushRelease,
};

ReplJob *
replPushJobNew(ReplJobRecord *record, gboolean resumed)
{
    ReplPush *push = g_new0(ReplPush, 1);
    ReplJob *job;

    replLockInit(&push->saving);
    replLockInit(&push->lock);
    push->record = record;
    push->resumed = resumed;
    push->identity = resumed ? NULL : replVirt.IdentityGetCurrent();
    job = replJobNew(record->id, record->targetRegion, &replPushOps, push,
                     record->request->bandwidth_bytesPerSec);
    replJobAddKey(job, record->targetPoolUuid);
    replJobAddKey(job, record->sourcePoolUuid);
    replPushAdd(job);
    return job;
}

int
replPushPlan(ReplJob *job, GError **err)
{
    ReplPush *push = replJobOpaque(job);
    int rc = replPushAwaitPlan(push, job, FALSE, err);

    if (rc < 0)
        replPushAbort(job, push, NULL, FALSE, NULL);
    replPushClean(job, push);
    return rc;
}
