/*
 * xts.h: AES-XTS over 512-byte sectors, as dm-crypt and QEMU do it ("aes-xts-plain64")
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "base/secretbuf.h"

#define REPL_LUKS_SECTOR 512

typedef struct ReplXts ReplXts;

/* @key: 32 bytes for AES-128, 64 for AES-256, the two XTS keys one after the other. NULL with @err set
 * when the length is another one (VIR_ERR_NO_SUPPORT), when the two halves are equal, which XTS forbids (to encrypt), or
 * when there is no locked memory for it (VIR_ERR_NO_MEMORY). */
ReplXts *
replXtsNew(const ReplSecretBuf *key, gboolean encrypt, GError **err);

void
replXtsFree(ReplXts *xts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplXts, replXtsFree)

/* Transforms @length bytes (whole sectors) in place; the first one has number @sector. Any number of
 * threads may do so at once. Returns 0, or -1 with @err set. */
int
replXtsRun(ReplXts *xts, guint64 sector, guint8 *buf, gsize length, GError **err);
