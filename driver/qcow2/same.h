/*
 * same.h: whether two layers have the same content
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Lets the caller follow and stop a comparison; NULL members are not called. */
typedef struct {
    /* Before each @bytes that are read; returns 0 to go on or -1 with @err set. */
    int (*proceed)(void *opaque, guint64 bytes, GError **err);
    void *opaque;
} ReplSameWatch;

/* Whether the qcow2 files @a and @b are equal byte for byte apart from backing name and format, which
 * name the same thing differently in each pool. Cheap differences (size, header) are found first; of the
 * rest only data is read, in pieces of 1 MiB, and the first difference ends it. @watch may be NULL.
 * Returns 1 when equal, 0 when not, -1 with @err set (unreadable, malformed, or stopped). */
int
replQcow2SameLayer(int a, int b, const char *whatA, const char *whatB, const ReplSameWatch *watch,
                   GError **err);

/* The same of their first clusters alone. */
int
replQcow2SameHead(int a, int b, const char *whatA, const char *whatB, GError **err);

/* The same for any two files: equal sizes and bytes, holes being zeros. */
int
replSameBytes(int a, int b, const char *whatA, const char *whatB, const ReplSameWatch *watch, GError **err);
