/*
 * kind.c: what kind of image a volume is, by looking at what a guest would see first
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/kind.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qcow2/guest.h"
#include "qcow2/look.h"

/* Guest bytes of one layer, as replQcow2ReadGuest() has it for qcow2. */
static int
replKindReadLayer(const ReplLayer *layer, guint64 offset, guint8 *buf, gsize len, gsize *got,
                  ReplGuestKind *kind, GError **err)
{
    ssize_t n;

    if (layer->qcow2)
        return replQcow2ReadGuest(layer->fd, layer->qcow2, offset, buf, len, got, kind, layer->volume, err);
    *kind = layer->format == REPL_FORMAT_RAW ? REPL_GUEST_DATA : REPL_GUEST_ENCRYPTED;
    *got = len;
    if (*kind == REPL_GUEST_ENCRYPTED)
        return 0;
    if ((n = replPreadFull(layer->fd, buf, len, offset)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot read volume '%s' of storage pool '%s'"), layer->volume,
                           layer->pool->name);
        return -1;
    }
    *got = n;
    return 0;
}

/* The bytes at @offset from the uppermost layer that has them: *got of them, 0 at the end of the disk.
 * *seen is FALSE when they are encrypted. */
static int
replKindRead(const ReplChain *chain, guint64 offset, guint8 *buf, gsize len, gsize *got, gboolean *seen,
             GError **err)
{
    guint i;

    *seen = TRUE;
    *got = 0;
    for (i = 0; i < chain->layers->len; i++) {
        ReplGuestKind kind;
        gsize n;

        if (replKindReadLayer(replChainLayer(chain, i), offset, buf, len, &n, &kind, err) < 0)
            return -1;
        /* The end of the disk is where the image ends; a shorter backing file goes on as zeros. */
        if (n == 0 && i == 0)
            return 0;
        if (n == 0)
            break;
        *got = len = n;
        if (kind == REPL_GUEST_ENCRYPTED)
            *seen = FALSE;
        if (kind != REPL_GUEST_UNALLOCATED)
            return 0;
    }
    memset(buf, 0, len);
    *got = len;
    return 0;
}

int
replKindLook(const ReplChain *chain, ReplImageType *type, GError **err)
{
    g_autofree guint8 *buf = g_malloc0(REPL_LOOK_BYTES);
    const ReplLayer *top = replChainLayer(chain, 0);
    gsize have = 0;

    *type = REPL_IMAGE_TYPE_UNKNOWN;
    if (top->format != REPL_FORMAT_RAW && top->format != REPL_FORMAT_QCOW2)
        return 0;
    while (have < REPL_LOOK_BYTES) {
        gboolean seen;
        gsize got;

        if (replKindRead(chain, have, buf + have, REPL_LOOK_BYTES - have, &got, &seen, err) < 0)
            return -1;
        if (!seen)
            return 0;
        if (got == 0)
            break;
        have += got;
    }
    *type = replLookAtDisk(buf, have);
    return 0;
}
