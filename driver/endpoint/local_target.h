/*
 * local_target.h: a region pool of this host, as a target
 *
 * Names are held by empty volumes made through the stock driver; layers are written to partial files in the pool's staging
 * folder, and put in place by a rename over the empty volume. What it holds and has written stands in the journal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/journal.h"
#include "endpoint/target.h"
#include "service/holding.h"

/* Nothing is opened yet. @journal and @holding (told which names are held) are borrowed and outlive it. */
ReplTarget *
replLocalTargetNew(ReplJournal *journal, ReplHolding *holding);
