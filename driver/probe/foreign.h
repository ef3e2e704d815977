/*
 * foreign.h: headers of formats that are only read to be converted
 *
 * What is in them that leads to other files is what matters here; their tables are QEMU's business. The layouts are
 * those of QEMU's block drivers and docs/interop (qcow, qed), and of the published VMDK, VDI and VHD specifications.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "qcow2/format.h"

typedef struct {
    guint64 virtualSize_bytes; /* 0: not known from the header alone (vhdx, vpc) */
    char *backing;             /* as written in the file, NULL: none */
    const char *backingFormat; /* what the format says of it, NULL: nothing */
} ReplForeign;

/* Whether @format is none of raw, qcow2 and raw LUKS. */
gboolean
replIsForeign(ReplFormat format);

/* Reads the header of @fd, a file of the foreign @format; @what names it in messages. NULL with @err set:
 * VIR_ERR_NO_SUPPORT for what QEMU cannot read or what lies in several files (VMDK extents, differencing VDI
 * and VHD, encrypted qcow), VIR_ERR_OPERATION_INVALID for malformed headers, VIR_ERR_SYSTEM_ERROR. */
ReplForeign *
replForeignRead(int fd, ReplFormat format, const char *what, GError **err);

void
replForeignFree(ReplForeign *foreign);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplForeign, replForeignFree)
