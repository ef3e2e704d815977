/*
 * plannote.h: a plan goes into the record of its job, and pins its volumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* Puts the plan into the record, keeping what an earlier attempt got done, and pins all volumes. */
void
replPlanNote(ReplReplication *replication, const ReplPrepared *prepared);
