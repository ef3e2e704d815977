/*
 * talk.c: questions to the other host and their answers, over whichever session there is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/talk.h"

#include "base/error.h"
#include "base/lock.h"
#include "wire/messages.h"

typedef struct {
    ReplWireFrame frame; /* no payload until it came */
    guint window_bytes;  /* that are still to come */
} ReplAnswer;

struct _ReplTalk {
    gatomicrefcount refs;
    char *peer;
    guint wait_s;

    ReplLock lock;        /* guards the rest */
    guint first_s;        /* 0: there was a session */
    GError *why;          /* why there is none; NULL: not known */
    gboolean forGood;     /* none will come */
    ReplSession *session; /* NULL: none */
    guint64 number;       /* of the session, or of the last one */
    guint32 lastId;
    GHashTable *answers; /* id -> ReplAnswer */
    guint window_bytes;  /* asked for and not yet here */
    gboolean cancelled;
    ReplTrafficReport report;
};

static void
replTalkFreeAnswer(void *opaque)
{
    ReplAnswer *answer = opaque;

    replWireFrameClear(&answer->frame);
    g_free(answer);
}

ReplTalk *
replTalkNew(const char *peer, guint first_s, guint wait_s)
{
    ReplTalk *talk = g_new0(ReplTalk, 1);

    g_atomic_ref_count_init(&talk->refs);
    talk->peer = g_strdup(peer);
    talk->first_s = first_s;
    talk->wait_s = wait_s;
    talk->answers = g_hash_table_new_full(NULL, NULL, NULL, replTalkFreeAnswer);
    replLockInit(&talk->lock);
    return talk;
}

ReplTalk *
replTalkRef(ReplTalk *talk)
{
    g_atomic_ref_count_inc(&talk->refs);
    return talk;
}

void
replTalkUnref(ReplTalk *talk)
{
    if (!g_atomic_ref_count_dec(&talk->refs))
        return;
    g_clear_pointer(&talk->session, replSessionUnref);
    g_hash_table_unref(talk->answers);
    g_clear_error(&talk->why);
    replLockClear(&talk->lock);
    replTrafficReportClear(&talk->report);
    g_free(talk->peer);
    g_free(talk);
}

void
replTalkWatch(ReplTalk *talk, ReplTraffic *traffic, const char *name)
{
    REPL_GUARD(&talk->lock);

    replTrafficReportTo(&talk->report, traffic, name);
    if (talk->session)
        replSessionWatch(talk->session, traffic);
    else if (talk->why || talk->first_s == 0)
        replTrafficWaits(traffic, name);
}

void
replTalkAttach(ReplTalk *talk, ReplSession *session)
{
    g_autoptr(ReplSession) before = NULL;

    {
        REPL_GUARD(&talk->lock);
        before = g_steal_pointer(&talk->session);
        talk->session = replSessionRef(session);
        if (talk->report.traffic)
            replSessionWatch(session, talk->report.traffic);
        replTrafficGoesOn(talk->report.traffic, talk->report.host);
        talk->number++;
        talk->first_s = 0;
        talk->forGood = FALSE;
        g_clear_error(&talk->why);
        replLockWake(&talk->lock);
    }
    if (before)
        replSessionEnd(before, NULL);
}

gboolean
replTalkDetach(ReplTalk *talk, ReplSession *session)
{
    g_autoptr(ReplSession) gone = NULL;
    REPL_GUARD(&talk->lock);

    if (talk->session != session)
        return talk->session == NULL;
    gone = g_steal_pointer(&talk->session);
    replTrafficWaits(talk->report.traffic, talk->report.host);
    replLockWake(&talk->lock);
    return TRUE;
}

int
replTalkAnswer(ReplTalk *talk, ReplSession *session, ReplWireFrame *frame, GError **err)
{
    ReplAnswer *answer;
    REPL_GUARD(&talk->lock);

    /* Drop an answer that comes late from an older session: its question was lost with that session. */
    if (talk->session != session)
        return 0;
    answer = g_hash_table_lookup(talk->answers, GUINT_TO_POINTER(frame->id));
    if (!answer || answer->frame.payload) {
        replErrorSet(err, VIR_ERR_RPC, _("Host '%s' answered a question that was not asked"), talk->peer);
        return -1;
    }
    answer->frame = *frame;
    frame->payload = NULL;
    talk->window_bytes -= answer->window_bytes;
    answer->window_bytes = 0;
    replLockWake(&talk->lock);
    return 0;
}

void
replTalkNote(ReplTalk *talk, const GError *why, gboolean forGood)
{
    REPL_GUARD(&talk->lock);

    g_clear_error(&talk->why);
    talk->why = g_error_copy(why);
    talk->forGood = forGood;
    if (!talk->session)
        replTrafficWaits(talk->report.traffic, talk->report.host);
    replLockWake(&talk->lock);
}

void
replTalkBePatient(ReplTalk *talk)
{
    REPL_GUARD(&talk->lock);

    if (talk->first_s > 0)
        talk->first_s = MAX(talk->first_s, talk->wait_s);
}

void
replTalkReopen(ReplTalk *talk)
{
    REPL_GUARD(&talk->lock);

    talk->cancelled = FALSE;
}

void
replTalkCancel(ReplTalk *talk)
{
    REPL_GUARD(&talk->lock);

    talk->cancelled = TRUE;
    replLockWake(&talk->lock);
}

static void
replTalkSetCancelled(const ReplTalk *talk, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("The exchange with host '%s' was ended"), talk->peer);
}

/* Sets @err: no session came within @wait_s. With the lock held. */
static void
replTalkSetAlone(const ReplTalk *talk, guint wait_s, GError **err)
{
    if (talk->why && (talk->forGood || talk->first_s > 0))
        g_propagate_error(err, g_error_copy(talk->why));
    else if (talk->why)
        replErrorSet(err, VIR_ERR_NO_CONNECT, _("Host '%s' has not come back for %u seconds: %s"), talk->peer,
                     wait_s, talk->why->message);
    else
        replErrorSet(err, VIR_ERR_NO_CONNECT, _("Host '%s' has not come back for %u seconds"), talk->peer,
                     wait_s);
}

guint64
replTalkWait(ReplTalk *talk, GError **err)
{
    gint64 began = g_get_monotonic_time();
    REPL_GUARD(&talk->lock);

    while (!talk->session && !talk->cancelled) {
        guint wait_s = talk->first_s > 0 ? talk->first_s : talk->wait_s;
        gint64 until = began + wait_s * G_USEC_PER_SEC;

        if (talk->forGood || g_get_monotonic_time() >= until) {
            replTalkSetAlone(talk, wait_s, err);
            return 0;
        }
        replLockWaitUntil(&talk->lock, until);
    }
    if (talk->cancelled) {
        replTalkSetCancelled(talk, err);
        return 0;
    }
    return talk->number;
}

/* With the lock held. */
static gboolean
replTalkIsGone(const ReplTalk *talk, guint64 number)
{
    return !talk->session || talk->number != number;
}

int
replTalkAsk(ReplTalk *talk, guint64 number, ReplWireType type, GByteArray *payload, guint window_bytes,
            ReplAsked *asked, GError **err)
{
    g_autoptr(ReplSession) session = NULL;
    ReplAnswer *answer;

    {
        REPL_GUARD(&talk->lock);
        while (!talk->cancelled && !replTalkIsGone(talk, number) &&
               talk->window_bytes + window_bytes > REPL_WIRE_WINDOW_BYTES)
            replLockWait(&talk->lock);
        if (talk->cancelled) {
            replTalkSetCancelled(talk, err);
            return -1;
        }
        if (replTalkIsGone(talk, number))
            return 0;
        if (++talk->lastId == 0)
            talk->lastId = 1;
        *asked = (ReplAsked){talk->lastId, number};
        talk->window_bytes += window_bytes;
        answer = g_new0(ReplAnswer, 1);
        answer->window_bytes = window_bytes;
        g_hash_table_insert(talk->answers, GUINT_TO_POINTER(asked->id), answer);
        session = replSessionRef(talk->session);
    }
    /* If the session ends meanwhile, the asker notices in replTalkHear. */
    replSessionSend(session, type, asked->id, payload, TRUE);
    return 1;
}

/* Takes the answer out; FALSE: there is none. With the lock held. */
static gboolean
replTalkCollect(ReplTalk *talk, const ReplAsked *asked, ReplWireFrame *answer)
{
    ReplAnswer *got = g_hash_table_lookup(talk->answers, GUINT_TO_POINTER(asked->id));
    gboolean there = got->frame.payload != NULL;

    *answer = got->frame;
    got->frame.payload = NULL;
    talk->window_bytes -= got->window_bytes;
    g_hash_table_remove(talk->answers, GUINT_TO_POINTER(asked->id));
    replLockWake(&talk->lock);
    return there;
}

static int
replTalkJudge(const ReplTalk *talk, ReplWireType expected, ReplWireFrame *answer, GError **err)
{
    if (answer->type == expected)
        return 1;
    if (answer->type == REPL_WIRE_ERROR)
        replWireErrorRead(answer->payload, err);
    else
        replErrorSet(err, VIR_ERR_RPC, _("Host '%s' answered a message of type %u with one of type %u"),
                     talk->peer, expected, answer->type);
    replWireFrameClear(answer);
    return -1;
}

int
replTalkHear(ReplTalk *talk, const ReplAsked *asked, ReplWireType expected, ReplWireFrame *answer,
             GError **err)
{
    {
        REPL_GUARD(&talk->lock);
        for (;;) {
            const ReplAnswer *got = g_hash_table_lookup(talk->answers, GUINT_TO_POINTER(asked->id));

            if (talk->cancelled || replTalkIsGone(talk, asked->number) || got->frame.payload)
                break;
            replLockWait(&talk->lock);
        }
        if (!replTalkCollect(talk, asked, answer)) {
            if (!talk->cancelled)
                return 0;
            replTalkSetCancelled(talk, err);
            return -1;
        }
    }
    return replTalkJudge(talk, expected, answer, err);
}
