/*
 * farkey.h: the key of layers that another host converts for this one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* Tries the secrets of this host on headers that the other host makes with its own ones of the same usages, before any layer
 * is made. Returns 0, or -1 with @err set, which says how to mend it: VIR_ERR_NO_SECRET, VIR_ERR_INVALID_SECRET for one without a
 * value, VIR_ERR_AUTH_FAILED for another value. */
int
replFarKeysTry(const ReplPrepared *prepared, GError **err);
