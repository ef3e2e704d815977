/*
 * quota.h: stock calls that make or grow volumes of a region pool are held to its quota
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

/* Around a stock call that adds @adds to the pool: checked against the quota with all that jobs and other such calls are
 * going to add, and reserved until replQuotaLeave. Returns 0, or -1 with VIR_ERR_OPERATION_DENIED as plans have it, and
 * nothing reserved. Does nothing for a pool without a quota. */
int
replQuotaEnter(const ReplRegion *region, const char *volume, const ReplAmounts *adds, GError **err);

void
replQuotaLeave(const ReplRegion *region, const ReplAmounts *adds);

/* The same around the moment in which a job begins to be counted among the pool's jobs: checked as above, and no other
 * request is checked until replQuotaEnd, which is called only when this has returned 0. So of two requests for the last
 * bytes of a quota one is refused, and no bytes are counted both as reserved and as a job's. */
int
replQuotaBegin(const ReplRegion *region, const char *volume, const ReplAmounts *adds, GError **err);

void
replQuotaEnd(const ReplRegion *region);
