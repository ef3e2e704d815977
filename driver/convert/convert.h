/*
 * convert.h: a layer is written in another form
 *
 * What can be done exactly is done by our own engine (luks/), everything else by qemu-img at its best, and either
 * way the result is looked at before anybody trusts it.
 *
 * look (before the plan) -> plan -> run, for each step whose action is REPL_STEP_CONVERT
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/secretbuf.h"
#include "copy/copy.h"
#include "luks/header.h"
#include "plan/plan.h"
#include "probe/chain.h"

/* How much qemu-img may take. Looks at images that nobody has judged yet are kept short; a conversion may take as
 * long as it makes progress. */
typedef struct {
    guint lookTime_s;         /* ReplConfig's helperTime_s, CPU time */
    guint64 lookMemory_bytes; /* ReplConfig's helperMemory_bytes, address space */
} ReplConvertLimits;

/* Judges layers in formats that are read by qemu-img alone, and sets their virtualSize_bytes. Without any such layer
 * nothing is done. Call it right after replChainOpen() (and Lock). Returns 0, or -1 with @err set:
 * VIR_ERR_OPERATION_FAILED when qemu-img cannot read one or runs into a limit. */
int
replConvertLook(ReplChain *chain, const ReplConvertLimits *limits, GError **err);

/* Completes @layers (replConvertLayersNew() of @chain) by what planning @request needs to know: what can get a new key
 * slot, what qemu-img has to do and loses, how much will be written. Costs nothing when @request converts
 * nothing. Needs no key. Returns 0, or -1 with @err set: VIR_ERR_NO_SUPPORT for encryption that neither our engine nor
 * qemu-img knows and for unknown cipher options, VIR_ERR_OPERATION_INVALID for malformed layers,
 * VIR_ERR_OPERATION_FAILED as above. */
int
replConvertFacts(const ReplChain *chain, const ReplRequest *request, const ReplConvertLimits *limits,
                 ReplPlanLayer *layers, GError **err);

/* Tries @passphrase on @layer, which is encrypted, before anybody relies on it. Returns 0, with *key set to its volume
 * key, or to NULL where only QEMU can open it, or -1 with @err set: VIR_ERR_AUTH_FAILED when the passphrase does not
 * open it, VIR_ERR_INVALID_SECRET when it is no text where qemu-img needs text, VIR_ERR_OPERATION_INVALID for
 * another version of LUKS, VIR_ERR_OPERATION_FAILED for a cipher that QEMU does not know either. (QEMU's legacy encryption opens with anything.) */
int
replConvertUnlock(const ReplLayer *layer, const ReplSecretBuf *passphrase, const ReplConvertLimits *limits,
                  ReplSecretBuf **key, GError **err);

/* The same where only the headers of the layer are in @fd (replicate/farhead.h): what QEMU alone can open is not tried, and its
 * *key is NULL. */
int
replConvertUnlockHead(int fd, const char *volume, const ReplSecretBuf *passphrase, ReplSecretBuf **key,
                      GError **err);

/* Whether @fresh may become the only passphrase of layer @fd, which @old opens: it must not open it already, or whoever
 * knew it before would still have the key. Returns 0, or -1 with @err set: VIR_ERR_INVALID_ARG. */
int
replConvertCheckFresh(int fd, const char *volume, const ReplSecretBuf *old, const ReplSecretBuf *fresh,
                      GError **err);

typedef struct {
    const ReplChain *chain; /* opened and locked */
    const ReplPlanStep *step;
    /* Where the layer goes; empty. Our own engine writes to any writer. qemu-img, key slots (rekey='slot') and empty
     * overlays need a regular file behind it (replWriterFd), or the step is refused with VIR_ERR_NO_SUPPORT. */
    ReplWriter *target;
    /* Passphrases of the source's layers, one element for each layer of @chain, NULL where plain; @sources itself may
     * be NULL when all are. For a layer on top of others qemu-img may need theirs, too. */
    const ReplSecretBuf *const *sources;
    /* Their volume keys, the same, where replConvertUnlock() told them: spares a slow derivation. May be NULL. */
    const ReplSecretBuf *const *keys;
    const ReplSecretBuf *secret; /* of the target, NULL: plain. With encryption='keep' it is the source's. */
    ReplLuksKdf kdf;             /* how good @secret is */
    const ReplRequest *request;  /* for the cipher options */
    ReplConvertLimits limits;
    const ReplCopyWatch *watch; /* may be NULL; is told of step->bytes in all */
} ReplConvertJob;

/* Who did it. */
typedef enum {
    REPL_CONVERT_BY_ENGINE,
    REPL_CONVERT_BY_QEMU_IMG,
    REPL_CONVERT_BY_SLOT, /* bytes as they were, behind another passphrase */
} ReplConvertWay;

/* What became of it. */
typedef struct {
    ReplConvertWay way;
    gboolean cloned;     /* BY_SLOT: the file system shares the blocks */
    guint snapshotsLost; /* internal snapshots that the new layer has not */
    guint bitmapsLost;   /* persistent dirty bitmaps, the same */
} ReplConvertResult;

/* The secrets of @job as far as its step is qemu-img's work, which takes text only and opens the layers below, too. The
 * target is not looked at, and a secret that is not there yet is passed over. 0, or -1 with VIR_ERR_INVALID_SECRET. */
int
replConvertCheckSecrets(const ReplConvertJob *job, GError **err);

/* Whether replConvertRun() of @job needs a regular file behind the target: 1, 0, or -1 with @err set. The target is not
 * looked at. */
int
replConvertNeedsFile(const ReplConvertJob *job, GError **err);

/* Makes the layer of @job->step in the target: converted, its backing reference as the step says, synced, and
 * checked (its header, where there is a file to read it from, and by qemu-img check where qemu-img made it). Cancelled by the watch within a second; nothing of
 * it can be resumed, the target has to be emptied first. Returns 0 with @result set, or -1 with @err set:
 * VIR_ERR_AUTH_FAILED for a wrong passphrase, VIR_ERR_INVALID_SECRET when one is missing or is no text where qemu-img
 * needs text, VIR_ERR_OPERATION_FAILED when qemu-img fails or its result is not what it has to be, what the
 * watch says, VIR_ERR_SYSTEM_ERROR. */
int
replConvertRun(const ReplConvertJob *job, ReplConvertResult *result, GError **err);
