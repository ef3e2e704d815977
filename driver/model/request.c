/*
 * request.c: what a client asks for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/request.h"

#include "base/words.h"

REPL_WORDS(replVerb, ReplVerb, NULL, "start", "cancel", "retry", "pause", "resume", "verify", "heal")
REPL_WORDS(replBundleMode, ReplBundleMode, "no", "yes", "inventory")
REPL_WORDS(replSourceIs, ReplSourceIs, "found", "bundle", "image")

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

    copy->name = g_strdup(req->name);
    copy->format = g_strdup(req->format);
    copy->image = g_strdup(req->image);
    copy->have = g_ptr_array_copy(req->have, replHaveCopy, NULL);
    g_ptr_array_set_free_func(copy->have, (GDestroyNotify)replHaveFree);
    copy->token = g_strdup(req->token);
    copy->description = g_strdup(req->description);
    copy->secret.uuid = g_strdup(req->secret.uuid);
    copy->secret.usage = g_strdup(req->secret.usage);
    copy->cipherName = g_strdup(req->cipherName);
    copy->cipherMode = g_strdup(req->cipherMode);
    copy->cipherHash = g_strdup(req->cipherHash);
    copy->ivgenName = g_strdup(req->ivgenName);
    copy->ivgenHash = g_strdup(req->ivgenHash);
    return copy;
}

void
replRequestFree(ReplRequest *req)
{
    if (!req)
        return;
    g_free(req->name);
    g_free(req->format);
    g_free(req->image);
    g_ptr_array_unref(req->have);
    g_free(req->token);
    g_free(req->description);
    g_free(req->secret.uuid);
    g_free(req->secret.usage);
    g_free(req->cipherName);
    g_free(req->cipherMode);
    g_free(req->cipherHash);
    g_free(req->ivgenName);
    g_free(req->ivgenHash);
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
