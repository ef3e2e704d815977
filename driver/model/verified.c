/*
 * verified.c: when an image was last held against its digests, and what was found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/verified.h"

#include "base/words.h"

REPL_WORDS(replVerifiedState, ReplVerifiedState, "good", "changed", "damaged")

static void
placeFree(gpointer opaque)
{
    ReplVerifiedPlace *place = opaque;

    g_free(place->volume);
    g_free(place);
}

ReplVerified *
replVerifiedNew(void)
{
    ReplVerified *verified = g_new0(ReplVerified, 1);

    verified->places = g_ptr_array_new_with_free_func(placeFree);
    return verified;
}

ReplVerified *
replVerifiedCopy(const ReplVerified *verified)
{
    ReplVerified *copy;
    guint i;

    if (!verified)
        return NULL;
    copy = replVerifiedNew();
    copy->when_s = verified->when_s;
    copy->state = verified->state;
    copy->made = verified->made;
    copy->blocks = verified->blocks;
    for (i = 0; i < verified->places->len; i++) {
        const ReplVerifiedPlace *place = g_ptr_array_index(verified->places, i);

        replVerifiedAddPlace(copy, place->volume, place->offset_bytes, place->length_bytes);
    }
    return copy;
}

void
replVerifiedFree(ReplVerified *verified)
{
    if (!verified)
        return;
    g_ptr_array_unref(verified->places);
    g_free(verified);
}

void
replVerifiedAddPlace(ReplVerified *verified, const char *volume, guint64 offset_bytes, guint64 length_bytes)
{
    ReplVerifiedPlace *place;

    if (verified->places->len >= REPL_VERIFIED_PLACES_MAX)
        return;
    place = g_new0(ReplVerifiedPlace, 1);
    place->volume = g_strdup(volume);
    place->offset_bytes = offset_bytes;
    place->length_bytes = length_bytes;
    g_ptr_array_add(verified->places, place);
}
