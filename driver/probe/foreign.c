/*
 * foreign.c: headers of formats that are only read to be converted
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/foreign.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"

/* QEMU's limit. */
#define REPL_FOREIGN_MAX_NAME 1023
/* Enough of every header; a VMDK descriptor lies behind the first sector, 20 of them at most. */
#define REPL_FOREIGN_BYTES (21 * 512)
#define REPL_VMDK_DESCRIPTOR 512

/* Feature bits of QED. */
#define REPL_QED_HAS_BACKING 0x01
#define REPL_QED_BACKING_IS_RAW 0x04

typedef struct {
    int fd;
    const char *what;
    const char *format;
    guint8 bytes[REPL_FOREIGN_BYTES + 1]; /* of the start of the file, zeros behind its end */
} ReplForeignHead;

gboolean
replIsForeign(ReplFormat format)
{
    return format != REPL_FORMAT_RAW && format != REPL_FORMAT_QCOW2 && format != REPL_FORMAT_LUKS;
}

void
replForeignFree(ReplForeign *foreign)
{
    if (!foreign)
        return;
    g_free(foreign->backing);
    g_free(foreign);
}

static guint32
replLe32(const ReplForeignHead *head, gsize offset)
{
    guint32 value;

    memcpy(&value, head->bytes + offset, sizeof(value));
    return GUINT32_FROM_LE(value);
}

static guint64
replLe64(const ReplForeignHead *head, gsize offset)
{
    guint64 value;

    memcpy(&value, head->bytes + offset, sizeof(value));
    return GUINT64_FROM_LE(value);
}

static guint32
replBe32(const ReplForeignHead *head, gsize offset)
{
    return GUINT32_SWAP_LE_BE(replLe32(head, offset));
}

static guint64
replBe64(const ReplForeignHead *head, gsize offset)
{
    return GUINT64_SWAP_LE_BE(replLe64(head, offset));
}

static int
replForeignMalformed(const ReplForeignHead *head, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("The %s header of volume '%s' is malformed"), head->format,
                 head->what);
    return -1;
}

static int
replForeignRefuse(const ReplForeignHead *head, const char *why, GError **err)
{
    replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Volume '%s' of format '%s' cannot be converted: %s"), head->what,
                 head->format, why);
    return -1;
}

static int
replForeignSize(const ReplForeignHead *head, guint64 size, guint64 unit_bytes, ReplForeign *foreign,
                GError **err)
{
    if (size > (guint64)G_MAXINT64 / unit_bytes)
        return replForeignMalformed(head, err);
    foreign->virtualSize_bytes = size * unit_bytes;
    return 0;
}

/* The backing name of @length bytes at @offset of the file; 0: none. */
static int
replForeignName(const ReplForeignHead *head, guint64 offset, guint32 length, ReplForeign *foreign,
                GError **err)
{
    g_autofree char *name = NULL;
    ssize_t n;

    if (offset == 0 || length == 0)
        return 0;
    if (length > REPL_FOREIGN_MAX_NAME || offset > (guint64)G_MAXINT64 - length)
        return replForeignMalformed(head, err);
    name = g_malloc0(length + 1);
    if ((n = replPreadFull(head->fd, name, length, offset)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), head->what);
        return -1;
    }
    if ((gsize)n != length || memchr(name, '\0', length))
        return replForeignMalformed(head, err);
    foreign->backing = g_steal_pointer(&name);
    return 0;
}

static int
replForeignQcow(const ReplForeignHead *head, ReplForeign *foreign, GError **err)
{
    if (replBe32(head, 36) != 0)
        return replForeignRefuse(head, _("it is encrypted in a way that is no longer in use"), err);
    if (replForeignSize(head, replBe64(head, 24), 1, foreign, err) < 0)
        return -1;
    return replForeignName(head, replBe64(head, 8), replBe32(head, 16), foreign, err);
}

static int
replForeignQed(const ReplForeignHead *head, ReplForeign *foreign, GError **err)
{
    guint64 features = replLe64(head, 16);

    if (replForeignSize(head, replLe64(head, 48), 1, foreign, err) < 0)
        return -1;
    if (!(features & REPL_QED_HAS_BACKING))
        return 0;
    foreign->backingFormat = features & REPL_QED_BACKING_IS_RAW ? "raw" : NULL;
    return replForeignName(head, replLe32(head, 56), replLe32(head, 60), foreign, err);
}

/* The parent named in an embedded descriptor, found as QEMU finds it. */
static int
replForeignVmdkParent(const ReplForeignHead *head, ReplForeign *foreign, GError **err)
{
    static const char key[] = "parentFileNameHint=\"";
    const char *text = (const char *)head->bytes + REPL_VMDK_DESCRIPTOR;
    const char *name, *end;

    if (!(name = strstr(text, "parentFileNameHint")))
        return 0;
    if (!g_str_has_prefix(name, key))
        return replForeignMalformed(head, err);
    name += strlen(key);
    end = strchr(name, '"');
    if (!end || end - name > REPL_FOREIGN_MAX_NAME)
        return replForeignMalformed(head, err);
    if (end == name)
        return 0;
    foreign->backing = g_strndup(name, end - name);
    foreign->backingFormat = "vmdk";
    return 0;
}

static int
replForeignVmdk(const ReplForeignHead *head, ReplForeign *foreign, GError **err)
{
    gboolean isSparse = memcmp(head->bytes, "KDMV", 4) == 0;
    gboolean isOld = memcmp(head->bytes, "COWD", 4) == 0;

    /* Without a capacity of its own such a header only leads to a descriptor, and that to other files. */
    if ((!isSparse && !isOld) || (isSparse && replLe64(head, 12) == 0))
        return replForeignRefuse(head, _("its data lies in other files"), err);
    if (replForeignSize(head, isSparse ? replLe64(head, 12) : replLe32(head, 12), 512, foreign, err) < 0)
        return -1;
    return replForeignVmdkParent(head, foreign, err);
}

static int
replForeignVdi(const ReplForeignHead *head, ReplForeign *foreign, GError **err)
{
    static const guint8 none[16];
    guint32 type = replLe32(head, 0x4c);

    if ((type != 1 && type != 2) || memcmp(head->bytes + 0x1a8, none, sizeof(none)) != 0)
        return replForeignRefuse(head, _("it holds only the differences to another file"), err);
    return replForeignSize(head, replLe64(head, 0x170), 1, foreign, err);
}

static int
replForeignVpc(const ReplForeignHead *head, ReplForeign *foreign, GError **err)
{
    /* What QEMU makes of the disk's geometry is its own affair: the size is asked of it. */
    if (replBe32(head, 60) == 4)
        return replForeignRefuse(head, _("it holds only the differences to another file"), err);
    return 0;
}

static int
replForeignParse(const ReplForeignHead *head, ReplFormat format, ReplForeign *foreign, GError **err)
{
    switch (format) {
    case REPL_FORMAT_QCOW:
        return replForeignQcow(head, foreign, err);
    case REPL_FORMAT_QED:
        return replForeignQed(head, foreign, err);
    case REPL_FORMAT_VMDK:
        return replForeignVmdk(head, foreign, err);
    case REPL_FORMAT_VDI:
        return replForeignVdi(head, foreign, err);
    case REPL_FORMAT_VPC:
        return replForeignVpc(head, foreign, err);
    default:
        /* VHDX: what it says lies behind tables; QEMU refuses one with a parent. */
        return 0;
    }
}

ReplForeign *
replForeignRead(int fd, ReplFormat format, const char *what, GError **err)
{
    g_autofree ReplForeignHead *head = g_new0(ReplForeignHead, 1);
    g_autoptr(ReplForeign) foreign = g_new0(ReplForeign, 1);
    ssize_t n;

    head->fd = fd;
    head->what = what;
    head->format = replFormatToString(format);
    if ((n = replPreadFull(fd, head->bytes, REPL_FOREIGN_BYTES, 0)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return NULL;
    }
    return replForeignParse(head, format, foreign, err) < 0 ? NULL : g_steal_pointer(&foreign);
}
