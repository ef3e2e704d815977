/*
 * files.h: small helpers over directories and files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

#include "model/image.h"

/* More entries than this in one of our directories are an error, not memory. */
#define REPL_DIR_ENTRIES_MAX 1000000

/* The identity that @st tells. */
void
replIdentityOfStat(const struct stat *st, ReplFileIdentity *identity);

/* A file as it was looked at. */
typedef struct {
    ReplFileIdentity identity;
    gint64 born_ns; /* 0: its file system does not say */
    gboolean isRegular;
} ReplFileLook;

/* Looks at the entry @name of the directory @dirFd; links are not followed. Returns 0, or -1 with errno set. */
int
replFileLook(int dirFd, const char *name, ReplFileLook *look);

/* The names in the directory @dirFd that @wanted accepts (NULL: all), without "." and "..", sorted;
 * the offset of @dirFd does not move. NULL with @err set. */
GPtrArray *
replDirList(int dirFd, gboolean (*wanted)(const char *name), GError **err);

/* Takes an OFD write lock on byte 0 of @fd: 1 taken, 0 another one holds it, -1 with errno set.
 * It ends with the last descriptor of this open file. */
int
replFileLock(int fd);

/* Whether no other host can reach the file system of @fd, so that what this one sees there is all there is. */
gboolean
replFileIsLocal(int fd);

/* Whether errno value @errnum means that the file system has no locks at all. */
gboolean
replFileLockUnsupported(int errnum);
