/*
 * imagelock.h: QEMU's image locks
 *
 * Every QEMU process marks on an image file what it does to it and what it lets others do, with
 * shared OFD locks on single bytes: byte 100 + N says "I do N", byte 200 + N says "nobody else may
 * do N". Who comes marks its own bytes first and then looks whether others' contradict. (Bytes and
 * permissions: QEMU, block/file-posix.c and include/block/block-common.h, since 2.10.)
 *
 * Locks belong to the open file of @fd and end with its last descriptor. Where the file system has
 * no locks nothing is marked and nothing is found, as in QEMU; a log line says so.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* We read consistently: no other process may write or resize. @what names the file in messages. Returns 0, or
 * -1 with VIR_ERR_OPERATION_INVALID set when somebody has it open for writing, or does not let
 * others read. */
int
replImageLockRead(int fd, const char *what, GError **err);

/* The file is ours alone: no other process may read it consistently, write or resize it. For
 * placeholders and partial files. Note that helpers that open the file themselves are shut out,
 * too. */
int
replImageLockWrite(int fd, const char *what, GError **err);

/* Takes the marks off again. */
void
replImageUnlock(int fd);
