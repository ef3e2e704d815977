/*
 * heal.c: damaged blocks are fetched from other replicas of the layer
 *
 * Nothing is believed but what fits the digest, so it does not matter much which volumes are read: the one that the layer was
 * made from, those that were made from it or from the same source, and volumes of the same name, in the region pools of
 * the same project; first those of this host, then those of others (healfar.h). Blocks are looked for where they are in the
 * layer: replicas keep the layout.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "copy/files.h"
#include "replicate/checkpriv.h"
#include "replicate/donors.h"
#include "replicate/healfar.h"
#include "store/files.h"
#include "store/imagelock.h"
#include "store/record.h"

/* Volumes that are asked for each layer. */
#define HEAL_DONORS_MAX 32

/* One layer that is mended. */
typedef struct {
    ReplJob *job;
    const ReplCheck *check;
    const ReplBrokenLayer *broken;
    ReplStaging *staging;
    ReplDigests *digests;
    ReplFd fd;
    ReplReader *self;
    GPtrArray *donors; /* of ReplDonor */
    ReplImage *own;    /* the layer's record; NULL: none */
    ReplHealFar *far;  /* borrowed */
    guint8 *memory;
    guint8 *buf;    /* of a block, aligned */
    guint64 mended; /* blocks */
    guint64 left;
} ReplHeal;

typedef struct {
    ReplFd fd;
    guint64 size_bytes;
    ReplReader *reader;
} ReplDonor;

static void
donorFree(gpointer opaque)
{
    ReplDonor *donor = opaque;

    replReaderFree(donor->reader);
    replFdClose(donor->fd);
    g_free(donor);
}

static void
healClear(ReplHeal *heal)
{
    g_clear_pointer(&heal->donors, g_ptr_array_unref);
    replReaderFree(heal->self);
    replFdClose(heal->fd);
    replDigestsFree(heal->digests);
    replStagingUnref(heal->staging);
    replImageFree(heal->own);
    g_free(heal->memory);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplHeal, healClear)

/* --- who may have the blocks --- */

/* Adds a volume, unless it is the layer itself or cannot be opened. A donor that a guest writes to does no harm. */
static void
healAddDonor(ReplHeal *heal, const ReplPoolDir *pool, const char *volume)
{
    ReplDonor *donor;
    struct stat st, own;

    if (heal->donors->len >= HEAL_DONORS_MAX || !replDonorsMay(heal->check->donors, pool, volume))
        return;
    donor = g_new0(ReplDonor, 1);
    donor->fd = replPoolDirOpen(pool, volume, NULL);
    if (donor->fd < 0 || fstat(donor->fd, &st) < 0 || fstat(heal->fd, &own) < 0 ||
        (st.st_dev == own.st_dev && st.st_ino == own.st_ino) ||
        !(donor->reader = replFileReaderNew(donor->fd, NULL, NULL))) {
        donorFree(donor);
        return;
    }
    donor->size_bytes = st.st_size;
    g_ptr_array_add(heal->donors, donor);
}

/* What is asked of each record of a pool. */
typedef struct {
    const ReplImage *own; /* the layer's record; NULL: none */
    const char *poolUuid; /* the layer's */
    guint64 ino;
    GPtrArray *volumes; /* of char *: replicas of it, or of its source */
} ReplKin;

static void
healVisit(const char *volume, const ReplImage *image, void *opaque)
{
    ReplKin *kin = opaque;
    gboolean ofIt, ofItsSource;

    if (!image->hasOrigin || !image->originPool)
        return;
    ofIt = g_str_equal(image->originPool, kin->poolUuid) && image->origin.ino == kin->ino;
    ofItsSource = kin->own && kin->own->hasOrigin &&
                  g_strcmp0(image->originPool, kin->own->originPool) == 0 &&
                  image->origin.ino == kin->own->origin.ino;
    if (ofIt || ofItsSource)
        g_ptr_array_add(kin->volumes, g_strdup(volume));
}

/* The volume of @pool whose file has the inode @ino. */
static void
healAddByInode(ReplHeal *heal, const ReplPoolDir *pool, guint64 ino)
{
    g_auto(GStrv) names = replPoolDirTaken(pool, NULL);
    struct stat st;
    guint i;

    for (i = 0; names && names[i]; i++) {
        if (fstatat(pool->dirFd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && (guint64)st.st_ino == ino)
            healAddDonor(heal, pool, names[i]);
    }
}

static void
healAskPool(ReplHeal *heal, const ReplPoolDir *pool, const ReplImage *own)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(pool->uuid);
    g_autoptr(ReplStaging) staging = region && region->dir ? replRegionStaging(region, FALSE, NULL) : NULL;
    ReplKin kin = {own, heal->broken->pool->uuid, replDigestsOf(heal->digests)->ino,
                   g_ptr_array_new_with_free_func(g_free)};
    guint i;

    if (own && own->hasOrigin && g_strcmp0(own->originPool, pool->uuid) == 0)
        healAddByInode(heal, pool, own->origin.ino);
    if (staging)
        replRecordEach(staging, healVisit, &kin, NULL);
    for (i = 0; i < kin.volumes->len; i++)
        healAddDonor(heal, pool, g_ptr_array_index(kin.volumes, i));
    healAddDonor(heal, pool, heal->broken->volume);
    g_ptr_array_unref(kin.volumes);
}

static void
healFindDonors(ReplHeal *heal)
{
    g_autoptr(ReplPoolSet) set = replRegionsSet(NULL);
    guint i;

    heal->own = replRecordLoad(heal->staging, heal->broken->volume, NULL);
    replHealFarLayer(heal->far, heal->broken, heal->own);
    heal->donors = g_ptr_array_new_with_free_func(donorFree);
    for (i = 0; i < set->pools->len; i++) {
        const ReplPoolDir *pool = g_ptr_array_index(set->pools, i);

        if (pool->label && heal->broken->pool->label &&
            g_str_equal(pool->label->project, heal->broken->pool->label->project))
            healAskPool(heal, pool, heal->own);
    }
}

/* --- mending --- */

/* Opens the layer for writing, with QEMU's lock that says that it is ours alone. */
static int
healOpen(ReplHeal *heal, GError **err)
{
    const ReplPoolDir *pool = heal->broken->pool;
    const char *volume = heal->broken->volume;
    struct stat st;

    if (!(heal->staging = replCheckStaging(pool, err)))
        return -1;
    if (!(heal->digests = replDigestsLoad(heal->staging, volume, err))) {
        if (err && !*err)
            replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("The digests of volume '%s' are gone"), volume);
        return -1;
    }
    heal->fd = openat(pool->dirFd, volume, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (heal->fd < 0 || fstat(heal->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        replErrorSetSystem(err, errno, _("Cannot open volume '%s' of pool '%s' to heal it"), volume,
                           pool->name);
        return -1;
    }
    if (replImageLockWrite(heal->fd, volume, err) < 0)
        return -1;
    if ((guint64)st.st_size != replDigestsOf(heal->digests)->size_bytes &&
        ftruncate(heal->fd, replDigestsOf(heal->digests)->size_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot give volume '%s' its size back"), volume);
        return -1;
    }
    heal->memory = g_malloc(REPL_SUM_BLOCK_BYTES + 2 * REPL_READER_SLACK_BYTES);
    heal->buf = (guint8 *)(((guintptr)heal->memory + REPL_READER_SLACK_BYTES - 1) &
                           ~(guintptr)(REPL_READER_SLACK_BYTES - 1));
    heal->self = replFileReaderNew(heal->fd, NULL, err);
    return heal->self ? 0 : -1;
}

/* Puts a block into heal->buf that fits @sum. Returns whether there is one. */
static gboolean
healFetch(ReplHeal *heal, guint64 offset, const guint8 *sum, gsize *len)
{
    static const guint8 zeros[REPL_SUM_BYTES];
    guint8 found[REPL_SUM_BYTES];
    guint i;

    if (memcmp(sum, zeros, sizeof(zeros)) == 0) {
        memset(heal->buf, 0, *len);
        return TRUE;
    }
    for (i = 0; i < heal->donors->len; i++) {
        const ReplDonor *donor = g_ptr_array_index(heal->donors, i);
        gsize n;

        if (replScrubBlock(donor->reader, MIN(donor->size_bytes, offset + *len), offset, heal->buf, &n, found,
                           NULL) == 0 &&
            n == *len && memcmp(found, sum, sizeof(found)) == 0)
            return TRUE;
    }
    return replHealFarFetch(heal->far, offset, *len, sum, heal->buf);
}

static int
healBlock(ReplHeal *heal, guint64 offset, const guint8 *sum, GError **err)
{
    guint64 size = replDigestsOf(heal->digests)->size_bytes;
    gsize len = MIN(size - offset, REPL_SUM_BLOCK_BYTES);
    g_autoptr(GError) unread = NULL;
    guint8 now[REPL_SUM_BYTES];

    if (replJobAdmit(heal->job, len, err) < 0)
        return -1;
    /* A block that the disk does not give any more is damaged, too. */
    if (replScrubBlock(heal->self, size, offset, heal->buf, &len, now, &unread) == 0 &&
        memcmp(now, sum, sizeof(now)) == 0)
        return 0;
    if (!healFetch(heal, offset, sum, &len)) {
        heal->left++;
        return 0;
    }
    if (replPwriteFull(heal->fd, heal->buf, len, offset) < 0) {
        replErrorSetSystem(err, errno, _("Cannot write volume '%s'"), heal->broken->volume);
        return -1;
    }
    heal->mended++;
    return 0;
}

static int
healDamages(ReplHeal *heal, GError **err)
{
    const GArray *damages = heal->broken->scrub.damages;
    guint64 size = replDigestsOf(heal->digests)->size_bytes;
    g_autofree ReplGroupSums *sums = g_malloc(sizeof(ReplGroupSums));
    guint64 loaded = G_MAXUINT64;
    guint i;

    for (i = 0; i < damages->len; i++) {
        const ReplDamage *damage = &g_array_index(damages, ReplDamage, i);
        guint64 end = MIN(damage->offset_bytes + damage->length_bytes, size);
        guint64 offset;

        for (offset = damage->offset_bytes; offset < end; offset += REPL_SUM_BLOCK_BYTES) {
            guint64 group = offset / REPL_SUM_GROUP_BYTES;

            if (group != loaded && replDigestsBlocks(heal->digests, group, *sums, err) < 0)
                return -1;
            loaded = group;
            if (healBlock(heal, offset, (*sums)[offset / REPL_SUM_BLOCK_BYTES % REPL_SUM_GROUP_BLOCKS], err) <
                0)
                return -1;
        }
    }
    return 0;
}

/* The file is again what its digests say, so it gets the time back that they know. */
static int
healSettle(ReplHeal *heal, GError **err)
{
    const ReplFileIdentity *was = replDigestsOf(heal->digests);
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = was->mtime_ns / 1000000000, .tv_nsec = was->mtime_ns % 1000000000},
    };
    ReplFileIdentity now;
    struct stat st;

    if (fdatasync(heal->fd) < 0 || (heal->left == 0 && futimens(heal->fd, times) < 0) ||
        fsync(heal->fd) < 0 || fstat(heal->fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync volume '%s'"), heal->broken->volume);
        return -1;
    }
    replIdentityOfStat(&st, &now);
    if (heal->left > 0 || replDigestsFit(heal->digests, &now))
        return 0;
    return replDigestsAssume(heal->staging, heal->broken->volume, &now, err); /* another inode */
}

/* Returns 0, or -1 with @err set; heal->mended and heal->left tell what is good, either way. */
static int
healLayer(ReplHeal *heal, GError **err)
{
    guint64 untold;

    if (healOpen(heal, err) < 0)
        return -1;
    healFindDonors(heal);
    if (healDamages(heal, err) < 0)
        return -1;
    /* Of very much damage not all ranges are known. */
    untold = heal->broken->scrub.blocks - MIN(heal->broken->scrub.blocks, heal->mended + heal->left);
    heal->left += heal->broken->scrub.damages->len >= REPL_SCRUB_PLACES_MAX ? untold : 0;
    if (healSettle(heal, err) < 0)
        return -1;
    replInfo("Volume '%s' of pool '%s': %" G_GUINT64_FORMAT
             " damaged blocks of 64 KiB were mended, %" G_GUINT64_FORMAT " could not be",
             heal->broken->volume, heal->broken->pool->name, heal->mended, heal->left);
    if (heal->left == 0)
        return 0;
    replErrorSet(
        err, VIR_ERR_OPERATION_FAILED,
        _("Volume '%s' of pool '%s' has %llu damaged blocks of 64 KiB that no other replica has as they "
          "were; %llu were mended"),
        heal->broken->volume, heal->broken->pool->name, (unsigned long long)heal->left,
        (unsigned long long)heal->mended);
    return -1;
}

int
replHealRun(ReplJob *job, ReplCheck *check, GError **err)
{
    g_autoptr(ReplHealFar) far = replHealFarNew(check);
    guint64 left = 0;
    int ret = 0;
    guint i;

    for (i = 0; i < check->broken->len; i++) {
        const ReplBrokenLayer *broken = g_ptr_array_index(check->broken, i);
        g_auto(ReplHeal) heal = {.job = job, .check = check, .broken = broken, .far = far, .fd = -1};

        if (healLayer(&heal, ret < 0 ? NULL : err) < 0)
            ret = -1;
        left += broken->scrub.blocks - MIN(broken->scrub.blocks, heal.mended);
    }
    check->verified->blocks = left;
    if (ret == 0) {
        check->verified->state = REPL_VERIFIED_GOOD;
        check->verified->blocks = 0;
        g_ptr_array_set_size(check->verified->damages, 0);
    }
    return ret;
}
