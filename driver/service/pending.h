/*
 * pending.h: what a client does with a replica that is not there yet
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "job/job.h"

/* Cancels the job and waits until nothing is left of it. Returns 0; 1 when it completed instead,
 * because it was publishing already; or -1 with @err set. */
int
replPendingCancel(ReplJob *job, GError **err);
