/*
 * lend.c: images of this host that a job on another host reads
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/lend.h"

#include "base/error.h"
#include "base/lock.h"
#include "base/log.h"
#include "endpoint/open.h"
#include "job/pins.h"
#include "service/loans.h"
#include "service/service.h"

/* A host whose loan of an image was ended is refused that image for so long. Its job tries again after some seconds, and takes
 * the refusal for the end. */
#define REPL_LEND_REFUSED_us (60 * G_USEC_PER_SEC)

/* How long the end of a loan waits for the disk at most. */
#define REPL_LEND_END_us (10 * G_USEC_PER_SEC)

struct _ReplLent {
    /* fixed */
    char *job;
    char *hostId;
    char *host;
    char *poolUuid;
    char *pool;
    char *volume;
    char *caller; /* NULL: not known */
    char *pinId;  /* of its pins: no job of this host has such an id */
    ReplSource *source;
    ReplServe *serve;

    /* Guarded by the table's lock. */
    guint64 epoch;
    ReplSession *session; /* the newest; a reference */
    guint users;          /* threads that use this; the last one frees it */
    gboolean ended;       /* by this host's administrator: not in the table any more */
};

static struct {
    ReplLock lock;     /* guards the rest */
    GHashTable *jobs;  /* id -> ReplLent, NULL: none yet */
    GHashTable *ended; /* replLendRefusal() -> until when (gint64, monotonic), NULL: none yet */
    gboolean stop;
} replLend = {.lock = REPL_LOCK_INIT};

static void
replLentFree(ReplLent *lent)
{
    if (!lent)
        return;
    if (lent->source)
        replSourceCancel(lent->source);
    replServeFree(lent->serve);
    replSourceFree(lent->source);
    if (lent->pinId) {
        replPinsDropJob(replServicePins(), lent->pinId);
        replLoansRemove(lent->job);
    }
    g_free(lent->pinId);
    g_clear_pointer(&lent->session, replSessionUnref);
    g_free(lent->job);
    g_free(lent->hostId);
    g_free(lent->host);
    g_free(lent->poolUuid);
    g_free(lent->pool);
    g_free(lent->volume);
    g_free(lent->caller);
    g_free(lent);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLent, replLentFree)

/* Opens and holds; the layers are pinned by replLentPin once the chain is known. */
static ReplLent *
replLentNew(const ReplLendTo *to, ReplServeMay may, void *opaque, GError **err)
{
    const ReplWireHello *hello = to->hello;
    g_autoptr(ReplLent) lent = g_new0(ReplLent, 1);

    lent->job = g_strdup(hello->job);
    lent->hostId = g_strdup(hello->hostId);
    lent->host = g_strdup(hello->host);
    lent->poolUuid = g_strdup(to->region->uuidstr);
    lent->pool = g_strdup(to->region->name);
    lent->volume = g_strdup(to->volume);
    lent->caller = g_strdup(to->caller);
    lent->epoch = hello->epoch;
    lent->users = 1;
    lent->source = replEndpointSource(lent->poolUuid, lent->volume, REPL_SOURCE_IS_IMAGE);
    if (!(lent->serve = replServeNew(lent->source, may, opaque, err)) || replServeHold(lent->serve, err) < 0)
        return NULL;
    return g_steal_pointer(&lent);
}

static void
replLentPin(ReplLent *lent)
{
    const ReplSourceFacts *facts = replServeFacts(lent->serve);

    lent->pinId = g_strdup_printf("%s of host %s", lent->job, lent->host);
    replLoansAdd(lent->poolUuid, lent->volume, lent->job, lent->host);
    for (guint i = 0; i < facts->layerCount; i++)
        replPinsAdd(replServicePins(), facts->layers[i].poolUuid, facts->layers[i].pool,
                    facts->layers[i].volume, lent->pinId,
                    replSourceIsTop(facts, i) ? REPL_PIN_SOURCE : REPL_PIN_BASE,
                    replSourceIsTop(facts, i) ? NULL : lent->volume);
}

static void
replLentDrop(ReplLent *lent)
{
    gboolean last;

    {
        REPL_GUARD(&replLend.lock);
        last = --lent->users == 0;
        replLockWake(&replLend.lock);
    }
    if (last)
        replLentFree(lent);
}

/* Who is refused which image, as one word. */
static char *
replLendRefusal(const char *hostId, const char *poolUuid, const char *volume)
{
    return g_strdup_printf("%s/%s/%s", hostId, poolUuid, volume);
}

/* With the lock held. Returns -1 with @err set when this host's administrator has ended the reading. */
static int
replLendCheckEnded(const ReplLendTo *to, GError **err)
{
    g_autofree char *refusal = replLendRefusal(to->hello->hostId, to->region->uuidstr, to->volume);
    const gint64 *until_us = replLend.ended ? g_hash_table_lookup(replLend.ended, refusal) : NULL;

    if (!until_us || g_get_monotonic_time() > *until_us)
        return 0;
    replErrorSet(
        err, VIR_ERR_OPERATION_ABORTED,
        _("The administrator of host '%s' has ended the reading of volume '%s' of pool '%s': it may be read "
          "again in a minute"),
        g_get_host_name(), to->volume, to->region->name);
    return -1;
}

/* Finds what is lent to the job. Returns 1 with *lent set when @to may have it, 0 when nothing is lent to the
 * job, or -1 with @err set. The lock is held. */
static int
replLendFind(const ReplLendTo *to, ReplLent **lent, GError **err)
{
    const ReplWireHello *hello = to->hello;

    if (replLendCheckEnded(to, err) < 0)
        return -1;
    if (!replLend.jobs || !(*lent = g_hash_table_lookup(replLend.jobs, hello->job)))
        return 0;
    if (!g_str_equal((*lent)->hostId, hello->hostId) || g_strcmp0((*lent)->caller, to->caller) != 0 ||
        !g_str_equal((*lent)->poolUuid, to->region->uuidstr) || !g_str_equal((*lent)->volume, to->volume)) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("Job %s is one of another host or user, or reads another image"), hello->job);
        return -1;
    }
    if (hello->epoch > (*lent)->epoch)
        return 1;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Job %s has opened a newer session already"), hello->job);
    return -1;
}

/* Gives @to's session what is lent to the job already. Asks @may first, so that a caller without the right
 * does not end the session that has it now. Returns 1, 0 or -1 as replLendFind. */
static int
replLendAgain(const ReplLendTo *to, ReplServeMay may, void *opaque, ReplLent **lent, GError **err)
{
    g_autoptr(ReplSession) before = NULL;
    ReplLent *now = NULL;
    int rc;

    {
        REPL_GUARD(&replLend.lock);
        if ((rc = replLendFind(to, lent, err)) <= 0)
            return rc;
        (*lent)->users++;
    }
    if (may && may(opaque, replServeFacts((*lent)->serve), err) < 0) {
        replLentDrop(*lent);
        return -1;
    }
    {
        REPL_GUARD(&replLend.lock);
        if ((rc = replLendFind(to, &now, err)) > 0 && now == *lent) {
            before = (*lent)->session;
            (*lent)->session = replSessionRef(to->session);
            (*lent)->epoch = to->hello->epoch;
            replLoansSetWaiting((*lent)->job, FALSE);
            replLockWake(&replLend.lock);
        } else if (rc >= 0) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Job %s has opened a newer session already"),
                         to->hello->job);
            rc = -1;
        }
    }
    if (before)
        replSessionEnd(before, NULL);
    if (rc < 0)
        replLentDrop(*lent);
    return rc;
}

ReplLent *
replLendTake(const ReplLendTo *to, ReplServeMay may, void *opaque, GError **err)
{
    g_autoptr(ReplLent) fresh = NULL;
    ReplLent *lent = NULL;
    int rc = replLendAgain(to, may, opaque, &lent, err);

    if (rc != 0)
        return rc > 0 ? lent : NULL;
    if (!(fresh = replLentNew(to, may, opaque, err)))
        return NULL;
    fresh->session = replSessionRef(to->session);
    {
        REPL_GUARD(&replLend.lock);
        if (!replLend.jobs)
            replLend.jobs = g_hash_table_new(g_str_hash, g_str_equal);
        if (replLend.stop || g_hash_table_contains(replLend.jobs, fresh->job)) {
            replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Job %s has opened a newer session already"),
                         to->hello->job);
            return NULL;
        }
        g_hash_table_insert(replLend.jobs, fresh->job, fresh);
    }
    lent = g_steal_pointer(&fresh);
    replLentPin(lent);
    replInfo("Job %s of host '%s' reads image '%s' of pool '%s'", lent->job, lent->host, lent->volume,
             lent->pool);
    return lent;
}

ReplServe *
replLentServe(ReplLent *lent)
{
    return lent->serve;
}

void
replLendReturn(ReplLent *lent, ReplSession *session, gboolean goodbye, guint wait_s)
{
    gint64 until = g_get_monotonic_time() + wait_s * G_USEC_PER_SEC;

    {
        REPL_GUARD(&replLend.lock);
        if (lent->session == session)
            replLoansSetWaiting(lent->job, TRUE);
        while (!goodbye && !replLend.stop && !lent->ended && lent->session == session &&
               g_get_monotonic_time() < until)
            replLockWaitUntil(&replLend.lock, until);
        /* If not, a newer session of the job has taken the image over, and its thread looks after it. */
        if (lent->session == session && !lent->ended) {
            g_hash_table_remove(replLend.jobs, lent->job);
            replInfo("Image '%s' of pool '%s' is not read by job %s of host '%s' any more%s", lent->volume,
                     lent->pool, lent->job, lent->host, goodbye ? "" : ", which has not come back");
        }
    }
    replLentDrop(lent);
}

/* With the lock held. NULL: the image is not lent. */
static ReplLent *
replLendOf(const char *poolUuid, const char *volume)
{
    GHashTableIter iter;
    gpointer lent;

    if (!replLend.jobs)
        return NULL;
    g_hash_table_iter_init(&iter, replLend.jobs);
    while (g_hash_table_iter_next(&iter, NULL, &lent)) {
        if (g_str_equal(((ReplLent *)lent)->poolUuid, poolUuid) &&
            g_str_equal(((ReplLent *)lent)->volume, volume))
            return lent;
    }
    return NULL;
}

gboolean
replLendHas(const char *poolUuid, const char *volume)
{
    REPL_GUARD(&replLend.lock);

    return replLendOf(poolUuid, volume) != NULL;
}

static gboolean
replLendIsPast(gpointer refusal, gpointer until_us, gpointer opaque)
{
    (void)refusal;
    (void)opaque;
    return *(gint64 *)until_us < g_get_monotonic_time();
}

/* With the lock held: refuses the image to the host of @lent from now on. */
static void
replLendRefuse(ReplLent *lent)
{
    const gint64 until_us = g_get_monotonic_time() + REPL_LEND_REFUSED_us;

    if (!replLend.ended)
        replLend.ended = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_foreach_remove(replLend.ended, replLendIsPast, NULL);
    g_hash_table_insert(replLend.ended, replLendRefusal(lent->hostId, lent->poolUuid, lent->volume),
                        g_memdup2(&until_us, sizeof(until_us)));
    g_hash_table_remove(replLend.jobs, lent->job);
    lent->ended = TRUE;
    replLockWake(&replLend.lock);
}

/* Waits until this thread is the last one that uses @lent: those of its sessions end by themselves when they have done with the
 * disk. One that hangs is not waited for. */
static void
replLendAwaitEnd(const ReplLent *lent)
{
    gint64 until_us = g_get_monotonic_time() + REPL_LEND_END_us;
    REPL_GUARD(&replLend.lock);

    while (lent->users > 1 && g_get_monotonic_time() < until_us)
        replLockWaitUntil(&replLend.lock, until_us);
}

void
replLendEnd(const char *poolUuid, const char *volume)
{
    for (;;) {
        g_autoptr(ReplSession) session = NULL;
        ReplLent *lent;

        {
            REPL_GUARD(&replLend.lock);
            if (!(lent = replLendOf(poolUuid, volume)))
                return;
            lent->users++;
            session = replSessionRef(lent->session);
            replLendRefuse(lent);
        }
        replInfo("The reading of image '%s' of pool '%s' by job %s of host '%s' is ended here", lent->volume,
                 lent->pool, lent->job, lent->host);
        replSessionEnd(session, NULL);
        replLendAwaitEnd(lent);
        replLentDrop(lent);
    }
}

void
replLendStop(void)
{
    REPL_GUARD(&replLend.lock);

    replLend.stop = TRUE;
    replLockWake(&replLend.lock);
}
