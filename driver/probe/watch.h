/*
 * watch.h: which entries of directories were touched since they were last asked about
 *
 * inotify, asked and never waited for. The kernel notes a change before the call that makes it returns, so what is
 * not told has not happened; but for writes through mmap and Linux' aio, see locked.h for those. Directories on
 * file systems that other hosts write to cannot be watched. A file that was given a second name outside of the
 * directory, and is written under that one, is not told of.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Belongs to one thread at a time. */
typedef struct ReplWatch ReplWatch;

/* Never NULL; where the system gives no watches, nothing can be added. */
ReplWatch *
replWatchNew(void);

void
replWatchFree(ReplWatch *watch);

/* Watches the directory @dirFd, which need not stay open: a watch keeps no file system busy. Returns a number, or -1
 * when it cannot be watched. */
int
replWatchAdd(ReplWatch *watch, int dirFd);

void
replWatchRemove(ReplWatch *watch, int number);

/* Calls @touched for each entry @name that was made, removed, renamed or written since the last call, once or more.
 * @name NULL: anything may have happened in the directory, or it is gone; @number -1: in any directory. */
void
replWatchRead(ReplWatch *watch, void (*touched)(int number, const char *name, void *opaque), void *opaque);
