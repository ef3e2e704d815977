/*
 * stock_mark.h: how a job knows its volumes in a pool of a host without the module
 *
 * libvirt tells no inodes there, so each volume carries by itself whose it is, from the moment that it is there until it is an
 * image:
 *
 *   made      raw and empty, with a size that only this job's journal knows
 *   marked    its first block is filled with the job's id; everything else may be written
 *   in place  its first block is the layer's own, whose digest the journal knows. That is one small write, the last one.
 *
 * So half a layer is never an image, and a job never takes another client's volume for its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/stock_ask.h"

#define REPL_STOCK_BLOCK_bytes 4096u

typedef enum {
    REPL_STOCK_NONE, /* there is no volume of that name */
    REPL_STOCK_MADE, /* these three are the job's */
    REPL_STOCK_MARKED,
    REPL_STOCK_PLACED,
    REPL_STOCK_OTHER, /* another one's */
} ReplStockState;

/* What the journal knows of a volume. */
typedef struct {
    char *job;
    char *volume;
    guint64 nonce_bytes; /* its size when it was made; 0: it never was */
    guint64 digest;      /* of its first block; 0: not known yet */
} ReplStockHeld;

ReplStockHeld *
replStockHeldNew(const char *job, const char *volume, guint64 nonce_bytes, guint64 digest);
void
replStockHeldFree(ReplStockHeld *held);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplStockHeld, replStockHeldFree)

/* The block that marks volumes of @job. */
void
replStockMark(const char *job, guint8 block[REPL_STOCK_BLOCK_bytes]);

/* Never 0. */
guint64
replStockDigest(const guint8 *block, gsize len);

/* The nonce: a random size to make a volume with that is going to have @size_bytes (0: not known). It is no
 * larger than that where possible. */
guint64
replStockNonce(guint64 size_bytes);

/* In a line's thread: what has the name. Returns a ReplStockState with *file set unless it is NONE, or -1 with @err set. */
int
replStockStateOf(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
                 ReplStockFile *file, GError **err);

/* In a line's thread: makes the volume and marks it, or does what an earlier try has left undone; may be
 * called twice. @fresh: makes a marked volume anew, so that it is empty. @more: as replStockVolMake().
 * Returns 0, or -1 with @err set (VIR_ERR_STORAGE_VOL_EXIST: another one has the name). */
int
replStockTake(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
              gboolean fresh, const char *more, GError **err);

/* In a line's thread: removes the volume if it is the job's: also one in place. Returns 0, or -1 with @err set. */
int
replStockGiveBack(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
                  GError **err);

/* In a line's thread: the first @len bytes take the place of the mark. May be done twice. Returns 0, or -1 with @err set and the mark
 * as it was, or back again. @size_bytes: of the whole volume. */
int
replStockPlace(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const ReplStockHeld *held,
               const guint8 *block, gsize len, guint64 size_bytes, GError **err);
