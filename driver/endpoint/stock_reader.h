/*
 * stock_reader.h: the bytes of a volume on a peer without the module, in order
 *
 * In:    a line to its pool, the volume, and how large it is.
 * Out:   a reader (copy/reader.h).
 * Owner: the caller's; it holds a reference to the line.
 * Lock:  one of its own guards the pieces.
 *
 * The volume comes in ranges of 16 MiB by sparse downloads, two of them ahead of what is read: libvirt's client queues what
 * arrives without limit, so a range bounds the memory, and a connection that breaks costs no more than the ranges that were on
 * their way. Over holes the ranges grow, and one that meets data ends early.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/reader.h"
#include "peer/line.h"

ReplReader *
replStockReaderNew(ReplLine *line, const char *volume, guint64 size_bytes);
