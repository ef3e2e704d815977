/*
 * claims.c: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/claims.h"

#include "base/lock.h"
#include "service/service.h"

/* Guards the two tables. */
static ReplLock replClaimsLock = REPL_LOCK_INIT;
static GHashTable *replClaims;        /* "target pool/source pool/volume" -> job id */
static GHashTable *replClaimsWaiting; /* keys of jobs that are held in the queue */

char *
replClaimsWaitKey(const char *jobId)
{
    return g_strdup_printf("claims of %s", jobId);
}

static char *
replClaimsKey(const char *targetUuid, const ReplLayer *layer)
{
    return g_strdup_printf("%s/%s/%s", targetUuid, layer->pool->uuid, layer->volume);
}

/* Called with the lock held. */
static gboolean
replClaimsTry(const char *jobId, const char *targetUuid, const ReplChain *chain)
{
    guint i;

    for (i = 0; i < chain->layers->len; i++) {
        g_autofree char *key = replClaimsKey(targetUuid, replChainLayer(chain, i));
        const char *owner = g_hash_table_lookup(replClaims, key);

        if (owner && !g_str_equal(owner, jobId))
            return FALSE;
    }
    for (i = 0; i < chain->layers->len; i++)
        g_hash_table_replace(replClaims, replClaimsKey(targetUuid, replChainLayer(chain, i)),
                             g_strdup(jobId));
    return TRUE;
}

gboolean
replClaimsTake(ReplJob *job, const char *targetUuid, const ReplChain *chain)
{
    gboolean taken;

    replLockTake(&replClaimsLock);
    if (!replClaims) {
        replClaims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        replClaimsWaiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    taken = replClaimsTry(replJobId(job), targetUuid, chain);
    if (!taken) {
        g_autofree char *key = replClaimsWaitKey(replJobId(job));

        /* Under the lock, so that a release cannot come between the look and the hold. */
        replQueueHold(replServiceQueue(), key);
        g_hash_table_add(replClaimsWaiting, g_steal_pointer(&key));
    }
    replLockDrop(&replClaimsLock);
    return taken;
}

static gboolean
replClaimsIsOf(gpointer key, gpointer owner, gpointer jobId)
{
    (void)key;
    return g_str_equal(owner, jobId);
}

void
replClaimsDrop(ReplJob *job)
{
    g_autoptr(GHashTable) waiting = NULL;
    GHashTableIter iter;
    gpointer key;

    replLockTake(&replClaimsLock);
    if (replClaims && g_hash_table_foreach_remove(replClaims, replClaimsIsOf, (gpointer)replJobId(job)) > 0) {
        waiting = g_steal_pointer(&replClaimsWaiting);
        replClaimsWaiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    replLockDrop(&replClaimsLock);
    if (!waiting)
        return;
    g_hash_table_iter_init(&iter, waiting);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        replQueueRelease(replServiceQueue(), key);
}
