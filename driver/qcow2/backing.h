/*
 * backing.h: the backing reference of a qcow2 file, set in place
 *
 * What `qemu-img rebase -u` does, but by descriptor, without a process, without opening the chain and
 * without the key of an encrypted layer; every other byte of the header stays as it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "qcow2/header.h"

/* Sets backing name and format of the qcow2 file @fd (opened read-write), @what in messages.
 * @backing NULL: none, and @format is ignored; @format NULL: none stated. One write inside the first
 * cluster, or none when nothing changes; not synced. Returns 0, or -1 with @err set and the file as it
 * was: VIR_ERR_INVALID_ARG for a name or format that is empty or too long, VIR_ERR_OPERATION_INVALID
 * when the file is malformed or the header cluster has no room. */
int
replQcow2SetBacking(int fd, const char *backing, const char *format, const char *what, GError **err);

/* What replQcow2HeaderRebuild changes; the rest stays. */
typedef struct {
    gboolean setBacking;
    const char *backing; /* NULL: none */
    const char *format;  /* NULL: not stated */
    gboolean setLuks;    /* offset of the LUKS header and the encryption method that goes with it */
    guint64 luksOffset;
    guint64 luksLength; /* 0: not encrypted */
} ReplQcow2Edit;

/* The first cluster of @fd as it would be with @edit done: the cluster size in bytes (zeros behind the end
 * of the file). What changes lies before *used. NULL with @err set. For comparing and converting headers
 * without writing. */
guint8 *
replQcow2HeaderRebuild(int fd, const ReplQcow2Header *header, const ReplQcow2Edit *edit, const char *what,
                       guint64 *used, GError **err);
