/*
 * nearest.h: the right word that is nearest to a wrong one; pure
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* How many characters have to be put in, taken out, changed or swapped with their neighbour, letter
 * case aside. */
guint
replNearestDistance(const char *a, const char *b);

/* The word of @words (ends with NULL) that @wrong was most likely meant to be: one with few letters wrong, or the shortest that
 * it begins. NULL when there is none. */
const char *
replNearest(const char *wrong, const char *const *words);
