/*
 * pushsource.c: the image that a push reads, as it is to leave this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/pushsource.h"

#include <glib-object.h>

#include "base/error.h"
#include "endpoint/open.h"
#include "region/home.h"
#include "replicate/formed.h"
#include "service/service.h"
#include "store/partial.h"
#include "virt/access.h"

static int
replPushSourceProceed(void *opaque, GError **err)
{
    return replJobCheck(opaque, err);
}

/* The layer as it was when the request came; NULL: it was no part of the chain. */
static const ReplJobLayer *
replPushSourceWas(const ReplJobRecord *record, const ReplPlanLayer *layer)
{
    for (guint i = 0; i < record->layers->len; i++) {
        const ReplJobLayer *was = g_ptr_array_index(record->layers, i);

        if (g_str_equal(was->sourceVolume, layer->volume) &&
            g_str_equal(was->sourcePoolUuid, layer->poolUuid))
            return was;
    }
    return NULL;
}

void
replPushSourceDropMade(const ReplJobRecord *record)
{
    g_autoptr(ReplStaging) home = replHomeOwn(FALSE, NULL);

    if (home)
        replPartialsDrop(home, record->id, NULL);
}

/* Refuses a layer that was not in the chain when the request came. The requester's rights were checked for
 * the layers of that time, and he is not there any more to be asked about others. */
static int
replPushSourceMay(const ReplJobRecord *record, const ReplSourceFacts *facts, GError **err)
{
    gboolean changed = FALSE;

    for (guint i = 0; i < facts->layerCount; i++) {
        const ReplJobLayer *was = replPushSourceWas(record, &facts->layers[i]);

        if (was) {
            changed = changed || !replFileIdentityEqual(&was->source, &facts->layers[i].identity);
            continue;
        }
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("Image '%s' of pool '%s' stands on volume '%s' now, which was no part of it when the "
                       "replication was asked for"),
                     facts->volume, facts->pool, facts->layers[i].volume);
        return -1;
    }
    if (changed)
        replPushSourceDropMade(record);
    return 0;
}

static void
replPushSourcePin(const ReplJobRecord *record, const ReplSourceFacts *facts)
{
    for (guint i = 0; i < facts->layerCount; i++)
        replPinsAdd(replServicePins(), facts->layers[i].poolUuid, facts->layers[i].pool,
                    facts->layers[i].volume, record->id,
                    replSourceIsTop(facts, i) ? REPL_PIN_SOURCE : REPL_PIN_BASE,
                    replSourceIsTop(facts, i) ? NULL : facts->volume);
}

/* No disk of the source may be on its way to the target's region by another job. Returns 0, or -1 with @err set. */
static int
replPushSourceTakeRoutes(const ReplJobRecord *record, GError **err)
{
    const char *volume = record->sourceVolume;

    for (guint i = 0; i <= record->members->len; i++) {
        if (i > 0)
            volume = ((const ReplJobMember *)record->members->pdata[i - 1])->sourceVolume;
        if (replPinsTakeRoute(replServicePins(), record->id, record->sourcePoolUuid, volume,
                              record->targetRegion, err) < 0)
            return -1;
    }
    return 0;
}

/* Holds and describes @source with the requester's rights: to its keys, too. */
static int
replPushSourceDescribe(ReplSource *source, const ReplRequest *request, ReplVirtIdentity *identity,
                       GError **err)
{
    g_autoptr(GObject) before = (GObject *)replVirt.IdentityGetCurrent();
    const ReplSourceFacts *facts;
    int rc;

    replIdentityAct(identity);
    rc = replSourceHold(source, err);
    if (rc == 0)
        rc = replSourceDescribe(source, request, &facts, err);
    replVirt.IdentitySetCurrent((ReplVirtIdentity *)before);
    return rc;
}

ReplSource *
replPushSourceOpen(const ReplJobRecord *record, ReplVirtIdentity *identity, ReplJob *job, GError **err)
{
    const ReplFormedParams params = {.request = record->request,
                                     .jobId = record->id,
                                     .targetPoolUuid = record->targetPoolUuid,
                                     .targetRegion = record->targetRegion,
                                     .proceed = replPushSourceProceed,
                                     .opaque = job};
    g_autoptr(ReplSource) source = NULL;

    if (replPushSourceTakeRoutes(record, err) < 0)
        return NULL;
    source = replFormedNew(replEndpointSourceOf(record), &params);
    if (replPushSourceDescribe(source, record->request, identity, err) < 0 ||
        replPushSourceMay(record, replFormedFrom(source), err) < 0)
        return NULL;
    replPushSourcePin(record, replFormedFrom(source));
    return g_steal_pointer(&source);
}
