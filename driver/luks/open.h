/*
 * open.h: the LUKS header inside a layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "luks/convert.h"
#include "luks/header.h"
#include "qcow2/header.h"

/* The volume key of the source of @params: the one that is known, or what its passphrase opens. NULL with @err set:
 * VIR_ERR_INVALID_SECRET when there is none, VIR_ERR_NO_SUPPORT when the cipher is not ours, VIR_ERR_AUTH_FAILED when
 * the passphrase opens nothing. */
ReplSecretBuf *
replLuksOpenQcow2(int fd, const ReplQcow2Header *header, const ReplLuksConvert *params, GError **err);

/* The same for a raw LUKS file; *payload_bytes: where the data begins. */
ReplSecretBuf *
replLuksOpenRaw(int fd, const ReplLuksConvert *params, guint64 *payload_bytes, GError **err);
