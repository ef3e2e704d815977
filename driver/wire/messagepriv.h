/*
 * messagepriv.h: what the files of messages share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "wire/bytes.h"

/* Sets @err (VIR_ERR_RPC), naming the message; returns -1. */
int
replWireBad(const char *message, GError **err);

/* A UUID in canonical form; anything else is wrong. */
char *
replWireNeedUuid(ReplWireIn *in);
