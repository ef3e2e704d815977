/*
 * basis.c: blocks that a target has already, found by their digests, wherever they lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/basis.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "copy/files.h"
#include "endpoint/basispriv.h"
#include "store/imagelock.h"

#define REPL_BASIS_BLOCKS_MAX (4u << 20)

/* A block has few others with the same first bytes of a digest, unless it is in the pool many times. */
#define REPL_BASIS_EQUALS_MAX 64u

typedef struct {
    guint64 key;
    ReplBasisPlace place;
} ReplBasisBlock;

struct _ReplBasis {
    GPtrArray *files; /* of ReplBasisFile */
    GArray *blocks;   /* of ReplBasisBlock, by key once it is sealed */
};

static void
replBasisFileFree(gpointer opaque)
{
    ReplBasisFile *file = opaque;

    replReaderFree(file->reader);
    replFdClose(file->fd);
    replDigestsFree(file->digests);
    g_free(file);
}

ReplBasis *
replBasisNew(void)
{
    ReplBasis *basis = g_new0(ReplBasis, 1);

    basis->files = g_ptr_array_new_with_free_func(replBasisFileFree);
    basis->blocks = g_array_new(FALSE, FALSE, sizeof(ReplBasisBlock));
    return basis;
}

void
replBasisFree(ReplBasis *basis)
{
    if (!basis)
        return;
    g_ptr_array_unref(basis->files);
    g_array_unref(basis->blocks);
    g_free(basis);
}

ReplBasisFile *
replBasisFile(ReplBasis *basis, guint32 file)
{
    return g_ptr_array_index(basis->files, file);
}

static guint64
replBasisKey(const guint8 *sum)
{
    guint64 key;

    memcpy(&key, sum, sizeof(key));
    return key;
}

/* The digest of block @block; NULL: it cannot be told. */
static const guint8 *
replBasisSum(ReplBasisFile *file, guint64 block)
{
    guint64 group = block / REPL_SUM_GROUP_BLOCKS;

    if (group != file->loaded && replDigestsBlocks(file->digests, group, file->sums, NULL) < 0) {
        file->loaded = G_MAXUINT64;
        return NULL;
    }
    file->loaded = group;
    return file->sums[block % REPL_SUM_GROUP_BLOCKS];
}

static void
replBasisIndex(ReplBasis *basis, guint32 number)
{
    static const guint8 zero[REPL_SUM_BYTES];
    ReplBasisFile *file = replBasisFile(basis, number);
    guint64 count = MIN(replSumBlocks(file->size_bytes), G_MAXUINT32);

    for (guint64 block = 0; block < count && basis->blocks->len < REPL_BASIS_BLOCKS_MAX; block++) {
        const guint8 *sum = replBasisSum(file, block);
        ReplBasisBlock entry = {sum ? replBasisKey(sum) : 0, {number, (guint32)block}};

        if (sum && memcmp(sum, zero, sizeof(zero)) != 0)
            g_array_append_val(basis->blocks, entry);
    }
}

/* A file with these digests, whose blocks can be found; it takes over what it is given. NULL: it cannot be read. */
static ReplBasisFile *
replBasisFileNew(ReplFd fd, guint64 size_bytes, ReplDigests *digests)
{
    ReplBasisFile *file = g_new0(ReplBasisFile, 1);

    file->fd = fd;
    file->size_bytes = size_bytes;
    file->digests = digests;
    file->loaded = G_MAXUINT64;
    if (fd >= 0 && (file->reader = replFileReaderNew(fd, NULL, NULL)))
        return file;
    replBasisFileFree(file);
    return NULL;
}

void
replBasisAdd(ReplBasis *basis, const ReplSummed *summed, gboolean make, gboolean (*stop)(void *opaque),
             void *opaque)
{
    ReplBasisFile *file;
    ReplDigests *digests;
    struct stat st;

    if (basis->blocks->len >= REPL_BASIS_BLOCKS_MAX || fstat(summed->fd, &st) < 0 ||
        replImageLockRead(summed->fd, summed->volume, NULL) < 0 ||
        !(digests = replSums(summed, make, stop, opaque)))
        return;
    /* The image lock belongs to the open file, and so stays as long as this duplicate of the descriptor. */
    file = replBasisFileNew(fcntl(summed->fd, F_DUPFD_CLOEXEC, 0), (guint64)st.st_size, digests);
    if (!file)
        return;
    g_ptr_array_add(basis->files, file);
    replBasisIndex(basis, basis->files->len - 1);
}

static gint
replBasisOrder(gconstpointer a, gconstpointer b)
{
    const ReplBasisBlock *left = a;
    const ReplBasisBlock *right = b;

    return left->key < right->key ? -1 : left->key > right->key;
}

gboolean
replBasisSeal(ReplBasis *basis)
{
    g_array_sort(basis->blocks, replBasisOrder);
    return basis->blocks->len > 0;
}

/* The first block whose key is not below @key. */
static guint
replBasisLower(const ReplBasis *basis, guint64 key)
{
    guint low = 0, high = basis->blocks->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(basis->blocks, ReplBasisBlock, middle).key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static gboolean
replBasisIs(ReplBasis *basis, ReplBasisPlace place, const guint8 *sum)
{
    const guint8 *there;

    if (place.file >= basis->files->len ||
        place.block >= replSumBlocks(replBasisFile(basis, place.file)->size_bytes))
        return FALSE;
    there = replBasisSum(replBasisFile(basis, place.file), place.block);
    return there && memcmp(there, sum, REPL_SUM_BYTES) == 0;
}

gboolean
replBasisFind(ReplBasis *basis, const guint8 *sum, ReplBasisPlace wanted, ReplBasisPlace *place)
{
    guint64 key = replBasisKey(sum);
    guint first = replBasisLower(basis, key);

    *place = wanted;
    if (replBasisIs(basis, wanted, sum))
        return TRUE;
    for (guint i = first; i < basis->blocks->len && i - first < REPL_BASIS_EQUALS_MAX; i++) {
        const ReplBasisBlock *block = &g_array_index(basis->blocks, ReplBasisBlock, i);

        if (block->key != key)
            break;
        *place = block->place;
        if (replBasisIs(basis, *place, sum))
            return TRUE;
    }
    return FALSE;
}
