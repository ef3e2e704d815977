/*
 * convertpriv.h: the pieces of converting
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "convert/convert.h"
#include "qemuimg/run.h"

/* The cipher of a request in QEMU's words; @luks borrows from @keep, which the caller frees. The secret and the time are
 * left alone. VIR_ERR_NO_SUPPORT when QEMU has no such cipher. */
typedef struct {
    char *cipher;
} ReplConvertCipher;

int
replConvertCipher(const ReplRequest *request, ReplConvertCipher *keep, ReplQemuLuks *luks, GError **err);

/* Whether @request asks for what our engine makes, too: aes-xts-plain64 with sha256; *keyBytes gets the size of
 * the volume key, 0 for the default. */
gboolean
replConvertCipherIsOurs(const ReplRequest *request, gsize *keyBytes);

/* Whether step @convert of layer @layer keeps its layout, so that our engine can do it exactly. 1, 0 or -1 with @err
 * set. */
int
replConvertIsOurs(const ReplLayer *layer, const ReplConvert *convert, const ReplRequest *request,
                  GError **err);

/* Our engine: whole layers, and key slots. */
int
replConvertByEngine(const ReplConvertJob *job, GError **err);
int
replConvertBySlot(const ReplConvertJob *job, ReplConvertResult *result, GError **err);

/* An empty layer of the source's virtual size, for the step's backing reference. */
int
replConvertByOverlay(const ReplConvertJob *job, GError **err);

/* qemu-img: everything else. */
int
replConvertByQemu(const ReplConvertJob *job, ReplConvertResult *result, GError **err);

/* Sets @err to what qemu-img said in @failed, which is taken: a wrong passphrase of volume @volume has a code of its own. */
void
replConvertQemuError(GError *failed, const char *volume, GError **err);

/* QEMU takes passphrases as text. 0, or -1 with @err set: VIR_ERR_INVALID_SECRET when @secret is none, or is NULL. */
int
replConvertCheckText(const ReplSecretBuf *secret, const char *volume, GError **err);

/* The same for all that qemu-img opens for the step of @job. */
int
replConvertCheckTexts(const ReplConvertJob *job, GError **err);
