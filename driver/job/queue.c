/*
 * queue.c: the jobs of a daemon: which run, which wait, and their threads
 *
 * The queue never keeps a state of its own beside a job's: replQueueSync looks at the job and
 * brings the line, the count of live jobs and the table up to it, whoever changed it and in
 * whatever order the news arrive.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/queue.h"

#include "base/lock.h"
#include "job/jobpriv.h"
#include "job/fairqueue.h"
#include "job/workers.h"

typedef struct {
    ReplJob *job;
    guint64 seq;     /* order of submission */
    gboolean listed; /* in line */
    gboolean live;   /* counted in queue->live */
} ReplEntry;

struct _ReplQueue {
    /* fixed after creation */
    ReplQueueHooks hooks;
    ReplLimiter *limiter;
    ReplWorkers *workers;

    ReplLock inhibitLock; /* before monitor */
    gboolean inhibited;   /* guarded by inhibitLock: what the hook was told last */

    ReplLock monitor;

    /* guarded by monitor */
    GHashTable *entries; /* id -> ReplEntry */
    ReplFairQueue *fair; /* of ReplEntry */
    GHashTable *held;    /* set of char * */
    guint64 nextSeq;
    guint maxRunning;
    guint running;    /* turns in use */
    GQueue stranded;  /* of ReplJob: have a turn, but no thread could be had for them */
    gboolean failing; /* a thread is working off stranded */
    guint live;
    guint waiting; /* blocked synchronous requests */
    gboolean stopping;
};

static void
replEntryFree(ReplEntry *entry)
{
    replJobUnref(entry->job);
    g_free(entry);
}

/* --- the line; called with the monitor held --- */

static gboolean
replQueueIsEligible(void *item, void *opaque)
{
    const ReplEntry *entry = item;
    ReplQueue *queue = opaque;
    guint i;

    if (g_hash_table_size(queue->held) == 0)
        return TRUE;
    for (i = 0; i < entry->job->keys->len; i++) {
        if (g_hash_table_contains(queue->held, g_ptr_array_index(entry->job->keys, i)))
            return FALSE;
    }
    return TRUE;
}

static void
replQueueShowPosition(void *item, guint position, void *opaque)
{
    ReplEntry *entry = item;

    replJobSetPosition(entry->job, position);
}

static void
replQueueUnlist(ReplQueue *queue, ReplEntry *entry)
{
    if (entry->listed)
        replFairQueueRemove(queue->fair, replJobLane(entry->job), entry);
    entry->listed = FALSE;
}

static void
replQueueWork(void *opaque)
{
    g_autoptr(ReplJob) job = opaque;

    replJobAttempt(job);
}

static void
replQueueStart(ReplQueue *queue, ReplJob *job)
{
    g_autofree char *name = g_strdup_printf("repl-%.8s", replJobId(job));
    ReplJob *ref = replJobRef(job);

    if (!replWorkersRun(queue->workers, name, replQueueWork, ref))
        g_queue_push_tail(&queue->stranded, ref);
}

/* Gives free turns away. */
static void
replQueueFill(ReplQueue *queue)
{
    while (!queue->stopping && queue->running < queue->maxRunning) {
        ReplEntry *entry = replFairQueuePick(queue->fair, replQueueIsEligible, queue);
        ReplJobGrant grant;

        if (!entry)
            break;
        entry->listed = FALSE;
        grant = replJobGrantTurn(entry->job);
        if (grant == REPL_GRANT_REFUSED)
            continue;
        queue->running++;
        if (grant == REPL_GRANT_START)
            replQueueStart(queue, entry->job);
    }
    replFairQueuePositions(queue->fair, replQueueIsEligible, replQueueShowPosition, queue);
}

/* --- news; the monitor is not held --- */

static void
replQueueSyncInhibit(ReplQueue *queue)
{
    gboolean live;

    REPL_GUARD(&queue->inhibitLock);
    replLockTake(&queue->monitor);
    live = queue->live > 0 && !queue->stopping;
    replLockDrop(&queue->monitor);
    if (live == queue->inhibited)
        return;
    queue->inhibited = live;
    if (queue->hooks.inhibit)
        queue->hooks.inhibit(live, queue->hooks.opaque);
}

/* Starts what can start. A job that no thread could be had for fails, which frees its turn and
 * comes back here: one caller works them off in a loop, so that a long line does not become a deep
 * stack. */
static void
replQueueDispatch(ReplQueue *queue)
{
    g_autoptr(GError) why = NULL;

    REPL_GUARD(&queue->monitor);
    replQueueFill(queue);
    while (!queue->failing && !g_queue_is_empty(&queue->stranded)) {
        g_autoptr(ReplJob) job = g_queue_pop_head(&queue->stranded);

        if (!why)
            replErrorSet(&why, VIR_ERR_OPERATION_FAILED, _("Cannot create a thread for the job"));
        queue->failing = TRUE;
        replLockDrop(&queue->monitor);
        replJobFailAttempt(job, why);
        replLockTake(&queue->monitor);
        queue->failing = FALSE;
        replQueueFill(queue);
    }
}

/* Brings the queue up to the state of the job; called with the monitor held. */
static void
replQueueUpdate(ReplQueue *queue, ReplEntry *entry)
{
    ReplJobState state = replJobState(entry->job);
    gboolean live = state == REPL_JOB_QUEUED || replJobStateIsActive(state);

    if (live != entry->live)
        queue->live += live ? 1 : -1;
    entry->live = live;
    if (!replJobWantsTurn(entry->job)) {
        replQueueUnlist(queue, entry);
    } else if (!entry->listed) {
        entry->listed = TRUE;
        replFairQueuePush(queue->fair, replJobLane(entry->job), entry);
    }
    if ((state == REPL_JOB_COMPLETED || state == REPL_JOB_CANCELLED) && !replJobIsBusy(entry->job)) {
        replJobSetHost(entry->job, NULL, NULL, NULL);
        g_hash_table_remove(queue->entries, replJobId(entry->job));
    }
}

static void
replQueueOnChanged(ReplJob *job, void *opaque)
{
    ReplQueue *queue = opaque;
    ReplEntry *entry;

    replLockTake(&queue->monitor);
    entry = g_hash_table_lookup(queue->entries, replJobId(job));
    if (entry)
        replQueueUpdate(queue, entry);
    replLockDrop(&queue->monitor);
    replQueueSyncInhibit(queue);
    replQueueDispatch(queue);
}

static void
replQueueOnTurnFree(ReplJob *job, void *opaque)
{
    ReplQueue *queue = opaque;

    replLockTake(&queue->monitor);
    queue->running--;
    replLockDrop(&queue->monitor);
    replQueueDispatch(queue);
}

static const ReplJobHost replQueueHost = {
    .changed = replQueueOnChanged,
    .turnFree = replQueueOnTurnFree,
};

/* --- life --- */

ReplQueue *
replQueueNew(guint maxRunning, const ReplQueueHooks *hooks)
{
    ReplQueue *queue = g_new0(ReplQueue, 1);

    if (hooks)
        queue->hooks = *hooks;
    queue->limiter = replLimiterNew(0);
    replLockInit(&queue->inhibitLock);
    replLockInit(&queue->monitor);
    queue->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)replEntryFree);
    queue->held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    queue->fair = replFairQueueNew();
    queue->workers = replWorkersNew();
    g_queue_init(&queue->stranded);
    queue->maxRunning = MAX(maxRunning, 1);
    return queue;
}

void
replQueueInterrupt(ReplQueue *queue)
{
    g_autoptr(GPtrArray) jobs = NULL;
    guint i;

    replLockTake(&queue->monitor);
    queue->stopping = TRUE;
    replLockDrop(&queue->monitor);
    jobs = replQueueList(queue); /* complete: nothing is taken in any more */
    for (i = 0; i < jobs->len; i++)
        replJobInterrupt(g_ptr_array_index(jobs, i));
}

void
replQueueStop(ReplQueue *queue)
{
    g_autoptr(GPtrArray) jobs = NULL;
    guint i;

    replQueueInterrupt(queue);
    jobs = replQueueList(queue);
    replWorkersJoin(queue->workers);
    for (i = 0; i < jobs->len; i++) /* cancels under way in threads of others */
        replJobWaitIdle(g_ptr_array_index(jobs, i));
    replQueueSyncInhibit(queue);
}

void
replQueueFree(ReplQueue *queue)
{
    g_autoptr(GPtrArray) jobs = NULL;
    guint i;

    if (!queue)
        return;
    replQueueStop(queue);
    jobs = replQueueList(queue);
    for (i = 0; i < jobs->len; i++)
        replJobSetHost(g_ptr_array_index(jobs, i), NULL, NULL, NULL);
    replFairQueueFree(queue->fair);
    g_hash_table_unref(queue->entries);
    g_hash_table_unref(queue->held);
    replWorkersFree(queue->workers);
    replLimiterUnref(queue->limiter);
    replLockClear(&queue->monitor);
    replLockClear(&queue->inhibitLock);
    g_free(queue);
}

void
replQueueSetMaxRunning(ReplQueue *queue, guint maxRunning)
{
    replLockTake(&queue->monitor);
    queue->maxRunning = MAX(maxRunning, 1);
    replLockDrop(&queue->monitor);
    replQueueDispatch(queue);
}

void
replQueueSetBandwidth(ReplQueue *queue, guint64 rate_bytesPerSec)
{
    replLimiterSetRate(queue->limiter, rate_bytesPerSec);
}

/* --- jobs --- */

/* Makes the entry of @job; called with the monitor held. */
static int
replQueueAdd(ReplQueue *queue, ReplJob *job, GError **err)
{
    ReplEntry *entry;

    if (queue->stopping) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The daemon is shutting down and takes no replication job"));
        return -1;
    }
    if (g_hash_table_contains(queue->entries, replJobId(job)) ||
        !replJobSetHost(job, &replQueueHost, queue, queue->limiter)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Replication job '%s' exists already"),
                     replJobId(job));
        return -1;
    }
    entry = g_new0(ReplEntry, 1);
    entry->job = replJobRef(job);
    entry->seq = queue->nextSeq++;
    g_hash_table_insert(queue->entries, (char *)replJobId(job), entry);
    return 0;
}

/* Takes the entry away again; called with the monitor held. */
static void
replQueueDrop(ReplQueue *queue, ReplEntry *entry)
{
    replQueueUnlist(queue, entry);
    if (entry->live)
        queue->live--;
    replJobSetHost(entry->job, NULL, NULL, NULL);
    g_hash_table_remove(queue->entries, replJobId(entry->job));
}

int
replQueueSubmit(ReplQueue *queue, ReplJob *job, gboolean start, GError **err)
{
    int rc;

    replLockTake(&queue->monitor);
    rc = replQueueAdd(queue, job, err);
    replLockDrop(&queue->monitor);
    if (rc < 0)
        return -1;
    if (start && replJobDo(job, REPL_VERB_START, err) < 0) {
        replQueueForget(queue, replJobId(job));
        return -1;
    }
    replJobNotify(job);
    return 0;
}

ReplJob *
replQueueFind(ReplQueue *queue, const char *id)
{
    ReplEntry *entry;

    REPL_GUARD(&queue->monitor);
    entry = g_hash_table_lookup(queue->entries, id);
    return entry ? replJobRef(entry->job) : NULL;
}

static int
replEntryCompare(gconstpointer a, gconstpointer b)
{
    const ReplEntry *left = *(ReplEntry *const *)a;
    const ReplEntry *right = *(ReplEntry *const *)b;

    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

GPtrArray *
replQueueList(ReplQueue *queue)
{
    GPtrArray *jobs = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    GHashTableIter iter;
    gpointer entry;
    guint i;

    REPL_GUARD(&queue->monitor);
    g_hash_table_iter_init(&iter, queue->entries);
    while (g_hash_table_iter_next(&iter, NULL, &entry))
        g_ptr_array_add(jobs, entry);
    g_ptr_array_sort(jobs, replEntryCompare);
    for (i = 0; i < jobs->len; i++)
        jobs->pdata[i] = replJobRef(((ReplEntry *)jobs->pdata[i])->job);
    return jobs;
}

gboolean
replQueueForget(ReplQueue *queue, const char *id)
{
    /* The last reference goes after the lock: the ops' release is called then. */
    g_autoptr(ReplJob) job G_GNUC_UNUSED = replQueueFind(queue, id);
    ReplEntry *entry;

    REPL_GUARD(&queue->monitor);
    entry = g_hash_table_lookup(queue->entries, id);
    if (!entry || entry->live || replJobIsBusy(entry->job))
        return FALSE;
    replQueueDrop(queue, entry);
    return TRUE;
}

/* --- holding and waiting --- */

void
replQueueHold(ReplQueue *queue, const char *key)
{
    replLockTake(&queue->monitor);
    g_hash_table_add(queue->held, g_strdup(key));
    replLockDrop(&queue->monitor);
    replQueueDispatch(queue); /* the positions have changed */
}

void
replQueueRelease(ReplQueue *queue, const char *key)
{
    replLockTake(&queue->monitor);
    g_hash_table_remove(queue->held, key);
    replLockDrop(&queue->monitor);
    replQueueDispatch(queue);
}

int
replQueueEnterWait(ReplQueue *queue, guint max, GError **err)
{
    REPL_GUARD(&queue->monitor);

    if (queue->waiting >= max) {
        replErrorSet(err, VIR_ERR_RESOURCE_BUSY,
                     _("%u replication requests wait for their end already, the most that this "
                       "daemon lets wait: use async='yes' to have the request return at once"),
                     queue->waiting);
        return -1;
    }
    queue->waiting++;
    return 0;
}

void
replQueueLeaveWait(ReplQueue *queue)
{
    REPL_GUARD(&queue->monitor);

    if (queue->waiting > 0)
        queue->waiting--;
}
