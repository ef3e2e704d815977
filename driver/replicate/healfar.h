/*
 * healfar.h: damaged blocks are fetched from other hosts
 *
 * In:    the volumes of pools of type region that the check's record names (stack/fardonors.h).
 * Out:   blocks that fit their digests, and nothing else: a block is the only thing that travels, besides a description of each
 *        chain that is asked.
 * Owner: one healing; it holds the images there until it is freed.
 * Lock:  none: it is the job's thread's alone, but that check->asked ends its waits.
 *
 * A host is asked only for what no volume here has. One that is away, has no module, is of another project or lets its image
 * not be read is passed over, and so is one whose blocks do not fit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/checkpriv.h"

typedef struct _ReplHealFar ReplHealFar;

/* For the damaged layers of @check; asks nobody yet. */
ReplHealFar *
replHealFarNew(ReplCheck *check);

void
replHealFarFree(ReplHealFar *far);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplHealFar, replHealFarFree)

/* From here on blocks of the layer @broken are fetched, whose record is @own (NULL: none). Both are borrowed. */
void
replHealFarLayer(ReplHealFar *far, const ReplBrokenLayer *broken, const ReplImage *own);

/* Puts the block of @len bytes at @offset that fits @sum into @buf (which has room for REPL_READER_SLACK_BYTES more). Returns
 * whether there is one. May wait for hosts. */
gboolean
replHealFarFetch(ReplHealFar *far, guint64 offset, gsize len, const guint8 *sum, guint8 *buf);
