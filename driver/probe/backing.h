/*
 * backing.h: what a backing name in an image's header leads to
 *
 * The name comes from an untrusted file. It is never opened as a path: its directory part is only
 * compared, by (device, inode), with the directories of the pools, and what is opened in the end is a
 * single entry of a pool's directory (replPoolDirOpen).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/pools.h"

/* Whether QEMU takes @name for "protocol:..." ("json:", "nbd:", "file:" and the like): there is a ':'
 * before any '/' (path_has_protocol() of QEMU's block.c). */
gboolean
replBackingHasProtocol(const char *name);

/* How @volume is written as the backing name of a file in the same directory: as it is, or "./NAME"
 * where QEMU would take it for a protocol. */
char *
replBackingReference(const char *volume);

/* Where the backing name @backing of volume @layer in @pool leads: the pool of @set (borrowed), and the
 * entry's name in *volume. The entry itself need not exist. Returns NULL with @err set:
 * VIR_ERR_NO_SUPPORT for protocols, VIR_ERR_OPERATION_INVALID for anything outside of the pools of
 * the region of @pool, directories that do not exist included, and for the staging folder. */
const ReplPoolDir *
replBackingResolve(const ReplPoolSet *set, const ReplPoolDir *pool, const char *layer, const char *backing,
                   char **volume, GError **err);
