/*
 * lend.h: images of this host that a job on another host reads
 *
 * In:    a pull: which job, in which session, of which volume.
 * Out:   the image, described, held and served (endpoint/serve.h), from one session of the job to the next.
 * Owner: the table in here. A session borrows what is lent to its job while it is the newest of that job.
 * Lock:  one, inside; disks are not waited for under it.
 *
 * A lent image is pinned and held as for a job of this host, and its pool shows that (service/loans.h). When the session of the
 * job is lost it stays lent for the configured time, so that the job can go on; when the session says goodbye, or nobody
 * has come back by then, or this host's administrator wants it, it is let go of.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/serve.h"
#include "region/region.h"
#include "wire/messages.h"

typedef struct _ReplLent ReplLent;

/* What is to be lent, and to whom. */
typedef struct {
    const ReplRegion *region;
    const char *volume;
    const ReplWireHello *hello;
    const char *caller; /* as access control knows it, NULL: not at all */
    ReplSession *session;
} ReplLendTo;

/* @may is asked about the chain before anything of it leaves. When the image is lent to this job already,
 * only the same caller may take it over, in a newer session; the older session is ended then. NULL with @err
 * set (VIR_ERR_OPERATION_INVALID: a newer session of this job is there). */
ReplLent *
replLendTake(const ReplLendTo *to, ReplServeMay may, void *opaque, GError **err);

/* Answers questions of the session that took it. */
ReplServe *
replLentServe(ReplLent *lent);

/* Called by the session's thread when @session is over. @goodbye: the job has said that it is done, and the
 * image is let go of at once. Otherwise waits up to @wait_s for the job to come back in another session, and
 * lets go of the image when it does not. */
void
replLendReturn(ReplLent *lent, ReplSession *session, gboolean goodbye, guint wait_s);

/* Whether a job of another host reads the image now, or may come back for it. */
gboolean
replLendHas(const char *poolUuid, const char *volume);

/* Lets go of the image, which is free when this returns; the hosts that read it are refused it for a minute. */
void
replLendEnd(const char *poolUuid, const char *volume);

/* The daemon stops: nobody waits any more. */
void
replLendStop(void);
