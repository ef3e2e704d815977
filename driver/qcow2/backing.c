/*
 * backing.c: the backing reference of a qcow2 file, set in place
 *
 * The first cluster holds: header | extensions | end marker | backing name | nothing. The part from the
 * first extension on is laid out anew: the format extension first, as QEMU does, then all others as they
 * were, then the marker and the name. What lies behind the old and the new end stays untouched.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/backing.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/bytes.h"
#include "qcow2/extensions.h"

static guint64
replAlign8(guint64 n)
{
    return (n + 7) & ~G_GUINT64_CONSTANT(7);
}

/* Appends all extensions of @old but those that @edit sets to @tail. Returns where the old list ends,
 * with its marker. The header was judged before, so the list is well formed. */
static guint64
replQcow2CopyExtensions(const guint8 *old, guint64 cluster, const ReplQcow2Header *h,
                        const ReplQcow2Edit *edit, GByteArray *tail)
{
    static const guint8 zeros[8];
    guint64 nameOffset = replGetBe64(old + 8);
    guint64 limit = nameOffset ? nameOffset : cluster;
    guint64 pos = h->headerLength;
    ReplQcow2Extension ext;

    while (replQcow2ExtensionAt(old, cluster, limit, pos, &ext) == REPL_QCOW2_EXT_FOUND) {
        if (!(edit->setBacking && ext.type == REPL_QCOW2_EXT_BACKING_FORMAT) &&
            !(edit->setLuks && ext.type == REPL_QCOW2_EXT_LUKS)) {
            g_byte_array_append(tail, old + ext.offset, 8 + ext.length);
            g_byte_array_append(tail, zeros, ext.next - ext.offset - 8 - ext.length);
        }
        pos = ext.next;
    }
    return MIN(pos + 8, cluster);
}

static void
replQcow2AppendFormat(GByteArray *tail, const char *format)
{
    guint8 ext[24] = {0};
    gsize length = strlen(format);

    replPutBe32(ext, REPL_QCOW2_EXT_BACKING_FORMAT);
    replPutBe32(ext + 4, length);
    memcpy(ext + 8, format, length);
    g_byte_array_append(tail, ext, 8 + replAlign8(length));
}

static void
replQcow2AppendLuks(GByteArray *tail, guint64 offset, guint64 length)
{
    guint8 ext[24] = {0};

    replPutBe32(ext, REPL_QCOW2_EXT_LUKS);
    replPutBe32(ext + 4, 16);
    replPutBe64(ext + 8, offset);
    replPutBe64(ext + 16, length);
    g_byte_array_append(tail, ext, sizeof(ext));
}

static int
replQcow2CheckReference(const char *backing, const char *format, const char *what, GError **err)
{
    if (backing && (!*backing || strlen(backing) > REPL_QCOW2_MAX_BACKING_NAME)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("A backing name of %zu bytes cannot be set in volume '%s'; 1 to 1023 can"),
                     strlen(backing), what);
        return -1;
    }
    if (backing && format && (!*format || strlen(format) > 15)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("A backing format of %zu bytes cannot be set in volume '%s'; 1 to 15 can"),
                     strlen(format), what);
        return -1;
    }
    return 0;
}

/* Puts @tail and the name behind the header in @buf. */
static int
replQcow2LayOut(guint8 *buf, guint64 cluster, const ReplQcow2Header *h, const GByteArray *tail,
                const char *backing, guint64 oldEnd, const char *what, guint64 *used, GError **err)
{
    guint64 end = (guint64)h->headerLength + tail->len + 8;
    gsize length = backing ? strlen(backing) : 0;

    if (end + length > cluster) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The header of volume '%s' has no room: its cluster has %llu bytes and it would "
                       "need %llu"),
                     what, (unsigned long long)cluster, (unsigned long long)(end + length));
        return -1;
    }
    *used = MAX(oldEnd, end + length);
    memset(buf + h->headerLength, 0, *used - h->headerLength);
    if (tail->len > 0)
        memcpy(buf + h->headerLength, tail->data, tail->len);
    if (backing)
        memcpy(buf + end, backing, length);
    replPutBe64(buf + 8, backing ? end : 0);
    replPutBe32(buf + 16, length);
    return 0;
}

guint8 *
replQcow2HeaderRebuild(int fd, const ReplQcow2Header *header, const ReplQcow2Edit *edit, const char *what,
                       guint64 *used, GError **err)
{
    g_autoptr(GByteArray) tail = g_byte_array_new();
    guint64 cluster = replQcow2ClusterSize(header);
    g_autofree guint8 *buf = g_malloc0(cluster);
    const char *backing = edit->setBacking ? edit->backing : header->backing;
    guint64 oldEnd;

    if (edit->setBacking && replQcow2CheckReference(backing, edit->format, what, err) < 0)
        return NULL;
    if (replPreadFull(fd, buf, cluster, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s'"), what);
        return NULL;
    }
    if (edit->setBacking && backing && edit->format)
        replQcow2AppendFormat(tail, edit->format);
    if (edit->setLuks && edit->luksLength > 0)
        replQcow2AppendLuks(tail, edit->luksOffset, edit->luksLength);
    oldEnd = replQcow2CopyExtensions(buf, cluster, header, edit, tail);
    if (header->backing)
        oldEnd = MAX(oldEnd, replGetBe64(buf + 8) + replGetBe32(buf + 16));
    if (oldEnd > cluster) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), what);
        return NULL;
    }
    if (replQcow2LayOut(buf, cluster, header, tail, backing, oldEnd, what, used, err) < 0)
        return NULL;
    if (edit->setLuks)
        replPutBe32(buf + 32, edit->luksLength ? REPL_QCOW2_CRYPT_LUKS : REPL_QCOW2_CRYPT_NONE);
    return g_steal_pointer(&buf);
}

int
replQcow2SetBacking(int fd, const char *backing, const char *format, const char *what, GError **err)
{
    g_autoptr(ReplQcow2Header) header = replQcow2HeaderRead(fd, what, err);
    ReplQcow2Edit edit = {.setBacking = TRUE, .backing = backing, .format = format};
    g_autofree guint8 *buf = NULL;
    guint64 used;

    if (!header || replQcow2CheckReference(backing, format, what, err) < 0)
        return -1;
    if (g_strcmp0(header->backing, backing) == 0 &&
        (!backing || g_strcmp0(header->backingFormat, format) == 0) && (backing || !header->backingFormat))
        return 0;
    buf = replQcow2HeaderRebuild(fd, header, &edit, what, &used, err);
    if (!buf)
        return -1;
    if (replPwriteFull(fd, buf, used, 0) < 0) {
        replErrorSetSystem(err, errno, _("Cannot set the backing name of volume '%s'"), what);
        return -1;
    }
    return 0;
}
