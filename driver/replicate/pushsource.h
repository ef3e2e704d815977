/*
 * pushsource.h: the image that a push reads, as it is to leave this host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "job/job.h"
#include "store/jobrecord.h"
#include "virt/virt.h"

/* Opens, holds, describes and pins the source of the push that @record says, in the form that its request asks for (formed.h). Keys are
 * loaded with the rights of @identity (NULL: the daemon's); conversions go on for as long as @job does. NULL with @err set:
 * VIR_ERR_OPERATION_DENIED when a layer was no part of the chain when the request came. */
ReplSource *
replPushSourceOpen(const ReplJobRecord *record, ReplVirtIdentity *identity, ReplJob *job, GError **err);

/* Drops layers that were converted for the push. */
void
replPushSourceDropMade(const ReplJobRecord *record);
