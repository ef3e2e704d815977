/*
 * extensions.h: the list of header extensions in the first cluster of a qcow2 file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct {
    guint32 type;
    guint32 length; /* of the data, without padding */
    guint64 offset; /* of the 8-byte extension header in the file */
    guint64 next;   /* offset behind the padding */
} ReplQcow2Extension;

typedef enum {
    REPL_QCOW2_EXT_FOUND,
    REPL_QCOW2_EXT_NO_MORE, /* end marker, or less than a header left: @ext->next is where the list ends */
    REPL_QCOW2_EXT_OVERRUN, /* does not fit before @limit */
    REPL_QCOW2_EXT_UNREAD,  /* fits before @limit, but not in the @have bytes at hand */
} ReplQcow2ExtensionResult;

/* The extension at @pos of @buf, which holds the first @have bytes of the file; the list may reach up
 * to @limit (the backing name or the end of the first cluster). */
ReplQcow2ExtensionResult
replQcow2ExtensionAt(const guint8 *buf, guint64 have, guint64 limit, guint64 pos, ReplQcow2Extension *ext);
