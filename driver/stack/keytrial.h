/*
 * keytrial.h: passphrases are tried on their layers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "stack/work.h"

/* Tries attempt->sourceSecrets, each on its layer, and fills attempt->sourceKeys with the volume keys that this tells.
 * Where a
 * layer gets a new key slot only, attempt->secret must not open it already (replConvertCheckFresh). Returns 0, or -1 with
 * @err set as by those: the error of one layer. */
int
replKeysTry(ReplAttempt *attempt, GError **err);
