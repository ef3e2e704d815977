/*
 * channel.c: a road for bytes over a socket
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/channel.h"

#include <errno.h>
#include <sys/socket.h>

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

static int
replSocketSend(ReplChannel *channel, const guint8 *bytes, gsize length, GError **err)
{
    const ReplSocketChannel *self = (ReplSocketChannel *)channel;

    while (length > 0) {
        ssize_t sent = send(self->fd, bytes, length, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) {
            replErrorSetSystem(err, errno, _("Cannot send to the other host"));
            return -1;
        }
        bytes += sent;
        length -= sent;
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
