/*
 * keys.h: the keys that an attempt needs, before anything is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "replicate/prepared.h"

/* Where volume keys come from. */
typedef enum {
    REPL_KEYS_TRY,  /* each passphrase is tried on its layer now, which tells the key */
    REPL_KEYS_KEPT, /* those that replKeysKeep() kept; a layer without one is opened when it is converted */
} ReplKeysWay;

/* Loads the passphrases of the encrypted layers that are to be converted, and that of the target; what @prepared has
 * already stays. Returns 0, or -1 with @err set: VIR_ERR_NO_SECRET when no secret is known or it does not exist,
 * VIR_ERR_INVALID_SECRET when it has no value, VIR_ERR_AUTH_FAILED when it is the wrong one. */
int
replKeysLoad(ReplReplication *replication, ReplPrepared *prepared, ReplKeysWay way, GError **err);

/* The same by @request alone, each passphrase tried: for an image that is converted before it leaves (formed.h). */
int
replKeysLoadFor(const ReplRequest *request, ReplPrepared *prepared, GError **err);

/* Keeps the volume keys that @prepared has found out for the next attempt at @replication, so that
 * nothing is derived twice: a slow passphrase takes seconds a layer. They are good for as long as
 * the layer and its secret are the same. */
void
replKeysKeep(ReplReplication *replication, ReplPrepared *prepared);

/* Drops them. */
void
replKeysForget(ReplReplication *replication);

/* What @step, which converts, does to a layer: a word for ReplConversion's action. */
const char *
replKeysAction(const ReplPrepared *prepared, const ReplPlanStep *step);

/* Writes into the record of a layer which secret opens it now, how it came to that, and at whose
 * request. */
void
replKeysRecord(const ReplReplication *replication, const ReplPlanStep *step, ReplImage *image);
