/*
 * jobtext.h: jobs and requests as groups of a key file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/jobinfo.h"
#include "model/request.h"
#include "store/text.h"

/* Groups [job], [step 0], ... */
void
replJobInfoToText(GKeyFile *keys, const ReplJobInfo *info);

/* NULL when there is no [job]; after a fault of @reader a partly filled one or NULL. */
ReplJobInfo *
replJobInfoFromText(ReplTextReader *reader);

/* Group [request]. */
void
replRequestToText(GKeyFile *keys, const ReplRequest *req);

/* Whether @a and @b ask for the same replica: each field of theirs is the same as ReplFieldSame says. */
gboolean
replRequestIsSame(const ReplRequest *a, const ReplRequest *b);

ReplRequest *
replRequestFromText(ReplTextReader *reader);

/* Group @group with the fields of @identity. */
void
replIdentityToText(GKeyFile *keys, const char *group, const ReplFileIdentity *identity);

void
replIdentityFromText(ReplTextReader *reader, const char *group, ReplFileIdentity *identity);
