/*
 * table.h: rows in aligned columns
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "term.h"

typedef struct _ReplTable ReplTable;

/* @titles: translated, ends with NULL; one that begins with '>' makes its column end at the right.
 */
ReplTable *
replTableNew(const ReplTerm *term, const char *const *titles);
void
replTableFree(ReplTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplTable, replTableFree)

/* Adds a cell; a row is full after as many as there are titles. NULL shows as "-". */
void
replTableAdd(ReplTable *table, const char *text);
void
replTableAddColored(ReplTable *table, const char *text, ReplColor color);

/* The same, and takes over the text. */
void
replTableTake(ReplTable *table, char *text);

/* The whole table as text; lines end at the width of the terminal. The caller frees. */
char *
replTableText(const ReplTable *table);

/* Prints it, or @empty when it has no rows (nothing when @empty is NULL). */
void
replTablePrint(const ReplTable *table, const char *empty);
