/*
 * tar.c: the tar around a bundle
 *
 * Written is the plainest of tars (ustar), with comments (pax) that fill gaps. Read is what other tools make of a layout:
 * folders and comments are passed over, links and devices refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/tar.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"
#include "bundle/lies.h"

/* Comments of this size at most, and so many of them and folders behind each other, are passed over. */
#define REPL_TAR_COMMENT_MAX_BYTES (64u * 1024u)
#define REPL_TAR_PASSED_MAX 1024u

static guint
replTarSum(const guint8 *block)
{
    guint sum = 0;

    for (guint i = 0; i < REPL_TAR_BLOCK_BYTES; i++)
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    return sum;
}

static void
replTarFill(guint8 *block, const char *name, guint64 size_bytes, char type)
{
    char *at = (char *)block;

    memset(block, 0, REPL_TAR_BLOCK_BYTES);
    g_strlcpy(at, name, 100);
    memcpy(at + 100, "0000644", 8);
    memcpy(at + 108, "0000000", 8);
    memcpy(at + 116, "0000000", 8);
    /* Eleven octal digits, or a binary number where they are too few. */
    if (size_bytes < (G_GUINT64_CONSTANT(1) << 33)) {
        g_snprintf(at + 124, 12, "%011" G_GINT64_MODIFIER "o", size_bytes);
    } else {
        block[124] = 0x80;
        for (guint i = 0; i < 8; i++)
            block[128 + i] = (guint8)(size_bytes >> (56 - 8 * i));
    }
    memcpy(at + 136, "00000000000", 12);
    block[156] = type;
    memcpy(at + 257,
           "ustar\0"
           "00",
           8);
    g_snprintf(at + 148, 8, "%06o", replTarSum(block));
    block[155] = ' ';
}

void
replTarHeader(guint8 *block, const char *name, guint64 size_bytes)
{
    replTarFill(block, name, size_bytes, '0');
}

guint64
replTarAligned(guint64 at_bytes)
{
    guint64 end = at_bytes + REPL_TAR_BLOCK_BYTES;
    guint64 aligned = (end + REPL_TAR_ALIGN_BYTES - 1) / REPL_TAR_ALIGN_BYTES * REPL_TAR_ALIGN_BYTES;

    /* A comment takes two blocks at least. */
    return aligned - end == REPL_TAR_BLOCK_BYTES ? aligned + REPL_TAR_ALIGN_BYTES : aligned;
}

GByteArray *
replTarAlignedHeader(guint64 at_bytes, const char *name, guint64 size_bytes)
{
    gsize length = replTarAligned(at_bytes) - at_bytes;
    GByteArray *bytes = g_byte_array_new();
    gsize gap = length - REPL_TAR_BLOCK_BYTES;

    g_byte_array_set_size(bytes, length);
    memset(bytes->data, 0, length);
    if (gap > 0) {
        gsize body = gap - REPL_TAR_BLOCK_BYTES;
        char *text = (char *)bytes->data + REPL_TAR_BLOCK_BYTES;
        int n = g_snprintf(text, body, "%zu comment=", body);

        replTarFill(bytes->data, "align", body, 'x');
        memset(text + n, ' ', body - n - 1);
        text[body - 1] = '\n';
    }
    replTarHeader(bytes->data + gap, name, size_bytes);
    return bytes;
}

/* --- reading --- */

static gboolean
replTarNumber(const guint8 *field, gsize length, guint64 *value)
{
    gsize i = 0;

    *value = 0;
    if (field[0] == 0x80) {
        for (i = 1; i < length; i++) {
            if (*value >> 55)
                return FALSE;
            *value = *value << 8 | field[i];
        }
        return TRUE;
    }
    while (i < length && field[i] == ' ')
        i++;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (guint64)(field[i] - '0');
    return i == length || field[i] == 0 || field[i] == ' ';
}

static gboolean
replTarSumIsRight(const guint8 *block)
{
    guint64 sum;

    return replTarNumber(block + 148, 8, &sum) && sum == replTarSum(block);
}

gboolean
replTarIs(const guint8 *block)
{
    return memcmp(block + 257, "ustar", 5) == 0 && replTarSumIsRight(block);
}

static gboolean
replTarIsZero(const guint8 *block)
{
    return block[0] == 0 && memcmp(block, block + 1, REPL_TAR_BLOCK_BYTES - 1) == 0;
}

/* The name, with the prefix that only long ones have. */
static void
replTarName(const guint8 *block, ReplTarEntry *entry)
{
    const char *name = (const char *)block;

    while (g_str_has_prefix(name, "./") && name < (const char *)block + 90)
        name += 2;
    memcpy(entry->name, name, 100 - (name - (const char *)block));
    entry->name[100 - (name - (const char *)block)] = '\0';
}

/* Reads all of @length bytes. Returns 0, or -1 with @err set. */
static int
replTarRead(const ReplBundleFile *file, void *bytes, gsize length, guint64 at_bytes, GError **err)
{
    gssize n = replBundleFileRead(file, bytes, length, at_bytes, err);

    if (n < 0 || (gsize)n == length)
        return n < 0 ? -1 : 0;
    return replBundleLies(file->what, _("it ends too early"), err);
}

/* Judges one header. 1: a file, 0: to be passed over, -1 with @err set. */
static int
replTarJudge(const guint8 *block, const char *what, guint64 file_bytes, ReplTarEntry *entry, GError **err)
{
    g_autofree char *shown = NULL;

    if (!replTarSumIsRight(block) || !replTarNumber(block + 124, 12, &entry->size_bytes))
        return replBundleLies(what, _("a header of its tar is damaged"), err);
    replTarName(block, entry);
    if (entry->at_bytes > file_bytes || entry->size_bytes > file_bytes - entry->at_bytes)
        return replBundleLies(what, _("it ends too early"), err);
    switch (block[156]) {
    case '0':
    case '\0':
        if (block[345] == 0)
            return 1;
        break;
    case '5':
        if (entry->size_bytes == 0)
            return 0;
        break;
    case 'x':
    case 'g':
        if (entry->size_bytes <= REPL_TAR_COMMENT_MAX_BYTES)
            return 0;
        break;
    default:
        break;
    }
    shown = replPrintable(entry->name);
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Bundle '%s' cannot be used: it holds '%s', which is no file of a bundle"), what, shown);
    return -1;
}

/* A comment may say that the next file has another name or size than its header tells: then no two programs agree on what
 * the tar holds. */
static int
replTarCheckComment(const ReplBundleFile *file, const ReplTarEntry *entry, GError **err)
{
    static const char *const others[] = {" path=", " size=", " linkpath=", NULL};
    g_autofree char *text = g_malloc(entry->size_bytes + 1);

    if (replTarRead(file, text, entry->size_bytes, entry->at_bytes, err) < 0)
        return -1;
    for (guint i = 0; others[i]; i++) {
        if (memmem(text, entry->size_bytes, others[i], strlen(others[i])))
            return replBundleLies(file->what, _("a header of its tar is damaged"), err);
    }
    return 0;
}

int
replTarNext(const ReplBundleFile *file, guint64 *next_bytes, ReplTarEntry *entry, GError **err)
{
    guint8 block[REPL_TAR_BLOCK_BYTES];
    guint64 size_bytes;
    guint passed = 0;
    int rc = 0;

    if (replBundleFileSize(file, &size_bytes, err) < 0)
        return -1;
    while (rc == 0) {
        if (replTarRead(file, block, sizeof(block), *next_bytes, err) < 0)
            return -1;
        if (replTarIsZero(block))
            return 0;
        entry->at_bytes = *next_bytes + REPL_TAR_BLOCK_BYTES;
        if ((rc = replTarJudge(block, file->what, size_bytes, entry, err)) < 0)
            return -1;
        if (rc == 0 && (entry->size_bytes > 0 && replTarCheckComment(file, entry, err) < 0))
            return -1;
        if (rc == 0 && ++passed > REPL_TAR_PASSED_MAX)
            return replBundleLies(file->what, _("it holds more files than a bundle has"), err);
        *next_bytes = entry->at_bytes + replTarPadded(entry->size_bytes);
    }
    return 1;
}
