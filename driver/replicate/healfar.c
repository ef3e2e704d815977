/*
 * healfar.c: damaged blocks are fetched from other hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/healfar.h"

#include <string.h>

#include "base/log.h"
#include "endpoint/open.h"
#include "peer/kind.h"

/* A replica that had so many blocks, none of which fitted, is another image. */
#define HEAL_FAR_MISSES_MAX 16

typedef struct {
    const ReplJobLayer *at; /* the check's record's */
    gboolean tried;
    ReplSource *source;           /* held; NULL: not asked yet, or passed over */
    const ReplSourceFacts *facts; /* of it */

    /* Of the layer that is mended. */
    ReplReader *reader; /* NULL: not opened */
    gboolean looked;
    guint64 size_bytes;
    guint misses; /* without a hit in between */
} ReplFarDonor;

struct _ReplHealFar {
    ReplCheck *check;
    GArray *donors; /* of ReplFarDonor */
    const ReplBrokenLayer *broken;
    const ReplImage *own;
};

/* --- one donor --- */

/* Only the first two lines of the chain's owner matter: it is there, and it is the same project's. */
static int
farDonorDescribe(ReplFarDonor *donor, GError **err)
{
    static const ReplRequest asIs = {.sourceIs = REPL_SOURCE_IS_IMAGE};
    g_autoptr(ReplPeerPoolEntry) entry = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    int module;

    if (!replUuidParse(donor->at->sourcePoolUuid, uuid) || !(entry = replPeerPoolsFind(uuid)) ||
        (module = replPeerHasModule(entry, err)) < 0)
        return -1;
    if (module == 0)
        return 0;
    if (replSourceHold(donor->source, err) < 0 ||
        replSourceDescribe(donor->source, &asIs, &donor->facts, err) < 0)
        return -1;
    return 1;
}

static gboolean
farDonorOpen(ReplHealFar *far, ReplFarDonor *donor)
{
    const char *project = far->broken->pool->label ? far->broken->pool->label->project : NULL;
    g_autoptr(GError) why = NULL;

    if (donor->tried)
        return donor->source != NULL;
    donor->tried = TRUE;
    donor->source =
        replEndpointSource(donor->at->sourcePoolUuid, donor->at->sourceVolume, REPL_SOURCE_IS_IMAGE);
    replCheckAsks(far->check, donor->source);
    if (farDonorDescribe(donor, &why) > 0 && g_strcmp0(donor->facts->label->project, project) == 0)
        return TRUE;
    if (why)
        replInfo("Volume '%s' on another host is not asked for blocks of volume '%s': %s",
                 donor->at->sourceVolume, far->broken->volume, why->message);
    replCheckAsks(far->check, NULL);
    g_clear_pointer(&donor->source, replSourceFree);
    return FALSE;
}

/* The layer of the donor's chain that the damaged one was copied from, else the one of its name; -1: none. */
static int
farDonorLayer(const ReplHealFar *far, const ReplFarDonor *donor)
{
    const ReplImage *own = far->own;
    int named = -1;

    for (guint i = 0; i < donor->facts->layerCount; i++) {
        const ReplPlanLayer *layer = &donor->facts->layers[i];

        if (own && g_strcmp0(own->originPool, donor->at->sourcePoolUuid) == 0 &&
            own->origin.ino == layer->identity.ino)
            return i;
        if (named < 0 && g_str_equal(layer->volume, far->broken->volume))
            named = i;
    }
    return named;
}

static void
farDonorLook(ReplHealFar *far, ReplFarDonor *donor)
{
    int layer = farDonorLayer(far, donor);

    donor->looked = TRUE;
    /* The image itself may be called otherwise there. */
    if (layer < 0 && g_str_equal(far->broken->volume, far->check->volume))
        layer = 0;
    if (layer < 0)
        return;
    donor->size_bytes = donor->facts->layers[layer].size_bytes;
    donor->reader = replSourceOpenLayer(donor->source, layer, NULL);
}

static gboolean
farDonorFetch(ReplHealFar *far, ReplFarDonor *donor, guint64 offset, gsize len, const guint8 *sum,
              guint8 *buf)
{
    guint8 found[REPL_SUM_BYTES];
    gsize n;

    if (donor->misses >= HEAL_FAR_MISSES_MAX || !farDonorOpen(far, donor))
        return FALSE;
    replCheckAsks(far->check, donor->source);
    if (!donor->looked)
        farDonorLook(far, donor);
    if (donor->reader &&
        replScrubBlock(donor->reader, MIN(donor->size_bytes, offset + len), offset, buf, &n, found, NULL) ==
            0 &&
        n == len && memcmp(found, sum, sizeof(found)) == 0) {
        donor->misses = 0;
        return TRUE;
    }
    donor->misses++;
    return FALSE;
}

static void
farDonorLeaveLayer(ReplFarDonor *donor)
{
    g_clear_pointer(&donor->reader, replReaderFree);
    donor->looked = FALSE;
    donor->misses = 0;
}

static void
farDonorClear(gpointer opaque)
{
    ReplFarDonor *donor = opaque;

    farDonorLeaveLayer(donor);
    replSourceFree(donor->source);
}

/* --- all of them --- */

ReplHealFar *
replHealFarNew(ReplCheck *check)
{
    ReplHealFar *far = g_new0(ReplHealFar, 1);

    far->check = check;
    far->donors = g_array_new(FALSE, TRUE, sizeof(ReplFarDonor));
    g_array_set_clear_func(far->donors, farDonorClear);
    for (guint i = 0; i < check->record->layers->len; i++) {
        const ReplFarDonor donor = {.at = g_ptr_array_index(check->record->layers, i)};

        g_array_append_val(far->donors, donor);
    }
    return far;
}

void
replHealFarFree(ReplHealFar *far)
{
    if (!far)
        return;
    replCheckAsks(far->check, NULL);
    g_array_unref(far->donors);
    g_free(far);
}

void
replHealFarLayer(ReplHealFar *far, const ReplBrokenLayer *broken, const ReplImage *own)
{
    for (guint i = 0; i < far->donors->len; i++)
        farDonorLeaveLayer(&g_array_index(far->donors, ReplFarDonor, i));
    far->broken = broken;
    far->own = own;
}

gboolean
replHealFarFetch(ReplHealFar *far, guint64 offset, gsize len, const guint8 *sum, guint8 *buf)
{
    for (guint i = 0; i < far->donors->len; i++) {
        if (farDonorFetch(far, &g_array_index(far->donors, ReplFarDonor, i), offset, len, sum, buf))
            return TRUE;
    }
    return FALSE;
}
