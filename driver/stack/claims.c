/*
 * claims.c: a layer that one job copies to a pool is not copied there by another at the same time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/claims.h"

/* How long a waiting job goes without asking whether it is to stop. */
#define REPL_CLAIMS_LOOK_US (50 * 1000)

/* Guards the table: "target pool/source pool/volume" -> job id. */
static GMutex replClaimsLock;
static GCond replClaimsFreed;
static GHashTable *replClaims;

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

int
replClaimsTake(ReplJob *job, const char *targetUuid, const ReplChain *chain, GError **err)
{
    gboolean taken;

    for (;;) {
        if (replJobCheck(job, err) < 0)
            return -1;
        g_mutex_lock(&replClaimsLock);
        if (!replClaims)
            replClaims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        taken = replClaimsTry(replJobId(job), targetUuid, chain);
        if (!taken)
            g_cond_wait_until(&replClaimsFreed, &replClaimsLock,
                              g_get_monotonic_time() + REPL_CLAIMS_LOOK_US);
        g_mutex_unlock(&replClaimsLock);
        if (taken)
            return 0;
    }
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
    g_mutex_lock(&replClaimsLock);
    if (replClaims)
        g_hash_table_foreach_remove(replClaims, replClaimsIsOf, (gpointer)replJobId(job));
    g_cond_broadcast(&replClaimsFreed);
    g_mutex_unlock(&replClaimsLock);
}
