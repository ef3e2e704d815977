/*
 * amount.h: amounts of bytes as people read them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* "129 GiB (138512695296 bytes)", "1.5 KiB (1536 bytes)", "512 bytes": the first to read, the second to compare with
 * other tools. The caller frees. */
char *
replAmount(guint64 bytes);
