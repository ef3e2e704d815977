/*
 * shape.h: how the stock module's table lies in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Each pointer of a constant table to functions of the same module is a relocation, and the table's end is where these
 * end: a table that has got an entry more is a longer run, whatever its header says.
 *
 * Returns how many words in a row, from @table on, the module @handle (of dlopen) relocates to addresses in itself; 0 when the
 * word before @table is relocated, too, for then the table does not begin there, or when it cannot be told. */
gsize
replShapeRun(void *handle, const void *table);
