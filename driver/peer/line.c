/*
 * line.c: a connection of its own to a pool on another host, for one user that works there for long
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/line.h"

#include "base/error.h"
#include "base/lock.h"
#include "peer/connection.h"
#include "peer/rate.h"

#define REPL_LINE_TICK_us (G_USEC_PER_SEC / 10)
/* The first contact is waited for this many times as long as a call waits: both hosts may just have been
 * started. */
#define REPL_LINE_FIRST 3
#define REPL_LINE_AGAIN_us (3 * G_USEC_PER_SEC / 2)

/* One connection, and the thread that alone uses it. */
struct _ReplLineRoad {
    gatomicrefcount refs;
    ReplCalls *calls; /* fixed */
    ReplPeerUri *uri;
    char *pool;
    ReplLink *link; /* the thread's alone, but for cutting it (atomic); NULL: not open yet */
    gint broken;    /* atomic: good for nothing any more */
    gint moves;     /* atomic */
};

struct _ReplLine {
    gatomicrefcount refs;
    ReplPeerUri *uri; /* these three are fixed */
    char *pool;
    guint gone_s;

    ReplLock lock;      /* guards the rest */
    ReplLineRoad *road; /* NULL: none, or the last one broke */
    gboolean cancelled;
    ReplTrafficReport report;
    gboolean ever;  /* the peer has answered once */
    gint64 gone_us; /* since when it has not; 0: it does */
};

static void
replLineRoadUnref(ReplLineRoad *road)
{
    if (!road || !g_atomic_ref_count_dec(&road->refs))
        return;
    g_clear_pointer(&road->link, replLinkUnref);
    replCallsUnref(road->calls);
    replPeerUriFree(road->uri);
    g_free(road->pool);
    g_free(road);
}

static ReplLineRoad *
replLineRoadRef(ReplLineRoad *road)
{
    g_atomic_ref_count_inc(&road->refs);
    return road;
}

static ReplLineRoad *
replLineRoadNew(const ReplLine *line)
{
    ReplLineRoad *road = g_new0(ReplLineRoad, 1);

    g_atomic_ref_count_init(&road->refs);
    road->calls = replCallsNew("repl-line", 1);
    road->uri = replPeerUriCopy(line->uri);
    road->pool = g_strdup(line->pool);
    return road;
}

/* --- the line --- */

ReplLine *
replLineNew(const ReplPeerUri *uri, const char *pool, guint gone_s)
{
    ReplLine *line = g_new0(ReplLine, 1);

    g_atomic_ref_count_init(&line->refs);
    replLockInit(&line->lock);
    line->uri = replPeerUriCopy(uri);
    line->pool = g_strdup(pool);
    line->gone_s = gone_s;
    return line;
}

ReplLine *
replLineRef(ReplLine *line)
{
    g_atomic_ref_count_inc(&line->refs);
    return line;
}

void
replLineUnref(ReplLine *line)
{
    if (!line || !g_atomic_ref_count_dec(&line->refs))
        return;
    replLineRoadUnref(line->road);
    replTrafficReportClear(&line->report);
    replLockClear(&line->lock);
    replPeerUriFree(line->uri);
    g_free(line->pool);
    g_free(line);
}

void
replLineWatch(ReplLine *line, ReplTraffic *traffic, const char *name)
{
    REPL_GUARD(&line->lock);

    replTrafficReportTo(&line->report, traffic, name);
    replTrafficLink(traffic, replRateSeen(line->uri->text));
    if (line->gone_us != 0)
        replTrafficWaits(traffic, name);
}

const char *
replLineUri(const ReplLine *line)
{
    return line->uri->text;
}

void
replLineCancel(ReplLine *line)
{
    REPL_GUARD(&line->lock);

    line->cancelled = TRUE;
    replLockWake(&line->lock);
}

void
replLineReopen(ReplLine *line)
{
    REPL_GUARD(&line->lock);

    line->cancelled = FALSE;
}

gboolean
replLineIsCancelled(ReplLine *line)
{
    REPL_GUARD(&line->lock);

    return line->cancelled;
}

static int
replLineCheck(ReplLine *line, GError **err)
{
    if (!replLineIsCancelled(line) && !replPeersStopping())
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("What was asked of peer '%s' was cancelled"),
                 line->uri->text);
    return -1;
}

/* The road in use, a reference: a new one when there is none, or when that broke. */
static ReplLineRoad *
replLineRoadOf(ReplLine *line)
{
    REPL_GUARD(&line->lock);

    if (line->road && g_atomic_int_get(&line->road->broken))
        g_clear_pointer(&line->road, replLineRoadUnref);
    if (!line->road)
        line->road = replLineRoadNew(line);
    return replLineRoadRef(line->road);
}

/* --- in the road's thread --- */

void
replLineMoved(ReplLineWork *work)
{
    g_atomic_int_inc(&work->road->moves);
}

void
replLineCarried(ReplLineWork *work, guint64 bytes)
{
    replLineMoved(work);
    replRateCarried(work->road->uri->text, bytes);
    REPL_GUARD(&work->line->lock);
    replTrafficAdd(work->line->report.traffic, bytes);
}

int
replLineFail(ReplLink *link, GError **err)
{
    replLinkTakeError(link->uri, link->transport, FALSE, err);
    return -1;
}

static int
replLineRoadOpen(ReplLineRoad *road, GError **err)
{
    ReplLink *link = replLinkOpen(road->uri, 0, REPL_LINK_DIAL_s, NULL, err);

    if (!link)
        return -1;
    g_atomic_pointer_set(&road->link, link);
    if (g_atomic_int_get(&road->broken))
        replLinkCut(link);
    return 0;
}

static int
replLineRoadRun(ReplLineRoad *road, ReplLineWork *work, GError **err)
{
    virStoragePoolPtr pool;
    int ret;

    if (!road->link && replLineRoadOpen(road, err) < 0)
        return -1;
    replLineMoved(work);
    if (!(pool = replLinkPool(road->link, road->pool, err)))
        return -1;
    ret = work->run(work, road->link, pool, err);
    virStoragePoolFree(pool);
    return ret;
}

static void
replLineTask(ReplCallTask *task)
{
    ReplLineWork *work = (ReplLineWork *)task;
    ReplLineRoad *road = work->road;
    GError *why = NULL;

    if (replLineStopped(work) || g_atomic_int_get(&road->broken))
        replErrorSet(&why, VIR_ERR_NO_CONNECT, _("The connection to peer '%s' is broken"), road->uri->text);
    else
        work->ret = replLineRoadRun(road, work, &why);
    if (!why)
        return;
    work->ret = -1;
    if (road->link && !replLinkIsOpen(road->link) && why->code != VIR_ERR_NO_CONNECT) {
        replErrorSet(&work->err, VIR_ERR_NO_CONNECT, _("The connection to peer '%s' is broken: %s"),
                     road->uri->text, why->message);
        g_error_free(why);
    } else {
        work->err = why;
    }
    if (!road->link || !replLinkIsOpen(road->link))
        g_atomic_int_set(&road->broken, TRUE);
}

static void
replLineWorkClear(ReplCallTask *task)
{
    ReplLineWork *work = (ReplLineWork *)task;

    if (work->clear)
        work->clear(work);
    g_clear_error(&work->err);
    g_clear_pointer(&work->road, replLineRoadUnref);
    g_clear_pointer(&work->line, replLineUnref);
}

gpointer
replLineWorkNew(gsize size, int (*run)(ReplLineWork *, ReplLink *, virStoragePoolPtr, GError **),
                void (*clear)(ReplLineWork *))
{
    ReplLineWork *work = replCallTaskNew(size, replLineTask, replLineWorkClear);

    work->run = run;
    work->clear = clear;
    return work;
}

/* --- asking --- */

int
replLineStart(ReplLine *line, ReplLineWork *work, GError **err)
{
    if (replLineCheck(line, err) < 0)
        return -1;
    work->line = replLineRef(line);
    work->road = replLineRoadOf(line);
    return replCallsStart(work->road->calls, &work->task, err);
}

void
replLineDrop(ReplLineWork *work)
{
    g_atomic_int_set(&work->stopped, TRUE);
}

/* Returns -1 with @err set at once if other calls have already found the peer to be away; else 0. */
static int
replLineCheckAway(const ReplLine *line, GError **err)
{
    g_autoptr(ReplPeer) peer = replPeerGet(line->uri);
    g_auto(ReplPeerStatus) status = {0};

    replPeerStatus(peer, &status);
    if (status.state != REPL_PEER_AWAY)
        return 0;
    replErrorSet(err, status.errorCode ? status.errorCode : VIR_ERR_NO_CONNECT, "%s",
                 status.error ? status.error : _("nothing answers"));
    return -1;
}

/* Gives up a road: whatever call its thread is in returns. */
static void
replLineRoadBreak(ReplLineRoad *road)
{
    ReplLink *link;

    g_atomic_int_set(&road->broken, TRUE);
    if ((link = g_atomic_pointer_get(&road->link)))
        replLinkCut(link);
}

/* Leaves the work to its thread. @broken: gives up its road as well, with all works on it. */
static void
replLineLeave(ReplLineWork *work, gboolean broken)
{
    replLineDrop(work);
    if (broken)
        replLineRoadBreak(work->road);
    replCallsWait(work->road->calls, &work->task, 0, TRUE);
}

int
replLineAwait(ReplLine *line, ReplLineWork *work, gboolean (*ready)(gpointer opaque), gpointer opaque,
              GError **err)
{
    guint wait_s = replPeersWait_s();
    guint quiet_s = work->quiet_s ? work->quiet_s : wait_s;
    gint seen = g_atomic_int_get(&work->road->moves);
    gint64 since_us = g_get_monotonic_time();

    while (!ready(opaque)) {
        gint64 now_us = g_get_monotonic_time();
        gint moves = g_atomic_int_get(&work->road->moves);

        if (replLineCheck(line, err) < 0) {
            replLineLeave(work, TRUE);
            return -1;
        }
        if (moves != seen) {
            seen = moves;
            since_us = now_us;
        } else if (now_us - since_us > quiet_s * G_USEC_PER_SEC) {
            replLineLeave(work, TRUE);
            replErrorSet(err, VIR_ERR_NO_CONNECT, _("peer '%s': it did not answer within %u seconds"),
                         line->uri->text, quiet_s);
            return -1;
        } else if (now_us - since_us > wait_s * G_USEC_PER_SEC && replLineCheckAway(line, err) < 0) {
            replLineLeave(work, TRUE);
            return -1;
        }
    }
    return 0;
}

gboolean
replLineIsDone(ReplLineWork *work)
{
    return replCallsWait(work->road->calls, &work->task, 0, FALSE) == REPL_CALL_DONE;
}

static gboolean
replLineBecomesDone(gpointer opaque)
{
    ReplLineWork *work = opaque;
    gint64 until_us = g_get_monotonic_time() + REPL_LINE_TICK_us;

    return replCallsWait(work->road->calls, &work->task, until_us, FALSE) == REPL_CALL_DONE;
}

int
replLineWait(ReplLine *line, ReplLineWork *work, GError **err)
{
    if (replLineAwait(line, work, replLineBecomesDone, work, err) < 0)
        return -1;
    if (work->ret < 0) {
        g_propagate_error(err, g_error_copy(work->err));
        return -1;
    }
    REPL_GUARD(&line->lock);
    line->ever = TRUE;
    line->gone_us = 0;
    replTrafficGoesOn(line->report.traffic, line->report.host);
    return 0;
}

/* --- and again --- */

/* Waits for the next try. Returns 0, or -1 with @err set. */
static int
replLineSleep(ReplLine *line, GError **err)
{
    gint64 until_us = g_get_monotonic_time() + REPL_LINE_AGAIN_us;

    while (g_get_monotonic_time() < until_us) {
        if (replLineCheck(line, err) < 0)
            return -1;
        g_usleep(REPL_LINE_TICK_us);
    }
    return 0;
}

static gboolean
replLineIsKnown(ReplLine *line)
{
    REPL_GUARD(&line->lock);

    return line->ever;
}

/* Whether the peer may still come back. */
static gboolean
replLineMayCome(ReplLine *line)
{
    gint64 now_us = g_get_monotonic_time();
    REPL_GUARD(&line->lock);

    if (line->gone_us == 0)
        line->gone_us = now_us;
    replTrafficWaits(line->report.traffic, line->report.host);
    return now_us - line->gone_us <
           (line->ever ? line->gone_s : replPeersWait_s() * REPL_LINE_FIRST) * G_USEC_PER_SEC;
}

int
replLineRetry(ReplLine *line, const GError *why, GError **err)
{
    if (why->domain == REPL_ERROR && why->code == VIR_ERR_NO_CONNECT && replLineMayCome(line))
        return replLineSleep(line, err);
    g_propagate_error(err, g_error_copy(why));
    return -1;
}

ReplLineWork *
replLineDo(ReplLine *line, ReplLineWork *(*make)(gpointer opaque), gpointer opaque, GError **err)
{
    for (;;) {
        g_autoptr(ReplLineWork) work = make(opaque);
        g_autoptr(GError) why = NULL;

        if ((replLineIsKnown(line) || replLineCheckAway(line, &why) == 0) &&
            replLineStart(line, work, &why) == 0 && replLineWait(line, work, &why) == 0)
            return g_steal_pointer(&work);
        if (replLineRetry(line, why, err) < 0)
            return NULL;
    }
}
