/*
 * nearest.c: the right word that is nearest to a wrong one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "nearest.h"

#include <string.h>

/* Longer words are cut: nobody types a name of that length by hand. */
#define REPL_NEAREST_MAX 64

guint
replNearestDistance(const char *a, const char *b)
{
    guint rows[3][REPL_NEAREST_MAX + 1];
    guint alen = (guint)MIN(strlen(a), REPL_NEAREST_MAX);
    guint blen = (guint)MIN(strlen(b), REPL_NEAREST_MAX);
    guint i, j;

    for (j = 0; j <= blen; j++)
        rows[0][j] = j;
    for (i = 1; i <= alen; i++) {
        guint *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

        now[0] = i;
        for (j = 1; j <= blen; j++) {
            char x = g_ascii_tolower(a[i - 1]), y = g_ascii_tolower(b[j - 1]);
            guint best = MIN(now[j - 1], before[j]) + 1;

            best = MIN(best, before[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == g_ascii_tolower(b[j - 2]) && y == g_ascii_tolower(a[i - 2]))
                best = MIN(best, earlier[j - 2] + 1);
            now[j] = best;
        }
    }
    return rows[alen % 3][blen];
}

/* The shortest word that @beginning begins. */
static const char *
replNearestBegun(const char *beginning, const char *const *words)
{
    const char *best = NULL;

    for (; strlen(beginning) > 1 && *words; words++) {
        if (g_ascii_strncasecmp(*words, beginning, strlen(beginning)) == 0 &&
            (!best || strlen(*words) < strlen(best)))
            best = *words;
    }
    return best;
}

const char *
replNearest(const char *wrong, const char *const *words)
{
    guint most = MAX((guint)strlen(wrong) / 3, 1);
    const char *best = NULL;
    const char *const *all = words;

    for (; *words; words++) {
        guint distance = replNearestDistance(wrong, *words);

        if (distance <= most && (!best || distance < most)) {
            most = distance;
            best = *words;
        }
    }
    return best ? best : replNearestBegun(wrong, all);
}
