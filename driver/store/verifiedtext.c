/*
 * verifiedtext.c: what a verification found, as part of an image's record
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/verifiedtext.h"

#include "base/error.h"

void
replVerifiedToText(GKeyFile *keys, const ReplVerified *verified)
{
    guint i;

    g_key_file_set_int64(keys, "verified", "when", verified->when_s);
    replTextPut(keys, "verified", "state", replVerifiedStateToString(verified->state));
    g_key_file_set_boolean(keys, "verified", "made", verified->made);
    g_key_file_set_uint64(keys, "verified", "blocks", verified->blocks);
    g_key_file_set_uint64(keys, "verified", "damages", verified->damages->len);
    for (i = 0; i < verified->damages->len; i++) {
        g_autofree char *group = g_strdup_printf("damage %u", i);
        const ReplVerifiedDamage *damage = g_ptr_array_index(verified->damages, i);

        replTextPut(keys, group, "volume", damage->volume);
        g_key_file_set_uint64(keys, group, "offset", damage->offset_bytes);
        g_key_file_set_uint64(keys, group, "length", damage->length_bytes);
    }
}

ReplVerified *
replVerifiedFromText(ReplTextReader *r)
{
    ReplVerified *verified;
    int state;
    guint i, n;

    if (!g_key_file_has_group(r->keys, "verified"))
        return NULL;
    verified = replVerifiedNew();
    verified->when_s = replTextInt(r, "verified", "when", 0, G_MAXINT64, 0);
    state = replTextWord(r, "verified", "state", replVerifiedStateFromString, -1);
    /* Nothing may become good because a word was lost. */
    if (state < 0)
        replTextFault(r, "verified", "state", _("the value is missing"));
    verified->state = state;
    verified->made = replTextFlag(r, "verified", "made");
    verified->blocks = replTextUint(r, "verified", "blocks", G_MAXUINT64);
    n = replTextUint(r, "verified", "damages", REPL_VERIFIED_DAMAGES_MAX);
    for (i = 0; i < n && !r->fault; i++) {
        g_autofree char *group = g_strdup_printf("damage %u", i);
        g_autofree char *volume = replTextNeed(r, replTextName(r, group, "volume"), group, "volume");

        replVerifiedAddDamage(verified, volume, replTextUint(r, group, "offset", G_MAXINT64),
                              replTextUint(r, group, "length", G_MAXINT64));
    }
    return verified;
}
