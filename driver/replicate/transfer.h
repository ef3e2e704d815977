/*
 * transfer.h: the layers of a plan become partial files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"
#include "replicate/prepared.h"

/* Writes all layers into partial files. */
int
replTransferRun(ReplJob *job, ReplReplication *replication, GError **err);

/* Proves that sources did not change and partial files are what was planned. */
int
replTransferVerify(ReplJob *job, ReplReplication *replication, GError **err);
