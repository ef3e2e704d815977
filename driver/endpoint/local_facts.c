/*
 * local_facts.c: what a plan has to know of a pool of this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/lock.h"
#include "copy/clone.h"
#include "endpoint/localfar.h"
#include "endpoint/localpriv.h"
#include "probe/graph.h"
#include "probe/present.h"
#include "service/makers.h"
#include "service/service.h"
#include "store/partial.h"
#include "store/record.h"
#include "virt/access.h"

GPtrArray *
replLocalOwn(ReplLocalTarget *target)
{
    g_autoptr(ReplJobRecord) record = replJournalCopy(target->journal);

    return g_ptr_array_ref(record->layers);
}

static gboolean
replLocalIsOwn(const ReplLocalTarget *target, const GPtrArray *own, const char *name)
{
    guint i;

    for (i = 0; i < own->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(own, i);

        if (layer->placeholder && g_str_equal(layer->volume, name))
            return replLocalIsPlaceholder(target, layer) || replLocalIsInPlace(target, layer);
    }
    return FALSE;
}

/* Looks for the one name: a list of all costs more the more volumes there are. */
gboolean
replLocalTaken(ReplTarget *base, const char *volume)
{
    const ReplLocalTarget *target = (const ReplLocalTarget *)base;
    const ReplJournal *journal = target->journal;
    struct stat st;
    REPL_GUARD(&target->journal->lock);

    if (journal->accepted && g_str_equal(volume, journal->record->volume))
        return FALSE;
    return fstatat(target->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
           !replLocalIsOwn(target, journal->record->layers, volume);
}

/* What counts against the quota. The layers that an earlier attempt has put in place are left out: the plan
 * counts them among what it adds. */
static int
replLocalUsage(const ReplLocalTarget *target, const GPtrArray *own, ReplAmounts *usage, GError **err)
{
    g_autoptr(ReplGraph) graph =
        replGraphScan(replServiceCache(), target->set, target->dir, REPL_GRAPH_NOW, err);
    guint i;

    if (!graph)
        return -1;
    *usage = replGraphUsage(graph, target->dir);
    for (i = 0; i < own->len; i++) {
        const ReplJobLayer *layer = g_ptr_array_index(own, i);
        const ReplGraphNode *node;

        if (!layer->placeholder || !replLocalIsInPlace(target, layer) ||
            !(node = replGraphFind(graph, target->dir, layer->volume)))
            continue;
        /* An image whose name the job holds is no longer counted among what the job adds: it stays in the
         * usage. */
        if (replGraphIsLayer(graph, node))
            usage->snapshots--;
        else if (!replJobRecordMakesImage(target->journal->record, layer->volume))
            usage->images--;
        usage->bytes -= (gint64)replGraphNodeBytes(node);
    }
    replMakersCorrectUsage(target->region->uuidstr, target->holding, TRUE, usage);
    return 0;
}

int
replLocalFacts(ReplTarget *base, ReplTargetFacts *facts, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    g_autoptr(GPtrArray) own = replLocalOwn(target);
    g_autoptr(ReplLabel) label = NULL;

    if (replLocalTargetOpen(target, err) < 0)
        return -1;
    /* The quota may have been changed since the job began. */
    if (!(label = replLabelsGet(replRegionsLabels(), target->region->uuid, NULL)))
        label = replLabelCopy(target->region->label);
    if (replQuotaIsSet(&label->quota) && replLocalUsage(target, own, &facts->usage, err) < 0)
        return -1;
    replLockTake(&target->journal->lock);
    facts->accepted = target->journal->accepted;
    replLockDrop(&target->journal->lock);
    facts->pool = g_strdup(target->region->name);
    facts->poolUuid = g_strdup(target->region->uuidstr);
    facts->label = g_steal_pointer(&label);
    replPartialsMeasure(target->staging, target->journal->record->id, &facts->partial_bytes, NULL);
    if (replPoolDirFree(target->dir, &facts->free_bytes, err) == 0)
        return 0;
    replTargetFactsClear(facts);
    return -1;
}

/* --- layers that are there --- */

typedef struct {
    ReplLocalTarget *target;
    const ReplPresentLook *look;
    const GPtrArray *own;
    gboolean *closely;
    ReplConn *conn; /* access control asks on it; opened when there is something to ask, a reference */
} ReplLocalAsk;

static ReplImage *
replLocalAskRecord(void *opaque, const char *volume)
{
    ReplLocalAsk *ask = opaque;

    return replRecordLoad(ask->target->staging, volume, NULL);
}

/* Whether the requester may read @volume. A plan that reused a volume that he may not read would tell him
 * what it holds. */
static gboolean
replLocalMayRead(const ReplLocalTarget *target, const char *volume, ReplConn **conn)
{
    gboolean may;

    if (!*conn)
        *conn = replVirt.GetConnectStorage();
    may = *conn &&
          replAccessVol(*conn, target->region->uuid, volume, replVirt.StorageVolDownloadEnsureACL) == 0;
    if (!may)
        virResetLastError();
    return may;
}

/* A layer that this job itself has put in place is not reused: its own step makes it again (openLayer finds
 * it done). So the plan does not depend on how far an earlier attempt came. */
gboolean
replLocalMayUse(const ReplLocalTarget *target, const GPtrArray *own, const char *volume, ReplConn **conn)
{
    g_autoptr(ReplJob) job = replMakersFind(target->region->uuidstr, volume, NULL);

    return !job && !replLocalIsOwn(target, own, volume) && replLocalMayRead(target, volume, conn);
}

static gboolean
replLocalAskUsable(void *opaque, const char *volume)
{
    ReplLocalAsk *ask = opaque;

    return replLocalMayUse(ask->target, ask->own, volume, &ask->conn);
}

static int
replLocalAskProceed(void *opaque, guint64 bytes, GError **err)
{
    ReplLocalAsk *ask = opaque;

    if (!ask->look->contents) {
        *ask->closely = TRUE;
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "contents are not looked at");
        return -1;
    }
    return ask->look->proceed ? ask->look->proceed(ask->look->opaque, bytes, err) : 0;
}

/* From the base up, disk by disk. */
static int
replLocalFindPresent(ReplLocalAsk *asker, ReplSource *source, ReplPresent *present, GError **err)
{
    const ReplPresentAsk ask = {.record = replLocalAskRecord,
                                .usable = replLocalAskUsable,
                                .proceed = replLocalAskProceed,
                                .opaque = asker,
                                .cache = replServiceCache(),
                                .set = asker->target->set};
    const ReplChain *chain = replSourceChain(source);
    gboolean missing = FALSE;
    guint i;

    if (!chain)
        return replLocalFindContent(asker->target, source, &ask, asker->look->contents, present, err);

    for (i = chain->layers->len; i-- > 0;) {
        gboolean isBase = replChainEnd(chain, i) == i + 1;
        g_autoptr(GError) why = NULL;
        int rc;

        missing = missing && !isBase;
        if (missing || replChainIsTop(chain, i))
            continue;
        rc = replPresentFind(chain, i, asker->target->dir, isBase ? NULL : present[i + 1].volume, &ask,
                             &present[i].volume, &present[i].was, &why);
        if (rc < 0 && asker->look->contents) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
        missing = rc <= 0;
    }
    return 0;
}

static gboolean
replLocalAskStops(void *opaque)
{
    const ReplLocalAsk *ask = opaque;

    return replLocalStops(ask->target) ||
           (ask->look->proceed && ask->look->proceed(ask->look->opaque, 0, NULL) < 0);
}

/* Layers on another host, of which digests are known. */
static int
replLocalFindFar(ReplLocalAsk *ask, ReplSource *source, const ReplSourceFacts *facts, ReplPresent *present,
                 GError **err)
{
    const ReplPresentAsk sized = {
        .usable = replLocalAskUsable, .opaque = ask, .cache = replServiceCache(), .set = ask->target->set};
    const ReplLocalFar far = {.source = source,
                              .facts = facts,
                              .dir = ask->target->dir,
                              .ask = &sized,
                              .stop = replLocalAskStops,
                              .opaque = ask};

    return replLocalFarPresent(&far, ask->look->contents, ask->closely, present, err);
}

/* Tells of each layer that was found whether nothing needs it so far. */
static int
replLocalPresentAreImages(const ReplLocalTarget *target, ReplPresent *present, guint count, GError **err)
{
    g_autoptr(ReplGraph) graph = NULL;
    guint i;

    for (i = 0; i < count; i++) {
        g_autoptr(GPtrArray) overlays = NULL;

        if (!present[i].volume)
            continue;
        if (!graph &&
            !(graph = replGraphScan(replServiceCache(), target->set, target->dir, REPL_GRAPH_RECENTLY, err)))
            return -1;
        overlays = replGraphDependents(graph, target->dir, present[i].volume);
        present[i].isImage = overlays->len == 0;
    }
    return 0;
}

int
replLocalPresent(ReplTarget *base, ReplSource *source, const ReplPresentLook *look, ReplPresent *present,
                 gboolean *closely, GError **err)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    const ReplChain *chain = replSourceChain(source);
    g_autoptr(GPtrArray) own = replLocalOwn(target);
    ReplLocalAsk ask = {target, look, own, closely, NULL};
    const ReplSourceFacts *facts = NULL;
    guint count;
    int rc;

    *closely = FALSE;
    if (!chain && !source->ops->digests && !replSourceTellsContent(source))
        return 0;
    if (!chain && replSourceDescribe(source, NULL, &facts, err) < 0)
        return -1;
    /* What is converted on its way is in no pool yet. */
    if (facts && facts->formed)
        return 0;
    count = chain ? chain->layers->len : facts->layerCount;
    if (count < 2)
        return 0;
    if (replLocalTargetOpen(target, err) < 0)
        return -1;
    rc = chain || replSourceTellsContent(source) ? replLocalFindPresent(&ask, source, present, err)
                                                 : replLocalFindFar(&ask, source, facts, present, err);
    if (ask.conn)
        replVirt.ObjectUnref(ask.conn);
    if (rc < 0 || replLocalPresentAreImages(target, present, count, err) < 0) {
        replPresentClear(present, count);
        return -1;
    }
    return 0;
}

gboolean
replLocalCanClone(ReplTarget *base, ReplSource *source)
{
    ReplLocalTarget *target = (ReplLocalTarget *)base;
    const ReplChain *chain = replSourceChain(source);

    return chain && replLocalTargetOpen(target, NULL) == 0 &&
           replCopyCanClone(replChainLayer(chain, 0)->pool->dirFd, target->dir->dirFd);
}
