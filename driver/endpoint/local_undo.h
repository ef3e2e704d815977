/*
 * local_undo.h: what a job has in a pool of this host is given back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/localpriv.h"

/* Gives back the name of @layer, which is not the image, and its file if that is in place and nothing else needs it by now;
 * not its partial file. @layer is the caller's copy. Takes the lock of deletions. Returns 0, or -1 with @err set. */
int
replLocalGiveBack(ReplLocalTarget *target, const ReplJobLayer *layer, GError **err);
