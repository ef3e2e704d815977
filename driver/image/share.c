/*
 * share.c: images shared between projects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/share.h"

#include "base/error.h"
#include "base/log.h"
#include "image/change.h"
#include "image/find.h"
#include "image/view.h"
#include "job/state.h"
#include "service/makers.h"
#include "service/pending.h"
#include "store/record.h"
#include "virt/access.h"

static ReplShare *
replShareFind(const GPtrArray *shares, const char *project)
{
    guint i;

    for (i = 0; i < shares->len; i++) {
        ReplShare *share = g_ptr_array_index(shares, i);

        if (g_str_equal(share->project, project))
            return share;
    }
    return NULL;
}

/* Where each word leads from each state; -1: it is refused. */
static const int replShareMoves[][4] = {
    [REPL_SHARE_OFFERED] = {[REPL_SHARE_OFFERED] = REPL_SHARE_OFFERED,
                            [REPL_SHARE_ACCEPTED] = REPL_SHARE_ACCEPTED,
                            [REPL_SHARE_REJECTED] = REPL_SHARE_OFFERED,
                            [REPL_SHARE_REVOKED] = REPL_SHARE_OFFERED},
    [REPL_SHARE_ACCEPTED] = {[REPL_SHARE_OFFERED] = REPL_SHARE_ACCEPTED,
                             [REPL_SHARE_ACCEPTED] = REPL_SHARE_ACCEPTED,
                             [REPL_SHARE_REJECTED] = -1,
                             [REPL_SHARE_REVOKED] = -1},
    [REPL_SHARE_REJECTED] = {[REPL_SHARE_OFFERED] = REPL_SHARE_REJECTED,
                             [REPL_SHARE_ACCEPTED] = REPL_SHARE_REJECTED,
                             [REPL_SHARE_REJECTED] = REPL_SHARE_REJECTED,
                             [REPL_SHARE_REVOKED] = -1},
    [REPL_SHARE_REVOKED] = {[REPL_SHARE_OFFERED] = REPL_SHARE_REVOKED,
                            [REPL_SHARE_ACCEPTED] = REPL_SHARE_REVOKED,
                            [REPL_SHARE_REJECTED] = REPL_SHARE_REVOKED,
                            [REPL_SHARE_REVOKED] = REPL_SHARE_REVOKED},
};

int
replShareMove(GPtrArray *shares, const char *project, ReplShareState state, const char *what, GError **err)
{
    ReplShare *share = replShareFind(shares, project);
    int to = share ? replShareMoves[state][share->state] : -1;

    if (!share && state == REPL_SHARE_OFFERED) {
        g_ptr_array_add(shares, replShareNew(project, state));
        return 0;
    }
    if (to >= 0) {
        share->state = to;
        return 0;
    }
    if (state == REPL_SHARE_REVOKED)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Image '%s' is not shared with project '%s'"), what,
                     project);
    else
        replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("No image '%s' is offered to project '%s'"), what,
                     project);
    return -1;
}

gboolean
replShareStands(const ReplImage *image, const char *project)
{
    const ReplShare *share = replShareFind(image->shares, project);

    return share && share->state == REPL_SHARE_ACCEPTED;
}

gboolean
replShareCovers(const ReplRegion *region, const char *volume, const char *project)
{
    g_autoptr(ReplStaging) staging = NULL;
    g_autoptr(ReplImage) image = NULL;

    if (g_str_equal(region->label->project, project) || !(staging = replRegionStaging(region, FALSE, NULL)))
        return FALSE;
    image = replRecordLoad(staging, volume, NULL);
    return image && replShareStands(image, project);
}

static gboolean
replShareIsEncrypted(const ReplLayer *layer)
{
    return layer->format == REPL_FORMAT_LUKS || (layer->qcow2 && layer->qcow2->cryptMethod != 0);
}

int
replShareCheckChain(const ReplChain *chain, const char *project, GError **err)
{
    guint i;

    for (i = 0; i < chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(chain, i);

        if (replShareIsEncrypted(layer)) {
            replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                         _("An encrypted image cannot be shared: volume '%s' of pool '%s' is encrypted"),
                         layer->volume, layer->pool->name);
            return -1;
        }
        if (!layer->pool->label || !g_str_equal(layer->pool->label->project, project)) {
            replErrorSet(
                err, VIR_ERR_OPERATION_DENIED,
                _("Only a project's own image can be shared: layer '%s' in pool '%s' belongs to another "
                  "project"),
                layer->volume, layer->pool->name);
            return -1;
        }
    }
    return 0;
}

/* What may be offered: an available image of the pool's own project. */
static int
replShareCheckOffer(const ReplRegion *region, const char *volume, const char *project, GError **err)
{
    g_autoptr(ReplImage) image = replViewImage(region, volume, err);
    g_autoptr(ReplPoolSet) set = replRegionsSet(region->label->name);
    g_autoptr(ReplChain) chain = NULL;
    const ReplPoolDir *dir;

    if (!image)
        return -1;
    if (g_str_equal(region->label->project, project)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("Image '%s' belongs to project '%s' already"), volume,
                     project);
        return -1;
    }
    if (image->project && !g_str_equal(image->project, region->label->project)) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("Only a project's own image can be shared: image '%s' belongs to project '%s'"),
                     volume, image->project);
        return -1;
    }
    if (image->status != REPL_IMAGE_AVAILABLE) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Image '%s' of pool '%s' cannot be shared: its status is %s"), volume, region->name,
                     replImageStatusToString(image->status));
        return -1;
    }
    if (!(dir = replPoolSetFindUuid(set, region->uuidstr))) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return -1;
    }
    if (!(chain = replChainOpen(set, dir, volume, err)))
        return -1;
    return replShareCheckChain(chain, region->label->project, err);
}

typedef struct {
    const char *project;
    ReplShareState state;
    const char *what; /* the image, as messages name it */
    char *id;         /* out: the image's */
} ReplShareMoving;

static gboolean
replShareChange(ReplImage *image, void *opaque, GError **err)
{
    ReplShareMoving *moving = opaque;

    moving->id = g_strdup(image->id);
    return replShareMove(image->shares, moving->project, moving->state, moving->what, err) == 0;
}

/* The job copies nothing yet for a pool of the project. */
static gboolean
replShareIsIdle(const ReplMade *made, const char *project)
{
    g_autoptr(ReplRegion) target = replRegionOfUuidString(made->poolUuid);
    g_autoptr(ReplJobInfo) info = replJobInfo(made->job);

    return target && g_str_equal(target->label->project, project) && !replJobStateIsEnded(info->state) &&
           info->state != REPL_JOB_PUBLISHING && info->processed_bytes == 0;
}

/* The share has ended: so do the jobs that would still begin. They are the other project's, and it is the daemon
 * that ends them. A job that is planned right now finds the changed record when its turn comes. */
static void
replShareEndJobs(const char *imageId, const char *project)
{
    g_auto(ReplIdentity) identity G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(GPtrArray) jobs = replMakersList(NULL, imageId);
    guint i;

    for (i = 0; i < jobs->len; i++) {
        const ReplMade *made = g_ptr_array_index(jobs, i);
        g_autoptr(GError) err = NULL;

        if (replShareIsIdle(made, project) && replPendingCancel(made->job, &err) < 0)
            replWarn("Job %s of an image that is no longer shared cannot be ended: %s", replJobId(made->job),
                     err->message);
    }
}

static int
replShareMoveOf(const ReplRegion *owner, const char *volume, ReplShareMoving *moving, GError **err)
{
    const ReplShare share = {(char *)moving->project, moving->state};
    g_autofree char *id = NULL;
    int rc = replImageChange(owner, volume, replShareChange, moving, err);

    id = g_steal_pointer(&moving->id);
    if (rc == 0)
        replShareSettle(id, &share);
    return rc;
}

int
replShareCheck(const ReplRegion *region, const char *volume, const ReplShare *share, GError **err)
{
    return share->state == REPL_SHARE_OFFERED ? replShareCheckOffer(region, volume, share->project, err) : 0;
}

int
replShareApply(ReplImage *image, const char *volume, const ReplShare *share, GError **err)
{
    return replShareMove(image->shares, share->project, share->state, volume, err);
}

void
replShareSettle(const char *imageId, const ReplShare *share)
{
    if (share->state == REPL_SHARE_REVOKED || share->state == REPL_SHARE_REJECTED)
        replShareEndJobs(imageId, share->project);
}

/* Whether the answer of @project may be about the image, as far as its pool goes. */
static gboolean
replShareIsFor(const ReplFoundImage *found, const ReplRegion *region, const char *project)
{
    gboolean asOwner = !g_str_equal(region->label->project, project);

    if (asOwner)
        return g_str_equal(found->region->uuidstr, region->uuidstr);
    return !g_str_equal(found->region->label->project, project);
}

int
replShareByProject(const ReplRegion *region, const char *imageId, const ReplShare *share, char **poolUuid,
                   char **volume, GError **err)
{
    const char *project = share->project ? share->project : region->label->project;
    g_autoptr(GPtrArray) found = replFindImages(imageId, region->label->name);
    ReplShareMoving moving = {project, share->state, imageId, NULL};
    guint i;

    for (i = 0; i < found->len; i++) {
        const ReplFoundImage *image = g_ptr_array_index(found, i);
        g_autoptr(GError) why = NULL;

        if (!replShareIsFor(image, region, project))
            continue;
        if (replShareMoveOf(image->region, image->volume, &moving, &why) == 0) {
            *poolUuid = g_strdup(image->region->uuidstr);
            *volume = g_strdup(image->volume);
            return 0;
        }
        /* Of two images with one id, the other may be the one that is offered. */
        if (!g_error_matches(why, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL)) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
    }
    replErrorSet(err, VIR_ERR_NO_STORAGE_VOL, _("No image '%s' is offered to project '%s'"), imageId,
                 project);
    return -1;
}
