/*
 * recordfind.h: records by what is in them, without reading each
 *
 * What another host writes into a folder on shared storage shows after replRecordsReset(), which pool-refresh calls.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "store/catalog.h"
#include "store/staging.h"

/* The volume whose record has @id; NULL: none. */
char *
replRecordFindId(ReplStaging *staging, const char *id);

/* Shows every share of every image to @visit, which must be short and not call store/. */
void
replRecordEachShare(ReplStaging *staging, ReplCatalogVisit visit, void *opaque);

/* Forgets what was read, to be read again when it is next asked for. */
void
replRecordsReset(ReplStaging *staging);
