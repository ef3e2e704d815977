/*
 * local_content.c: layers that a pool of this host has already, of a source that tells digests of their contents
 *
 * As probe/present.h does for sources that are files here: from the base up, by what records say, then by content.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "bundle/content.h"
#include "copy/files.h"
#include "endpoint/localpriv.h"
#include "probe/backing.h"
#include "probe/cache.h"
#include "store/files.h"
#include "store/imagelock.h"

typedef struct {
    const ReplLocalTarget *target;
    ReplSource *source;
    const ReplSourceFacts *facts;
    const ReplPresentAsk *ask;
    guint index;       /* of the layer */
    const char *below; /* volume that the next layer was found as, NULL: there is none */
} ReplContentSearch;

/* Whether the backing reference of a candidate leads to what stands for the layer below. */
static gboolean
replContentBackingFits(const ReplContentSearch *search, const char *volume, const ReplHead *head)
{
    const ReplPlanLayer *next = search->below ? &search->facts->layers[search->index + 1] : NULL;
    g_autoptr(ReplPoolSet) none = replPoolSetNew();
    g_autofree char *entry = NULL;

    if (!next || !head->backing)
        return !next && !head->backing;
    return replBackingResolve(none, search->target->dir, volume, head->backing, &entry, NULL) &&
           g_str_equal(entry, search->below) &&
           g_strcmp0(head->backingFormat, replFormatToString(next->format)) == 0;
}

static gboolean
replContentHeadFits(const ReplContentSearch *search, const char *volume, int fd)
{
    const ReplPlanLayer *layer = &search->facts->layers[search->index];
    g_autoptr(ReplHead) head = NULL;

    if (layer->format == REPL_FORMAT_RAW)
        return !search->below;
    return (head = replHeadRead(fd, volume, NULL)) && !head->malformed && head->format == layer->format &&
           head->virtualSize_bytes == layer->virtualSize_bytes &&
           replContentBackingFits(search, volume, head);
}

/* Whether the record of the file says that it was made from this very layer, and it is unchanged. */
static gboolean
replContentIsReplica(const ReplContentSearch *search, const char *volume, const ReplFileIdentity *now)
{
    const ReplPlanLayer *layer = &search->facts->layers[search->index];
    g_autoptr(ReplImage) image = search->ask->record(search->ask->opaque, volume);

    return image && image->hasOrigin && g_strcmp0(image->originPool, layer->poolUuid) == 0 &&
           replFileIdentityEqual(&image->origin, &layer->identity) && replFileIdentityFits(&image->self, now);
}

/* 1 the same, 0 not, -1 with @err set: the search was ended, or the source failed. A candidate that cannot be read is none. */
static int
replContentCompare(const ReplContentSearch *search, const char *volume, int fd, GError **err)
{
    const ReplPlanLayer *layer = &search->facts->layers[search->index];
    const ReplSourceLook look = {search->ask->proceed, search->ask->opaque};
    const ReplContent content = {.volume = volume,
                                 .format = layer->format,
                                 .size_bytes = layer->size_bytes,
                                 .proceed = search->ask->proceed,
                                 .opaque = search->ask->opaque};
    char wanted[REPL_BUNDLE_DIGEST_CHARS + 1], has[REPL_BUNDLE_DIGEST_CHARS + 1];
    g_autoptr(ReplReader) reader = NULL;
    g_autoptr(GError) why = NULL;

    /* Asked first, so that a look that is not to read ends before anything is read. */
    if (search->ask->proceed(search->ask->opaque, 0, err) < 0 ||
        replSourceContent(search->source, search->index, &look, wanted, err) < 0)
        return -1;
    if ((reader = replFileReaderNew(fd, NULL, &why)) && replContentDigest(reader, &content, has, &why) == 0)
        return g_str_equal(wanted, has);
    if (!g_error_matches(why, REPL_ERROR, VIR_ERR_OPERATION_ABORTED))
        return 0;
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

/* Looks at one candidate; @present is set when it is the layer. As replContentCompare(). */
static int
replContentTry(const ReplContentSearch *search, const char *volume, gboolean byContent, ReplPresent *present,
               GError **err)
{
    g_auto(ReplFd) fd = -1;
    ReplFileIdentity before, after;
    struct stat st;
    int rc;

    if (!search->ask->usable(search->ask->opaque, volume) ||
        (fd = replPoolDirOpen(search->target->dir, volume, NULL)) < 0 || fstat(fd, &st) < 0 ||
        (guint64)st.st_size != search->facts->layers[search->index].size_bytes ||
        replImageLockRead(fd, volume, NULL) < 0 || !replContentHeadFits(search, volume, fd))
        return 0;
    replIdentityOfStat(&st, &before);
    if (!byContent)
        rc = replContentIsReplica(search, volume, &before);
    else
        rc = replContentCompare(search, volume, fd, err);
    if (rc <= 0)
        return rc;
    if (fstat(fd, &st) < 0)
        return 0;
    replIdentityOfStat(&st, &after);
    if (!replFileIdentityEqual(&before, &after))
        return 0;
    present->volume = g_strdup(volume);
    present->was = after;
    return 1;
}

static int
replContentFind(const ReplContentSearch *search, ReplPresent *present, GError **err)
{
    g_autoptr(GPtrArray) names = replPresentSized(search->ask, search->target->dir,
                                                  search->facts->layers[search->index].size_bytes, err);

    if (!names)
        return -1;
    for (gboolean byContent = FALSE; byContent <= TRUE; byContent++) {
        for (guint i = 0; i < names->len; i++) {
            int rc = replContentTry(search, g_ptr_array_index(names, i), byContent, present, err);

            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int
replLocalFindContent(ReplLocalTarget *target, ReplSource *source, const ReplPresentAsk *ask, gboolean closely,
                     ReplPresent *present, GError **err)
{
    ReplContentSearch search = {.target = target, .source = source, .ask = ask};

    if (replSourceDescribe(source, NULL, &search.facts, err) < 0)
        return -1;
    for (search.index = search.facts->layerCount; search.index-- > 1;) {
        g_autoptr(GError) why = NULL;
        int rc = replContentFind(&search, &present[search.index], &why);

        if (rc < 0 && closely) {
            g_propagate_error(err, g_steal_pointer(&why));
            return -1;
        }
        if (rc <= 0)
            return 0;
        search.below = present[search.index].volume;
    }
    return 0;
}
