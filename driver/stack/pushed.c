/*
 * pushed.c: replicas that other hosts push into pools of this one
 *
 * The job is one of this host like any other: its request has come over the session, and so do the bytes
 * (endpoint/pushed_source.h). The session's thread starts the job if it is new, tells the other host of its
 * progress, and does to it what the user there asks for (pause, cancel, ...).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/pushed_source.h"
#include "region/home.h"
#include "replicate/life.h"
#include "service/makers.h"
#include "service/overdue.h"
#include "service/service.h"
#include "stack/calledpriv.h"
#include "stack/submission.h"
#include "virt/access.h"
#include "virt/report.h"
#include "xml/xml.h"

/* How often the other host is told, at least and at most. */
#define REPL_PUSHED_TICK_ms 200
#define REPL_PUSHED_TELL_us G_USEC_PER_SEC

/* What the receiver of a session hands over to the session's own thread. */
typedef struct {
    ReplCalled *called;
    ReplTalk *talk;
    char *jobId;

    ReplLock lock;  /* guards these */
    GArray *wanted; /* of ReplWanted */
} ReplPushing;

typedef struct {
    ReplWireVerb verb;
    guint64 value;
} ReplWanted;

/* No user gives more commands than this at once: drop the rest. */
#define REPL_PUSHED_WANTED_MAX 64

static int
replPushingFrame(void *opaque, ReplSession *session, ReplWireFrame *frame, GError **err)
{
    ReplPushing *pushing = opaque;
    ReplWanted wanted;

    if (frame->type != REPL_WIRE_CONTROL)
        return replTalkAnswer(pushing->talk, session, frame, err);
    if (replWireControlRead(frame->payload, &wanted.verb, &wanted.value, err) < 0)
        return -1;
    REPL_GUARD(&pushing->lock);
    if (pushing->wanted->len < REPL_PUSHED_WANTED_MAX)
        g_array_append_val(pushing->wanted, wanted);
    return 0;
}

static gboolean
replPushingNext(ReplPushing *pushing, ReplWanted *wanted)
{
    REPL_GUARD(&pushing->lock);

    if (pushing->wanted->len == 0)
        return FALSE;
    *wanted = g_array_index(pushing->wanted, ReplWanted, 0);
    g_array_remove_index(pushing->wanted, 0);
    return TRUE;
}

static ReplVerb
replPushingVerb(ReplWireVerb verb)
{
    switch (verb) {
    case REPL_WIRE_CANCEL:
        return REPL_VERB_CANCEL;
    case REPL_WIRE_PAUSE:
        return REPL_VERB_PAUSE;
    case REPL_WIRE_RESUME:
        return REPL_VERB_RESUME;
    case REPL_WIRE_START:
        return REPL_VERB_START;
    case REPL_WIRE_RETRY:
        return REPL_VERB_RETRY;
    case REPL_WIRE_BANDWIDTH:
        break;
    }
    return REPL_VERB_NONE;
}

/* --- telling --- */

static void
replPushingTell(const ReplPushing *pushing, const ReplJobInfo *info, const char *volume, gboolean over)
{
    const ReplWireStatus status = {(char *)volume, (ReplJobInfo *)info, info->processed_bytes, over};
    g_autoptr(GByteArray) bytes = replWireStatusBytes(&status);

    replSessionSend(pushing->called->session, REPL_WIRE_STATUS, 0, bytes, TRUE);
}

static void
replPushingTellFailure(const ReplPushing *pushing, const GError *why)
{
    g_autoptr(ReplJobInfo) info = replJobInfoNew(pushing->jobId);

    info->state = REPL_JOB_FAILED;
    info->errorCode = why->code;
    info->error = g_strdup(why->message);
    replPushingTell(pushing, info, NULL, TRUE);
}

/* Does what the other host wants. FALSE: a plan is not what it was, which was told; the planned job stays. */
static gboolean
replPushingDo(ReplPushing *pushing, ReplJob *job)
{
    ReplWanted wanted;

    while (replPushingNext(pushing, &wanted)) {
        g_autoptr(GError) err = NULL;
        ReplVerb verb = replPushingVerb(wanted.verb);

        if (verb == REPL_VERB_START && replReplicationCheckStart(job, &err) < 0) {
            replPushingTellFailure(pushing, err);
            return FALSE;
        }
        if ((verb == REPL_VERB_NONE ? replJobSetBandwidth(job, wanted.value, &err)
                                    : replJobDo(job, verb, &err)) < 0)
            replInfo("Job %s does not do what its host wants: %s", pushing->jobId, err->message);
        if (verb == REPL_VERB_START)
            replReplicationSettle(job);
    }
    return TRUE;
}

static gboolean
replPushingIsOver(const ReplJobInfo *info)
{
    return info->state == REPL_JOB_COMPLETED || info->state == REPL_JOB_CANCELLED ||
           info->state == REPL_JOB_FAILED;
}

/* Tells the other host of the job until the job or the session is over. Returns whether the job is over. */
static gboolean
replPushingFollow(ReplPushing *pushing, ReplJob *job, const char *volume)
{
    guint64 told = G_MAXUINT64;
    ReplJobState state = REPL_JOB_STATE_LAST;
    gint64 told_us = 0;

    while (!replCalledStopping() && replSessionSilent_us(pushing->called->session) < REPL_CALLED_SILENT_us) {
        gboolean ended = replJobWaitFor(job, REPL_PUSHED_TICK_ms);
        g_autoptr(ReplJobInfo) info = replJobInfo(job);
        gboolean over = ended && replPushingIsOver(info);

        if (!replPushingDo(pushing, job))
            return TRUE;
        if (over || info->processed_bytes != told || info->state != state ||
            g_get_monotonic_time() - told_us >= REPL_PUSHED_TELL_us) {
            replPushingTell(pushing, info, volume, over);
            told = info->processed_bytes;
            state = info->state;
            told_us = g_get_monotonic_time();
        }
        if (over)
            return TRUE;
        /* replJobWaitFor has waited for a tick, unless the job had ended (and was retried since): then wait
         * here. */
        if (replCalledWait(pushing->called, ended ? REPL_PUSHED_TICK_ms : 0))
            return FALSE;
    }
    return FALSE;
}

/* --- a new job --- */

static ReplJob *
replPushingSubmitTo(ReplPushing *pushing, virStoragePoolPtr pool, const ReplVolXml *xml, GError **err)
{
    g_autoptr(ReplSource) source = replPushedSource(pushing->jobId, pushing->called->volume);
    ReplSubmitFrom from = {.poolUuid = pushing->jobId, .jobId = pushing->jobId};
    virStorageVolPtr vol;
    ReplJob *job = NULL;

    if (replSourceHold(source, err) < 0 || replSourceDescribe(source, xml->request, &from.facts, err) < 0)
        return NULL;
    from.source = g_steal_pointer(&source);
    vol = replSubmitDistant(pool, pushing->called->region, xml, &from, &job, 0);
    if (!job)
        replTakeError(err);
    if (vol)
        replVirt.ObjectUnref(vol);
    virResetLastError();
    return job;
}

static ReplJob *
replPushingSubmit(ReplPushing *pushing, const char *request, GError **err)
{
    g_autoptr(ReplVolXml) xml = replVolXmlParse(request, err);
    g_autoptr(ReplJob) known = NULL;
    g_autoptr(ReplConn) conn = NULL;
    g_autoptr(ReplPool) pool = NULL;

    if (!xml)
        return NULL;
    /* replPushingRun found no job of this id to follow, but the queue knows one: it is of another kind, or
     * has ended since. Do not make a second one. */
    if ((known = replQueueFind(replServiceQueue(), pushing->jobId))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("There is a job %s already"), pushing->jobId);
        return NULL;
    }
    if (!xml->request) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The other host asks for no replica"));
        return NULL;
    }
    if (!(conn = replVirt.GetConnectStorage()) ||
        !(pool = replNext.storagePoolLookupByUUID(conn, pushing->called->region->uuid))) {
        replTakeError(err);
        return NULL;
    }
    return replPushingSubmitTo(pushing, pool, xml, err);
}

/* The replication of this id that makes a volume now. One that has completed makes nothing any more: its
 * record tells of it. */
static ReplJob *
replPushingFind(const char *jobId)
{
    g_autoptr(ReplJob) job = replQueueFind(replServiceQueue(), jobId);

    return job && replMakersHas(job) ? g_steal_pointer(&job) : NULL;
}

/* Checks that the caller may make the replica. (Rights to its layers are checked when the plan names
 * them.) */
static int
replPushingMayMake(ReplCalled *called, GError **err)
{
    const ReplVirtVolAcl checks[] = {replVirt.StorageVolCreateXMLFromEnsureACL,
                                     replVirt.StorageVolUploadEnsureACL, replVirt.StorageVolDeleteEnsureACL};
    g_autofree char *xml =
        g_markup_printf_escaped("<volume><name>%s</name><capacity>0</capacity></volume>", called->volume);
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    int rc = conn ? 0 : -1;

    for (guint i = 0; rc == 0 && i < G_N_ELEMENTS(checks); i++)
        rc = replAccessNewVol(conn, called->region->uuid, xml, FALSE, checks[i]);
    if (rc < 0)
        replTakeError(err);
    return rc;
}

static gboolean
replPushingIsCallers(const ReplJobRecord *record)
{
    g_autofree char *caller = replIdentityName();

    return replPushedIs(record) && g_strcmp0(record->requester, caller) == 0;
}

/* Checks that the job of this id, if there is one, was pushed into this pool by this very caller. Returns 0,
 * or -1 with @err set. */
static int
replPushingMayFollow(ReplCalled *called, const ReplWireHello *hello, GError **err)
{
    g_autoptr(ReplJob) known = replQueueFind(replServiceQueue(), hello->job);
    g_autoptr(ReplJob) job = replPushingFind(hello->job);
    const ReplReplication *replication = job ? replJobOpaque(job) : NULL;
    g_autoptr(ReplStaging) home = replHomeOf(called->region, FALSE, NULL);
    g_autoptr(ReplJobRecord) record = home ? replJobRecordLoad(home, hello->job, NULL) : NULL;

    if (replication ? replPushingIsCallers(replication->journal->record) &&
                          g_str_equal(replication->journal->targetUuidstr, called->region->uuidstr)
        : record ? replPushingIsCallers(record)
                 : !known)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_DENIED, _("Job %s was not pushed into pool '%s' by this caller"),
                 hello->job, called->region->name);
    return -1;
}

/* The record of a pushed job that is over and that the queue has forgotten; NULL: there is none. */
static ReplJobRecord *
replPushingEarlier(const ReplPushing *pushing)
{
    g_autoptr(ReplStaging) home = replHomeOf(pushing->called->region, FALSE, NULL);
    g_autoptr(ReplJobRecord) record = replOverdueFind(pushing->jobId);

    if (!record && home)
        record = replJobRecordLoad(home, pushing->jobId, NULL);
    return record && replPushedIs(record) && replPushingIsOver(record->info) ? g_steal_pointer(&record)
                                                                             : NULL;
}

/* Returns whether the job is over. */
static gboolean
replPushingRun(ReplPushing *pushing, const ReplWireHello *hello)
{
    g_autoptr(ReplJobRecord) earlier = NULL;
    g_autoptr(ReplJob) job = NULL;
    g_autoptr(GError) err = NULL;

    replPushedBeginSubmit(hello->job);
    if (!(job = replPushingFind(hello->job)) && !(earlier = replPushingEarlier(pushing)))
        job = replPushingSubmit(pushing, hello->request, &err);
    replPushedEndSubmit(hello->job);
    /* The job's host has opened a session for it, so it wants a failed job to be tried again. */
    if (job && replJobState(job) == REPL_JOB_FAILED && replJobDo(job, REPL_VERB_RETRY, &err) < 0)
        replInfo("Job %s is not tried again: %s", hello->job, err->message);
    if (job) {
        replJobSetOwner(job, hello->host);
        return replPushingFollow(pushing, job, ((ReplReplication *)replJobOpaque(job))->replica);
    }
    if (earlier)
        replPushingTell(pushing, earlier->info, earlier->volume, TRUE);
    else
        replPushingTellFailure(pushing, err);
    return TRUE;
}

int
replCalledPush(ReplCalled *called, const ReplWireHello *hello, GError **err)
{
    ReplPushing pushing = {.called = called, .jobId = hello->job};
    gboolean over;

    if (replPushingMayMake(called, err) < 0 || replPushingMayFollow(called, hello, err) < 0)
        return -1;
    if (!(pushing.talk = replPushedEnter(hello->job, hello->epoch, hello->hostId, hello->host, err)))
        return -1;
    replLockInit(&pushing.lock);
    pushing.wanted = g_array_new(FALSE, FALSE, sizeof(ReplWanted));
    replCalledHandle(called, replPushingFrame, &pushing);
    replCalledWelcome(called);
    replTalkAttach(pushing.talk, called->session);
    over = replPushingRun(&pushing, hello);
    /* Keep the session until the job's last status has arrived: the other host says goodbye then. */
    if (over)
        replCalledWait(called, 10000);
    replTalkDetach(pushing.talk, called->session);
    replSessionEnd(called->session, NULL);
    replCalledWait(called, G_MAXINT);
    if (over)
        replPushedForget(hello->job, hello->epoch);
    g_array_unref(pushing.wanted);
    replLockClear(&pushing.lock);
    replTalkUnref(pushing.talk);
    return 0;
}
