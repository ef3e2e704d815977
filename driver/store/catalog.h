/*
 * catalog.h: which image has which id, and which ones are shared: a table in memory
 *
 * Filled once from the records of a staging folder and then kept as record.c writes and drops them. Thread-safe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"

typedef struct _ReplCatalog ReplCatalog;

ReplCatalog *
replCatalogNew(void);

void
replCatalogFree(ReplCatalog *catalog);

/* Fills the table unless it is filled: @load gives each record to @take and returns 0, or -1 when it cannot. */
int
replCatalogEnsure(ReplCatalog *catalog,
                  int (*load)(void (*take)(const char *volume, const ReplImage *image, void *opaque),
                              void *opaque, void *source),
                  void *source);

/* Forgets everything, to be filled again. */
void
replCatalogReset(ReplCatalog *catalog);

/* The record of @volume is @image now; NULL: it is gone. No effect on a table that is not filled. */
void
replCatalogNote(ReplCatalog *catalog, const char *volume, const ReplImage *image);

/* The volume of the image @id; NULL: none. */
char *
replCatalogFind(ReplCatalog *catalog, const char *id);

/* Runs with the table locked: must be short. */
typedef void (*ReplCatalogVisit)(const char *volume, const char *id, const ReplShare *share, void *opaque);

/* Shows every share of every image. */
void
replCatalogEachShare(ReplCatalog *catalog, ReplCatalogVisit visit, void *opaque);
