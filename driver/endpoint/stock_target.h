/*
 * stock_target.h: a pool of a host without the module, as a target
 *
 * In:    the job's journal, whose record lies in this host's own home, and a line to the pool there.
 * Out:   a target like any other (endpoint/target.h).
 * Owner: as target.h.
 * Lock:  one guards the line, for cancel.
 *
 * Names are held by volumes that are marked as the job's (stock_mark.h); a layer is uploaded but for its first block, which this host
 * keeps in a file of the job; publishing writes these blocks, bases first, the image last. So what is there is an image
 * only when it is whole, and whatever an attempt left is known by its mark, after a restart of this host as well. Nothing
 * is asked of the peer but storage calls that every libvirt has.
 *
 * What the journal's layers say here: holder is the size that the volume was made with, ino the digest of its first block,
 * checkpoint_bytes whether anything was ever sent to it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/journal.h"
#include "endpoint/target.h"
#include "service/holding.h"

/* The target of the job of @journal, if that is a pool of type region; else NULL. Both are borrowed and outlive it. Opens nothing yet. */
ReplTarget *
replStockTarget(ReplJournal *journal, ReplHolding *holding);
