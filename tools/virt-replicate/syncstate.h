/*
 * syncstate.h: what `sync` remembers of a policy between its runs
 *
 * A key file below $XDG_STATE_HOME/virt-replicate (/var/lib/virt-replicate for root), named after the policy's path.
 * It is read and written under a lock, each time in one go; without it a run only knows less: nothing is deleted then.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* An image that has to be in a region. */
typedef struct {
    char *origin; /* id of the image in the rule's `from` */
    char *region;
    char *name;
    char *replica; /* id, or NULL while there is none */
    char *from;    /* region that it was copied from, or NULL */
    gint64 wanted; /* UNIX time when it was first missing */
    gint64 done;   /* UNIX time when it was first there, 0: not yet */
    bool paused;   /* by us, because the time for copies was over */
} ReplSyncPair;

typedef struct {
    char *path;
    char *policy;        /* path of the policy's file */
    GHashTable *pairs;   /* "ORIGIN REGION" → ReplSyncPair */
    GHashTable *missing; /* id of an origin → gint64*, when it was first missing */
    GHashTable *rates;   /* "A B" → double*, bytes per second as measured */
    gint64 lastRun;      /* UNIX time, 0: never */
    gint64 lastSuccess;  /* the same of a run that left nothing undone */
    guint lastStatus;
} ReplSyncState;

void
replSyncStateFree(ReplSyncState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplSyncState, replSyncStateFree)

/* The folder of all states. The caller frees. */
char *
replSyncStateFolder(void);

/* The state of a policy, empty when there is none yet. NULL with @error when the file is there and cannot be read. */
ReplSyncState *
replSyncStateLoad(const char *policyPath, GError **error);

/* The state of that file. */
ReplSyncState *
replSyncStateRead(const char *path, GError **error);

/* Puts @state in place of the file's, after taking over pairs that another run has finished meanwhile. */
bool
replSyncStateSave(ReplSyncState *state, GError **error);

/* The pair, made when @make. NULL without it. */
ReplSyncPair *
replSyncStatePair(ReplSyncState *state, const char *origin, const char *region, bool make);
