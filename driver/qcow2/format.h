/*
 * format.h: disk image formats by name and by magic
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef enum {
    REPL_FORMAT_RAW,
    REPL_FORMAT_QCOW2,
    REPL_FORMAT_QCOW,
    REPL_FORMAT_QED,
    REPL_FORMAT_VMDK,
    REPL_FORMAT_VDI,
    REPL_FORMAT_VHDX,
    REPL_FORMAT_VPC,
    REPL_FORMAT_LUKS, /* raw LUKS, version 1 or 2 */
} ReplFormat;

/* libvirt's and QEMU's words: "raw", "qcow2", …; FromString returns -1 for an unknown one. */
const char *
replFormatToString(ReplFormat format);
int
replFormatFromString(const char *str);

/* What the first bytes of the file say; RAW where no magic matches. As with any probing, a guest that
 * owns a raw disk can write a magic of its choice there: use it where libvirt itself probes (volumes of
 * directory pools), and confine what a found header refers to. Only the start of the file is looked at,
 * as QEMU does, so that a VHD footer at the end of a raw disk changes nothing.
 * Returns 0, or -1 with @err set when @fd cannot be read. */
int
replFormatProbe(int fd, const char *what, ReplFormat *format, GError **err);

/* The same for bytes at hand, the first @len of a file (512 tell all formats apart). */
ReplFormat
replFormatOfBytes(const guint8 *buf, gsize len);
