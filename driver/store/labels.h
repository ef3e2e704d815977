/*
 * labels.h: the labels of pools, by pool UUID, kept outside the pools
 *
 * Persistent labels stand in one directory, those of transient pools in another below /run. All are
 * read once and then served from memory: looking one up never waits for a disk. Thread-safe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/label.h"

#define REPL_UUID_bytes 16

typedef struct _ReplLabels ReplLabels;

/* A change that is written aside and takes effect when it is committed. */
typedef struct _ReplLabelChange ReplLabelChange;

/* Reads all labels. The directories need not exist: they are made (0700) when first written to. A
 * label that cannot be read costs one log line and is skipped; a damaged one is renamed to
 * "NAME.bad". NULL with @err set when a directory is there and cannot be read. */
ReplLabels *
replLabelsNew(const char *persistentDir, const char *transientDir, GError **err);

/* No change may be open. */
void
replLabelsFree(ReplLabels *labels);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLabels, replLabelsFree)

/* The label of a pool, a copy that is the caller's; NULL: none. @persistent may be NULL. */
ReplLabel *
replLabelsGet(ReplLabels *labels, const unsigned char *uuid, gboolean *persistent);

guint
replLabelsCount(ReplLabels *labels);

/* The UUIDs of the pools with a label for the region @name (NULL: for any), of REPL_UUID_bytes bytes each. */
GPtrArray *
replLabelsOf(ReplLabels *labels, const char *name);

/* Writes the new @label (NULL: none, takes it off) of a pool aside, durably. The returned change
 * ends with exactly one commit or abort; one that a crash left behind is removed at the next start.
 * NULL with @err set. */
ReplLabelChange *
replLabelsPrepare(ReplLabels *labels, const unsigned char *uuid, const ReplLabel *label, gboolean persistent,
                  GError **err);

/* Puts the change in place, replacing any label the pool has, persistent or not, and frees it. 0,
 * or -1 with @err set and the old label still there. */
int
replLabelChangeCommit(ReplLabelChange *change, GError **err);

/* Undoes the preparation and frees it. NULL is fine. */
void
replLabelChangeAbort(ReplLabelChange *change);

/* Prepare and commit at once. Return 0 or -1. */
int
replLabelsSet(ReplLabels *labels, const unsigned char *uuid, const ReplLabel *label, gboolean persistent,
              GError **err);
int
replLabelsDrop(ReplLabels *labels, const unsigned char *uuid, GError **err);
