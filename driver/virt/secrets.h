/*
 * secrets.h: keys are libvirt secrets of usage type volume
 *
 * Their values live in ReplSecretBuf only. Errors: VIR_ERR_NO_SECRET when there is no such secret,
 * VIR_ERR_INVALID_SECRET when it has no value; a wrong passphrase is found by driver/luks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/secretbuf.h"
#include "model/image.h"
#include "model/request.h"
#include "virt/virt.h"

/* The UUID of the secret that @ref names, as text; NULL with @err set. */
char *
replSecretsResolve(const ReplSecretRef *ref, GError **err);

/* The usage of the secret @uuid; NULL: there is no such secret, or it is of another type than volume. */
char *
replSecretsUsage(const char *uuid);

/* Remembers for an image that the secret @uuid (NULL: none) opens it, with the usage by which it is found again. */
void
replSecretsBind(ReplImage *image, const char *uuid);

/* The UUID of the secret that opens the image now: the one that is remembered, or one of the same usage when that is gone
 * (defined anew, or on another host). NULL: none is known. */
char *
replSecretsOfImage(const ReplImage *image);

/* The UUID of the default key @usage, which is made (random, private, persistent) when it is
 * missing. NULL with @err set. */
char *
replSecretsDefault(const char *usage, GError **err);

/* The value of a secret, private or not, for the current identity's work. NULL with @err set.
 * @random (may be NULL) tells whether it is a key that we made: no slow derivation protects it
 * better. */
ReplSecretBuf *
replSecretsValue(const char *uuid, gboolean *random, GError **err);

/* QEMU takes passphrases as UTF-8 text alone, so what it is to open must not be locked with others. Returns 0, or -1
 * with VIR_ERR_INVALID_SECRET. */
int
replSecretsCheckText(const char *uuid, const ReplSecretBuf *value, GError **err);

/* The UUID of the secret in stock volume XML (<target><encryption>), or NULL. */
char *
replSecretsOfXml(const char *xml);
