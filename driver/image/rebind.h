/*
 * rebind.h: which key opens a volume, said anew
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/request.h"
#include "region/region.h"

/* Remembers that the secret @ref opens @volume, once its passphrase was tried on the volume's header. Returns 0, or -1
 * with @err set: VIR_ERR_AUTH_FAILED when it does not open it, VIR_ERR_OPERATION_INVALID when the volume is not
 * encrypted, as replConvertUnlock and replSecretsValue else. */
int
replRebind(const ReplRegion *region, const char *volume, const ReplSecretRef *ref, GError **err);
