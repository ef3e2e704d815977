/*
 * submission.h: vol-create-from with <replication:replicate>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "job/job.h"
#include "peer/pools.h"
#include "region/region.h"
#include "xml/xml.h"

/* Makes a replica of @source in @pool as @xml asks. @region and @sourceRegion are those of the two
 * pools, NULL where a pool has no label. Returns the replica's volume when it is available (or,
 * with async='yes', pending), NULL with the error reported. */
virStorageVolPtr
replSubmit(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml, virStorageVolPtr source,
           const ReplRegion *sourceRegion, unsigned int flags);

/* A source on another host, which has been described and whose rules have been asked there. */
typedef struct {
    const ReplSourceFacts *facts;
    const char *poolUuid; /* what endpoint/open.h finds the source by */
    const char *bundle; /* volume of the bundle that the image is in; NULL: the source is the facts' volume */
    const char *jobId;  /* NULL: a new one */
    ReplSource *source; /* of the facts: freed as soon as they are not needed any more */
} ReplSubmitFrom;

/* The same for a source on another host. @job: if not NULL, nothing is waited for: *job is the job, a reference, or NULL
 * with the error reported. */
virStorageVolPtr
replSubmitDistant(virStoragePoolPtr pool, const ReplRegion *region, const ReplVolXml *xml,
                  const ReplSubmitFrom *from, ReplJob **job, unsigned int flags);

/* The same where the target is the pool @far, of type region, whose peer has no module. @from: NULL where the source is a pool of this
 * host, @sourceRegion. */
virStorageVolPtr
replSubmitFar(virStoragePoolPtr pool, const ReplPeerPoolEntry *far, const ReplVolXml *xml,
              virStorageVolPtr source, const ReplRegion *sourceRegion, const ReplSubmitFrom *from,
              unsigned int flags);
