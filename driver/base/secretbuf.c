/*
 * secretbuf.c: bytes that must not leak: passphrases and keys
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/secretbuf.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

#define REPL_SECRET_MAX (1U << 20)

static gsize
replSecretPages(gsize length)
{
    gsize page = sysconf(_SC_PAGESIZE);

    return (length + page - 1) / page * page;
}

ReplSecretBuf *
replSecretBufNew(gsize length, GError **err)
{
    ReplSecretBuf *buf;
    void *data;

    if (length == 0 || length > REPL_SECRET_MAX) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A secret of %zu bytes is not possible"), length);
        return NULL;
    }
    data = mmap(NULL, replSecretPages(length), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        replErrorSetSystem(err, errno, _("Cannot get memory for a secret"));
        return NULL;
    }
    if (mlock(data, replSecretPages(length)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot lock memory for a secret"));
        munmap(data, replSecretPages(length));
        return NULL;
    }
    /* Neither is vital, and old kernels may not know them. */
    madvise(data, replSecretPages(length), MADV_DONTDUMP);
    madvise(data, replSecretPages(length), MADV_DONTFORK);
    buf = g_new0(ReplSecretBuf, 1);
    buf->data = data;
    buf->length = length;
    return buf;
}

ReplSecretBuf *
replSecretBufNewFrom(const void *bytes, gsize length, GError **err)
{
    ReplSecretBuf *buf = replSecretBufNew(length, err);

    if (buf)
        memcpy(buf->data, bytes, length);
    return buf;
}

void
replSecretBufFree(ReplSecretBuf *buf)
{
    if (!buf)
        return;
    explicit_bzero(buf->data, replSecretPages(buf->length));
    munmap(buf->data, replSecretPages(buf->length));
    g_free(buf);
}

gboolean
replSecretBufEqual(const ReplSecretBuf *a, const ReplSecretBuf *b)
{
    guint8 differ = 0;
    gsize i;

    if (a->length != b->length)
        return FALSE;
    for (i = 0; i < a->length; i++)
        differ |= a->data[i] ^ b->data[i];
    return differ == 0;
}
