/*
 * size.h: amounts as people read and write them; pure
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* "10GiB", "10G", "1.5 TiB" (1024), "10GB" (1000), "512" and "512B" (bytes). */
bool
replSizeParse(const char *text, guint64 *bytes);

/* The same with "/s" behind it, which may be missing; the unit may not, and 0 is no rate. */
bool
replRateParse(const char *text, guint64 *bytes);

/* "0 B", "640 MiB", "1.25 GiB": three digits. The caller frees. */
char *
replSizeText(guint64 bytes);

/* The same with "/s". */
char *
replRateText(guint64 bytes);

/* Seconds as "0:04", "12:30", "3:02:11", "2 d 04 h"; "-" for less than 0. The caller frees. */
char *
replTimeText(gint64 seconds);

/* A moment by the locale; "-" for 0. The caller frees. */
char *
replDateText(gint64 when);
