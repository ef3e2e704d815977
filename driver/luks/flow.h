/*
 * flow.h: what happens to the bytes of a layer on their way into its converted copy
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "luks/layout.h"
#include "luks/xts.h"

typedef struct {
    const ReplLuksLayout *layout;
    ReplXts *decrypt; /* NULL: the source is plain */
    ReplXts *encrypt; /* NULL: the target is plain */
} ReplLuksFlow;

/* The apply function of a ReplTransform whose opaque is a ReplLuksFlow; for the kinds of layout.h.
 * Pieces may be cut at any multiple of replLuksFlowAlign bytes. */
int
replLuksFlowApply(void *flow, const ReplExtent *part, guint8 *buf, GError **err);

guint
replLuksFlowAlign(const ReplLuksLayout *layout);
