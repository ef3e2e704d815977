/*
 * dial.c: whether anything answers at a port, asked with a time-out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"

/* Waits for a connection under way; 0, or an errno. */
static int
replDialAwait(int fd, guint wait_s)
{
    gint64 until = g_get_monotonic_time() + (gint64)wait_s * G_USEC_PER_SEC;
    socklen_t len = sizeof(int);
    int error = 0;

    for (;;) {
        struct pollfd event = {.fd = fd, .events = POLLOUT};
        gint64 left_ms = MAX(0, (until - g_get_monotonic_time()) / 1000);
        int ret = poll(&event, 1, (int)left_ms);

        if (ret == 0)
            return ETIMEDOUT;
        if (ret < 0 && errno != EINTR)
            return errno;
        if (ret > 0)
            return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
    }
}

static int
replDialAddress(const struct addrinfo *address, guint wait_s)
{
    g_auto(ReplFd) fd =
        socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->ai_protocol);

    if (fd < 0)
        return errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return 0;
    return errno == EINPROGRESS ? replDialAwait(fd, wait_s) : errno;
}

int
replDial(const char *host, guint port, guint wait_s, const char *uri, GError **err)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *addresses = NULL;
    struct addrinfo *address;
    int error = EHOSTUNREACH;
    int rc = getaddrinfo(host, service, &hints, &addresses);

    if (rc != 0) {
        replErrorSet(err, VIR_ERR_NO_CONNECT, _("peer '%s': it cannot be connected to: %s"), uri,
                     gai_strerror(rc));
        return -1;
    }
    for (address = addresses; address && error != 0; address = address->ai_next)
        error = replDialAddress(address, wait_s);
    freeaddrinfo(addresses);
    if (error == 0)
        return 0;
    replErrorSet(err, VIR_ERR_NO_CONNECT, _("peer '%s': it cannot be connected to: %s"), uri,
                 g_strerror(error));
    return -1;
}
