/*
 * image.c: the record of an image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/image.h"

#include "base/words.h"

REPL_WORDS(replImageStatus, ReplImageStatus, "available", "pending", "error")
REPL_WORDS(replImageType, ReplImageType, NULL, "system-disk", "data-disk", "iso", "full-machine")
REPL_WORDS(replShareState, ReplShareState, "offered", "accepted", "rejected", "revoked")

ReplShare *
replShareNew(const char *project, ReplShareState state)
{
    ReplShare *share = g_new0(ReplShare, 1);

    share->project = g_strdup(project);
    share->state = state;
    return share;
}

void
replShareFree(ReplShare *share)
{
    if (!share)
        return;
    g_free(share->project);
    g_free(share);
}

static gpointer
replShareCopy(gconstpointer src, gpointer opaque)
{
    const ReplShare *share = src;

    (void)opaque;
    return replShareNew(share->project, share->state);
}

GPtrArray *
replMembersCopy(const GPtrArray *members)
{
    GPtrArray *copy = g_ptr_array_new_with_free_func(g_free);
    guint i;

    for (i = 0; i < members->len; i++)
        g_ptr_array_add(copy, g_strdup(g_ptr_array_index(members, i)));
    return copy;
}

void
replConversionFree(ReplConversion *conv)
{
    if (!conv)
        return;
    g_free(conv->by);
    g_free(conv->action);
    g_free(conv->fromSecret);
    g_free(conv->toSecret);
    g_free(conv);
}

static gpointer
replConversionCopy(gconstpointer src, gpointer opaque)
{
    const ReplConversion *conv = src;
    ReplConversion *copy = g_new0(ReplConversion, 1);

    (void)opaque;
    copy->when_s = conv->when_s;
    copy->by = g_strdup(conv->by);
    copy->action = g_strdup(conv->action);
    copy->fromSecret = g_strdup(conv->fromSecret);
    copy->toSecret = g_strdup(conv->toSecret);
    return copy;
}

ReplImage *
replImageNew(const char *id)
{
    ReplImage *image = g_new0(ReplImage, 1);

    image->id = g_strdup(id);
    image->shares = g_ptr_array_new_with_free_func((GDestroyNotify)replShareFree);
    image->members = g_ptr_array_new_with_free_func(g_free);
    image->conversions = g_ptr_array_new_with_free_func((GDestroyNotify)replConversionFree);
    return image;
}

ReplImage *
replImageCopy(const ReplImage *image)
{
    ReplImage *copy = g_memdup2(image, sizeof(*image));

    copy->id = g_strdup(image->id);
    copy->name = g_strdup(image->name);
    copy->description = g_strdup(image->description);
    copy->reason = g_strdup(image->reason);
    copy->project = g_strdup(image->project);
    copy->source.region = g_strdup(image->source.region);
    copy->source.id = g_strdup(image->source.id);
    copy->source.pool = g_strdup(image->source.pool);
    copy->source.volume = g_strdup(image->source.volume);
    copy->secret = g_strdup(image->secret);
    copy->secretUsage = g_strdup(image->secretUsage);
    copy->originPool = g_strdup(image->originPool);
    copy->job = image->job ? replJobInfoCopy(image->job) : NULL;
    copy->verified = replVerifiedCopy(image->verified);
    copy->shares = g_ptr_array_copy(image->shares, replShareCopy, NULL);
    g_ptr_array_set_free_func(copy->shares, (GDestroyNotify)replShareFree);
    copy->setVolume = g_strdup(image->setVolume);
    copy->setId = g_strdup(image->setId);
    copy->members = replMembersCopy(image->members);
    copy->conversions = g_ptr_array_copy(image->conversions, replConversionCopy, NULL);
    g_ptr_array_set_free_func(copy->conversions, (GDestroyNotify)replConversionFree);
    return copy;
}

void
replImageFree(ReplImage *image)
{
    if (!image)
        return;
    g_free(image->id);
    g_free(image->name);
    g_free(image->description);
    g_free(image->reason);
    g_free(image->project);
    g_free(image->source.region);
    g_free(image->source.id);
    g_free(image->source.pool);
    g_free(image->source.volume);
    g_free(image->secret);
    g_free(image->secretUsage);
    g_free(image->originPool);
    replJobInfoFree(image->job);
    replVerifiedFree(image->verified);
    g_ptr_array_unref(image->shares);
    g_free(image->setVolume);
    g_free(image->setId);
    g_ptr_array_unref(image->members);
    g_ptr_array_unref(image->conversions);
    g_free(image);
}

gboolean
replFileIdentityEqual(const ReplFileIdentity *a, const ReplFileIdentity *b)
{
    return a->ino == b->ino && a->size_bytes == b->size_bytes && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

gboolean
replFileIdentityFits(const ReplFileIdentity *noted, const ReplFileIdentity *now)
{
    ReplFileIdentity there = *now;

    if (noted->ctime_ns == 0)
        there.ctime_ns = 0;
    return replFileIdentityEqual(noted, &there);
}
