/*
 * lies.h: the one message for a bundle that cannot be believed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/error.h"

/* Sets @err to VIR_ERR_OPERATION_INVALID: bundle @what cannot be used, @why being half a sentence. Returns -1. */
static inline int
replBundleLies(const char *what, const char *why, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Bundle '%s' cannot be used: %s"), what, why);
    return -1;
}
