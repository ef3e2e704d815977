/*
 * status.c: STATUS: how far the maker's job is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/fd.h"
#include "wire/messagepriv.h"
#include "wire/messages.h"

void
replWireStatusClear(ReplWireStatus *status)
{
    g_clear_pointer(&status->volume, g_free);
    g_clear_pointer(&status->info, replJobInfoFree);
}

static void
replWirePutStep(GByteArray *out, const ReplStep *step)
{
    replWirePutText(out, step->layer);
    replWirePutText(out, step->volume);
    replWirePutText(out, replStepActionToString(step->action));
    replWirePutText(out, replStepStateToString(step->state));
    replWirePutU64(out, step->bytes);
    replWirePutU32(out, step->snapshotsLost);
    replWirePutU32(out, step->bitmapsLost);
}

static int
replWireGetWord(ReplWireIn *in, int (*fromString)(const char *))
{
    g_autofree char *word = replWireNeedText(in, 32);
    int value = word ? fromString(word) : -1;

    if (value >= 0)
        return value;
    in->bad = TRUE;
    return 0;
}

static ReplStep *
replWireGetStep(ReplWireIn *in)
{
    g_autofree char *layer = replWireNeedText(in, REPL_WIRE_NAME_MAX);
    g_autofree char *volume = replWireNeedText(in, REPL_WIRE_NAME_MAX);
    ReplStepAction action = replWireGetWord(in, replStepActionFromString);
    ReplStepState state = replWireGetWord(in, replStepStateFromString);
    ReplStep *step = replStepNew(layer ? layer : "", volume ? volume : "", action,
                                 replWireGetU64Max(in, REPL_WIRE_SIZE_MAX));

    step->state = state;
    step->snapshotsLost = replWireGetU32(in);
    step->bitmapsLost = replWireGetU32(in);
    return step;
}

GByteArray *
replWireStatusBytes(const ReplWireStatus *status)
{
    const ReplJobInfo *info = status->info;
    GByteArray *out = g_byte_array_new();
    guint count = info->steps ? info->steps->len : 0;

    replWirePutU8(out, status->over ? 1 : 0);
    replWirePutText(out, status->volume);
    replWirePutText(out, replJobStateToString(info->state));
    replWirePutU64(out, info->processed_bytes);
    replWirePutU64(out, info->total_bytes);
    replWirePutU64(out, status->stable_bytes);
    replWirePutU64(out, info->peakSpace_bytes);
    replWirePutU32(out, (guint32)info->errorCode);
    replWirePutText(out, info->error);
    replWirePutU32(out, count);
    for (guint i = 0; i < count; i++)
        replWirePutStep(out, g_ptr_array_index(info->steps, i));
    return out;
}

int
replWireStatusRead(const GByteArray *payload, ReplWireStatus *status, GError **err)
{
    g_auto(ReplWireStatus) read = {.info = replJobInfoNew("")};
    ReplJobInfo *info = read.info;
    guint32 count;
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    read.over = replWireGetU8(&in) == 1;
    read.volume = replWireGetText(&in, REPL_WIRE_NAME_MAX);
    info->state = replWireGetWord(&in, replJobStateFromString);
    info->processed_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
    info->total_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
    read.stable_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
    info->peakSpace_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
    info->errorCode = replWireGetU32(&in);
    info->error = replWireGetText(&in, REPL_WIRE_TEXT_MAX);
    count = replWireGetU32(&in);
    if (count > REPL_WIRE_LAYERS_MAX || info->errorCode < 0 || info->errorCode > REPL_WIRE_CODE_MAX ||
        info->processed_bytes > info->total_bytes || (read.volume && !replIsEntryName(read.volume)))
        in.bad = TRUE;
    if (!info->steps)
        info->steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);
    for (guint i = 0; !in.bad && i < count; i++)
        g_ptr_array_add(info->steps, replWireGetStep(&in));
    if (!replWireInDone(&in))
        return replWireBad("STATUS", err);
    *status = read;
    read = (ReplWireStatus){0};
    return 0;
}
