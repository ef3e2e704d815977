/*
 * channel.c: a road for bytes over a socket
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/fd.h"

typedef struct {
    ReplChannel channel;
    ReplFd fd;
} ReplSocketChannel;

static gssize
replSocketReceive(ReplChannel *channel, guint8 *bytes, gsize max, GError **err)
{
    const ReplSocketChannel *self = (ReplSocketChannel *)channel;
    ssize_t got;

    do {
        got = recv(self->fd, bytes, max, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        replErrorSetSystem(err, errno, _("Cannot receive from the other host"));
    return got;
}

/* Takes @sent bytes off the front of @parts; how many parts are left. */
static guint
replSocketSent(struct iovec **parts, guint count, gsize sent)
{
    while (count > 0 && sent >= (*parts)->iov_len) {
        sent -= (*parts)->iov_len;
        (*parts)++;
        count--;
    }
    if (count > 0) {
        (*parts)->iov_base = (guint8 *)(*parts)->iov_base + sent;
        (*parts)->iov_len -= sent;
    }
    return count;
}

static int
replSocketSend(ReplChannel *channel, const ReplWirePacket *packet, GError **err)
{
    const ReplSocketChannel *self = (ReplSocketChannel *)channel;
    struct iovec both[2] = {{(guint8 *)packet->header, REPL_WIRE_HEADER_BYTES}};
    struct iovec *parts = both;
    guint count = 1;

    if (packet->body)
        both[count++] = (struct iovec){packet->body->data, packet->body->len};
    while (count > 0) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(self->fd, &message, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            replErrorSetSystem(err, errno, _("Cannot send to the other host"));
            return -1;
        }
        count = replSocketSent(&parts, count, (gsize)sent);
    }
    return 0;
}

/* Half of it: a daemon that sees both halves of its end closed drops what it has not yet read. */
static void
replSocketFinish(ReplChannel *channel)
{
    shutdown(((ReplSocketChannel *)channel)->fd, SHUT_WR);
}

static void
replSocketAbort(ReplChannel *channel)
{
    shutdown(((ReplSocketChannel *)channel)->fd, SHUT_RDWR);
}

static void
replSocketFree(ReplChannel *channel)
{
    replFdClose(((ReplSocketChannel *)channel)->fd);
    g_free(channel);
}

ReplChannel *
replChannelOfSocket(int fd)
{
    static const ReplChannelOps ops = {replSocketReceive, replSocketSend, replSocketFinish, replSocketAbort,
                                       replSocketFree};
    ReplSocketChannel *self = g_new0(ReplSocketChannel, 1);

    self->channel.ops = &ops;
    self->fd = fd;
    return &self->channel;
}
