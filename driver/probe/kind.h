/*
 * kind.h: what kind of image a volume is, by looking at what a guest would see first
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/chain.h"

/* Looks at the first REPL_LOOK_BYTES of the guest's disk through the chain and judges them with
 * replLookAtDisk(). *type is REPL_IMAGE_TYPE_UNKNOWN where that cannot be seen: encrypted images and
 * formats other than qcow2 and raw. Returns 0, or -1 with @err set when a layer cannot be read. */
int
replKindLook(const ReplChain *chain, ReplImageType *type, GError **err);
