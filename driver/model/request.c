/*
 * request.c: what a client asks for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/request.h"

#include "base/words.h"

REPL_WORDS(replVerb, ReplVerb, NULL, "start", "cancel", "retry", "pause", "resume", "verify", "heal")
REPL_WORDS(replBundleMode, int, "no", "yes", "inventory")
REPL_WORDS(replSourceIs, int, "found", "bundle", "image")
REPL_WORDS(replSnapshots, int, "keep", "flatten")
REPL_WORDS(replEncryption, int, "keep", "none", "default", "target")
REPL_WORDS(replRekey, int, "full", "slot")

#define AT(member)                                                                                           \
    .offset = G_STRUCT_OFFSET(ReplRequest, member), .size = sizeof(((ReplRequest *)NULL)->member)
#define FIELD(member, word, type)                                                                            \
    {                                                                                                        \
        .key = (word), .kind = (type), AT(member)                                                            \
    }
#define MANNER(member, word, type)                                                                           \
    {                                                                                                        \
        .key = (word), .kind = (type), AT(member), .same = REPL_SAME_ALWAYS                                  \
    }
#define WORD(member, word, prefix)                                                                           \
    {                                                                                                        \
        .key = (word), .kind = REPL_FIELD_WORD, AT(member), .toString = prefix##ToString,                    \
        .fromString = prefix##FromString                                                                     \
    }

const ReplRequestField replRequestFields[] = {
    FIELD(name, "name", REPL_FIELD_NAME),
    FIELD(format, "format", REPL_FIELD_STRING),
    MANNER(async, "async", REPL_FIELD_FLAG),
    MANNER(start, "start", REPL_FIELD_FLAG),
    WORD(snapshots, "snapshots", replSnapshots),
    WORD(encryption, "encryption", replEncryption),
    WORD(rekey, "rekey", replRekey),
    FIELD(fastCreate, "fast-create", REPL_FIELD_FLAG),
    FIELD(verify, "verify", REPL_FIELD_FLAG),
    WORD(bundle, "bundle", replBundleMode),
    {.key = "source-is",
     .kind = REPL_FIELD_WORD,
     AT(sourceIs),
     .same = REPL_SAME_OR_UNSAID,
     .toString = replSourceIsToString,
     .fromString = replSourceIsFromString},
    FIELD(image, "image", REPL_FIELD_UUID),
    FIELD(have, "haves", REPL_FIELD_HAVES),
    MANNER(token, "token", REPL_FIELD_STRING),
    FIELD(description, "description", REPL_FIELD_STRING),
    MANNER(bandwidth_bytesPerSec, "bandwidth", REPL_FIELD_BIG),
    /* As the client wrote it: libvirt takes UUIDs in several forms. */
    FIELD(secret.uuid, "secret-uuid", REPL_FIELD_STRING),
    FIELD(secret.usage, "secret-usage", REPL_FIELD_STRING),
    FIELD(cipherName, "cipher-name", REPL_FIELD_STRING),
    FIELD(cipherSize_bits, "cipher-size", REPL_FIELD_NUMBER),
    FIELD(cipherMode, "cipher-mode", REPL_FIELD_STRING),
    FIELD(cipherHash, "cipher-hash", REPL_FIELD_STRING),
    FIELD(ivgenName, "ivgen-name", REPL_FIELD_STRING),
    FIELD(ivgenHash, "ivgen-hash", REPL_FIELD_STRING),
};
const guint replRequestFieldCount = G_N_ELEMENTS(replRequestFields);

ReplHave *
replHaveNew(const char *pool, const char *volume)
{
    ReplHave *have = g_new0(ReplHave, 1);

    have->pool = g_strdup(pool);
    have->volume = g_strdup(volume);
    return have;
}

void
replHaveFree(ReplHave *have)
{
    if (!have)
        return;
    g_free(have->pool);
    g_free(have->volume);
    g_free(have);
}

static gpointer
replHaveCopy(gconstpointer src, gpointer opaque)
{
    const ReplHave *have = src;

    (void)opaque;
    return replHaveNew(have->pool, have->volume);
}

ReplRequest *
replRequestNew(void)
{
    ReplRequest *req = g_new0(ReplRequest, 1);

    req->have = g_ptr_array_new_with_free_func((GDestroyNotify)replHaveFree);
    return req;
}

ReplRequest *
replRequestCopy(const ReplRequest *req)
{
    ReplRequest *copy = g_memdup2(req, sizeof(*req));
    guint i;

    for (i = 0; i < replRequestFieldCount; i++) {
        char **string = G_STRUCT_MEMBER_P(copy, replRequestFields[i].offset);

        if (replRequestFields[i].kind <= REPL_FIELD_UUID)
            *string = g_strdup(*string);
    }
    copy->have = g_ptr_array_copy(req->have, replHaveCopy, NULL);
    g_ptr_array_set_free_func(copy->have, (GDestroyNotify)replHaveFree);
    return copy;
}

void
replRequestFree(ReplRequest *req)
{
    guint i;

    if (!req)
        return;
    for (i = 0; i < replRequestFieldCount; i++) {
        if (replRequestFields[i].kind <= REPL_FIELD_UUID)
            g_free(*(char **)G_STRUCT_MEMBER_P(req, replRequestFields[i].offset));
    }
    g_ptr_array_unref(req->have);
    g_free(req);
}

void
replUpdateFree(ReplUpdate *update)
{
    if (!update)
        return;
    g_free(update->volume);
    g_free(update->name);
    g_free(update->description);
    replShareFree(update->share);
    g_free(update->shareImage);
    g_free(update->secret.uuid);
    g_free(update->secret.usage);
    if (update->members)
        g_ptr_array_unref(update->members);
    g_free(update);
}
