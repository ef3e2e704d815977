/*
 * submissionpriv.h: a request on its way to a job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "job/job.h"
#include "model/image.h"
#include "model/request.h"
#include "peer/pools.h"
#include "region/region.h"
#include "xml/xml.h"

/* A data disk of the full machine that is asked for; its replica has the volume's name. */
typedef struct {
    char *volume;
    char *placeholder; /* XML of an empty volume of that name */
    ReplImage *image;  /* of the source */
} ReplSubmissionMember;

/* One request on its way to a job. */
typedef struct {
    virStoragePoolPtr pool;
    virConnectPtr conn;
    const ReplRegion *target;
    const ReplRegion *source;
    ReplRegion *transit; /* owned: the target, where it has no label and gets a bundle */
    const ReplRequest *request;
    const char *jobId; /* given by another host; NULL: a new one */
    gboolean distant;  /* the source is on another host, which asks its own rules, or in a bundle */
    gboolean bundled;  /* it is in a bundle */
    const ReplPeerPoolEntry *far; /* the target on a host without the module; target is what is known of it */
    char *volume;                 /* the source's */
    char *replica;                /* the replica's */
    char *placeholder;            /* XML of an empty volume of that name */
    ReplImage *image;             /* of the source */
    GPtrArray *members;           /* of ReplSubmissionMember */
    ReplStaging *staging;         /* the target's; NULL: it has none */
    ReplStaging *home;            /* of the job */
    /* The source is another project's, and an accepted share stands for the right to read it. */
    gboolean shared;
} ReplSubmission;

/* Notes the data disks of the source, and checks that the requester may make their replicas and read them. @facts: of a
 * source on another host, NULL: it is on this one. Returns 0, or -1 with the error reported. */
int
replSubmissionAddMembers(ReplSubmission *r, const ReplVolXml *xml, const ReplSourceFacts *facts,
                         unsigned int flags);

/* Plans, takes the name and puts the job in the queue. NULL with the error reported. */
ReplJob *
replSubmissionQueue(const ReplSubmission *r);
