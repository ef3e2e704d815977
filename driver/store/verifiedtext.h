/*
 * verifiedtext.h: what a verification found, as part of an image's record
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/verified.h"
#include "store/text.h"

/* Groups [verified] and [damage N]. */
void
replVerifiedToText(GKeyFile *keys, const ReplVerified *verified);

/* NULL when there is no [verified]. */
ReplVerified *
replVerifiedFromText(ReplTextReader *reader);
