/*
 * farhead.h: the headers of an encrypted layer that is on another host
 *
 * A passphrase is tried before the first byte of data is fetched: what it takes is the header of the file and the LUKS
 * header in it, a few MiB at most.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"

/* A file in memory, of the size of layer @index of @facts, with holes where its data is; the caller's. -1 with @err set. */
int
replFarHeadFetch(ReplSource *source, const ReplSourceFacts *facts, guint index, GError **err);
