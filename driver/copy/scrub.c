/*
 * scrub.c: a file is read and held against its digests, or gets some
 *
 * Groups of blocks are handed to a few threads, since a processor makes digests more slowly than a disk reads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/scrub.h"

#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "copy/files.h"

#define SCRUB_THREADS_MAX 4u
#define SCRUB_PIECE_BYTES (1u << 20)

typedef struct {
    /* fixed */
    ReplReader *reader;
    guint64 size_bytes;
    guint64 groups;
    guint64 expectedGroups; /* 0: nothing is expected */
    const ReplDigests *expected;
    ReplDigestsMaker *maker;
    const ReplCopyWatch *watch;

    ReplLock askLock; /* held while the watch's admit is asked, which may wait */

    ReplLock lock;
    /* Guarded by lock. */
    guint64 next; /* group */
    GError *error;
    GArray *bad; /* guint64: numbers of damaged blocks */
    guint64 badCount;
} ScrubRun;

static guint64
groupsOf(guint64 size_bytes)
{
    return size_bytes / REPL_SUM_GROUP_BYTES + (size_bytes % REPL_SUM_GROUP_BYTES != 0);
}

void
replScrubClear(ReplScrub *scrub)
{
    g_clear_pointer(&scrub->damages, g_array_unref);
    scrub->blocks = 0;
}

static int
scrubAdmit(ScrubRun *run, guint64 bytes, GError **err)
{
    if (!run->watch || !run->watch->admit)
        return 0;
    REPL_GUARD(&run->askLock);
    return run->watch->admit(run->watch->opaque, bytes, err);
}

/* The digests of the blocks of @bytes (whole blocks, but at the end of the file) at @offset. */
static int
scrubPiece(ScrubRun *run, guint64 offset, gsize bytes, guint8 *buf, ReplGroupSums sums, GError **err)
{
    gsize done;

    if (scrubAdmit(run, bytes, err) < 0 || replReaderRead(run->reader, buf, bytes, offset, err) < 0)
        return -1;
    for (done = 0; done < bytes; done += REPL_SUM_BLOCK_BYTES) {
        guint64 block = (offset + done) / REPL_SUM_BLOCK_BYTES % REPL_SUM_GROUP_BLOCKS;

        replSumBlock(buf + done, MIN(bytes - done, REPL_SUM_BLOCK_BYTES), sums[block]);
    }
    if (run->watch && run->watch->advance) {
        REPL_GUARD(&run->lock);
        run->watch->advance(run->watch->opaque, bytes);
    }
    return 0;
}

/* Reads the data of a group; what is no data has the digest of zeros. */
static int
scrubGroup(ScrubRun *run, guint64 group, guint8 *buf, ReplGroupSums sums, GError **err)
{
    guint64 pos = group * REPL_SUM_GROUP_BYTES;
    guint64 end = MIN(pos + REPL_SUM_GROUP_BYTES, run->size_bytes);

    memset(sums, 0, sizeof(ReplGroupSums));
    while (pos < end) {
        guint64 offset, length, stop;
        int rc;

        {
            REPL_GUARD(&run->askLock); /* one thread at a time looks for data */
            rc = replReaderData(run->reader, pos, &offset, &length, err);
        }
        if (rc < 0)
            return -1;
        if (rc == 0 || offset >= end)
            return 0;
        stop = MIN(offset + length, end);
        stop = MIN((stop + REPL_SUM_BLOCK_BYTES - 1) / REPL_SUM_BLOCK_BYTES * REPL_SUM_BLOCK_BYTES, end);
        for (pos = MAX(offset, pos) / REPL_SUM_BLOCK_BYTES * REPL_SUM_BLOCK_BYTES; pos < stop;
             pos += SCRUB_PIECE_BYTES) {
            if (scrubPiece(run, pos, MIN(stop - pos, SCRUB_PIECE_BYTES), buf, sums, err) < 0)
                return -1;
        }
        pos = stop;
    }
    return 0;
}

/* Called with the lock held. */
static void
scrubBad(ScrubRun *run, guint64 block)
{
    run->badCount++;
    if (run->bad->len < REPL_SCRUB_PLACES_MAX * 16)
        g_array_append_val(run->bad, block);
}

static int
scrubCompare(ScrubRun *run, guint64 group, ReplGroupSums sums, ReplGroupSums should, GError **err)
{
    guint8 whole[REPL_SUM_BYTES];
    guint i;

    replSumBlock(&sums[0][0], sizeof(ReplGroupSums), whole);
    if (memcmp(whole, replDigestsGroup(run->expected, group), sizeof(whole)) == 0)
        return 0;
    if (replDigestsBlocks(run->expected, group, should, err) < 0)
        return -1;
    REPL_GUARD(&run->lock);
    for (i = 0; i < REPL_SUM_GROUP_BLOCKS; i++) {
        if (memcmp(sums[i], should[i], REPL_SUM_BYTES) != 0)
            scrubBad(run, group * REPL_SUM_GROUP_BLOCKS + i);
    }
    return 0;
}

static gboolean
scrubTake(ScrubRun *run, guint64 *group)
{
    REPL_GUARD(&run->lock);
    if (run->error || run->next >= run->groups)
        return FALSE;
    *group = run->next++;
    return TRUE;
}

static void
scrubFail(ScrubRun *run, GError *error)
{
    REPL_GUARD(&run->lock);
    if (!run->error)
        run->error = error;
    else
        g_error_free(error);
}

static gpointer
scrubThread(gpointer opaque)
{
    ScrubRun *run = opaque;
    g_autofree guint8 *memory = g_malloc(SCRUB_PIECE_BYTES + 2 * REPL_READER_SLACK_BYTES);
    guint8 *buf = (guint8 *)(((guintptr)memory + REPL_READER_SLACK_BYTES - 1) &
                             ~(guintptr)(REPL_READER_SLACK_BYTES - 1));
    g_autofree ReplGroupSums *sums = g_malloc(sizeof(ReplGroupSums));
    g_autofree ReplGroupSums *should = g_malloc(sizeof(ReplGroupSums));
    guint64 group;

    while (scrubTake(run, &group)) {
        GError *error = NULL;

        if (scrubGroup(run, group, buf, *sums, &error) < 0 ||
            (group < run->expectedGroups && scrubCompare(run, group, *sums, *should, &error) < 0) ||
            (run->maker && replDigestsPut(run->maker, group, *sums, &error) < 0))
            scrubFail(run, error);
    }
    return NULL;
}

static gint
compareNumbers(gconstpointer a, gconstpointer b)
{
    guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;

    return x < y ? -1 : x > y;
}

static void
scrubTell(ScrubRun *run, ReplScrub *scrub)
{
    guint i;

    scrub->blocks = run->badCount;
    if (run->bad->len == 0)
        return;
    scrub->damages = g_array_new(FALSE, FALSE, sizeof(ReplDamage));
    g_array_sort(run->bad, compareNumbers);
    for (i = 0; i < run->bad->len; i++) {
        guint64 offset = g_array_index(run->bad, guint64, i) * REPL_SUM_BLOCK_BYTES;
        ReplDamage damage = {offset, REPL_SUM_BLOCK_BYTES};
        ReplDamage *last =
            scrub->damages->len ? &g_array_index(scrub->damages, ReplDamage, scrub->damages->len - 1) : NULL;

        if (last && last->offset_bytes + last->length_bytes == offset)
            last->length_bytes += damage.length_bytes;
        else if (scrub->damages->len < REPL_SCRUB_PLACES_MAX)
            g_array_append_val(scrub->damages, damage);
    }
}

/* What was there and is not, or the other way round. Groups that both have were compared. */
static void
scrubSizes(ScrubRun *run)
{
    guint64 end =
        MAX(replSumBlocks(run->size_bytes), replSumBlocks(replDigestsOf(run->expected)->size_bytes));
    guint64 block;

    REPL_GUARD(&run->lock);
    for (block = MIN(run->groups, run->expectedGroups) * REPL_SUM_GROUP_BLOCKS; block < end; block++)
        scrubBad(run, block);
}

int
replScrubRun(int fd, guint64 size_bytes, const ReplDigests *expected, ReplDigestsMaker *maker,
             const ReplCopyWatch *watch, ReplScrub *scrub, GError **err)
{
    g_autoptr(ReplReader) reader = replFileReaderNew(fd, NULL, err);
    GThread *threads[SCRUB_THREADS_MAX] = {NULL};
    ScrubRun run = {
        .reader = reader, .size_bytes = size_bytes, .expected = expected, .maker = maker, .watch = watch};
    guint i, count;

    *scrub = (ReplScrub){0};
    if (!reader)
        return -1;
    /* What lies in the cache says nothing about the disk. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    run.groups = groupsOf(size_bytes);
    run.expectedGroups = expected ? groupsOf(replDigestsOf(expected)->size_bytes) : 0;
    run.bad = g_array_new(FALSE, FALSE, sizeof(guint64));
    replLockInit(&run.lock);
    replLockInit(&run.askLock);
    count = CLAMP(run.groups, 1, MIN(g_get_num_processors(), SCRUB_THREADS_MAX));
    for (i = 1; i < count; i++)
        threads[i] = replThreadNew("repl-scrub", scrubThread, &run, NULL);
    scrubThread(&run);
    for (i = 1; i < count; i++)
        g_clear_pointer(&threads[i], g_thread_join);
    if (expected && !run.error)
        scrubSizes(&run);
    if (!run.error)
        scrubTell(&run, scrub);
    replLockClear(&run.askLock);
    replLockClear(&run.lock);
    g_array_unref(run.bad);
    if (!run.error)
        return 0;
    g_propagate_error(err, run.error);
    return -1;
}

int
replScrubBlock(ReplReader *reader, guint64 size_bytes, guint64 offset, guint8 *buf, gsize *len, guint8 *sum,
               GError **err)
{
    if (offset >= size_bytes) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("There is no block at offset %llu of %llu bytes"),
                     (unsigned long long)offset, (unsigned long long)size_bytes);
        return -1;
    }
    *len = MIN(size_bytes - offset, REPL_SUM_BLOCK_BYTES);
    if (replReaderRead(reader, buf, *len, offset, err) < 0)
        return -1;
    replSumBlock(buf, *len, sum);
    return 0;
}
