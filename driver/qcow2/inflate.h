/*
 * inflate.h: compressed clusters
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Inflates one cluster: @in of at most @inLen bytes (what follows the stream is ignored) into exactly
 * @outLen bytes. @compression is REPL_QCOW2_COMPRESSION_…. Returns 0, or -1 when the data is damaged. */
int
replQcow2Inflate(guint32 compression, const guint8 *in, gsize inLen, guint8 *out, gsize outLen);
