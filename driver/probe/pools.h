/*
 * pools.h: the directories that volumes live in, each held open
 *
 * stack/ makes one ReplPoolDir for each active region pool of this host. A pool is what its directory
 * was when it was opened: everything else goes through the descriptor, so a mount point that has gone
 * away is never mistaken for the pool, and two names of one directory are one (device, inode).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/label.h"

/* Fixed after creation; shared by counted references, from any thread. */
typedef struct {
    char *uuid;
    char *name;
    char *path;       /* as the pool's XML has it, for messages and absolute names */
    int dirFd;        /* owned; O_RDONLY of the directory behind @path, -1: elsewhere */
    guint64 dev, ino; /* of that directory */
    ReplLabel *label; /* NULL: the pool is in no region */
} ReplPoolDir;

/* Opens @path, which may lead through symbolic links but must end at a directory. @label is copied and
 * may be NULL. Returns NULL with @err set: VIR_ERR_NO_STORAGE_POOL when there is no such directory,
 * VIR_ERR_OPERATION_INVALID when it is something else. */
ReplPoolDir *
replPoolDirNew(const char *uuid, const char *name, const char *path, const ReplLabel *label, GError **err);

/* A pool that is not on this host: a name for messages, no directory. */
ReplPoolDir *
replPoolDirElsewhere(const char *uuid, const char *name);

ReplPoolDir *
replPoolDirRef(const ReplPoolDir *pool);

void
replPoolDirUnref(ReplPoolDir *pool);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPoolDir, replPoolDirUnref)

/* Whether both pools have a label of the same region. */
gboolean
replPoolDirSameRegion(const ReplPoolDir *a, const ReplPoolDir *b);

/* Whether both pools have a label of the same project. */
gboolean
replPoolDirSameProject(const ReplPoolDir *a, const ReplPoolDir *b);

/* Whether @name can be a volume of a region pool: one directory entry, and not the staging folder. */
gboolean
replIsVolumeName(const char *name);

/* The names of everything in the directory, the staging folder and entries that no volume can be
 * called included: what a new volume must not be called. NULL-terminated; NULL with @err set. */
char **
replPoolDirTaken(const ReplPoolDir *pool, GError **err);

/* Bytes that can still be written to the file system of the pool. Returns 0, or -1 with @err set. */
int
replPoolDirFree(const ReplPoolDir *pool, guint64 *free_bytes, GError **err);

/* Opens the volume @name for reading: a regular file of exactly this name in the pool's directory. Never
 * follows a link, never blocks, never opens a device. Returns the descriptor, or -1 with @err set:
 * VIR_ERR_INVALID_ARG for a name that no volume has, VIR_ERR_NO_STORAGE_VOL, VIR_ERR_OPERATION_INVALID
 * when it is no regular file, VIR_ERR_SYSTEM_ERROR. */
int
replPoolDirOpen(const ReplPoolDir *pool, const char *name, GError **err);

/* The pools of this host that a chain may lead to: every active pool with a label. */
typedef struct {
    GPtrArray *pools; /* of ReplPoolDir */
} ReplPoolSet;

ReplPoolSet *
replPoolSetNew(void);

void
replPoolSetFree(ReplPoolSet *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPoolSet, replPoolSetFree)

/* Takes the caller's reference. */
void
replPoolSetAdd(ReplPoolSet *set, ReplPoolDir *pool);

/* Borrowed, or NULL. */
const ReplPoolDir *
replPoolSetFindUuid(const ReplPoolSet *set, const char *uuid);

/* The pool whose directory is (@dev, @ino): @preferred if it is that, else one of the region of
 * @preferred, else any. Borrowed, or NULL. */
const ReplPoolDir *
replPoolSetFindDir(const ReplPoolSet *set, const ReplPoolDir *preferred, guint64 dev, guint64 ino);
