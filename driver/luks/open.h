/*
 * open.h: the LUKS header inside a layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "luks/header.h"
#include "qcow2/header.h"

/* The LUKS header of qcow2 file @fd, whose qcow2 header is @header, read into memory. NULL with @err set:
 * VIR_ERR_NO_SUPPORT when it is encrypted in the legacy way. */
ReplLuksHeader *
replLuksOfQcow2(int fd, const ReplQcow2Header *header, const char *what, GError **err);

/* The volume key. @passphrase may be NULL: VIR_ERR_INVALID_SECRET. VIR_ERR_NO_SUPPORT when the cipher is not ours,
 * VIR_ERR_AUTH_FAILED when the passphrase opens nothing. */
ReplSecretBuf *
replLuksOpenQcow2(int fd, const ReplQcow2Header *header, const char *what, const ReplSecretBuf *passphrase,
                  GError **err);

/* The same for a raw LUKS file; *payload_bytes: where the data begins. */
ReplSecretBuf *
replLuksOpenRaw(int fd, const char *what, const ReplSecretBuf *passphrase, guint64 *payload_bytes,
                GError **err);
