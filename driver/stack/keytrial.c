/*
 * keytrial.c: passphrases are tried on their layers
 *
 * That is seconds of CPU time for each layer whose passphrase is slow to guess, and is spread over the processors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/keytrial.h"

#include "convert/convert.h"

typedef struct {
    ReplAttempt *attempt;
    ReplConvertLimits limits;
    gint next;       /* atomic: the layer that nobody has taken yet */
    GError **errors; /* by layer */
} ReplKeyTrial;

static gpointer
replKeyTrialRun(gpointer opaque)
{
    ReplKeyTrial *trial = opaque;
    const ReplAttempt *attempt = trial->attempt;

    for (;;) {
        guint index = (guint)g_atomic_int_add(&trial->next, 1);
        ReplSecretBuf *key = NULL;

        if (index >= attempt->sourceSecrets->len)
            return NULL;
        if (!attempt->sourceSecrets->pdata[index])
            continue;
        replConvertUnlock(replChainLayer(attempt->chain, index), attempt->sourceSecrets->pdata[index],
                          &trial->limits, &key, &trial->errors[index]);
        attempt->sourceKeys->pdata[index] = key;
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
