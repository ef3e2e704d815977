/*
 * label.h: what makes a storage pool a region pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#define REPL_NAMESPACE "urn:libvirt-replication:1.0"
#define REPL_PREFIX "replication"
#define REPL_PROJECT_DEFAULT "default"

/* The staging folder in a region pool's target: records, jobs, partial files. Never a volume. */
#define REPL_STAGING_NAME ".replication"

/* A limit or a count of -1 is "none". bytes are allocated bytes. */
typedef struct {
    gint64 images;
    gint64 snapshots;
    gint64 bytes;
} ReplAmounts;

/* Whether there is a limit at all. */
gboolean
replQuotaIsSet(const ReplAmounts *quota);

/* The region's name in the hidden label of a pool that has no label of its own: no region can be called so. */
#define REPL_LABEL_TRANSIT "-"

/* <replication:region>. Immutable once it is shared. */
typedef struct {
    char *name;        /* the region */
    char *project;     /* the tenant, never NULL */
    ReplAmounts quota; /* -1 where there is no limit */
    /* Nobody has given it: bundles were written into the pool, and only they are looked after. It is no region. */
    gboolean transit;
} ReplLabel;

ReplLabel *
replLabelNew(const char *name, const char *project);

ReplLabel *
replLabelCopy(const ReplLabel *label);

void
replLabelFree(ReplLabel *label);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLabel, replLabelFree)
