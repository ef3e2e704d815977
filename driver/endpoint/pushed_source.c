/*
 * pushed_source.c: images that other hosts push to this one, as sources
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/pushed_source.h"

#include "base/error.h"
#include "base/lock.h"
#include "endpoint/peer_source.h"
#include "service/service.h"

typedef struct {
    ReplTalk *talk;
    guint64 epoch;
    char *hostId; /* NULL: no session yet in this life of the daemon */
    char *host;
    gboolean submitting;
} ReplPushed;

static struct {
    ReplLock lock;    /* guards the table */
    GHashTable *jobs; /* id -> ReplPushed; NULL: none yet */
} replPushed = {.lock = REPL_LOCK_INIT};

static void
replPushedFree(void *opaque)
{
    ReplPushed *pushed = opaque;

    replTalkUnref(pushed->talk);
    g_free(pushed->hostId);
    g_free(pushed->host);
    g_free(pushed);
}

gboolean
replPushedIs(const ReplJobRecord *record)
{
    return g_strcmp0(record->sourcePoolUuid, record->id) == 0;
}

/* With the lock held. */
static ReplPushed *
replPushedFind(const char *jobId, const char *host)
{
    g_autoptr(ReplConfig) config = NULL;
    ReplPushed *pushed;

    if (!replPushed.jobs)
        replPushed.jobs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replPushedFree);
    if ((pushed = g_hash_table_lookup(replPushed.jobs, jobId)) || !host)
        return pushed;
    config = replServiceConfig();
    pushed = g_new0(ReplPushed, 1);
    pushed->talk = replTalkNew(host, 0, config->peerGone_s);
    pushed->host = g_strdup(host);
    g_hash_table_insert(replPushed.jobs, g_strdup(jobId), pushed);
    return pushed;
}

void
replPushedExpect(const char *jobId, const char *host)
{
    REPL_GUARD(&replPushed.lock);

    replPushedFind(jobId, host);
}

ReplTalk *
replPushedEnter(const char *jobId, guint64 epoch, const char *hostId, const char *host, GError **err)
{
    ReplPushed *pushed;
    REPL_GUARD(&replPushed.lock);

    pushed = replPushedFind(jobId, host);
    if (pushed->hostId && !g_str_equal(pushed->hostId, hostId)) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED, _("Job %s is one of host '%s'"), jobId, pushed->host);
        return NULL;
    }
    if (epoch <= pushed->epoch) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Job %s has opened a newer session already"), jobId);
        return NULL;
    }
    pushed->epoch = epoch;
    if (!pushed->hostId)
        pushed->hostId = g_strdup(hostId);
    return replTalkRef(pushed->talk);
}

char *
replPushedHost(const char *jobId)
{
    const ReplPushed *pushed;
    REPL_GUARD(&replPushed.lock);

    pushed = replPushedFind(jobId, NULL);
    return pushed && pushed->hostId ? g_strdup(pushed->host) : NULL;
}

void
replPushedBeginSubmit(const char *jobId)
{
    ReplPushed *pushed;
    REPL_GUARD(&replPushed.lock);

    while ((pushed = replPushedFind(jobId, NULL)) && pushed->submitting)
        replLockWait(&replPushed.lock);
    if (pushed)
        pushed->submitting = TRUE;
}

void
replPushedEndSubmit(const char *jobId)
{
    ReplPushed *pushed;
    REPL_GUARD(&replPushed.lock);

    if ((pushed = replPushedFind(jobId, NULL)))
        pushed->submitting = FALSE;
    replLockWake(&replPushed.lock);
}

void
replPushedForget(const char *jobId, guint64 epoch)
{
    ReplPushed *pushed;
    REPL_GUARD(&replPushed.lock);

    if ((pushed = replPushedFind(jobId, NULL)) && pushed->epoch <= epoch && !pushed->submitting)
        g_hash_table_remove(replPushed.jobs, jobId);
}

ReplSource *
replPushedSource(const char *jobId, const char *volume)
{
    ReplPushed *pushed;
    REPL_GUARD(&replPushed.lock);

    (void)volume; /* the other host knows which one it holds */
    pushed = replPushedFind(jobId, NULL);
    return pushed ? replPeerSourceNew(pushed->talk, NULL, jobId, pushed->host, NULL) : NULL;
}
