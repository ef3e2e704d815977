/*
 * transfer.h: the layers of a plan are written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "replicate/prepared.h"

/* Writes all layers, bases first. */
int
replTransferRun(ReplJob *job, ReplReplication *replication, GError **err);

/* Proves that the source did not change and the layers are what was planned. */
int
replTransferVerify(ReplJob *job, ReplReplication *replication, GError **err);
