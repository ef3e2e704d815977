/*
 * loans.h: images of this host that jobs of other hosts read now, as its administrator sees them
 *
 * In:    the code that lends them (stack/lend.h).
 * Out:   pools show what is lent of them (image/overview.h).
 * Lock:  one, inside. Every function may be called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/overview.h"

/* Image @volume of the pool is lent to host @host. Once for each @id. */
void
replLoansAdd(const char *poolUuid, const char *volume, const char *id, const char *host);

/* Whether the other host has gone and may come back. Nothing when there is no such loan. */
void
replLoansSetWaiting(const char *id, gboolean waiting);

void
replLoansRemove(const char *id);

/* Those of a pool, the oldest first: of ReplOverviewLoan, the caller's. */
GPtrArray *
replLoansList(const char *poolUuid);
