/*
 * stock_sum.h: one digest of what goes by in order, to be held against the same read back
 *
 * Blocks of 64 KiB that hold anything but zeros count, with where they are: so it does not matter which zeros are holes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#define REPL_STOCK_SUM_bytes 32u

typedef struct _ReplStockSum ReplStockSum;

ReplStockSum *
replStockSumNew(void);

/* By ascending offset, without overlap. */
void
replStockSumAdd(ReplStockSum *sum, guint64 offset, const guint8 *buf, gsize len);

/* Frees it; the digest into @out. */
void
replStockSumEnd(ReplStockSum *sum, guint8 out[REPL_STOCK_SUM_bytes]);

/* Without the digest. */
void
replStockSumFree(ReplStockSum *sum);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplStockSum, replStockSumFree)
