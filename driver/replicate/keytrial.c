/*
 * keytrial.c: passphrases are tried on their layers
 *
 * That is seconds of CPU time for each layer whose passphrase is slow to guess, and is spread over
 * the processors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/keytrial.h"

#include "base/fd.h"
#include "base/lock.h"
#include "base/thread.h"
#include "convert/convert.h"
#include "replicate/farhead.h"
#include "service/service.h"

/* All requests together run one derivation for each processor. */
static ReplLock replKeyTrialLock = REPL_LOCK_INIT;
static guint replKeyTrialBusy;

static void
replKeyTrialEnter(void)
{
    replLockTake(&replKeyTrialLock);
    while (replKeyTrialBusy >= g_get_num_processors())
        replLockWait(&replKeyTrialLock);
    replKeyTrialBusy++;
    replLockDrop(&replKeyTrialLock);
}

static void
replKeyTrialLeave(void)
{
    replLockTake(&replKeyTrialLock);
    replKeyTrialBusy--;
    replLockWake(&replKeyTrialLock);
    replLockDrop(&replKeyTrialLock);
}

typedef struct {
    ReplPrepared *prepared;
    ReplConvertLimits limits;
    gint next;       /* atomic: the first layer that no thread has taken yet */
    gint failed;     /* atomic: a layer has failed: do not begin others */
    GError **errors; /* by layer */
} ReplKeyTrial;

/* Whether layer @index gets a new key slot and nothing else. */
static gboolean
replKeyTrialIsSlot(const ReplPrepared *prepared, guint index)
{
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);

        if (step->layer == index)
            return step->action == REPL_STEP_CONVERT && step->convert.rekey == REPL_REKEY_SLOT &&
                   step->convert.fromEncrypted && step->convert.toEncrypted;
    }
    return FALSE;
}

/* Opens layer @index by its passphrase; *fd: the layer, or where there is no chain of files a file of its headers, the
 * caller's. */
static int
replKeyTrialUnlock(const ReplKeyTrial *trial, guint index, ReplSecretBuf **key, int *fd, GError **err)
{
    ReplPrepared *prepared = trial->prepared;
    const ReplChain *chain = replSourceChain(prepared->source);
    const ReplSecretBuf *passphrase = prepared->sourceSecrets->pdata[index];
    const ReplLayer *layer = chain ? replChainLayer(chain, index) : NULL;

    if (layer) {
        *fd = layer->fd;
        return replConvertUnlock(layer, passphrase, &trial->limits, key, err);
    }
    if ((*fd = replFarHeadFetch(prepared->source, prepared->facts, index, err)) < 0)
        return -1;
    return replConvertUnlockHead(*fd, prepared->facts->layers[index].volume, passphrase, key, err);
}

static int
replKeyTrialLayer(const ReplKeyTrial *trial, guint index, GError **err)
{
    ReplPrepared *prepared = trial->prepared;
    const ReplPlanLayer *layer = &prepared->facts->layers[index];
    const ReplSecretBuf *fresh = replPreparedKey(prepared, layer->disk)->secret;
    ReplSecretBuf *key = NULL;
    int fd = -1;
    int rc = replKeyTrialUnlock(trial, index, &key, &fd, err);

    prepared->sourceKeys->pdata[index] = key;
    if (rc == 0 && fresh && replKeyTrialIsSlot(prepared, index))
        rc = replConvertCheckFresh(fd, layer->volume, prepared->sourceSecrets->pdata[index], fresh, err);
    if (!replSourceChain(prepared->source))
        replFdClose(fd);
    return rc;
}

static gpointer
replKeyTrialRun(gpointer opaque)
{
    ReplKeyTrial *trial = opaque;
    const ReplPrepared *prepared = trial->prepared;

    for (;;) {
        guint index = (guint)g_atomic_int_add(&trial->next, 1);

        if (index >= prepared->sourceSecrets->len || g_atomic_int_get(&trial->failed))
            return NULL;
        if (!prepared->sourceSecrets->pdata[index])
            continue;
        replKeyTrialEnter();
        if (replKeyTrialLayer(trial, index, &trial->errors[index]) < 0)
            g_atomic_int_set(&trial->failed, 1);
        replKeyTrialLeave();
    }
}

int
replKeysTry(ReplPrepared *prepared, GError **err)
{
    guint count = prepared->sourceSecrets->len;
    guint wanted = MIN(count, g_get_num_processors()), i;
    g_autofree GError **errors = g_new0(GError *, count);
    g_autofree GThread **threads = g_new0(GThread *, wanted);
    ReplKeyTrial trial = {.prepared = prepared, .limits = replServiceConvertLimits(), .errors = errors};
    int ret = 0;

    /* A bundle gives its layers in order: they are opened when they are here (scratch.h). */
    if (replSourceTellsContent(prepared->source))
        return 0;
    for (i = 1; i < wanted; i++)
        threads[i] = replThreadNew("repl-keys", replKeyTrialRun, &trial, NULL);
    replKeyTrialRun(&trial);
    for (i = 1; i < wanted; i++) {
        if (threads[i])
            g_thread_join(threads[i]);
    }
    for (i = 0; i < count; i++) {
        if (errors[i] && ret == 0) {
            g_propagate_error(err, g_steal_pointer(&errors[i]));
            ret = -1;
        }
        g_clear_error(&errors[i]);
    }
    return ret;
}
