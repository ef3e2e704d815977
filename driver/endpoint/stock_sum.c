/*
 * stock_sum.c: one digest of what goes by in order, to be held against the same read back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_sum.h"

#include <gcrypt.h>
#include <string.h>

#define REPL_STOCK_SUM_BLOCK_bytes 65536u

struct _ReplStockSum {
    gcry_md_hd_t hash; /* NULL: there was no memory for it; then the digest is zeros, which fits nothing */
    guint64 block;     /* number of the one that is being filled */
    guint8 bytes[REPL_STOCK_SUM_BLOCK_bytes];
};

ReplStockSum *
replStockSumNew(void)
{
    ReplStockSum *sum = g_new0(ReplStockSum, 1);

    if (gcry_md_open(&sum->hash, GCRY_MD_SHA256, 0) != 0)
        sum->hash = NULL;
    return sum;
}

void
replStockSumFree(ReplStockSum *sum)
{
    if (!sum)
        return;
    gcry_md_close(sum->hash);
    g_free(sum);
}

static void
replStockSumTake(ReplStockSum *sum)
{
    guint64 number = GUINT64_TO_BE(sum->block);

    if (!sum->hash || (sum->bytes[0] == 0 && memcmp(sum->bytes, sum->bytes + 1, sizeof(sum->bytes) - 1) == 0))
        return;
    gcry_md_write(sum->hash, &number, sizeof(number));
    gcry_md_write(sum->hash, sum->bytes, sizeof(sum->bytes));
    memset(sum->bytes, 0, sizeof(sum->bytes));
}

void
replStockSumAdd(ReplStockSum *sum, guint64 offset, const guint8 *buf, gsize len)
{
    while (len > 0) {
        gsize at = offset % REPL_STOCK_SUM_BLOCK_bytes;
        gsize part = MIN(len, REPL_STOCK_SUM_BLOCK_bytes - at);

        if (offset / REPL_STOCK_SUM_BLOCK_bytes != sum->block) {
            replStockSumTake(sum);
            sum->block = offset / REPL_STOCK_SUM_BLOCK_bytes;
        }
        memcpy(sum->bytes + at, buf, part);
        offset += part;
        buf += part;
        len -= part;
    }
}

void
replStockSumEnd(ReplStockSum *sum, guint8 out[REPL_STOCK_SUM_bytes])
{
    memset(out, 0, REPL_STOCK_SUM_bytes);
    replStockSumTake(sum);
    if (sum->hash)
        memcpy(out, gcry_md_read(sum->hash, GCRY_MD_SHA256), REPL_STOCK_SUM_bytes);
    replStockSumFree(sum);
}
