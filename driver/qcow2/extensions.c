/*
 * extensions.c: the list of header extensions in the first cluster of a qcow2 file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/extensions.h"

#include "qcow2/bytes.h"
#include "qcow2/header.h"

ReplQcow2ExtensionResult
replQcow2ExtensionAt(const guint8 *buf, guint64 have, guint64 limit, guint64 pos, ReplQcow2Extension *ext)
{
    ext->offset = pos;
    ext->next = pos;
    if (pos + 8 > limit)
        return REPL_QCOW2_EXT_NO_MORE;
    if (pos + 8 > have)
        return REPL_QCOW2_EXT_UNREAD;
    ext->type = replGetBe32(buf + pos);
    ext->length = replGetBe32(buf + pos + 4);
    if (ext->type == REPL_QCOW2_EXT_END)
        return REPL_QCOW2_EXT_NO_MORE;
    ext->next = pos + 8 + (((guint64)ext->length + 7) & ~G_GUINT64_CONSTANT(7));
    /* The padding of the last one may be cut by the backing name that follows it. */
    if (pos + 8 + ext->length > limit)
        return REPL_QCOW2_EXT_OVERRUN;
    if (pos + 8 + ext->length > have)
        return REPL_QCOW2_EXT_UNREAD;
    return REPL_QCOW2_EXT_FOUND;
}
