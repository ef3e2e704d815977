/*
 * stock_names.c: a pool of a host without the module: what a plan has to know, and how names are held
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "base/log.h"
#include "endpoint/stocktargetpriv.h"
#include "xml/xml.h"

/* --- facts --- */

/* Names of volumes there that are not the job's. */
static char **
replStockTargetOthers(ReplStockTarget *target, const ReplStockSight *sight)
{
    g_autoptr(ReplJobRecord) record = replJournalCopy(target->journal);
    GPtrArray *taken = g_ptr_array_new();

    for (char **name = sight->names; *name; name++) {
        gboolean own = FALSE;

        for (guint i = 0; i < record->layers->len && i < sight->states->len && !own; i++) {
            const ReplJobLayer *layer = g_ptr_array_index(record->layers, i);
            int state = g_array_index(sight->states, int, i);

            own = g_str_equal(layer->volume, *name) && state != REPL_STOCK_NONE && state != REPL_STOCK_OTHER;
        }
        if (!own)
            g_ptr_array_add(taken, g_strdup(*name));
    }
    g_ptr_array_add(taken, NULL);
    return (char **)g_ptr_array_free(taken, FALSE);
}

int
replStockTargetFacts(ReplTarget *base, ReplTargetFacts *facts, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    g_autoptr(ReplStockSight) sight = NULL;
    g_autofree char *region = NULL;
    g_autofree char *project = NULL;

    if (replStockTargetOpen(target, err) < 0 || !(sight = replStockTargetSee(target, err)))
        return -1;
    replPeerPoolSeen(target->entry->pool, &region, &project, NULL);
    facts->pool = g_strdup(target->entry->pool->def->name);
    facts->poolUuid = g_strdup(target->entry->pool->def->uuid);
    facts->label = g_new0(ReplLabel, 1);
    facts->label->name = g_strdup(region ? region : target->entry->pool->def->source);
    facts->label->project = g_strdup(project ? project : REPL_PROJECT_DEFAULT);
    facts->label->quota = (ReplAmounts){-1, -1, -1};
    g_strfreev(target->taken);
    target->taken = replStockTargetOthers(target, sight);
    facts->free_bytes = sight->available_bytes;
    facts->partial_bytes = sight->mine_bytes;
    REPL_GUARD(&target->journal->lock);
    facts->accepted = target->journal->accepted;
    return 0;
}

gboolean
replStockTargetTaken(ReplTarget *base, const char *volume)
{
    const ReplStockTarget *target = (const ReplStockTarget *)base;

    return target->taken && g_strv_contains((const char *const *)target->taken, volume);
}

/* --- the image's name --- */

/* Notes that the job holds the name of the journal's layer. A layer that has no volume yet gets a size to
 * make it with. With the lock held. */
static void
replStockTargetName(ReplJobLayer *layer)
{
    if (layer->holder == 0)
        layer->holder = replStockNonce(layer->action == REPL_STEP_COPY ? layer->source.size_bytes : 0);
    layer->placeholder = TRUE;
}

int
replStockTargetAccept(ReplTarget *base, virStoragePoolPtr pool, const char *volume, const char *xml,
                      const ReplImage *image, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    ReplJournal *journal = target->journal;
    g_autofree char *permissions = replVolXmlPermissions(xml);
    g_autoptr(ReplStockHeld) held = NULL;
    guint last;

    (void)pool;
    (void)volume;
    (void)image;
    if (replStockTargetOpen(target, err) < 0)
        return -1;
    {
        REPL_GUARD(&journal->lock);
        last = journal->record->layers->len - 1; /* the image comes last */
        replStockTargetName(g_ptr_array_index(journal->record->layers, last));
        journal->record->holdsPlaceholder = TRUE;
        journal->accepted = TRUE; /* whatever becomes of it is this job's to look after */
    }
    if (replJournalSave(journal, err) < 0)
        return -1;
    held = replStockTargetHeld(target, last);
    if (replStockTargetTake(target, held, FALSE, permissions, err) < 0)
        return -1;
    REPL_GUARD(&journal->lock);
    replStockTargetShowNames(target);
    return 0;
}

/* --- the others' --- */

/* Takes over the volume that an earlier attempt holds under the same name. It counts as written only if both
 * plans make the same layer from the same source. */
static void
replStockTakeOver(ReplJobLayer *layer, ReplJobLayer *old, int state)
{
    if (!g_str_equal(old->volume, layer->volume))
        return;
    layer->holder = old->holder;
    layer->placeholder = TRUE;
    layer->ino = old->ino;
    layer->published = state == REPL_STOCK_PLACED;
    layer->checkpoint_bytes = old->checkpoint_bytes;
    layer->done = old->done && state == REPL_STOCK_MARKED && old->partial == layer->partial &&
                  old->action == layer->action && replFileIdentityEqual(&old->source, &layer->source);
    old->holder = 0;
}

/* Layers of the plan, with what the journal has of them already. Called with the journal's lock held. */
static GPtrArray *
replStockLayersOf(ReplStockTarget *target, const ReplStockSight *sight)
{
    GPtrArray *layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    const GPtrArray *earlier = target->journal->record->layers;

    for (guint i = 0; i < target->plan->steps->len; i++) {
        const ReplPlanStep *step = replStockStep(target, i);
        const ReplPlanLayer *from = &target->source->layers[step->layer];
        ReplJobLayer *layer = replJobLayerNew(from->volume, from->poolUuid, step->volume, step->action);

        layer->source = from->identity;
        layer->partial = i;
        for (guint j = 0; j < earlier->len && j < sight->states->len; j++)
            replStockTakeOver(layer, g_ptr_array_index(earlier, j), g_array_index(sight->states, int, j));
        replStockTargetName(layer);
        g_ptr_array_add(layers, layer);
    }
    return layers;
}

/* Gives back volumes of the earlier plan that this one has no use for. What cannot be given back stays in the
 * journal behind the layers of the plan: the next attempt, or the undo, tries it again. */
static int
replStockDropUnused(ReplStockTarget *target, GPtrArray *earlier, GError **err)
{
    int ret = 0;

    for (guint i = earlier->len; i-- > 0;) {
        const ReplJobLayer *old = g_ptr_array_index(earlier, i);
        g_autoptr(ReplStockHeld) held =
            replStockHeldNew(target->journal->record->id, old->volume, old->holder, old->ino);

        if (!old->holder || replStockTargetGiveBack(target, held, ret < 0 ? NULL : err) == 0)
            continue;
        REPL_GUARD(&target->journal->lock);
        g_ptr_array_add(target->journal->record->layers, g_ptr_array_steal_index(earlier, i));
        ret = -1;
    }
    return ret;
}

/* Another client was quicker with these names: they are not the job's to remove. */
static void
replStockDisown(ReplStockTarget *target, guint index)
{
    REPL_GUARD(&target->journal->lock);
    ReplJobLayer *layer = g_ptr_array_index(target->journal->record->layers, index);

    layer->placeholder = FALSE;
    layer->holder = 0;
    replStockTargetShowNames(target);
}

static int
replStockTargetHold(ReplStockTarget *target, GError **err)
{
    for (guint i = 0; i < target->plan->steps->len; i++) {
        g_autoptr(ReplStockHeld) held = replStockTargetHeld(target, i);
        g_autoptr(GError) why = NULL;
        gboolean published;

        {
            REPL_GUARD(&target->journal->lock);
            published =
                ((const ReplJobLayer *)g_ptr_array_index(target->journal->record->layers, i))->published;
        }
        if (published || replStockTargetTake(target, held, FALSE, NULL, &why) == 0)
            continue;
        if (g_error_matches(why, REPL_ERROR, VIR_ERR_STORAGE_VOL_EXIST))
            replStockDisown(target, i);
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    return 0;
}

int
replStockTargetBegin(ReplTarget *base, const ReplPlan *plan, const ReplSourceFacts *facts,
                     const ReplPresent *present, GError **err)
{
    ReplStockTarget *target = (ReplStockTarget *)base;
    ReplJournal *journal = target->journal;
    g_autoptr(ReplStockSight) sight = NULL;
    g_autoptr(GPtrArray) earlier = NULL;

    (void)present;
    target->plan = plan;
    target->source = facts;
    if (replStockTargetOpen(target, err) < 0 || !(sight = replStockTargetSee(target, err)))
        return -1;
    {
        REPL_GUARD(&journal->lock);
        GPtrArray *layers = replStockLayersOf(target, sight);

        earlier = journal->record->layers;
        journal->record->layers = layers;
        journal->record->holdsPlaceholder = TRUE;
        replStockTargetShowNames(target);
    }
    /* The journal names the volumes for as long as they are there, or may be: whatever a crash leaves is known as the
     * job's. */
    if (replStockDropUnused(target, earlier, err) < 0 || replJournalSave(journal, err) < 0)
        return -1;
    return replStockTargetHold(target, err);
}
