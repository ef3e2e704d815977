/*
 * digests.c: SHA-256 of the blocks of a volume's file, kept in staging
 *
 *   | header, 4096 bytes | digests of groups, to a multiple of 4096 | digests of blocks |
 *
 * The header's last 32 bytes are the digest of what is before them and of all groups' digests; each of those is the digest
 * of its blocks' digests. Numbers are big-endian. Nothing is written for a group of zeros, so the file has a hole there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/digests.h"

#include <errno.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "store/files.h"

#define DIGESTS_FOLDER "digests"
#define DIGESTS_HEADER_BYTES 4096u
#define DIGESTS_VERSION 1u
#define DIGESTS_GROUP_SUMS_BYTES (REPL_SUM_GROUP_BLOCKS * REPL_SUM_BYTES)
#define DIGESTS_STALE_S 3600

/* As it lies in the file. */
typedef struct {
    char magic[8];
    guint32 version;
    guint32 block_bytes;
    guint64 ino;
    guint64 size_bytes;
    guint64 mtime_ns;
    guint64 made_s;
    char volume[256];
    guint8 unused[DIGESTS_HEADER_BYTES - 8 - 2 * 4 - 4 * 8 - 256 - REPL_SUM_BYTES];
    guint8 sum[REPL_SUM_BYTES];
} DigestsHeader;

G_STATIC_ASSERT(sizeof(DigestsHeader) == DIGESTS_HEADER_BYTES);

static const char digestsMagic[8] = "replDIG";

struct _ReplDigests {
    ReplFd fd;
    ReplFileIdentity identity;
    guint64 groups;
    guint8 *groupSums; /* groups * REPL_SUM_BYTES */
};

struct _ReplDigestsMaker {
    ReplFd folder;
    ReplFd fd;
    char *file;
    char *temp; /* its name until it is whole; NULL: in place */
    DigestsHeader header;
    guint64 groups;
    guint8 *groupSums;
};

static guint64
groupsOf(guint64 size_bytes)
{
    return size_bytes / REPL_SUM_GROUP_BYTES + (size_bytes % REPL_SUM_GROUP_BYTES != 0);
}

/* Where the digests of the blocks begin. */
static guint64
blocksAt(guint64 groups)
{
    guint64 bytes = groups * REPL_SUM_BYTES;

    return DIGESTS_HEADER_BYTES + (bytes + 4095) / 4096 * 4096;
}

static gboolean
isZero(const guint8 *buf, gsize len)
{
    return len == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0);
}

void
replSumBlock(const guint8 *buf, gsize len, guint8 *sum)
{
    if (isZero(buf, len))
        memset(sum, 0, REPL_SUM_BYTES);
    else
        gcry_md_hash_buffer(GCRY_MD_SHA256, sum, buf, len);
}

static void
headerSum(const DigestsHeader *header, const guint8 *groupSums, guint64 groups, guint8 *sum)
{
    gcry_buffer_t parts[2] = {
        {.data = (void *)header, .len = G_STRUCT_OFFSET(DigestsHeader, sum)},
        {.data = (void *)groupSums, .len = groups * REPL_SUM_BYTES},
    };

    gcry_md_hash_buffers(GCRY_MD_SHA256, 0, sum, parts, groups > 0 ? 2 : 1);
}

/* The folder of digests: -1 without @err when it is not there and not to be made. */
static int
digestsFolder(ReplStaging *staging, gboolean create, GError **err)
{
    int top = replStagingFd(staging, REPL_STAGING_TOP);
    int fd;

    if (create && mkdirat(top, DIGESTS_FOLDER, 0700) < 0 && errno != EEXIST) {
        replErrorSetSystem(err, errno, _("Cannot make the staging folder '%s'"), DIGESTS_FOLDER);
        return -1;
    }
    fd = openat(top, DIGESTS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (create || errno != ENOENT))
        replErrorSetSystem(err, errno, _("Cannot open the staging folder '%s'"), DIGESTS_FOLDER);
    return fd;
}

static char *
digestsFile(const char *volume)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, volume, -1);
}

static int
damaged(GError **err)
{
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                 _("The kept digests are damaged and are forgotten: verify again to make new ones"));
    return -1;
}

/* Reads the header of @fd and judges all of it but its digest. */
static int
readHeader(int fd, DigestsHeader *header, GError **err)
{
    ssize_t n = replPreadFull(fd, header, sizeof(*header), 0);

    if (n < 0) {
        replErrorSetSystem(err, errno, _("Cannot read kept digests"));
        return -1;
    }
    if (n != sizeof(*header) || memcmp(header->magic, digestsMagic, sizeof(digestsMagic)) != 0 ||
        GUINT32_FROM_BE(header->version) != DIGESTS_VERSION ||
        GUINT32_FROM_BE(header->block_bytes) != REPL_SUM_BLOCK_BYTES ||
        GUINT64_FROM_BE(header->size_bytes) > REPL_SUM_FILE_MAX_BYTES ||
        !memchr(header->volume, 0, sizeof(header->volume)))
        return damaged(err);
    return 0;
}

static ReplFileIdentity
headerIdentity(const DigestsHeader *header)
{
    return (ReplFileIdentity){.ino = GUINT64_FROM_BE(header->ino),
                              .size_bytes = GUINT64_FROM_BE(header->size_bytes),
                              .mtime_ns = (gint64)GUINT64_FROM_BE(header->mtime_ns)};
}

static void
headerSetIdentity(DigestsHeader *header, const ReplFileIdentity *identity)
{
    header->ino = GUINT64_TO_BE(identity->ino);
    header->size_bytes = GUINT64_TO_BE(identity->size_bytes);
    header->mtime_ns = GUINT64_TO_BE((guint64)identity->mtime_ns);
    header->made_s = GUINT64_TO_BE((guint64)(g_get_real_time() / G_USEC_PER_SEC));
}

static int
loadFrom(ReplDigests *digests, const char *volume, GError **err)
{
    DigestsHeader header;
    guint8 sum[REPL_SUM_BYTES];
    gsize bytes;

    if (readHeader(digests->fd, &header, err) < 0)
        return -1;
    if (!g_str_equal(header.volume, volume))
        return damaged(err);
    digests->identity = headerIdentity(&header);
    digests->groups = groupsOf(digests->identity.size_bytes);
    bytes = digests->groups * REPL_SUM_BYTES;
    digests->groupSums = g_malloc0(bytes + 1);
    if (replPreadFull(digests->fd, digests->groupSums, bytes, DIGESTS_HEADER_BYTES) != (ssize_t)bytes)
        return damaged(err);
    headerSum(&header, digests->groupSums, digests->groups, sum);
    return memcmp(sum, header.sum, sizeof(sum)) == 0 ? 0 : damaged(err);
}

ReplDigests *
replDigestsLoad(ReplStaging *staging, const char *volume, GError **err)
{
    g_autoptr(ReplDigests) digests = g_new0(ReplDigests, 1);
    g_autofree char *file = digestsFile(volume);
    g_autoptr(GError) local = NULL;
    g_auto(ReplFd) folder = digestsFolder(staging, FALSE, err);

    digests->fd = folder < 0 ? -1 : openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (folder < 0 || (digests->fd < 0 && errno == ENOENT))
        return NULL;
    if (digests->fd < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the kept digests of volume '%s'"), volume);
        return NULL;
    }
    if (loadFrom(digests, volume, &local) == 0)
        return g_steal_pointer(&digests);
    if (!g_error_matches(local, REPL_ERROR, VIR_ERR_INTERNAL_ERROR)) {
        g_propagate_error(err, g_steal_pointer(&local));
        return NULL;
    }
    replWarn("The digests of volume '%s' are damaged or of another version and are forgotten", volume);
    (void)unlinkat(folder, file, 0);
    return NULL;
}

void
replDigestsFree(ReplDigests *digests)
{
    if (!digests)
        return;
    replFdClose(digests->fd);
    g_free(digests->groupSums);
    g_free(digests);
}

const ReplFileIdentity *
replDigestsOf(const ReplDigests *digests)
{
    return &digests->identity;
}

gboolean
replDigestsFit(const ReplDigests *digests, const ReplFileIdentity *now)
{
    return digests->identity.ino == now->ino && digests->identity.size_bytes == now->size_bytes &&
           digests->identity.mtime_ns == now->mtime_ns;
}

const guint8 *
replDigestsGroup(const ReplDigests *digests, guint64 group)
{
    return digests->groupSums + group * REPL_SUM_BYTES;
}

int
replDigestsBlocks(const ReplDigests *digests, guint64 group, ReplGroupSums sums, GError **err)
{
    const guint8 *whole = replDigestsGroup(digests, group);
    guint8 sum[REPL_SUM_BYTES];

    memset(sums, 0, DIGESTS_GROUP_SUMS_BYTES);
    if (isZero(whole, REPL_SUM_BYTES))
        return 0;
    if (replPreadFull(digests->fd, sums, DIGESTS_GROUP_SUMS_BYTES,
                      blocksAt(digests->groups) + group * DIGESTS_GROUP_SUMS_BYTES) !=
        DIGESTS_GROUP_SUMS_BYTES)
        return damaged(err);
    replSumBlock(&sums[0][0], DIGESTS_GROUP_SUMS_BYTES, sum);
    return memcmp(sum, whole, sizeof(sum)) == 0 ? 0 : damaged(err);
}

void
replDigestsForget(ReplStaging *staging, const char *volume)
{
    g_autofree char *file = digestsFile(volume);
    g_auto(ReplFd) folder = digestsFolder(staging, FALSE, NULL);

    if (folder >= 0)
        (void)unlinkat(folder, file, 0);
}

ReplDigestsMaker *
replDigestsMake(ReplStaging *staging, const char *volume, const ReplFileIdentity *identity, GError **err)
{
    g_autoptr(ReplDigestsMaker) maker = g_new0(ReplDigestsMaker, 1);

    maker->fd = -1;
    maker->folder = -1;
    if (identity->size_bytes > REPL_SUM_FILE_MAX_BYTES || strlen(volume) >= sizeof(maker->header.volume)) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("Volume '%s' is larger than %llu TiB: no digests are kept of it"), volume,
                     (unsigned long long)(REPL_SUM_FILE_MAX_BYTES >> 40));
        return NULL;
    }
    if ((maker->folder = digestsFolder(staging, TRUE, err)) < 0)
        return NULL;
    maker->file = digestsFile(volume);
    maker->temp = g_strdup_printf("%s.%08x.new", maker->file, g_random_int());
    maker->fd = openat(maker->folder, maker->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    maker->groups = groupsOf(identity->size_bytes);
    maker->groupSums = g_malloc0(maker->groups * REPL_SUM_BYTES + 1);
    if (maker->fd < 0 ||
        ftruncate(maker->fd, blocksAt(maker->groups) + maker->groups * DIGESTS_GROUP_SUMS_BYTES) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make the digests of volume '%s'"), volume);
        return NULL;
    }
    memcpy(maker->header.magic, digestsMagic, sizeof(digestsMagic));
    maker->header.version = GUINT32_TO_BE(DIGESTS_VERSION);
    maker->header.block_bytes = GUINT32_TO_BE(REPL_SUM_BLOCK_BYTES);
    memcpy(maker->header.volume, volume, strlen(volume));
    headerSetIdentity(&maker->header, identity);
    return g_steal_pointer(&maker);
}

void
replDigestsMakerFree(ReplDigestsMaker *maker)
{
    if (!maker)
        return;
    if (maker->temp && maker->fd >= 0)
        (void)unlinkat(maker->folder, maker->temp, 0);
    replFdClose(maker->fd);
    replFdClose(maker->folder);
    g_free(maker->file);
    g_free(maker->temp);
    g_free(maker->groupSums);
    g_free(maker);
}

static int
cannotWrite(const ReplDigestsMaker *maker, GError **err)
{
    replErrorSetSystem(err, errno, _("Cannot write the digests of volume '%s'"), maker->header.volume);
    return -1;
}

int
replDigestsPut(ReplDigestsMaker *maker, guint64 group, const ReplGroupSums sums, GError **err)
{
    guint8 *sum = maker->groupSums + group * REPL_SUM_BYTES;

    replSumBlock(&sums[0][0], DIGESTS_GROUP_SUMS_BYTES, sum);
    if (isZero(sum, REPL_SUM_BYTES))
        return 0;
    if (replPwriteFull(maker->fd, sums, DIGESTS_GROUP_SUMS_BYTES,
                       blocksAt(maker->groups) + group * DIGESTS_GROUP_SUMS_BYTES) < 0)
        return cannotWrite(maker, err);
    return 0;
}

int
replDigestsFinish(ReplDigestsMaker *maker, GError **err)
{
    headerSum(&maker->header, maker->groupSums, maker->groups, maker->header.sum);
    if (replPwriteFull(maker->fd, maker->groupSums, maker->groups * REPL_SUM_BYTES, DIGESTS_HEADER_BYTES) <
            0 ||
        replPwriteFull(maker->fd, &maker->header, sizeof(maker->header), 0) < 0 || fsync(maker->fd) < 0 ||
        renameat(maker->folder, maker->temp, maker->folder, maker->file) < 0)
        return cannotWrite(maker, err);
    g_clear_pointer(&maker->temp, g_free);
    return fsync(maker->folder) < 0 ? cannotWrite(maker, err) : 0;
}

int
replDigestsAssume(ReplStaging *staging, const char *volume, const ReplFileIdentity *identity, GError **err)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(ReplDigests) old = replDigestsLoad(staging, volume, &local);
    g_autoptr(ReplDigestsMaker) maker = NULL;
    g_autofree ReplGroupSums *sums = g_malloc(sizeof(ReplGroupSums));
    guint64 i;

    if (local) {
        g_propagate_error(err, g_steal_pointer(&local));
        return -1;
    }
    if (!old)
        return 0;
    if (!(maker = replDigestsMake(staging, volume, identity, err)))
        return -1;
    for (i = 0; i < MIN(old->groups, maker->groups); i++) {
        if (replDigestsBlocks(old, i, *sums, err) < 0 || replDigestsPut(maker, i, *sums, err) < 0)
            return -1;
    }
    return replDigestsFinish(maker, err);
}

/* Whether @name, a file of digests or one half-made, is of no use any more. */
static gboolean
isStale(int folder, const char *name, int poolDirFd)
{
    g_auto(ReplFd) fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    DigestsHeader header;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return FALSE;
    if (g_str_has_suffix(name, ".new"))
        return st.st_mtime + DIGESTS_STALE_S < g_get_real_time() / G_USEC_PER_SEC;
    return readHeader(fd, &header, NULL) < 0 ||
           (fstatat(poolDirFd, header.volume, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT);
}

void
replDigestsSweep(ReplStaging *staging, int poolDirFd)
{
    g_auto(ReplFd) folder = digestsFolder(staging, FALSE, NULL);
    g_autoptr(GPtrArray) names = folder < 0 ? NULL : replDirList(folder, NULL, NULL);
    guint i;

    for (i = 0; names && i < names->len; i++) {
        if (isStale(folder, g_ptr_array_index(names, i), poolDirFd))
            (void)unlinkat(folder, g_ptr_array_index(names, i), 0);
    }
}
