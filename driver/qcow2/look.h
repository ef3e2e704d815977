/*
 * look.h: what kind of image it is, judged by the first bytes of the guest's disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"

/* So much of the guest disk tells all that is looked for. */
#define REPL_LOOK_BYTES (64U << 10)

/* Rules, the first that holds:
 * - "CD001" at 0x8001, an ISO 9660 volume descriptor: iso. Hybrid ISOs with a partition table too.
 * - a GPT (512- or 4096-byte sectors) with an EFI system partition, a BIOS boot partition or a partition
 *   marked "legacy BIOS bootable": system disk; another GPT: data disk.
 * - no boot signature 55 AA at 510: data disk.
 * - a FAT, exFAT or NTFS boot sector instead of a partition table: data disk (mkfs writes a stub there).
 * - an MBR with an active partition, or with an EFI system partition (type EF): system disk.
 * - boot code in the first 440 bytes: system disk; libparted's stub, which it writes into every label
 *   and which needs an active partition, does not count.
 * - anything else, an empty disk included: data disk.
 * @buf holds the first @len bytes of guest content, at best REPL_LOOK_BYTES; less is judged as far as it
 * goes. Never returns REPL_IMAGE_TYPE_UNKNOWN. */
ReplImageType
replLookAtDisk(const guint8 *buf, gsize len);
