/*
 * keytrial.h: passphrases are tried on their layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* Tries prepared->sourceSecrets, each on its layer, and fills prepared->sourceKeys with the volume
 * keys that this tells. Where a layer gets a new key slot only, prepared->secret must not open it
 * already (replConvertCheckFresh). Returns 0, or -1 with
 * @err set as by those: the error of one layer. */
int
replKeysTry(ReplPrepared *prepared, GError **err);
