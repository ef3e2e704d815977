/*
 * messages.c: the short messages: who calls, what is asked, and an image's bytes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire/messages.h"

#include <string.h>

#include "base/error.h"
#include "store/text.h"
#include "wire/bytes.h"
#include "wire/fastsum.h"
#include "wire/messagepriv.h"

int
replWireBad(const char *message, GError **err)
{
    replErrorSet(err, VIR_ERR_RPC, _("The other host sent a %s message that breaks the rules"), message);
    return -1;
}

char *
replWireNeedUuid(ReplWireIn *in)
{
    char *uuid = replWireNeedText(in, 36);

    if (uuid && !replIsUuid(uuid)) {
        in->bad = TRUE;
        g_clear_pointer(&uuid, g_free);
    }
    return uuid;
}

void
replWireHelloClear(ReplWireHello *hello)
{
    g_clear_pointer(&hello->job, g_free);
    g_clear_pointer(&hello->hostId, g_free);
    g_clear_pointer(&hello->host, g_free);
    g_clear_pointer(&hello->request, g_free);
}

GByteArray *
replWireHelloBytes(const ReplWireHello *hello)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU16(out, hello->versionMin);
    replWirePutU16(out, hello->versionMax);
    replWirePutU8(out, hello->purpose);
    replWirePutText(out, hello->job);
    replWirePutU64(out, hello->epoch);
    replWirePutText(out, hello->hostId);
    replWirePutText(out, hello->host);
    replWirePutText(out, hello->request);
    return out;
}

/* A later version may add to HELLO and change all behind the versions: those are read alone when they do not fit. */
int
replWireHelloRead(const GByteArray *payload, ReplWireHello *hello, GError **err)
{
    g_auto(ReplWireHello) read = {0};
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    read.versionMin = replWireGetU16(&in);
    read.versionMax = replWireGetU16(&in);
    if (in.bad || read.versionMin == 0 || read.versionMin > read.versionMax)
        return replWireBad("HELLO", err);
    if (replWireVersionPick(&read) == 0) {
        *hello = (ReplWireHello){.versionMin = read.versionMin, .versionMax = read.versionMax};
        return 0;
    }
    read.purpose = replWireGetU8(&in);
    read.job = replWireNeedUuid(&in);
    read.epoch = replWireGetU64(&in);
    read.hostId = replWireNeedUuid(&in);
    read.host = replWireNeedText(&in, REPL_WIRE_NAME_MAX);
    read.request = replWireGetText(&in, REPL_WIRE_XML_MAX);
    if (!replWireInDone(&in) || (read.purpose != REPL_WIRE_PULL && read.purpose != REPL_WIRE_PUSH) ||
        (read.purpose == REPL_WIRE_PUSH) != (read.request != NULL))
        return replWireBad("HELLO", err);
    *hello = read;
    read = (ReplWireHello){0};
    return 0;
}

guint16
replWireVersionPick(const ReplWireHello *hello)
{
    guint16 highest = MIN(hello->versionMax, REPL_WIRE_VERSION_MAX);

    return highest >= MAX(hello->versionMin, REPL_WIRE_VERSION_MIN) ? highest : 0;
}

void
replWireWelcomeClear(ReplWireWelcome *welcome)
{
    g_clear_pointer(&welcome->hostId, g_free);
    g_clear_pointer(&welcome->host, g_free);
}

GByteArray *
replWireWelcomeBytes(const ReplWireWelcome *welcome)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU16(out, welcome->version);
    replWirePutText(out, welcome->hostId);
    replWirePutText(out, welcome->host);
    return out;
}

int
replWireWelcomeRead(const GByteArray *payload, ReplWireWelcome *welcome, GError **err)
{
    g_auto(ReplWireWelcome) read = {0};
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    read.version = replWireGetU16(&in);
    read.hostId = replWireNeedUuid(&in);
    read.host = replWireNeedText(&in, REPL_WIRE_NAME_MAX);
    if (!replWireInDone(&in) || read.version < REPL_WIRE_VERSION_MIN || read.version > REPL_WIRE_VERSION_MAX)
        return replWireBad("WELCOME", err);
    *welcome = read;
    read = (ReplWireWelcome){0};
    return 0;
}

GByteArray *
replWireErrorBytes(const GError *error)
{
    GByteArray *out = g_byte_array_new();
    g_autofree char *valid = g_utf8_make_valid(error->message, -1);
    gsize length = strlen(valid);

    /* Cut at a whole character. */
    if (length > REPL_WIRE_TEXT_MAX) {
        valid[REPL_WIRE_TEXT_MAX] = '\0';
        *g_utf8_find_prev_char(valid, valid + REPL_WIRE_TEXT_MAX) = '\0';
    }
    replWirePutU32(out, error->domain == REPL_ERROR ? (guint32)error->code : VIR_ERR_INTERNAL_ERROR);
    replWirePutText(out, valid);
    return out;
}

void
replWireErrorRead(const GByteArray *payload, GError **err)
{
    g_autofree char *text = NULL;
    ReplWireIn in;
    guint32 code;

    replWireInInit(&in, payload->data, payload->len);
    code = replWireGetU32(&in);
    text = replWireNeedText(&in, REPL_WIRE_TEXT_MAX);
    if (!replWireInDone(&in) || code == VIR_ERR_OK || code > REPL_WIRE_CODE_MAX) {
        replWireBad("ERROR", err);
        return;
    }
    replErrorSet(err, code, "%s", text);
}

GByteArray *
replWireRangeBytes(const ReplWireRange *range)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU32(out, range->layer);
    replWirePutU64(out, range->offset_bytes);
    replWirePutU32(out, range->length_bytes);
    return out;
}

static void
replWireGetRange(ReplWireIn *in, ReplWireRange *range)
{
    range->layer = replWireGetU32(in);
    range->offset_bytes = replWireGetU64Max(in, REPL_WIRE_SIZE_MAX);
    range->length_bytes = replWireGetU32(in);
    if (range->layer >= REPL_WIRE_LAYERS_MAX || range->length_bytes > REPL_WIRE_READ_MAX_BYTES)
        in->bad = TRUE;
}

int
replWireRangeRead(const GByteArray *payload, ReplWireRange *range, GError **err)
{
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    replWireGetRange(&in, range);
    return replWireInDone(&in) ? 0 : replWireBad("RANGE", err);
}

GByteArray *
replWireRunsBytes(const GArray *runs, guint64 end_bytes)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU64(out, end_bytes);
    replWirePutU32(out, runs->len);
    for (guint i = 0; i < runs->len; i++) {
        const ReplWireRun *run = &g_array_index(runs, ReplWireRun, i);

        replWirePutU64(out, run->offset_bytes);
        replWirePutU64(out, run->length_bytes);
    }
    return out;
}

GArray *
replWireRunsRead(const GByteArray *payload, guint64 *end_bytes, GError **err)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(ReplWireRun));
    guint64 reached = 0;
    ReplWireIn in;
    guint32 count;

    replWireInInit(&in, payload->data, payload->len);
    *end_bytes = replWireGetU64(&in);
    count = replWireGetU32(&in);
    if (count > REPL_WIRE_RUNS_MAX)
        in.bad = TRUE;
    for (guint i = 0; !in.bad && i < count; i++) {
        ReplWireRun run;

        run.offset_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
        run.length_bytes = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
        if (run.length_bytes == 0 || run.offset_bytes < reached)
            in.bad = TRUE;
        reached = run.offset_bytes + run.length_bytes;
        g_array_append_val(runs, run);
    }
    if (!replWireInDone(&in) || *end_bytes < reached) {
        replWireBad("RUN_LIST", err);
        return NULL;
    }
    return g_steal_pointer(&runs);
}

GByteArray *
replWireDataNew(const ReplWireRange *range)
{
    GByteArray *out = replWireRangeBytes(range);

    g_byte_array_set_size(out, REPL_WIRE_DATA_HEAD_BYTES + range->length_bytes);
    return out;
}

void
replWireDataSeal(GByteArray *payload)
{
    XXH128_canonical_t sum;

    XXH128_canonicalFromHash(&sum, XXH3_128bits(payload->data + REPL_WIRE_DATA_HEAD_BYTES,
                                                payload->len - REPL_WIRE_DATA_HEAD_BYTES));
    memcpy(payload->data + REPL_WIRE_DATA_HEAD_BYTES - REPL_WIRE_SUM_BYTES, &sum, sizeof(sum));
}

int
replWireDataRead(const GByteArray *payload, ReplWireRange *range, const guint8 **bytes, GError **err)
{
    XXH128_canonical_t sum;
    const guint8 *told;
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    replWireGetRange(&in, range);
    told = replWireGetBytes(&in, REPL_WIRE_SUM_BYTES);
    *bytes = replWireGetBytes(&in, range->length_bytes);
    if (!replWireInDone(&in))
        return replWireBad("DATA", err);
    XXH128_canonicalFromHash(&sum, XXH3_128bits(*bytes, range->length_bytes));
    if (memcmp(&sum, told, sizeof(sum)) == 0)
        return 0;
    replErrorSet(err, VIR_ERR_RPC, _("%u bytes at offset %llu of a layer are not what the other host read"),
                 range->length_bytes, (unsigned long long)range->offset_bytes);
    return -1;
}

GByteArray *
replWireDigestsBytes(const guint8 *digests, guint count)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU32(out, count);
    g_byte_array_append(out, digests, count * REPL_WIRE_DIGEST_BYTES);
    return out;
}

const guint8 *
replWireDigestsRead(const GByteArray *payload, guint *count, GError **err)
{
    const guint8 *digests;
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    *count = replWireGetU32(&in);
    if (*count > REPL_WIRE_DIGESTS_MAX)
        in.bad = TRUE;
    digests = replWireGetBytes(&in, in.bad ? 0 : *count * REPL_WIRE_DIGEST_BYTES);
    if (replWireInDone(&in))
        return digests;
    replWireBad("DIGEST_LIST", err);
    return NULL;
}

GByteArray *
replWireControlBytes(ReplWireVerb verb, guint64 value)
{
    GByteArray *out = g_byte_array_new();

    replWirePutU8(out, verb);
    replWirePutU64(out, value);
    return out;
}

int
replWireControlRead(const GByteArray *payload, ReplWireVerb *verb, guint64 *value, GError **err)
{
    ReplWireIn in;

    replWireInInit(&in, payload->data, payload->len);
    *verb = replWireGetU8(&in);
    *value = replWireGetU64Max(&in, REPL_WIRE_SIZE_MAX);
    if (replWireInDone(&in) && *verb >= REPL_WIRE_CANCEL && *verb <= REPL_WIRE_RETRY)
        return 0;
    return replWireBad("CONTROL", err);
}
