/*
 * sparse.c: data and holes of a sparse stream, as packets on a pair of sockets
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/sparse.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A packet that was announced is there at once. */
#define REPL_SPARSE_WAIT_ms 200

void
replSparseHead(char *packet, ReplSparseKind kind, guint64 length)
{
    packet[0] = (char)kind;
    memcpy(packet + 1, &length, sizeof(length));
}

gboolean
replSparseRead(const char *packet, gsize size, ReplSparseKind *kind, guint64 *length)
{
    if (size < REPL_SPARSE_HEAD_BYTES)
        return FALSE;
    *kind = (ReplSparseKind)packet[0];
    memcpy(length, packet + 1, sizeof(*length));
    return *length > 0 && *length <= G_MAXINT64 &&
           (*kind == REPL_SPARSE_HOLE ||
            (*kind == REPL_SPARSE_DATA && *length <= REPL_SPARSE_DATA_MAX_BYTES));
}

int
replSparsePeek(int fd, ReplSparseKind *kind, guint64 *length)
{
    struct pollfd event = {.fd = fd, .events = POLLIN};
    char head[REPL_SPARSE_HEAD_BYTES];
    ssize_t n = -1;

    if (poll(&event, 1, REPL_SPARSE_WAIT_ms) > 0)
        n = recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0)
        return (int)n;
    if (replSparseRead(head, (gsize)n, kind, length))
        return 1;
    errno = EPROTO;
    return -1;
}

gssize
replSparseTake(int fd, char *buf, gsize size)
{
    char head[REPL_SPARSE_HEAD_BYTES];
    struct iovec parts[] = {{head, sizeof(head)}, {buf, size}};
    struct msghdr packet = {.msg_iov = parts, .msg_iovlen = G_N_ELEMENTS(parts)};
    ssize_t n = recvmsg(fd, &packet, MSG_DONTWAIT);

    if (n <= 0)
        return n;
    if (!(packet.msg_flags & MSG_TRUNC) && n >= (ssize_t)sizeof(head))
        return n - (ssize_t)sizeof(head);
    errno = EPROTO;
    return -1;
}

gssize
replSparsePutData(int fd, const char *data, gsize length)
{
    char head[REPL_SPARSE_HEAD_BYTES];
    gsize size = MIN(length, REPL_SPARSE_DATA_MAX_BYTES);
    struct iovec parts[] = {{head, sizeof(head)}, {(char *)data, size}};
    const struct msghdr packet = {.msg_iov = parts, .msg_iovlen = G_N_ELEMENTS(parts)};

    replSparseHead(head, REPL_SPARSE_DATA, size);
    return sendmsg(fd, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : (gssize)size;
}

int
replSparsePutHole(int fd, guint64 length)
{
    char head[REPL_SPARSE_HEAD_BYTES];

    replSparseHead(head, REPL_SPARSE_HOLE, length);
    return send(fd, head, sizeof(head), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}
