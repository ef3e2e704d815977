/*
 * sums.c: digests of a file of a region pool, kept in its staging folder or made now
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/sums.h"

#include <sys/stat.h>

#include "base/error.h"
#include "base/log.h"
#include "copy/scrub.h"
#include "region/region.h"
#include "store/files.h"

typedef struct {
    gboolean (*stop)(void *opaque);
    void *opaque;
} ReplSumsStop;

static int
replSumsAdmit(void *opaque, guint64 bytes, GError **err)
{
    const ReplSumsStop *stop = opaque;

    (void)bytes;
    if (!stop->stop || !stop->stop(stop->opaque))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "digests are not needed any more");
    return -1;
}

static gboolean
replSumsIdentity(int fd, ReplFileIdentity *identity)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return FALSE;
    replIdentityOfStat(&st, identity);
    return TRUE;
}

/* Returns 0, or -1 with @err set. */
static int
replSumsMake(const ReplSummed *file, ReplStaging *staging, const ReplSumsStop *stop, GError **err)
{
    const ReplCopyWatch watch = {.admit = replSumsAdmit, .opaque = (void *)stop};
    g_autoptr(ReplDigestsMaker) maker = NULL;
    g_auto(ReplScrub) scrub = {0};
    ReplFileIdentity before, after;

    if (!replSumsIdentity(file->fd, &before) ||
        !(maker = replDigestsMake(staging, file->volume, &before, err)) ||
        replScrubRun(file->fd, before.size_bytes, NULL, maker, &watch, &scrub, err) < 0)
        return -1;
    if (replSumsIdentity(file->fd, &after) && replFileIdentityEqual(&before, &after))
        return replDigestsFinish(maker, err);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), file->volume);
    return -1;
}

/* Kept ones, whether they fit or not. */
static ReplDigests *
replSumsLoad(const ReplSummed *file, ReplStaging *staging, gboolean *fit)
{
    g_autoptr(ReplDigests) digests = replDigestsLoad(staging, file->volume, NULL);
    ReplFileIdentity now;

    *fit = digests && replSumsIdentity(file->fd, &now) && replDigestsFit(digests, &now);
    return g_steal_pointer(&digests);
}

ReplDigests *
replSums(const ReplSummed *file, gboolean make, gboolean (*stop)(void *opaque), void *opaque)
{
    const ReplSumsStop asked = {stop, opaque};
    g_autoptr(ReplRegion) region = replRegionOfUuidString(file->pool->uuid);
    g_autoptr(ReplStaging) staging = region && region->dir ? replRegionStaging(region, TRUE, NULL) : NULL;
    g_autoptr(ReplDigests) digests = NULL;
    g_autoptr(GError) err = NULL;
    gboolean fit;

    if (!staging)
        return NULL;
    digests = replSumsLoad(file, staging, &fit);
    if (fit)
        return g_steal_pointer(&digests);
    if (!make || (digests && file->needed))
        return NULL;
    g_clear_pointer(&digests, replDigestsFree);
    if (replSumsMake(file, staging, &asked, &err) < 0) {
        replDebug("There are no digests of volume '%s': %s", file->volume,
                  err ? err->message : "it is no file");
        return NULL;
    }
    digests = replSumsLoad(file, staging, &fit);
    return fit ? g_steal_pointer(&digests) : NULL;
}
