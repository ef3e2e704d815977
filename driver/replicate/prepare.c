/*
 * prepare.c: opens, holds and plans
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/prepare.h"

#include "endpoint/open.h"
#include "image/share.h"
#include "service/claims.h"
#include "service/service.h"

ReplPrepared *
replPrepareNew(const ReplReplication *replication)
{
    const ReplJobRecord *record = replication->journal->record;
    ReplPrepared *prepared = g_new0(ReplPrepared, 1);

    prepared->source = replEndpointSourceOf(record);
    prepared->target = replEndpointTarget(replication->journal, replication->holding);
    return prepared;
}

/* The facts have the disks that the request was for: on another host the set may have changed since. Returns 0,
 * or -1 with @err set. */
static int
replPrepareCheckDisks(const ReplJobRecord *record, const ReplSourceFacts *facts, GError **err)
{
    gboolean same = facts->memberCount == record->members->len;
    guint disk = 0;

    for (guint i = 1; same && i < facts->layerCount; i++) {
        if (replSourceIsTop(facts, i))
            same = g_str_equal(facts->layers[i].volume,
                               ((const ReplJobMember *)record->members->pdata[disk++])->sourceVolume);
    }
    if (same)
        return 0;
    replErrorSet(
        err, VIR_ERR_OPERATION_INVALID,
        _("Full machine '%s' of pool '%s' has other disks now than when its replication was asked for"),
        facts->volume, facts->pool);
    return -1;
}

int
replPrepareOpen(const ReplReplication *replication, ReplPrepared *prepared, GError **err)
{
    const ReplRequest *request = replication->journal->record->request;

    if (prepared->facts)
        return 0;
    if (replSourceHold(prepared->source, err) < 0 ||
        replSourceDescribe(prepared->source, request, &prepared->facts, err) < 0 ||
        replPrepareCheckDisks(replication->journal->record, prepared->facts, err) < 0) {
        prepared->facts = NULL;
        return -1;
    }
    prepared->present = g_new0(ReplPresent, prepared->facts->layerCount);
    prepared->asked = *request;
    if (prepared->facts->formed) {
        prepared->asked.format = NULL;
        prepared->asked.snapshots = REPL_SNAPSHOTS_KEEP;
        prepared->asked.encryption = REPL_ENCRYPTION_KEEP;
        prepared->asked.rekey = REPL_REKEY_FULL;
        prepared->asked.fastCreate = FALSE;
    }
    return 0;
}

/* Layers that lie elsewhere are brought to the job's home in whole before they are converted (scratch.h). Where that is not
 * the target's file system, its space is not told. */
static guint64
replPrepareFetched(const ReplJobRecord *record, const ReplPrepared *prepared)
{
    guint64 sum_bytes = 0;

    if (record->targetPool || record->request->bundle != REPL_BUNDLE_NONE ||
        replSourceChain(prepared->source))
        return 0;
    for (guint i = 0; i < prepared->facts->layerCount; i++) {
        if (!g_uint64_checked_add(&sum_bytes, sum_bytes, prepared->facts->layers[i].allocated_bytes))
            return G_MAXUINT64;
    }
    return sum_bytes;
}

static gboolean
replPrepareTaken(gpointer names, const char *volume)
{
    return replTargetTaken(names, volume);
}

static ReplPlanFacts
replPrepareFacts(const ReplReplication *replication, const ReplPrepared *prepared,
                 const ReplTargetFacts *target)
{
    const ReplJobRecord *record = replication->journal->record;
    const ReplSourceFacts *source = prepared->facts;

    return (ReplPlanFacts){
        .request = &prepared->asked,
        .source = {source->pool, source->poolUuid, source->label},
        .volume = source->volume,
        .image = source->image,
        .layerCount = source->layerCount,
        .members = source->members,
        .memberCount = source->memberCount,
        .target = {target->pool, target->poolUuid, target->label},
        .taken = replPrepareTaken,
        .names = prepared->target,
        .usage = target->usage,
        .free_bytes = target->free_bytes,
        .fetched_bytes = replPrepareFetched(record, prepared),
        .partial_bytes = target->partial_bytes,
        .begun = target->partial_bytes > 0,
        .placeholder = target->accepted ? replication->replica : NULL,
    };
}

/* A shared image may still be shared: it is plain, and all of its layers belong to the owner's project. (For an
 * image on another host, that host checks it.) */
static int
replPrepareCheckShare(const ReplChain *chain, const ReplPlanFacts *facts, GError **err)
{
    const char *owner = facts->source.label->project;
    gboolean shared = !facts->begun && owner && !facts->target.label->transit &&
                      !g_str_equal(owner, facts->target.label->project);

    return shared && chain ? replShareCheckChain(chain, owner, err) : 0;
}

/* Looks at the target and plans. Returns 0, -1 with @err set, or 1 when a closer look may help against a shortage. */
static int
replPrepareOnce(const ReplReplication *replication, ReplPrepared *prepared, const ReplPresentLook *look,
                GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    guint count = prepared->facts->layerCount;
    g_autofree ReplPlanLayer *layers = g_memdup2(prepared->facts->layers, count * sizeof(*layers));
    g_auto(ReplTargetFacts) target = {0};
    g_auto(ReplRefusal) refusal = {0};
    gboolean canClone;
    ReplPlanFacts facts;
    guint i;

    /* A bundle is one file: no volume of the target can be reused for a layer in it. */
    replPresentClear(prepared->present, count);
    if ((replication->journal->record->request->bundle == REPL_BUNDLE_NONE &&
         replTargetPresent(prepared->target, prepared->source, look, prepared->present, &prepared->closely,
                           err) < 0) ||
        replTargetGetFacts(prepared->target, &target, err) < 0)
        return -1;
    canClone = replTargetCanClone(prepared->target, prepared->source);
    for (i = 0; i < count; i++) {
        layers[i].canClone = canClone;
        layers[i].presentAs = prepared->present[i].volume;
        layers[i].presentIsImage = prepared->present[i].isImage;
    }
    facts = replPrepareFacts(replication, prepared, &target);
    facts.layers = layers;
    facts.inRegionMax_bytes = config->maxSize_bytes;
    g_clear_pointer(&prepared->plan, replPlanFree);
    if ((prepared->plan = replPlanMake(&facts, &refusal)))
        return replPrepareCheckShare(replSourceChain(prepared->source), &facts, err);
    if (prepared->closely && refusal.kind >= REPL_REFUSE_QUOTA_IMAGES)
        return 1;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

int
replPreparePlan(const ReplReplication *replication, ReplPrepared *prepared, const ReplPresentLook *look,
                GError **err)
{
    const ReplPresentLook close = {.contents = TRUE};
    int rc;

    prepared->era = replClaimsEra(replication->journal->targetUuidstr);
    rc = replPrepareOnce(replication, prepared, look, err);
    return rc <= 0 ? rc : replPrepareOnce(replication, prepared, &close, err);
}

int
replPrepareFirst(const ReplReplication *replication, ReplPrepared *prepared, GError **err)
{
    ReplPresentLook look = {0};

    if (replPrepareOpen(replication, prepared, err) < 0)
        return -1;
    look.contents = !replication->journal->record->request->start && !replSourceChain(prepared->source);
    return replPreparePlan(replication, prepared, &look, err);
}

int
replPrepareCheckQuota(const ReplReplication *replication, const ReplPrepared *prepared, GError **err)
{
    g_auto(ReplTargetFacts) target = {0};
    g_auto(ReplRefusal) refusal = {0};
    ReplAmounts adds = prepared->plan->adds;
    ReplPlanFacts facts;

    if (replTargetGetFacts(prepared->target, &target, err) < 0)
        return -1;
    facts = replPrepareFacts(replication, prepared, &target);
    facts.layers = prepared->facts->layers;
    /* A plan that was handed over was made before the replica's name was taken. The usage counts the
     * placeholders by now: do not count them twice. */
    if (target.accepted)
        adds.images -= prepared->plan->freshImages;
    if (replPlanCheckQuota(&facts, &adds, &refusal) == 0)
        return 0;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}
