/*
 * verified.h: when an image was last held against its digests, and what was found
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Damaged ranges that a record names; of more damage only the blocks are counted. */
#define REPL_VERIFIED_DAMAGES_MAX 16

typedef enum {
    REPL_VERIFIED_GOOD,
    REPL_VERIFIED_CHANGED, /* the image was written to since its digests were made: by a guest, for all we know */
    REPL_VERIFIED_DAMAGED, /* blocks are not what they were, and nothing wrote there */
} ReplVerifiedState;

typedef struct {
    char *volume; /* the image or one of its layers */
    guint64 offset_bytes;
    guint64 length_bytes;
} ReplVerifiedDamage;

typedef struct {
    gint64 when_s; /* UNIX time */
    ReplVerifiedState state;
    gboolean
        made; /* there were no digests of some layer: they were made then, and nothing is known of before */
    guint64 blocks;     /* damaged blocks of 64 KiB */
    GPtrArray *damages; /* of ReplVerifiedDamage */
} ReplVerified;

ReplVerified *
replVerifiedNew(void);

ReplVerified *
replVerifiedCopy(const ReplVerified *verified);

void
replVerifiedFree(ReplVerified *verified);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplVerified, replVerifiedFree)

/* No effect when there are enough of them already. */
void
replVerifiedAddDamage(ReplVerified *verified, const char *volume, guint64 offset_bytes, guint64 length_bytes);

/* "good", "changed", "damaged"; -1 for an unknown word. */
const char *
replVerifiedStateToString(ReplVerifiedState state);

int
replVerifiedStateFromString(const char *str);
