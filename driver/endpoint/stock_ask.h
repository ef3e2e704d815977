/*
 * stock_ask.h: what is asked of a libvirt without the module, in the words of its own storage calls
 *
 * In:    a connection and a pool on it, in the thread of a line (peer/line.h), which alone calls any of these.
 * Out:   facts and bytes of one volume there.
 * Owner: what is returned is the caller's.
 * Lock:  none.
 *
 * Errors are set as whole sentences that name the peer: what libvirt said, VIR_ERR_NO_CONNECT where the connection broke.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/line.h"

/* A volume there. */
typedef struct {
    char *format; /* as the libvirt there calls it */
    guint64 size_bytes;
    guint64 allocated_bytes;
    gint64 mtime_ns;
    gint64 ctime_ns;
    char *secretUuid; /* of the secret that opens it there; NULL: not told */
    char *secretUsage;
} ReplStockFile;

void
replStockFileClear(ReplStockFile *file);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplStockFile, replStockFileClear)

/* Returns 1 with *file set; 0: there is no such volume; -1 with @err set. */
int
replStockStat(ReplLink *link, virStoragePoolPtr pool, const char *volume, ReplStockFile *file, GError **err);

/* Reads up to @len bytes at @offset. Returns how many there are, or -1 with @err set. */
gssize
replStockRead(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 offset,
              guint8 *buf, gsize len, GError **err);

/* Writes @len bytes at @offset. Returns 0 when libvirt has said that they are written, or -1 with @err set. */
int
replStockWrite(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 offset,
               const guint8 *buf, gsize len, GError **err);

/* Makes a raw volume with nothing in it. @more: XML elements of its <target>; NULL: none. Returns 0, or -1 with @err set
 * (VIR_ERR_STORAGE_VOL_EXIST). */
int
replStockVolMake(ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 size_bytes,
                 const char *more, GError **err);

/* Returns 0, or -1 with @err set. */
int
replStockVolResize(ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 size_bytes,
                   GError **err);
int
replStockVolDelete(ReplLink *link, virStoragePoolPtr pool, const char *volume, GError **err);

/* A handle of the volume, looked up there; NULL with @err set. */
virStorageVolPtr
replStockVol(ReplLink *link, virStoragePoolPtr pool, const char *volume, GError **err);
