/*
 * sparse.h: data and holes of a sparse stream, as packets on a pair of sockets
 *
 * In:    one end of a pair of type SOCK_SEQPACKET.
 * Out:   packets: the kind, a length, and the bytes of data. The end of the socket is the end of the stream.
 * Owner: the caller's.
 * Lock:  none; each direction of an end is one thread's at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#define REPL_SPARSE_HEAD_BYTES 9u
#define REPL_SPARSE_DATA_MAX_BYTES 65536u

typedef enum {
    REPL_SPARSE_DATA = 'd',
    REPL_SPARSE_HOLE = 'h',
} ReplSparseKind;

/* The first REPL_SPARSE_HEAD_BYTES of a packet; those of data follow, @length of them. */
void
replSparseHead(char *packet, ReplSparseKind kind, guint64 length);

/* What the packet of @size bytes says; FALSE: it is none. */
gboolean
replSparseRead(const char *packet, gsize size, ReplSparseKind *kind, guint64 *length);

/* Looks at the next packet, which stays; waits a moment for it. Returns 1, 0 at the end, -1 with errno set. */
int
replSparsePeek(int fd, ReplSparseKind *kind, guint64 *length);

/* Takes the next packet: the bytes of data into @buf, at most @size. Returns how many there are, 0 at the end or of a hole, -1 with
 * errno set (EAGAIN: none is there). */
gssize
replSparseTake(int fd, char *buf, gsize size);

/* Puts data, at most REPL_SPARSE_DATA_MAX_BYTES of it. Returns how much, or -1 with errno set (EAGAIN: there is no room). */
gssize
replSparsePutData(int fd, const char *data, gsize length);

/* 0, or -1 the same way. */
int
replSparsePutHole(int fd, guint64 length);
