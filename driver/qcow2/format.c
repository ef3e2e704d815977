/*
 * format.c: disk image formats by name and by magic
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/format.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/words.h"

#define REPL_PROBE_BYTES 512

REPL_WORDS(replFormat, ReplFormat, "raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vhdx", "vpc", "luks")

typedef struct {
    ReplFormat format;
    gsize offset;
    gsize length;
    const char *magic;
} ReplMagic;

static const ReplMagic replMagics[] = {
    {REPL_FORMAT_QCOW2, 0, 8, "QFI\xfb\0\0\0\2"},
    {REPL_FORMAT_QCOW2, 0, 8, "QFI\xfb\0\0\0\3"},
    {REPL_FORMAT_QCOW, 0, 8, "QFI\xfb\0\0\0\1"},
    /* The magic is qcow2's but the version is unknown or the header cut short: do not treat it as raw data. */
    {REPL_FORMAT_QCOW2, 0, 4, "QFI\xfb"},
    {REPL_FORMAT_QED, 0, 4, "QED\0"},
    {REPL_FORMAT_VMDK, 0, 4, "KDMV"},
    {REPL_FORMAT_VMDK, 0, 4, "COWD"},
    {REPL_FORMAT_VMDK, 0, 21, "# Disk DescriptorFile"},
    {REPL_FORMAT_VHDX, 0, 8, "vhdxfile"},
    {REPL_FORMAT_VPC, 0, 8, "conectix"},
    {REPL_FORMAT_LUKS, 0, 8, "LUKS\xba\xbe\0\1"},
    {REPL_FORMAT_LUKS, 0, 8, "LUKS\xba\xbe\0\2"},
    {REPL_FORMAT_VDI, 64, 4, "\x7f\x10\xda\xbe"},
};

ReplFormat
replFormatOfBytes(const guint8 *buf, gsize len)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(replMagics); i++) {
        const ReplMagic *magic = &replMagics[i];

        if (len >= magic->offset + magic->length &&
            memcmp(buf + magic->offset, magic->magic, magic->length) == 0)
            return magic->format;
    }
    return REPL_FORMAT_RAW;
}

int
replFormatProbe(int fd, const char *what, ReplFormat *format, GError **err)
{
    guint8 buf[REPL_PROBE_BYTES];
    ssize_t n = replPreadFull(fd, buf, sizeof(buf), 0);

    if (n < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return -1;
    }
    *format = replFormatOfBytes(buf, n);
    return 0;
}
