/*
 * verified.c: when an image was last held against its digests, and what was found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/verified.h"

#include "base/words.h"

REPL_WORDS(replVerifiedState, ReplVerifiedState, "good", "changed", "damaged")

static void
damageFree(gpointer opaque)
{
    ReplVerifiedDamage *damage = opaque;

    g_free(damage->volume);
    g_free(damage);
}

ReplVerified *
replVerifiedNew(void)
{
    ReplVerified *verified = g_new0(ReplVerified, 1);

    verified->damages = g_ptr_array_new_with_free_func(damageFree);
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
    for (i = 0; i < verified->damages->len; i++) {
        const ReplVerifiedDamage *damage = g_ptr_array_index(verified->damages, i);

        replVerifiedAddDamage(copy, damage->volume, damage->offset_bytes, damage->length_bytes);
    }
    return copy;
}

void
replVerifiedFree(ReplVerified *verified)
{
    if (!verified)
        return;
    g_ptr_array_unref(verified->damages);
    g_free(verified);
}

void
replVerifiedAddDamage(ReplVerified *verified, const char *volume, guint64 offset_bytes, guint64 length_bytes)
{
    ReplVerifiedDamage *damage;

    if (verified->damages->len >= REPL_VERIFIED_DAMAGES_MAX)
        return;
    damage = g_new0(ReplVerifiedDamage, 1);
    damage->volume = g_strdup(volume);
    damage->offset_bytes = offset_bytes;
    damage->length_bytes = length_bytes;
    g_ptr_array_add(verified->damages, damage);
}
