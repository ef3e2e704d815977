/*
 * claims.c: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/claims.h"

#include "base/lock.h"
#include "service/service.h"

/* Guards the three tables. */
static ReplLock replClaimsLock = REPL_LOCK_INIT;
static GHashTable *replClaims;        /* "target pool/source pool/volume" -> job id */
static GHashTable *replClaimsWaiting; /* keys of jobs that are held in the queue */
static GHashTable *replClaimsEras;    /* target pool -> its number, a guint64 */

/* Called with the lock held. */
static guint64 *
replClaimsEraOf(const char *targetUuid)
{
    guint64 *era;

    if (!replClaims) {
        replClaims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        replClaimsWaiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        replClaimsEras = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    }
    if (!(era = g_hash_table_lookup(replClaimsEras, targetUuid))) {
        era = g_new0(guint64, 1);
        g_hash_table_insert(replClaimsEras, g_strdup(targetUuid), era);
    }
    return era;
}

guint64
replClaimsEra(const char *targetUuid)
{
    guint64 era;

    replLockTake(&replClaimsLock);
    era = *replClaimsEraOf(targetUuid);
    replLockDrop(&replClaimsLock);
    return era;
}

char *
replClaimsLayer(const char *sourcePoolUuid, const char *sourceVolume)
{
    return g_strdup_printf("%s/%s", sourcePoolUuid, sourceVolume);
}

char *
replClaimsWaitKey(const char *jobId)
{
    return g_strdup_printf("claims of %s", jobId);
}

static char *
replClaimsKey(const char *targetUuid, const char *layer)
{
    return g_strdup_printf("%s/%s", targetUuid, layer);
}

/* Called with the lock held. */
static gboolean
replClaimsTry(const char *jobId, const char *targetUuid, const GPtrArray *layers)
{
    guint i;

    for (i = 0; i < layers->len; i++) {
        g_autofree char *key = replClaimsKey(targetUuid, g_ptr_array_index(layers, i));
        const char *owner = g_hash_table_lookup(replClaims, key);

        if (owner && !g_str_equal(owner, jobId))
            return FALSE;
    }
    for (i = 0; i < layers->len; i++)
        g_hash_table_replace(replClaims, replClaimsKey(targetUuid, g_ptr_array_index(layers, i)),
                             g_strdup(jobId));
    return TRUE;
}

gboolean
replClaimsTake(ReplJob *job, const char *targetUuid, const GPtrArray *layers, guint64 *era)
{
    gboolean taken;
    guint64 *now;

    replLockTake(&replClaimsLock);
    now = replClaimsEraOf(targetUuid);
    taken = replClaimsTry(replJobId(job), targetUuid, layers);
    if (taken) {
        *era = (*now)++;
    } else {
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
replClaimsDrop(ReplJob *job, const char *targetUuid)
{
    g_autoptr(GHashTable) waiting = NULL;
    GHashTableIter iter;
    gpointer key;

    replLockTake(&replClaimsLock);
    if (replClaims && g_hash_table_foreach_remove(replClaims, replClaimsIsOf, (gpointer)replJobId(job)) > 0) {
        (*replClaimsEraOf(targetUuid))++;
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
