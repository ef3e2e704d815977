/*
 * jobmember.h: the data disks of a full machine in the record of the job that replicates it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "store/jobrecord.h"
#include "store/text.h"

/* Groups [member 0], ... */
void
replJobMembersToText(GKeyFile *keys, const GPtrArray *members);

void
replJobMembersFromText(ReplTextReader *r, GPtrArray *members);
