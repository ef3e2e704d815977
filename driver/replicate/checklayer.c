/*
 * checklayer.c: one layer is held against its digests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "base/log.h"
#include "replicate/checkpriv.h"

void
replBrokenLayerFree(ReplBrokenLayer *layer)
{
    replPoolDirUnref(layer->pool);
    g_free(layer->volume);
    replScrubClear(&layer->scrub);
    g_free(layer);
}

ReplStaging *
replCheckStaging(const ReplPoolDir *pool, GError **err)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(pool->uuid);

    if (region && region->dir)
        return replRegionStaging(region, TRUE, err);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), pool->name);
    return NULL;
}

static int
checkAdmit(void *opaque, guint64 bytes, GError **err)
{
    return replJobAdmit(opaque, bytes, err);
}

static void
checkAdvance(void *opaque, guint64 bytes)
{
    replJobAdvance(opaque, bytes);
}

static int
checkScrub(ReplJob *job, const ReplLayer *layer, ReplStaging *staging, const ReplDigests *digests,
           ReplDigestsMaker *maker, ReplScrub *scrub, GError **err)
{
    const ReplCopyWatch watch = {.admit = checkAdmit, .advance = checkAdvance, .opaque = job};
    g_autoptr(GError) local = NULL;

    if (replScrubRun(layer->fd, layer->identity.size_bytes, digests, maker, &watch, scrub, &local) == 0)
        return 0;
    if (g_error_matches(local, REPL_ERROR, VIR_ERR_INTERNAL_ERROR))
        replDigestsForget(staging, layer->volume); /* it is they that are damaged */
    g_propagate_error(err, g_steal_pointer(&local));
    return -1;
}

/* There are no digests, or only some of an older content. */
static int
checkMake(ReplJob *job, const ReplLayer *layer, ReplStaging *staging, GError **err)
{
    g_autoptr(ReplDigestsMaker) maker = replDigestsMake(staging, layer->volume, &layer->identity, err);
    g_auto(ReplScrub) scrub = {0};

    if (!maker || checkScrub(job, layer, staging, NULL, maker, &scrub, err) < 0)
        return -1;
    return replDigestsFinish(maker, err);
}

static void
checkFound(ReplCheck *check, const ReplLayer *layer, ReplScrub *scrub)
{
    ReplBrokenLayer *broken = g_new0(ReplBrokenLayer, 1);
    guint i;

    check->verified->state = REPL_VERIFIED_DAMAGED;
    check->verified->blocks += scrub->blocks;
    for (i = 0; i < scrub->damages->len; i++) {
        const ReplDamage *damage = &g_array_index(scrub->damages, ReplDamage, i);

        replVerifiedAddDamage(check->verified, layer->volume, damage->offset_bytes, damage->length_bytes);
    }
    replWarn("Volume '%s' of pool '%s' is damaged: %" G_GUINT64_FORMAT
             " blocks of 64 KiB are not what they were",
             layer->volume, layer->pool->name, scrub->blocks);
    broken->pool = replPoolDirRef(layer->pool);
    broken->volume = g_strdup(layer->volume);
    broken->scrub = *scrub;
    *scrub = (ReplScrub){0};
    g_ptr_array_add(check->broken, broken);
}

/* The image was written to, or only touched. A verification makes digests of what it is now, in the same pass. */
static int
checkChanged(ReplJob *job, ReplCheck *check, const ReplLayer *layer, ReplStaging *staging,
             const ReplDigests *digests, GError **err)
{
    g_autoptr(ReplDigestsMaker) maker = replDigestsMake(staging, layer->volume, &layer->identity, err);
    g_auto(ReplScrub) scrub = {0};

    if (!maker || checkScrub(job, layer, staging, digests, maker, &scrub, err) < 0)
        return -1;
    if (scrub.blocks > 0)
        check->changed = TRUE;
    return check->changed && check->heal ? 0 : replDigestsFinish(maker, err);
}

static int
checkCompare(ReplJob *job, ReplCheck *check, const ReplLayer *layer, ReplStaging *staging,
             const ReplDigests *digests, GError **err)
{
    g_auto(ReplScrub) scrub = {0};

    if (checkScrub(job, layer, staging, digests, NULL, &scrub, err) < 0)
        return -1;
    if (scrub.blocks > 0) {
        checkFound(check, layer, &scrub);
        return 0;
    }
    /* Only its times were touched. */
    return replDigestsFit(digests, &layer->identity)
               ? 0
               : replDigestsAssume(staging, layer->volume, &layer->identity, err);
}

int
replCheckLayer(ReplJob *job, ReplCheck *check, guint index, GError **err)
{
    const ReplLayer *layer = replChainLayer(check->chain, index);
    g_autoptr(ReplStaging) staging = replCheckStaging(layer->pool, err);
    g_autoptr(ReplDigests) digests = NULL;
    g_autoptr(GError) local = NULL;
    gboolean needed = index > 0 || check->needed;

    if (!staging)
        return -1;
    replDigestsSweep(staging, layer->pool->dirFd);
    if (!(digests = replDigestsLoad(staging, layer->volume, &local)) && local) {
        g_propagate_error(err, g_steal_pointer(&local));
        return -1;
    }
    if (digests && (needed || replDigestsFit(digests, &layer->identity)))
        return checkCompare(job, check, layer, staging, digests, err);
    if (digests)
        return checkChanged(job, check, layer, staging, digests, err);
    if (check->heal) {
        replErrorSet(
            err, VIR_ERR_OPERATION_INVALID,
            _("There are no digests of volume '%s' of pool '%s', so nothing tells whether it is damaged: "
              "they are made when it is verified"),
            layer->volume, layer->pool->name);
        return -1;
    }
    check->verified->made = TRUE;
    return checkMake(job, layer, staging, err);
}
