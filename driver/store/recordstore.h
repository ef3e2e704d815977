/*
 * recordstore.h: one directory of records of one kind, with what was read kept in memory
 *
 * A record that is asked for again costs one fstatat as long as its file is the same (inode, size,
 * mtime, ctime), so two hosts on shared storage see each other's changes: within the attribute
 * cache time of the mount (NFS: 3 to 60 s), at once elsewhere. A file that changed less than a
 * second before it was read is read again, since time stamps of files are coarse.
 *
 * A damaged record is moved aside ("NAME.bad") with one log line and is then no record; one of a
 * newer version stays and is an error (VIR_ERR_NO_SUPPORT). Thread-safe.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct _ReplRecordStore ReplRecordStore;

/* What is in a record store; the functions may be called by several threads at once. */
typedef struct {
    const char *kind;                     /* as it stands in the texts and log lines: "image" */
    gsize max_bytes;                      /* of a file */
    gboolean (*isFile)(const char *file); /* whether a directory entry is one of the records */
    /* The record, or NULL with VIR_ERR_INTERNAL_ERROR set when a value is wrong. */
    gpointer (*decode)(GKeyFile *keys, const char *file, GError **err);
    gpointer (*copy)(gconstpointer record);
    GDestroyNotify free;
} ReplRecordKind;

/* @dirFd is borrowed and must stay open as long as the store. */
ReplRecordStore *
replRecordStoreNew(int dirFd, const ReplRecordKind *kind);

void
replRecordStoreFree(ReplRecordStore *store);

/* A copy of the record in @file; NULL without @err when there is none (or a damaged one). */
gpointer
replRecordStoreGet(ReplRecordStore *store, const char *file, GError **err);

/* Writes a record durably, after having read it back from the very bytes: what could not be loaded
 * again is refused (VIR_ERR_INVALID_ARG) and the old record stays. Returns 0 or -1. */
int
replRecordStorePut(ReplRecordStore *store, const char *file, GKeyFile *keys, GError **err);

/* Removes a record durably; 0 also when there is none. */
int
replRecordStoreDrop(ReplRecordStore *store, const char *file, GError **err);

/* Shows every readable record to @visit, in order of the file names, until it returns FALSE. @visit
 * runs with the store locked: it must be short and not call the store. @unread (may be NULL) counts
 * those that are there but cannot be read (newer version, I/O error). Returns 0 or -1. */
int
replRecordStoreEach(ReplRecordStore *store,
                    gboolean (*visit)(const char *file, gconstpointer record, void *opaque), void *opaque,
                    guint *unread, GError **err);
