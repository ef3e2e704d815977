/*
 * present.h: which layers of a chain the target has already, by content, not by name
 *
 * A volume of the target stands for a layer when its content is the same and it is backed by the volume
 * that the layer below was found as. So layers are looked for from the base up, and none above the
 * first that is missing can be there.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/image.h"
#include "probe/cache.h"
#include "probe/chain.h"
#include "qcow2/same.h"

/* What the search asks its caller; every member but opaque may be NULL. */
typedef struct {
    /* The record of @volume in the target, owned by the search; NULL: none. With the identities in it
     * a replica of an unchanged source is known without reading it. */
    ReplImage *(*record)(void *opaque, const char *volume);
    /* Whether @volume may be used at all: not pending, not being deleted. */
    gboolean (*usable)(void *opaque, const char *volume);
    /* Before each @bytes that are read: 0 to go on, or -1 with @err set, which ends the search. */
    int (*proceed)(void *opaque, guint64 bytes, GError **err);
    void *opaque;
    /* Of the graph (probe/graph.h) that tells which volumes have the size of a layer. Cache NULL: all are looked at. */
    ReplGraphCache *cache;
    const ReplPoolSet *set;
} ReplPresentAsk;

/* The names of the volumes of @target whose files have @size_bytes bytes, or could have; of char *, the caller frees it. NULL with
 * @err set. */
GPtrArray *
replPresentSized(const ReplPresentAsk *ask, const ReplPoolDir *target, guint64 size_bytes, GError **err);

/* Looks for layer @index of @chain among the volumes of @target. @below is the volume of the target
 * that the next lower layer was found as, NULL for a layer without one. Candidates are the files of equal
 * size, format and header; those whose record says where they came from go first, then the contents
 * are compared. A volume that qemu has open for writing is none. @ask may be NULL.
 * Returns 1 with *volume set (the caller's) and what the volume was when it was looked at in *identity, 0 when there is
 * none, -1 with @err set. */
int
replPresentFind(const ReplChain *chain, guint index, const ReplPoolDir *target, const char *below,
                const ReplPresentAsk *ask, char **volume, ReplFileIdentity *identity, GError **err);
