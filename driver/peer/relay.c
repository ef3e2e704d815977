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
#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "peer/line.h"
#include "virt/access.h"
#include "virt/sparse.h"
#include "virt/streamend.h"

#define REPL_RELAY_PIECE_bytes (16 * 1024 * 1024)
#define REPL_RELAY_BUFFER_bytes (256 * 1024)

/* Behind a piece that was mostly a hole the next one may be larger: it may be data, after all. */
#define REPL_RELAY_HOLE_bytes (128 * 1024 * 1024)

/* The client is waited for so long at a time. */
#define REPL_RELAY_TICK_ms 200

/* Between looks whether the peer's stream could not be opened. */
#define REPL_RELAY_LOOK_us (G_USEC_PER_SEC / 50)

struct _ReplRelay {
    ReplLineWork work;
    ReplLine *line; /* fixed */
    char *volume;
    gboolean upload;
    gboolean sparse; /* what goes over the pair are packets (virt/sparse.h) */
    guint64 length;  /* of what is asked for; 0: to the end */

    guint64 offset; /* these three are the line's thread's alone */
    virStreamPtr stream;
    char *buf;

    ReplLock lock;      /* guards the rest; woken when it changes */
    gboolean open;      /* the peer's stream */
    gboolean tied;      /* to the client's: fd and end are there */
    ReplFd fd;          /* our end of the pair; -1: none yet, or given up */
    ReplStreamEnd *end; /* what the client's side knows of the end; fixed once tied */
};

static void
replRelayClear(ReplLineWork *work)
{
    ReplRelay *relay = (ReplRelay *)work;

    replFdClose(relay->fd);
    replStreamEndUnref(relay->end);
    replLineUnref(relay->line);
    replLockClear(&relay->lock);
    g_free(relay->volume);
    g_free(relay->buf);
}

void
replRelayFree(ReplRelay *relay)
{
    if (!relay)
        return;
    replLineDrop(&relay->work);
    {
        REPL_GUARD(&relay->lock);
        replLockWake(&relay->lock);
    }
    replLineWorkUnref(&relay->work);
}

/* ---- the client's side, in the line's thread */

typedef enum {
    REPL_RELAY_MORE,
    REPL_RELAY_END,  /* the volume's, or that of what was asked for */
    REPL_RELAY_GONE, /* the client's */
    REPL_RELAY_FAILED
} ReplRelayTurn;

/* Sends (MSG_DONTWAIT), or receives, once the client is ready; its waiting is no silence of the peer's. Returns the bytes that
 * went, 0 at the end, -1 when the client has gone or the relay was given up. */
static ssize_t
replRelayMove(ReplRelay *relay, const char *give, char *take, gsize len)
{
    for (;;) {
        REPL_GUARD(&relay->lock);
        struct pollfd event = {.fd = relay->fd, .events = give ? POLLOUT : POLLIN};
        ssize_t done = -1;

        replLineMoved(&relay->work);
        if (relay->fd < 0)
            return -1;
        if (poll(&event, 1, REPL_RELAY_TICK_ms) > 0)
            done = give ? send(relay->fd, give, len, MSG_NOSIGNAL | MSG_DONTWAIT)
                        : recv(relay->fd, take, len, MSG_DONTWAIT);
        else
            errno = EAGAIN;
        if (done >= 0 || (errno != EAGAIN && errno != EINTR))
            return done;
    }
}

/* All of it to the client. FALSE when it has gone. */
static gboolean
replRelayGive(ReplRelay *relay, gsize len)
{
    gsize at = 0;

    while (at < len) {
        ssize_t done = replRelayMove(relay, relay->buf + at, NULL, len - at);

        if (done < 0)
            return FALSE;
        at += (gsize)done;
    }
    return TRUE;
}

/* ---- the peer's side, in the line's thread */

/* Opens the stream for the next piece, or for all that is to be written. Returns 0, or -1 (libvirt's error). */
static int
replRelayOpenStream(ReplRelay *relay, ReplLink *link, virStoragePoolPtr pool, guint64 length)
{
    virStorageVolPtr vol = replVirt.GetStorageVol(link->conn, virStoragePoolGetName(pool), relay->volume,
                                                  relay->volume, NULL, NULL);
    int ret = -1;

    if (!vol)
        return -1;
    if ((relay->stream = virStreamNew(link->conn, 0)))
        ret = relay->upload
                  ? virStorageVolUpload(vol, relay->stream, relay->offset, length,
                                        relay->sparse ? VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM : 0)
                  : virStorageVolDownload(vol, relay->stream, relay->offset, length,
                                          relay->sparse ? VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM : 0);
    replVolUnref(vol);
    return ret < 0 ? -1 : 0;
}

/* How much the next piece of a download may hold, behind @done bytes. @most: more only where holes are. */
static guint64
replRelayPiece(const ReplRelay *relay, guint64 done, guint64 most)
{
    guint64 left = relay->length ? relay->length - done : G_MAXUINT64;

    return MIN(left, most);
}

/* What comes next of a sparse piece, as a packet in the buffer. Returns its size, 0 at the end, or -1; *bytes: of the volume. */
static int
replRelayPacket(ReplRelay *relay, guint64 *bytes)
{
    long long hole = 0;
    int len = virStreamRecvFlags(relay->stream, relay->buf + REPL_SPARSE_HEAD_BYTES,
                                 REPL_SPARSE_DATA_MAX_BYTES, VIR_STREAM_RECV_STOP_AT_HOLE);

    *bytes = (guint64)MAX(len, 0);
    if (len >= 0) {
        replSparseHead(relay->buf, REPL_SPARSE_DATA, *bytes);
        return len > 0 ? len + (int)REPL_SPARSE_HEAD_BYTES : 0;
    }
    if (len != -3 || virStreamRecvHole(relay->stream, &hole, 0) < 0 || hole <= 0)
        return -1;
    *bytes = (guint64)hole;
    replSparseHead(relay->buf, REPL_SPARSE_HOLE, *bytes);
    return REPL_SPARSE_HEAD_BYTES;
}

/* The next bytes of a piece into the buffer, as they go to the client. As replRelayPacket(). */
static int
replRelayTake(ReplRelay *relay, guint64 *bytes)
{
    int len;

    if (relay->sparse)
        return replRelayPacket(relay, bytes);
    len = virStreamRecv(relay->stream, relay->buf, REPL_RELAY_BUFFER_bytes);
    *bytes = (guint64)MAX(len, 0);
    return len;
}

/* One piece; the stream for it is open. *carried: of what it holds, bytes that went to the client. */
static ReplRelayTurn
replRelayDownPiece(ReplRelay *relay, ReplLink *link, guint64 wanted, guint64 *got, guint64 *carried)
{
    guint64 bytes;
    int len;

    *got = 0;
    *carried = 0;
    while ((len = replRelayTake(relay, &bytes)) > 0) {
        replLineMoved(&relay->work);
        if (!replRelayGive(relay, (gsize)len))
            return REPL_RELAY_GONE;
        *got += bytes;
        *carried += (guint64)len;
    }
    if (len < 0 || virStreamFinish(relay->stream) < 0)
        return REPL_RELAY_FAILED;
    replLinkEndStream(link, g_steal_pointer(&relay->stream), TRUE);
    return *got < wanted ? REPL_RELAY_END : REPL_RELAY_MORE;
}

static ReplRelayTurn
replRelayDown(ReplRelay *relay, ReplLink *link, virStoragePoolPtr pool)
{
    guint64 most = REPL_RELAY_PIECE_bytes;
    guint64 done = 0;

    for (;;) {
        guint64 wanted = replRelayPiece(relay, done, most);
        ReplRelayTurn turn;
        guint64 got, carried;

        if (wanted == 0)
            return REPL_RELAY_END;
        if (!relay->stream && replRelayOpenStream(relay, link, pool, wanted) < 0)
            return REPL_RELAY_FAILED;
        turn = replRelayDownPiece(relay, link, wanted, &got, &carried);
        done += got;
        relay->offset += got;
        most = carried < got / 2 ? MIN(most * 2, REPL_RELAY_HOLE_bytes) : REPL_RELAY_PIECE_bytes;
        if (turn != REPL_RELAY_MORE)
            return turn;
    }
}

/* Ends a download well. A client's stream takes a socket that is closed for one at its end, whatever packets are left in it.
 * So our end is only shut for writing, and stays open until the client's side has come to the end and closed its own. */
static void
replRelayEndDown(ReplRelay *relay)
{
    /* The byte that replRelayTie() left in our end: a socket that closes with it unread is reset, not ended. */
    if (replRelayMove(relay, NULL, relay->buf, 1) < 0) {
        replWarn("The download of volume '%s' ends with an error: its client is gone", relay->volume);
        return;
    }
    {
        REPL_GUARD(&relay->lock);
        if (relay->fd >= 0)
            shutdown(relay->fd, SHUT_WR);
    }
    while (replRelayMove(relay, NULL, relay->buf, 1) > 0) {
    }
}

/* FALSE: libvirt's error. */
static gboolean
replRelaySend(ReplRelay *relay, const char *data, gsize len)
{
    gsize done = 0;

    while (done < len) {
        int sent = virStreamSend(relay->stream, data + done, len - done);

        if (sent < 0)
            return FALSE;
        done += (gsize)sent;
        replLineMoved(&relay->work);
    }
    return TRUE;
}

/* What has come from the client, @len bytes in the buffer. FALSE: libvirt's error. */
static gboolean
replRelayPass(ReplRelay *relay, gsize len)
{
    ReplSparseKind kind;
    guint64 bytes;

    if (!relay->sparse)
        return replRelaySend(relay, relay->buf, len);
    if (!replSparseRead(relay->buf, len, &kind, &bytes))
        return FALSE;
    if (kind == REPL_SPARSE_HOLE)
        return virStreamSendHole(relay->stream, (long long)bytes, 0) == 0;
    return replRelaySend(relay, relay->buf + REPL_SPARSE_HEAD_BYTES, len - REPL_SPARSE_HEAD_BYTES);
}

static ReplRelayTurn
replRelayUp(ReplRelay *relay)
{
    guint64 hole_bytes;
    ssize_t len;

    while ((len = replRelayMove(relay, NULL, relay->buf, REPL_RELAY_BUFFER_bytes)) > 0) {
        if (!replRelayPass(relay, (gsize)len))
            return REPL_RELAY_FAILED;
    }
    if (!replStreamEndIsGood(relay->end))
        return REPL_RELAY_GONE;
    hole_bytes = replStreamEndHole_bytes(relay->end);
    if (hole_bytes > 0 && virStreamSendHole(relay->stream, (long long)hole_bytes, 0) < 0)
        return REPL_RELAY_FAILED;
    return virStreamFinish(relay->stream) < 0 ? REPL_RELAY_FAILED : REPL_RELAY_END;
}

/* Waits for the client's stream, which the call that opened this ties soon. FALSE: it never will. */
static gboolean
replRelayAwaitTie(ReplRelay *relay)
{
    REPL_GUARD(&relay->lock);

    relay->open = TRUE;
    replLockWake(&relay->lock);
    while (!relay->tied && !replLineStopped(&relay->work))
        replLockWait(&relay->lock);
    return relay->tied;
}

static int
replRelayRun(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err)
{
    ReplRelay *relay = (ReplRelay *)work;
    guint64 length = relay->upload ? relay->length : replRelayPiece(relay, 0, REPL_RELAY_PIECE_bytes);
    ReplRelayTurn turn = REPL_RELAY_FAILED;

    if (replRelayOpenStream(relay, link, pool, length) == 0) {
        if (!replRelayAwaitTie(relay))
            turn = REPL_RELAY_GONE;
        else
            turn = relay->upload ? replRelayUp(relay) : replRelayDown(relay, link, pool);
    }
    if (turn == REPL_RELAY_FAILED)
        replLineFail(link, err);
    if (!relay->upload && turn == REPL_RELAY_END)
        replRelayEndDown(relay);
    if (relay->stream)
        replLinkEndStream(link, g_steal_pointer(&relay->stream), relay->upload && turn == REPL_RELAY_END);
    return turn == REPL_RELAY_FAILED ? -1 : 0;
}

/* ---- opening */

static gboolean
replRelayIsOpen(ReplRelay *relay)
{
    REPL_GUARD(&relay->lock);

    return relay->open;
}

/* Looks, for replLineAwait(), whether the stream is open or never will be. */
static gboolean
replRelayIsReady(gpointer opaque)
{
    ReplRelay *relay = opaque;

    if (replLineIsDone(&relay->work))
        return TRUE;
    REPL_GUARD(&relay->lock);
    if (!relay->open)
        replLockWaitUntil(&relay->lock, g_get_monotonic_time() + REPL_RELAY_LOOK_us);
    return relay->open;
}

ReplRelay *
replRelayOpen(const ReplPeerUri *uri, const char *pool, const ReplRelayOf *of, GError **err)
{
    ReplRelay *relay = replLineWorkNew(sizeof(*relay), replRelayRun, replRelayClear);

    replLockInit(&relay->lock);
    relay->line = replLineNew(uri, pool, 0);
    relay->volume = g_strdup(of->volume);
    relay->upload = of->upload;
    relay->sparse = of->sparse;
    relay->offset = of->offset;
    relay->length = of->length;
    relay->fd = -1;
    relay->buf = g_malloc(REPL_RELAY_BUFFER_bytes);
    if (replLineStart(relay->line, &relay->work, err) == 0 &&
        replLineAwait(relay->line, &relay->work, replRelayIsReady, relay, err) == 0 &&
        (replRelayIsOpen(relay) || replLineWait(relay->line, &relay->work, err) == 0))
        return relay;
    replRelayFree(relay);
    return NULL;
}

/* ---- the watcher */

static void
replRelayMain(gpointer opaque)
{
    ReplRelay *relay = opaque;
    g_autoptr(GError) err = NULL;

    if (replLineWait(relay->line, &relay->work, &err) < 0)
        replWarn("The %s of volume '%s' has failed: %s", relay->upload ? "upload" : "download", relay->volume,
                 err->message);
    replStreamEndTell(relay->end, err);
    replLockTake(&relay->lock);
    replFdClose(relay->fd);
    relay->fd = -1;
    replLockDrop(&relay->lock);
    replRelayFree(relay);
}

/* Gives the client one end of a socket pair. Returns 0, or -1 with @err set. */
static int
replRelayTie(ReplRelay *relay, virStreamPtr stream, virConnectPtr conn, GError **err)
{
    int fds[2];
    g_auto(ReplFd) client = -1;
    g_auto(ReplFd) ours = -1;
    ReplStreamEnd *end;

    if (socketpair(AF_UNIX, (relay->sparse ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0, fds) < 0) {
        replErrorSetSystem(err, errno, _("There is no way to the client for volume '%s'"), relay->volume);
        return -1;
    }
    client = fds[0];
    ours = fds[1];
    if (!relay->upload && send(client, "", 1, MSG_NOSIGNAL) != 1) {
        replErrorSetSystem(err, errno, _("There is no way to the client for volume '%s'"), relay->volume);
        return -1;
    }
    if (!(end = replStreamEndOpen(stream, conn, &client, relay->upload, relay->sparse, err)))
        return -1;
    REPL_GUARD(&relay->lock);
    relay->fd = replFdSteal(&ours);
    relay->end = end;
    relay->tied = TRUE;
    replLockWake(&relay->lock);
    return 0;
}

int
replRelayStart(ReplRelay *relay, virStreamPtr stream, virConnectPtr conn, GError **err)
{
    relay->work.quiet_s = REPL_LINE_QUIET_s;
    if (replRelayTie(relay, stream, conn, err) == 0) {
        if (replCallsDetached("repl-peer-bytes", replRelayMain, relay))
            return 0;
        replErrorSet(err, VIR_ERR_NO_MEMORY, _("There is no thread to carry the bytes of volume '%s'"),
                     relay->volume);
    }
    replRelayFree(relay);
    return -1;
}
