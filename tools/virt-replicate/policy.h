/*
 * policy.h: which images are kept in which regions; reading the file is pure
 *
 * The file is a GLib key file: a group [rule NAME] for each rule, [policy] for what is common, [distance] for how
 * far regions are from each other. virt-replicate(1) describes every key.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* When copies may run, and how fast. */
typedef struct {
    int from;     /* minutes since midnight */
    int to;       /* the same; less than `from`: over midnight */
    guint64 rate; /* bytes per second, 0: no limit */
} ReplPolicyWindow;

typedef struct {
    char *name;
    char *from;       /* region that the images come from */
    char **regions;   /* that they are kept in; "*": all others */
    char **images;    /* globs on display names; may be empty */
    char **families;  /* globs on families; may be empty */
    char **types;     /* empty: all */
    guint versions;   /* of a family, the newest ones; 0: all */
    char *encryption; /* keep, none, default, or a key */
    bool deletes;     /* replicas go when their source has gone */
} ReplPolicyRule;

typedef struct {
    GPtrArray *rules;     /* ReplPolicyRule */
    GArray *windows;      /* ReplPolicyWindow; empty: always, without a limit */
    GHashTable *distance; /* "A B" → double*, both ways */
    guint fanout;         /* regions that one region feeds with one image */
    guint parallel;       /* copies that one region sends at once */
} ReplPolicy;

void
replPolicyFree(ReplPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPolicy, replPolicyFree)

/* Reads the text of a policy. NULL with @error, which names group and key. */
ReplPolicy *
replPolicyParse(const char *text, gsize size, GError **error);

/* Reads a policy's file, which has to be a plain file of the caller that nobody else may write. */
ReplPolicy *
replPolicyLoad(const char *path, GError **error);

/* Whether copies may run at @minute of a day, and how fast. */
bool
replPolicyOpenAt(const ReplPolicy *policy, int minute, guint64 *rate);

/* The family of an image by its name, what stands before its version: "web" of "web-1.2.qcow2"; the name itself
 * when it has none. The caller frees. @version: begins in @name, "" without one. */
char *
replPolicyFamily(const char *name, const char **version);

/* Whether a rule is about images of that name and type (may be NULL). */
bool
replPolicyMatches(const ReplPolicyRule *rule, const char *name, const char *type);

/* Whether a rule keeps its images in a region. */
bool
replPolicyWants(const ReplPolicyRule *rule, const char *region);
