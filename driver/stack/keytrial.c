/*
 * keytrial.c: passphrases are tried on their layers
 *
 * That is seconds of CPU time for each layer whose passphrase is slow to guess, and is spread over the processors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/keytrial.h"

#include "convert/convert.h"

/* Derivations of all requests together: one for each processor, whoever asks. */
static GMutex replKeyTrialLock;
static GCond replKeyTrialFreed;
static guint replKeyTrialBusy;

static void
replKeyTrialEnter(void)
{
    g_mutex_lock(&replKeyTrialLock);
    while (replKeyTrialBusy >= g_get_num_processors())
        g_cond_wait(&replKeyTrialFreed, &replKeyTrialLock);
    replKeyTrialBusy++;
    g_mutex_unlock(&replKeyTrialLock);
}

static void
replKeyTrialLeave(void)
{
    g_mutex_lock(&replKeyTrialLock);
    replKeyTrialBusy--;
    g_cond_signal(&replKeyTrialFreed);
    g_mutex_unlock(&replKeyTrialLock);
}

typedef struct {
    ReplAttempt *attempt;
    ReplConvertLimits limits;
    gint next;       /* atomic: the layer that nobody has taken yet */
    gint failed;     /* atomic: there is an error: the rest is of no interest */
    GError **errors; /* by layer */
} ReplKeyTrial;

/* Whether layer @index gets a new key slot and nothing else. */
static gboolean
replKeyTrialIsSlot(const ReplAttempt *attempt, guint index)
{
    guint i;

    for (i = 0; i < attempt->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(attempt->plan->steps, i);

        if (step->layer == index)
            return step->action == REPL_STEP_CONVERT && step->convert.rekey == REPL_REKEY_SLOT &&
                   step->convert.fromEncrypted && step->convert.toEncrypted;
    }
    return FALSE;
}

static int
replKeyTrialLayer(const ReplKeyTrial *trial, guint index, GError **err)
{
    ReplAttempt *attempt = trial->attempt;
    const ReplLayer *layer = replChainLayer(attempt->chain, index);
    const ReplSecretBuf *passphrase = attempt->sourceSecrets->pdata[index];
    ReplSecretBuf *key = NULL;

    if (replConvertUnlock(layer, passphrase, &trial->limits, &key, err) < 0)
        return -1;
    attempt->sourceKeys->pdata[index] = key;
    if (attempt->secret && replKeyTrialIsSlot(attempt, index))
        return replConvertCheckFresh(layer, passphrase, attempt->secret, err);
    return 0;
}

static gpointer
replKeyTrialRun(gpointer opaque)
{
    ReplKeyTrial *trial = opaque;
    const ReplAttempt *attempt = trial->attempt;

    for (;;) {
        guint index = (guint)g_atomic_int_add(&trial->next, 1);

        if (index >= attempt->sourceSecrets->len || g_atomic_int_get(&trial->failed))
            return NULL;
        if (!attempt->sourceSecrets->pdata[index])
            continue;
        replKeyTrialEnter();
        if (replKeyTrialLayer(trial, index, &trial->errors[index]) < 0)
            g_atomic_int_set(&trial->failed, 1);
        replKeyTrialLeave();
    }
}

int
replKeysTry(ReplAttempt *attempt, GError **err)
{
    guint count = attempt->sourceSecrets->len;
    guint wanted = MIN(count, g_get_num_processors()), i;
    g_autofree GError **errors = g_new0(GError *, count);
    g_autofree GThread **threads = g_new0(GThread *, wanted);
    ReplKeyTrial trial = {.attempt = attempt, .limits = replAttemptLimits(), .errors = errors};
    int ret = 0;

    for (i = 1; i < wanted; i++)
        threads[i] = g_thread_try_new("repl-keys", replKeyTrialRun, &trial, NULL);
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
