/*
 * recordfind.c: records by what is in them, without reading each
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/recordfind.h"

#include "store/record.h"
#include "store/stagingpriv.h"

static int
replRecordFindLoad(void (*take)(const char *volume, const ReplImage *image, void *opaque), void *opaque,
                   void *staging)
{
    return replRecordEach(staging, take, opaque, NULL);
}

char *
replRecordFindId(ReplStaging *staging, const char *id)
{
    if (replCatalogEnsure(staging->catalog, replRecordFindLoad, staging) < 0)
        return NULL;
    return replCatalogFind(staging->catalog, id);
}

void
replRecordEachShare(ReplStaging *staging, ReplCatalogVisit visit, void *opaque)
{
    if (replCatalogEnsure(staging->catalog, replRecordFindLoad, staging) == 0)
        replCatalogEachShare(staging->catalog, visit, opaque);
}

void
replRecordsReset(ReplStaging *staging)
{
    replCatalogReset(staging->catalog);
}
