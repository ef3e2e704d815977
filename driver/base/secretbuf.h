/*
 * secretbuf.h: bytes that must not leak: passphrases and keys
 *
 * A buffer has memory pages of its own, locked against swapping, left out of core dumps and of forked
 * children, and zeroed before they are given back. Secrets live in nothing else, never in strings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct {
    guint8 *data;
    gsize length;
} ReplSecretBuf;

/* A zeroed buffer of @length bytes, at least 1 and at most 1 MiB. NULL with @err set when memory cannot be
 * had or locked (the limit "memlock" of the process). */
ReplSecretBuf *
replSecretBufNew(gsize length, GError **err);

/* A buffer with a copy of @bytes; wiping the original is the caller's. */
ReplSecretBuf *
replSecretBufNewFrom(const void *bytes, gsize length, GError **err);

/* Zeroes and frees; NULL is allowed. */
void
replSecretBufFree(ReplSecretBuf *buf);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplSecretBuf, replSecretBufFree)

/* In a time that depends on the lengths only. */
gboolean
replSecretBufEqual(const ReplSecretBuf *a, const ReplSecretBuf *b);
