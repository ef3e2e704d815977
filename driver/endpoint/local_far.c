/*
 * local_far.c: which layers of a source on another host this pool has already
 *
 * Nothing of such a layer is a file here: digests are compared, those of the volume here against those that the other host tells. The
 * first cluster of a qcow2 file with a backing file names it in each pool as it is called there, so that cluster is fetched.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "endpoint/localfar.h"
#include "endpoint/sums.h"
#include "probe/backing.h"
#include "probe/cache.h"
#include "qcow2/header.h"
#include "qcow2/same.h"
#include "service/service.h"
#include "store/files.h"
#include "store/imagelock.h"

/* What is asked of the other host at once: of 256 MiB. */
#define REPL_FAR_DIGESTS 4096u
#define REPL_FAR_ALIGN_BYTES 4096u

typedef struct {
    const ReplLocalFar *far;
    guint layer;
    const char *below; /* volume that the layer below was found as, NULL: none */
    int fd;            /* of the volume that is looked at */
    const char *volume;
    struct stat st;
    guint64 cluster_bytes; /* of its header, 0: nothing in it is this pool's own */
} ReplFarLook;

static const ReplPlanLayer *
replFarLayer(const ReplFarLook *look)
{
    return &look->far->facts->layers[look->layer];
}

/* Whether the reference of a volume here is that of the layer, carried over. */
static gboolean
replFarBackingFits(const ReplFarLook *look, const ReplHead *head)
{
    g_autoptr(ReplPoolSet) none = replPoolSetNew();
    g_autofree char *entry = NULL;

    if (!look->below || !head->backing)
        return !look->below && !head->backing;
    return head->backingFormat &&
           g_str_equal(head->backingFormat, replFormatToString(replFarLayer(look)[1].format)) &&
           replBackingResolve(none, look->far->dir, look->volume, head->backing, &entry, NULL) &&
           g_str_equal(entry, look->below);
}

/* Whether the volume can stand for the layer as far as stat and its header go. */
static gboolean
replFarFits(ReplFarLook *look)
{
    const ReplPlanLayer *layer = replFarLayer(look);
    g_autoptr(ReplHead) head = NULL;
    g_autoptr(ReplQcow2Header) header = NULL;

    if (fstat(look->fd, &look->st) < 0 || !S_ISREG(look->st.st_mode) ||
        (guint64)look->st.st_size != layer->size_bytes)
        return FALSE;
    if (layer->format == REPL_FORMAT_RAW)
        return TRUE;
    head = replHeadRead(look->fd, look->volume, NULL);
    if (!head || head->malformed || head->format != layer->format ||
        head->virtualSize_bytes != layer->virtualSize_bytes || !replFarBackingFits(look, head))
        return FALSE;
    if (!look->below)
        return TRUE;
    if (layer->format != REPL_FORMAT_QCOW2 || !(header = replQcow2HeaderRead(look->fd, look->volume, NULL)))
        return FALSE;
    look->cluster_bytes = replQcow2ClusterSize(header);
    return TRUE;
}

/* --- contents --- */

/* Blocks @first up to @first + @count: 1 the same, 0 not, -1 with @err set. */
static int
replFarSameBlocks(const ReplFarLook *look, const ReplDigests *ours, guint64 first, guint count,
                  guint8 *theirs, GError **err)
{
    ReplGroupSums sums;
    guint64 loaded = G_MAXUINT64;
    gssize got =
        replSourceDigests(look->far->source, look->layer, REPL_DIGEST_BLOCKS, first, count, theirs, err);

    if (got < 0)
        return -1;
    if ((guint)got < count)
        return 0;
    for (guint i = 0; i < count; i++) {
        guint64 group = (first + i) / REPL_SUM_GROUP_BLOCKS;

        if (group != loaded && replDigestsBlocks(ours, group, sums, NULL) < 0)
            return 0;
        loaded = group;
        if (memcmp(sums[(first + i) % REPL_SUM_GROUP_BLOCKS], theirs + (gsize)i * REPL_SUM_BYTES,
                   REPL_SUM_BYTES) != 0)
            return 0;
    }
    return 1;
}

/* The same of all blocks from @first on. */
static int
replFarSameFrom(const ReplFarLook *look, const ReplDigests *ours, guint64 first, GError **err)
{
    g_autofree guint8 *theirs = g_malloc(REPL_FAR_DIGESTS * REPL_SUM_BYTES);
    guint64 blocks = replSumBlocks(replFarLayer(look)->size_bytes);
    int rc = 1;

    while (rc > 0 && first < blocks) {
        guint count = MIN(REPL_FAR_DIGESTS, blocks - first);

        rc = replFarSameBlocks(look, ours, first, count, theirs, err);
        first += count;
    }
    return rc;
}

/* The first @len bytes of the layer, as a file of its size in memory: -1 with @err set. */
static int
replFarHead(const ReplFarLook *look, gsize len, GError **err)
{
    g_autoptr(ReplReader) reader = replSourceOpenLayer(look->far->source, look->layer, err);
    g_autofree guint8 *room = g_malloc(len + REPL_READER_SLACK_BYTES + REPL_FAR_ALIGN_BYTES);
    guint8 *buf = room + (REPL_FAR_ALIGN_BYTES - (guintptr)room % REPL_FAR_ALIGN_BYTES);
    g_auto(ReplFd) fd = -1;

    if (!reader || replReaderRead(reader, buf, len, 0, err) < 0)
        return -1;
    if ((fd = memfd_create("storage-replication", MFD_CLOEXEC)) < 0 || ftruncate(fd, look->st.st_size) < 0 ||
        replPwriteFull(fd, buf, len, 0) < 0) {
        replErrorSet(err, VIR_ERR_SYSTEM_ERROR, _("There is no memory to compare volume '%s' in"),
                     look->volume);
        return -1;
    }
    return replFdSteal(&fd);
}

/* What is neither compared by digest nor this pool's own: the header, and the rest of the blocks that it shares with others. */
static int
replFarSameHead(const ReplFarLook *look, gsize len, GError **err)
{
    g_autofree guint8 *here = g_malloc(len);
    g_autofree guint8 *there = g_malloc(len);
    g_auto(ReplFd) head = replFarHead(look, len, err);
    int rc;

    if (head < 0)
        return -1;
    if ((rc = replQcow2SameHead(head, look->fd, replFarLayer(look)->volume, look->volume, NULL)) <= 0)
        return 0;
    if (len <= look->cluster_bytes)
        return 1;
    return replPreadFull(look->fd, here, len, 0) == (gssize)len &&
           replPreadFull(head, there, len, 0) == (gssize)len &&
           memcmp(here + look->cluster_bytes, there + look->cluster_bytes, len - look->cluster_bytes) == 0;
}

static int
replFarSame(const ReplFarLook *look, GError **err)
{
    const ReplSummed file = {look->far->dir, look->volume, look->fd, TRUE};
    guint64 own_bytes =
        (look->cluster_bytes + REPL_SUM_BLOCK_BYTES - 1) / REPL_SUM_BLOCK_BYTES * REPL_SUM_BLOCK_BYTES;
    g_autoptr(ReplDigests) ours = replSums(&file, TRUE, look->far->stop, look->far->opaque);
    int rc;

    if (!ours)
        return 0;
    rc = replFarSameFrom(look, ours, own_bytes / REPL_SUM_BLOCK_BYTES, err);
    if (rc <= 0 || own_bytes == 0)
        return rc;
    return replFarSameHead(look, MIN(own_bytes, (guint64)look->st.st_size), err);
}

/* --- the search --- */

/* One candidate: 1 with *was set, 0, or -1 with @err set. */
static int
replFarTry(const ReplLocalFar *far, guint layer, const char *below, const char *volume, gboolean contents,
           gboolean *closely, ReplFileIdentity *was, GError **err)
{
    g_auto(ReplFd) fd = replPoolDirOpen(far->dir, volume, NULL);
    ReplFarLook look = {.far = far, .layer = layer, .below = below, .fd = fd, .volume = volume};
    ReplFileIdentity now;
    struct stat again;
    int rc;

    if (fd < 0 || !replFarFits(&look) || replImageLockRead(fd, volume, NULL) < 0)
        return 0;
    if (!contents) {
        *closely = TRUE;
        return 0;
    }
    if ((rc = replFarSame(&look, err)) <= 0)
        return rc;
    /* Reading takes its time. */
    replIdentityOfStat(&look.st, was);
    if (fstatat(far->dir->dirFd, volume, &again, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return 0;
    replIdentityOfStat(&again, &now);
    return again.st_dev == look.st.st_dev && replFileIdentityEqual(&now, was);
}

static int
replFarFind(const ReplLocalFar *far, guint layer, const char *below, gboolean contents, gboolean *closely,
            ReplPresent *present, GError **err)
{
    g_autoptr(GPtrArray) names =
        replPresentSized(far->ask, far->dir, far->facts->layers[layer].size_bytes, err);

    if (!names)
        return -1;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        int rc;

        if (!far->ask->usable(far->ask->opaque, name))
            continue;
        if ((rc = replFarTry(far, layer, below, name, contents, closely, &present->was, err)) < 0)
            return -1;
        if (rc > 0) {
            present->volume = g_strdup(name);
            return 1;
        }
    }
    return 0;
}

int
replLocalFarPresent(const ReplLocalFar *far, gboolean contents, gboolean *closely, ReplPresent *present,
                    GError **err)
{
    const ReplSourceFacts *facts = far->facts;
    gboolean missing = FALSE;

    for (guint i = facts->layerCount; i-- > 0;) {
        gboolean isBase = i + 1 == facts->layerCount || facts->layers[i + 1].disk != facts->layers[i].disk;
        int rc;

        missing = (missing && !isBase) || facts->layers[i].size_bytes == 0;
        if (missing || replSourceIsTop(facts, i))
            continue;
        rc = replFarFind(far, i, isBase ? NULL : present[i + 1].volume, contents, closely, &present[i], err);
        if (rc < 0)
            return -1;
        missing = rc == 0;
    }
    return 0;
}
