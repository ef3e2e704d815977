/*
 * stockshape.c: a module with a table like that of the stock storage driver
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifndef MORE
#define MORE 0
#endif

static int
entry(void)
{
    return 0;
}

#define E (const void *)entry
#define E5 E, E, E, E, E

/* One object, so that the order is ours: a word that is no pointer on either side. */
__attribute__((visibility("default"))) extern const struct {
    long before;
    const void *table[46 + MORE];
    long after;
} stock;

const __typeof__(stock) stock = {
    .before = 1,
    .table = {"storage", E5, E5, E5, E5, E5, E5, E5, E5, E5,
#if MORE
              E
#endif
    },
    .after = 1,
};
