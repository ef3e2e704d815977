/*
 * prepared.c: a replication that is opened, locked and planned
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/prepared.h"

#include "base/fd.h"
#include "service/service.h"

ReplPrepared *
replPreparedNew(void)
{
    ReplPrepared *prepared = g_new0(ReplPrepared, 1);

    prepared->held = g_array_new(FALSE, FALSE, sizeof(int));
    prepared->presentWas = g_array_new(FALSE, TRUE, sizeof(ReplFileIdentity));
    return prepared;
}

void
replPreparedFree(ReplPrepared *prepared)
{
    guint i;

    if (!prepared)
        return;
    for (i = 0; i < prepared->held->len; i++)
        replFdClose(g_array_index(prepared->held, int, i));
    g_array_unref(prepared->held);
    g_array_unref(prepared->presentWas);
    g_clear_pointer(&prepared->sourceSecrets, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceKeys, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceUuids, g_ptr_array_unref);
    replSecretBufFree(prepared->secret);
    g_free(prepared->secretUuid);
    replPlanFree(prepared->plan);
    g_clear_pointer(&prepared->presentAs, g_ptr_array_unref);
    replChainFree(prepared->chain);
    if (prepared->staging)
        replStagingUnref(prepared->staging);
    g_clear_pointer(&prepared->set, replPoolSetFree);
    replRegionFree(prepared->target);
    replRegionFree(prepared->source);
    g_free(prepared);
}

ReplConvertLimits
replPreparedLimits(void)
{
    g_autoptr(ReplConfig) config = replServiceConfig();

    return (ReplConvertLimits){config->helperTime_s, config->helperMemory_bytes};
}

GPtrArray *
replPreparedSteps(const ReplPrepared *prepared)
{
    GPtrArray *steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    guint i;

    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);

        ReplStep *shown = replStepNew(replChainLayer(prepared->chain, step->layer)->volume, step->volume,
                                      step->action, step->bytes);

        if (step->action == REPL_STEP_CONVERT) {
            shown->snapshotsLost = step->convert.snapshotsLost;
            shown->bitmapsLost = step->convert.bitmapsLost;
        }
        g_ptr_array_add(steps, shown);
    }
    return steps;
}
