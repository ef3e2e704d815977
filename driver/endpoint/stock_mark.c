/*
 * stock_mark.c: how a job knows its volumes in a pool of a host without the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_mark.h"

#include <gcrypt.h>
#include <string.h>

#include "base/error.h"

#define REPL_STOCK_SECTOR_bytes 512u

/* Layers up to here get a larger nonce, an odd one, from which the volume is shrunk when it is marked. */
#define REPL_STOCK_SMALL_bytes (1u << 20)
/* What a file system may allocate for an empty file. */
#define REPL_STOCK_NOTHING_bytes 65536u

#define REPL_STOCK_NONCE_MAX_bytes (1u << 30)

ReplStockHeld *
replStockHeldNew(const char *job, const char *volume, guint64 nonce_bytes, guint64 digest)
{
    ReplStockHeld *held = g_new0(ReplStockHeld, 1);

    held->job = g_strdup(job);
    held->volume = g_strdup(volume);
    held->nonce_bytes = nonce_bytes;
    held->digest = digest;
    return held;
}

void
replStockHeldFree(ReplStockHeld *held)
{
    if (!held)
        return;
    g_free(held->job);
    g_free(held->volume);
    g_free(held);
}

void
replStockMark(const char *job, guint8 block[REPL_STOCK_BLOCK_bytes])
{
    g_autofree char *text = g_strdup_printf("libvirt-storage-replication job %s\n"
                                            "This volume is on its way and no image yet.\n",
                                            job);

    memset(block, 0, REPL_STOCK_BLOCK_bytes);
    for (guint at = 0; at < REPL_STOCK_BLOCK_bytes; at += REPL_STOCK_SECTOR_bytes)
        g_strlcpy((char *)block + at, text, REPL_STOCK_SECTOR_bytes);
}

/* Any sector will do: of a small layer a part of the mark may be overwritten. */
static gboolean
replStockIsMarked(const char *job, const guint8 *block, gsize len)
{
    guint8 mark[REPL_STOCK_BLOCK_bytes];

    replStockMark(job, mark);
    for (gsize at = 0; at + REPL_STOCK_SECTOR_bytes <= len; at += REPL_STOCK_SECTOR_bytes) {
        if (memcmp(block + at, mark, REPL_STOCK_SECTOR_bytes) == 0)
            return TRUE;
    }
    return FALSE;
}

guint64
replStockDigest(const guint8 *block, gsize len)
{
    guint8 sum[32];
    guint64 digest;

    gcry_md_hash_buffer(GCRY_MD_SHA256, sum, block, len);
    memcpy(&digest, sum, sizeof(digest));
    return digest ? GUINT64_FROM_BE(digest) : 1;
}

guint64
replStockNonce(guint64 size_bytes)
{
    guint64 low = size_bytes > REPL_STOCK_SMALL_bytes ? 64 * 1024 + 1 : REPL_STOCK_SMALL_bytes;
    guint64 high = size_bytes > REPL_STOCK_SMALL_bytes ? MIN(size_bytes, REPL_STOCK_NONCE_MAX_bytes)
                                                       : REPL_STOCK_NONCE_MAX_bytes;
    guint64 chance;

    gcry_create_nonce(&chance, sizeof(chance));
    return ((low + chance % (high - low)) & ~G_GUINT64_CONSTANT(1)) |
           (size_bytes > REPL_STOCK_SMALL_bytes ? 0 : 1);
}

int
replStockStateOf(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
                 ReplStockFile *file, GError **err)
{
    guint8 block[REPL_STOCK_BLOCK_bytes];
    gssize len;
    int rc;

    replLineMoved(work);
    if ((rc = replStockStat(link, pool, held->volume, file, err)) <= 0)
        return rc < 0 ? -1 : REPL_STOCK_NONE;
    if (held->nonce_bytes == 0)
        return REPL_STOCK_OTHER;
    if ((len = replStockRead(work, link, pool, held->volume, 0, block, sizeof(block), err)) < 0)
        return -1;
    if (replStockIsMarked(held->job, block, len))
        return REPL_STOCK_MARKED;
    if (held->digest && len > 0 && replStockDigest(block, len) == held->digest)
        return REPL_STOCK_PLACED;
    return file->size_bytes == held->nonce_bytes && file->allocated_bytes < REPL_STOCK_NOTHING_bytes
               ? REPL_STOCK_MADE
               : REPL_STOCK_OTHER;
}

static int
replStockTaken(const ReplStockHeld *held, ReplLink *link, GError **err)
{
    replErrorSet(err, VIR_ERR_STORAGE_VOL_EXIST,
                 _("Volume '%s' of peer '%s' belongs to others: the name is taken"), held->volume, link->uri);
    return -1;
}

/* Shrinks a marked volume to its mark, if the layer that it is for may be smaller than the nonce. */
static int
replStockShrink(ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held, guint64 size_bytes,
                GError **err)
{
    if (!(held->nonce_bytes & 1) || size_bytes != held->nonce_bytes)
        return 0;
    return replStockVolResize(link, pool, held->volume, REPL_STOCK_BLOCK_bytes, err);
}

int
replStockTake(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
              gboolean fresh, const char *more, GError **err)
{
    g_auto(ReplStockFile) file = {0};
    guint8 mark[REPL_STOCK_BLOCK_bytes];
    int state = replStockStateOf(work, link, pool, held, &file, err);

    if (state < 0)
        return -1;
    if (state == REPL_STOCK_OTHER || state == REPL_STOCK_PLACED)
        return replStockTaken(held, link, err);
    if (state == REPL_STOCK_MARKED && !fresh)
        return replStockShrink(link, pool, held, file.size_bytes, err);
    if (state == REPL_STOCK_MARKED) {
        if (replStockVolDelete(link, pool, held->volume, err) < 0)
            return -1;
        state = REPL_STOCK_NONE;
    }
    if (state == REPL_STOCK_NONE &&
        replStockVolMake(link, pool, held->volume, held->nonce_bytes, more, err) < 0)
        return -1;
    replStockMark(held->job, mark);
    if (replStockWrite(work, link, pool, held->volume, 0, mark, sizeof(mark), err) < 0)
        return -1;
    return replStockShrink(link, pool, held, held->nonce_bytes, err);
}

int
replStockGiveBack(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
                  GError **err)
{
    g_auto(ReplStockFile) file = {0};
    int state = replStockStateOf(work, link, pool, held, &file, err);

    if (state < 0)
        return -1;
    if (state == REPL_STOCK_NONE || state == REPL_STOCK_OTHER)
        return 0;
    return replStockVolDelete(link, pool, held->volume, err);
}

/* Reads the first block back, since its write makes an image of the volume. Puts the mark back if the block
 * is not what was written. */
static int
replStockPlaceCheck(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
                    const guint8 *block, gsize len, GError **err)
{
    guint8 now[REPL_STOCK_BLOCK_bytes];
    guint8 mark[REPL_STOCK_BLOCK_bytes];
    gssize got = replStockRead(work, link, pool, held->volume, 0, now, len, err);

    if (got < 0)
        return -1;
    if ((gsize)got == len && memcmp(now, block, len) == 0)
        return 0;
    replStockMark(held->job, mark);
    replStockWrite(work, link, pool, held->volume, 0, mark, sizeof(mark), NULL);
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("Volume '%s' of peer '%s' does not hold what was written to it"), held->volume, link->uri);
    return -1;
}

/* Puts a layer in place that is smaller than the mark. Makes its volume anew, since libvirt shrinks no volume
 * below what it allocates. */
static int
replStockPlaceTiny(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
                   const guint8 *block, gsize len, GError **err)
{
    if (replStockVolDelete(link, pool, held->volume, err) < 0 ||
        replStockVolMake(link, pool, held->volume, len, NULL, err) < 0)
        return -1;
    return replStockWrite(work, link, pool, held->volume, 0, block, len, err);
}

int
replStockPlace(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
               const guint8 *block, gsize len, guint64 size_bytes, GError **err)
{
    g_auto(ReplStockFile) file = {0};
    int state = replStockStateOf(work, link, pool, held, &file, err);

    if (state == REPL_STOCK_PLACED)
        return 0;
    if (state >= 0 && state != REPL_STOCK_MARKED)
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of peer '%s' is not the job's any more: another file has its name"),
                     held->volume, link->uri);
    if (state != REPL_STOCK_MARKED)
        return -1;
    if (size_bytes < REPL_STOCK_BLOCK_bytes)
        return replStockPlaceTiny(work, link, pool, held, block, len, err);
    if (replStockWrite(work, link, pool, held->volume, 0, block, len, err) < 0)
        return -1;
    return replStockPlaceCheck(work, link, pool, held, block, len, err);
}
