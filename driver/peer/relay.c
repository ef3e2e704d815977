/*
 * relay.c: the bytes of a volume on another host, between a client's stream and the peer's
 *
 * libvirt's client queues what a peer sends without a limit while nobody takes it, so a download is asked for in pieces; the
 * next one is asked for when the client has taken the one before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/relay.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "peer/calls.h"
#include "peer/connection.h"
#include "virt/access.h"
#include "virt/streamend.h"
#include "virt/virt.h"

#define REPL_RELAY_PIECE_bytes (16 * 1024 * 1024)
#define REPL_RELAY_BUFFER_bytes (256 * 1024)

struct _ReplRelay {
    ReplLink *link; /* these five are fixed */
    char *pool;
    char *volume;
    gboolean upload;
    guint64 length; /* of what is asked for; 0: to the end */
    guint64 offset; /* these three belong to the thread */
    virStreamPtr stream;
    ReplFd fd;          /* our end of the pair */
    ReplStreamEnd *end; /* what the client's side knows of the end */
};

void
replRelayFree(ReplRelay *relay)
{
    if (!relay)
        return;
    if (relay->stream)
        virStreamFree(relay->stream);
    virResetLastError();
    replLinkUnref(relay->link);
    replFdClose(relay->fd);
    replStreamEndUnref(relay->end);
    g_free(relay->pool);
    g_free(relay->volume);
    g_free(relay);
}

/* Opens the stream for the next piece, or for all that is to be written. Returns 0, or -1 (libvirt's error). */
static int
replRelayOpenStream(ReplRelay *relay, guint64 length)
{
    virStorageVolPtr vol =
        replVirt.GetStorageVol(relay->link->conn, relay->pool, relay->volume, relay->volume, NULL, NULL);
    int ret = -1;

    if (!vol)
        return -1;
    if ((relay->stream = virStreamNew(relay->link->conn, 0)))
        ret = relay->upload ? virStorageVolUpload(vol, relay->stream, relay->offset, length, 0)
                            : virStorageVolDownload(vol, relay->stream, relay->offset, length, 0);
    replVolUnref(vol);
    return ret < 0 ? -1 : 0;
}

/* How much the next piece of a download may hold. */
static guint64
replRelayPiece(const ReplRelay *relay, guint64 done)
{
    guint64 left = relay->length ? relay->length - done : G_MAXUINT64;

    return MIN(left, REPL_RELAY_PIECE_bytes);
}

ReplRelay *
replRelayOpen(const ReplPeerUri *uri, const char *pool, const char *volume, gboolean upload, guint64 offset,
              guint64 length, GError **err)
{
    ReplRelay *relay;
    ReplLink *link = replLinkOpen(uri, 0, replPeersWait_s(), NULL, err);

    if (!link)
        return NULL;
    relay = g_new0(ReplRelay, 1);
    relay->link = link;
    relay->pool = g_strdup(pool);
    relay->volume = g_strdup(volume);
    relay->upload = upload;
    relay->offset = offset;
    relay->length = length;
    relay->fd = -1;
    if (replRelayOpenStream(relay, upload ? length : replRelayPiece(relay, 0)) == 0)
        return relay;
    replLinkTakeError(uri->text, uri->transport, FALSE, err);
    replRelayFree(relay);
    return NULL;
}

/* All of @buf to the client. FALSE when it has gone. */
static gboolean
replRelayGive(int fd, const char *buf, gsize len)
{
    while (len > 0) {
        ssize_t done = send(fd, buf, len, MSG_NOSIGNAL);

        if (done < 0 && errno != EINTR)
            return FALSE;
        if (done > 0) {
            buf += done;
            len -= (gsize)done;
        }
    }
    return TRUE;
}

typedef enum {
    REPL_RELAY_MORE,
    REPL_RELAY_END,  /* the volume's, or that of what was asked for */
    REPL_RELAY_GONE, /* the client's */
    REPL_RELAY_FAILED
} ReplRelayTurn;

/* One piece; the stream for it is open. */
static ReplRelayTurn
replRelayDownPiece(ReplRelay *relay, char *buf, guint64 wanted, guint64 *got)
{
    int len;

    *got = 0;
    while ((len = virStreamRecv(relay->stream, buf, REPL_RELAY_BUFFER_bytes)) > 0) {
        if (!replRelayGive(relay->fd, buf, (gsize)len)) {
            virStreamAbort(relay->stream);
            return REPL_RELAY_GONE;
        }
        *got += (guint64)len;
    }
    if (len < 0 || virStreamFinish(relay->stream) < 0)
        return REPL_RELAY_FAILED;
    virStreamFree(g_steal_pointer(&relay->stream));
    return *got < wanted ? REPL_RELAY_END : REPL_RELAY_MORE;
}

static ReplRelayTurn
replRelayDown(ReplRelay *relay, char *buf)
{
    guint64 done = 0;

    for (;;) {
        guint64 wanted = replRelayPiece(relay, done);
        ReplRelayTurn turn;
        guint64 got;

        if (wanted == 0)
            return REPL_RELAY_END;
        if (!relay->stream && replRelayOpenStream(relay, wanted) < 0)
            return REPL_RELAY_FAILED;
        turn = replRelayDownPiece(relay, buf, wanted, &got);
        done += got;
        relay->offset += got;
        if (turn != REPL_RELAY_MORE)
            return turn;
    }
}

static ReplRelayTurn
replRelayUp(ReplRelay *relay, char *buf)
{
    for (;;) {
        ssize_t len = recv(relay->fd, buf, REPL_RELAY_BUFFER_bytes, 0);
        ssize_t done = 0;

        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            break;
        while (done < len) {
            int sent = virStreamSend(relay->stream, buf + done, (size_t)(len - done));

            if (sent < 0)
                return REPL_RELAY_FAILED;
            done += sent;
        }
    }
    if (!replStreamEndIsGood(relay->end)) {
        virStreamAbort(relay->stream);
        return REPL_RELAY_GONE;
    }
    return virStreamFinish(relay->stream) < 0 ? REPL_RELAY_FAILED : REPL_RELAY_END;
}

static void
replRelayMain(gpointer opaque)
{
    ReplRelay *relay = opaque;
    g_autofree char *buf = g_malloc(REPL_RELAY_BUFFER_bytes);
    ReplRelayTurn turn = relay->upload ? replRelayUp(relay, buf) : replRelayDown(relay, buf);
    g_autoptr(GError) err = NULL;

    if (turn == REPL_RELAY_FAILED) {
        replLinkTakeError(relay->link->uri, relay->link->transport, FALSE, &err);
        replWarn("The %s of volume '%s' has failed: %s", relay->upload ? "upload" : "download", relay->volume,
                 err->message);
    }
    /* The byte that replRelayStart() left in our end: a socket that closes with it unread is reset, not ended. */
    if (!relay->upload && turn == REPL_RELAY_END && recv(relay->fd, buf, 1, 0) < 0)
        replWarn("The download of volume '%s' ends with an error: %s", relay->volume, g_strerror(errno));
    replStreamEndTell(relay->end, err);
    replRelayFree(relay);
}

int
replRelayStart(ReplRelay *relay, virStreamPtr stream, virConnectPtr conn, GError **err)
{
    int fds[2];
    g_auto(ReplFd) client = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        replErrorSetSystem(err, errno, _("There is no way to the client for volume '%s'"), relay->volume);
        replRelayFree(relay);
        return -1;
    }
    client = fds[0];
    relay->fd = fds[1];
    if (!relay->upload && send(client, "", 1, MSG_NOSIGNAL) != 1) {
        replErrorSetSystem(err, errno, _("There is no way to the client for volume '%s'"), relay->volume);
        replRelayFree(relay);
        return -1;
    }
    if (!(relay->end = replStreamEndOpen(stream, conn, &client, relay->upload, err))) {
        replRelayFree(relay);
        return -1;
    }
    if (replCallsDetached("repl-peer-bytes", replRelayMain, relay))
        return 0;
    replErrorSet(err, VIR_ERR_NO_MEMORY, _("There is no thread to carry the bytes of volume '%s'"),
                 relay->volume);
    replRelayFree(relay);
    return -1;
}
