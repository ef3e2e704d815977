/*
 * streamend.c: a client's stream over a socket, which breaks without harm and whose end waits for another's word
 *
 * virStream is looked into here, and nowhere else: each stream has a pointer to a table of functions, which
 * virFDStreamOpen() sets. We put a copy of that table there, with functions of ours in it, once everything has proved to
 * be where the sources of the checked versions have it; else such streams are refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/streamend.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-object.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/lock.h"
#include "virt/report.h"
#include "virt/sparse.h"

#define REPL_STREAM_CONFIRM_us (2 * G_USEC_PER_SEC)

/* virStreamDriver of src/driver-stream.h. */
typedef struct {
    int (*streamSend)(virStreamPtr, const char *, size_t);
    int (*streamRecv)(virStreamPtr, char *, size_t);
    void *streamRecvFlags; /* libvirt's streams over a descriptor have neither this */
    int (*streamSendHole)(virStreamPtr, long long, unsigned int);
    void *streamRecvHole; /* nor this */
    int (*streamInData)(virStreamPtr, int *, long long *);
    void *events[3];
    int (*streamFinish)(virStreamPtr);
    int (*streamAbort)(virStreamPtr);
} ReplStreamDriver;

/* virStream of src/datatypes.h. */
typedef struct {
    GObject parent;
    virConnectPtr conn;
    unsigned int flags;
    const ReplStreamDriver *driver;
    void *privateData;
    virFreeCallback ff;
} ReplStreamView;

struct _ReplStreamEnd {
    gatomicrefcount refs;
    ReplLock lock; /* woken when something is told */

    /* guarded by lock */
    gboolean good; /* the client ended it well */
    gboolean told;
    char *why; /* NULL: well */
    int code;
    guint64 hole_bytes; /* at the end of a sparse upload */
};

/* A stream with our table. At its end one of @end and @ended is told, or neither. */
typedef struct {
    ReplStreamEnd *end; /* a reference, or NULL */
    void (*ended)(void *opaque, gboolean good);
    void *opaque;
    gboolean unconfirmed; /* the end waits for no word: it is a download */
    gboolean sparse;
    int fd; /* the client's end of the socket, our own descriptor of it; -1: the stream goes over a file */
    guint64 hole_bytes; /* of a sparse stream: came from the client and is not yet on its way */
} ReplStreamEntry;

/* Guards these; taken alone. The tables are constant once they are set. */
static ReplLock replStreamsLock = REPL_LOCK_INIT;
static GHashTable *replStreams; /* virStream, not a reference -> ReplStreamEntry */
static ReplStreamDriver replStreamTable;
static ReplStreamDriver replStreamSparseTable; /* that of sparse streams */
static const ReplStreamDriver *replStreamNext;

void
replStreamEndUnref(ReplStreamEnd *end)
{
    if (!end || !g_atomic_ref_count_dec(&end->refs))
        return;
    replLockClear(&end->lock);
    g_free(end->why);
    g_free(end);
}

gboolean
replStreamEndIsGood(ReplStreamEnd *end)
{
    REPL_GUARD(&end->lock);
    return end->good;
}

void
replStreamEndTell(ReplStreamEnd *end, const GError *why)
{
    REPL_GUARD(&end->lock);
    end->told = TRUE;
    end->why = why ? g_strdup(why->message) : NULL;
    end->code = why ? why->code : VIR_ERR_OK;
    replLockWake(&end->lock);
}

/* Nothing is in it when the stream is over already. */
static ReplStreamEntry
replStreamTake(virStreamPtr stream)
{
    g_autofree ReplStreamEntry *entry = NULL;
    gpointer found = NULL;

    REPL_GUARD(&replStreamsLock);
    g_hash_table_steal_extended(replStreams, stream, NULL, &found);
    entry = found;
    return entry ? *entry : (ReplStreamEntry){.fd = -1};
}

static int
replStreamAbort(virStreamPtr stream)
{
    ReplStreamEntry entry = replStreamTake(stream);
    int ret = replStreamNext->streamAbort(stream);

    replFdClose(entry.fd);
    replStreamEndUnref(entry.end);
    if (entry.ended)
        entry.ended(entry.opaque, FALSE);
    return ret;
}

/* A copy of what is known of the stream, whose hole is taken out of it; what it names stays there until the stream ends, which no
 * other thread does meanwhile. */
static ReplStreamEntry
replStreamLook(virStreamPtr stream)
{
    REPL_GUARD(&replStreamsLock);
    ReplStreamEntry *entry = g_hash_table_lookup(replStreams, stream);
    ReplStreamEntry copy = entry ? *entry : (ReplStreamEntry){.fd = -1};

    if (entry)
        entry->hole_bytes = 0;
    return copy;
}

/* ---- a stream that breaks */

/* What to return when the bytes of a client cannot go on; the error is set.
 *
 * A daemon of a libvirt newer than 9.0 (11.3.0: daemonStreamHandleWrite) that is told of a failure while it writes makes its answer
 * of the message that it was writing, and then gives the same message back once more: it is freed twice, and the daemon dies. So it is told
 * that there is no room just now, and the socket is closed, which it hears of next: then it answers with the error that is set. A stream over a
 * file has no such way to say so; it is libvirt's own, and stays as it is. */
static int
replStreamBroken(virStreamPtr stream)
{
    const ReplStreamEntry entry = replStreamLook(stream);

    if (entry.fd < 0)
        return -1;
    shutdown(entry.fd, SHUT_RDWR);
    return -2;
}

static int
replStreamSend(virStreamPtr stream, const char *data, size_t length)
{
    int n = replStreamNext->streamSend(stream, data, length);

    return n == -1 ? replStreamBroken(stream) : n;
}

/* ---- sparse streams: what libvirt asks of a file, asked of packets (sparse.h) */

static void
replStreamKeepHole(virStreamPtr stream, guint64 hole)
{
    REPL_GUARD(&replStreamsLock);
    ReplStreamEntry *entry = g_hash_table_lookup(replStreams, stream);

    if (entry)
        entry->hole_bytes += hole;
}

static int
replStreamFail(void)
{
    replReportError(VIR_ERR_OPERATION_FAILED, _("The bytes of a volume on another host broke off: %s"),
                    g_strerror(errno));
    return -1;
}

static int
replStreamInData(virStreamPtr stream, int *inData, long long *length)
{
    const ReplStreamEntry entry = replStreamLook(stream);
    ReplSparseKind kind = REPL_SPARSE_HOLE;
    guint64 bytes = 0;

    if (replSparsePeek(entry.fd, &kind, &bytes) < 0)
        return replStreamFail();
    *inData = kind == REPL_SPARSE_DATA;
    *length = (long long)bytes;
    return 0;
}

static int
replStreamSparseRecv(virStreamPtr stream, char *buf, size_t size)
{
    const ReplStreamEntry entry = replStreamLook(stream);
    gssize n = size > 0 ? replSparseTake(entry.fd, buf, size) : 0;

    if (n < 0 && errno == EAGAIN)
        return -2;
    return n < 0 ? replStreamFail() : (int)n;
}

/* Of a download: libvirt has told the client of the hole that is next, which is passed over here. Of an upload: the client sends
 * one, which goes ahead of the data that follows. */
static int
replStreamSendHole(virStreamPtr stream, long long length, unsigned int flags)
{
    const ReplStreamEntry entry = replStreamLook(stream);

    (void)flags;
    if (entry.unconfirmed)
        return replSparseTake(entry.fd, NULL, 0) < 0 ? replStreamFail() : 0;
    replStreamKeepHole(stream, entry.hole_bytes + (guint64)MAX(length, 0));
    return 0;
}

static int
replStreamSparseSend(virStreamPtr stream, const char *data, size_t length)
{
    const ReplStreamEntry entry = replStreamLook(stream);
    gssize n = entry.hole_bytes > 0 ? replSparsePutHole(entry.fd, entry.hole_bytes) : 0;

    if (n < 0)
        replStreamKeepHole(stream, entry.hole_bytes);
    else
        n = replSparsePutData(entry.fd, data, length);
    if (n < 0 && errno == EAGAIN)
        return -2;
    if (n >= 0)
        return (int)n;
    replStreamFail();
    return replStreamBroken(stream);
}

/* ---- the end */

/* 0: confirmed, -1: reported. */
static int
replStreamAwait(ReplStreamEnd *end)
{
    gint64 until = g_get_monotonic_time() + REPL_STREAM_CONFIRM_us;

    REPL_GUARD(&end->lock);
    while (!end->told && replLockWaitUntil(&end->lock, until)) {
    }
    if (!end->told)
        replReportError(VIR_ERR_OPERATION_FAILED, "%s",
                        _("The other host has not confirmed the end of the upload in time: the volume may be "
                          "incomplete"));
    else if (end->why)
        replReportError(end->code, "%s", end->why);
    return end->told && !end->why ? 0 : -1;
}

static int
replStreamFinish(virStreamPtr stream)
{
    ReplStreamEntry entry = replStreamTake(stream);
    ReplStreamEnd *end = entry.end;
    int ret;

    if (!end) {
        replFdClose(entry.fd);
        ret = replStreamNext->streamFinish(stream);
        if (entry.ended)
            entry.ended(entry.opaque, ret == 0);
        return ret;
    }
    /* Said before the socket is closed, which is what the carrier waits for. */
    replLockTake(&end->lock);
    end->good = TRUE;
    end->hole_bytes = entry.hole_bytes;
    replLockDrop(&end->lock);
    replFdClose(entry.fd);
    ret = replStreamNext->streamFinish(stream);
    if (ret == 0 && !entry.unconfirmed)
        ret = replStreamAwait(end);
    replStreamEndUnref(end);
    return ret;
}

/* Whether the table's functions are libvirt's own, all of them. */
static gboolean
replStreamIsTable(const ReplStreamDriver *driver)
{
    void *const *entries = (void *const *)(const void *)driver;
    Dl_info libvirt;
    Dl_info info;
    gsize i;

    if (!dladdr((void *)(uintptr_t)virStreamFree, &libvirt) || !dladdr(driver, &info) ||
        info.dli_fbase != libvirt.dli_fbase)
        return FALSE;
    for (i = 0; i < sizeof(*driver) / sizeof(void *); i++) {
        if (entries[i] && (!dladdr(entries[i], &info) || info.dli_fbase != libvirt.dli_fbase))
            return FALSE;
    }
    return driver->streamSend && driver->streamFinish && driver->streamAbort;
}

/* Whether the table has what libvirt's streams over a descriptor have, and nothing else, of what sparse streams need. */
static gboolean
replStreamTakesHoles(const ReplStreamDriver *driver)
{
    return driver->streamRecv && !driver->streamRecvFlags && driver->streamSendHole &&
           !driver->streamRecvHole && driver->streamInData;
}

static gboolean
replStreamLooksRight(const ReplStreamView *view, virConnectPtr conn)
{
    GTypeQuery query;

    g_type_query(G_OBJECT_TYPE(view), &query);
    return query.instance_size == sizeof(*view) && view->conn == conn && !view->driver && !view->privateData;
}

/* Puts our table in place of libvirt's. FALSE: this stream has another one than those before. */
static gboolean
replStreamWrap(ReplStreamView *view, const ReplStreamEntry *entry)
{
    REPL_GUARD(&replStreamsLock);
    if (replStreams && view->driver != replStreamNext)
        return FALSE;
    if (!replStreams) {
        replStreams = g_hash_table_new(NULL, NULL);
        replStreamNext = view->driver;
        replStreamTable = *view->driver;
        replStreamTable.streamSend = replStreamSend;
        replStreamTable.streamFinish = replStreamFinish;
        replStreamTable.streamAbort = replStreamAbort;
        replStreamSparseTable = replStreamTable;
        replStreamSparseTable.streamSend = replStreamSparseSend;
        replStreamSparseTable.streamRecv = replStreamSparseRecv;
        replStreamSparseTable.streamSendHole = replStreamSendHole;
        replStreamSparseTable.streamInData = replStreamInData;
    }
    if (entry->end)
        g_atomic_ref_count_inc(&entry->end->refs);
    g_hash_table_insert(replStreams, view, g_memdup2(entry, sizeof(*entry)));
    view->driver = entry->sparse ? &replStreamSparseTable : &replStreamTable;
    return TRUE;
}

gboolean
replStreamIsKnown(virStreamPtr stream, virConnectPtr conn)
{
    return replStreamLooksRight((ReplStreamView *)(void *)stream, conn);
}

gboolean
replStreamWatch(virStreamPtr stream, void (*ended)(void *opaque, gboolean good), void *opaque)
{
    ReplStreamView *view = (ReplStreamView *)(void *)stream;
    ReplStreamEntry entry = {.ended = ended, .opaque = opaque, .fd = -1};

    return replStreamIsTable(view->driver) && replStreamWrap(view, &entry);
}

static ReplStreamEnd *
replStreamEndNew(void)
{
    ReplStreamEnd *end = g_new0(ReplStreamEnd, 1);

    g_atomic_ref_count_init(&end->refs);
    replLockInit(&end->lock);
    return end;
}

guint64
replStreamEndHole_bytes(ReplStreamEnd *end)
{
    REPL_GUARD(&end->lock);
    return end->hole_bytes;
}

/* Opens @stream over *@fd, with our table and with what @entry says, of which it takes nothing over. -1 with @err set. */
static int
replStreamOpenAs(virStreamPtr stream, virConnectPtr conn, ReplFd *fd, ReplStreamEntry *entry, GError **err)
{
    ReplStreamView *view = (ReplStreamView *)(void *)stream;

    if (!replStreamLooksRight(view, conn))
        goto unknown;
    if ((entry->fd = fcntl(*fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        replErrorSetSystem(err, errno, _("There is no way to the client of a stream"));
        return -1;
    }
    if (replVirt.FDStreamOpen(stream, *fd) < 0) {
        replFdClose(entry->fd);
        replTakeError(err);
        return -1;
    }
    (void)replFdSteal(fd);
    if (replStreamIsTable(view->driver) && (!entry->sparse || replStreamTakesHoles(view->driver)) &&
        replStreamWrap(view, entry))
        return 0;
    replFdClose(entry->fd);

unknown:
    /* Others than those that the sources of the checked versions have. */
    replErrorSet(err, VIR_ERR_NO_SUPPORT, "%s",
                 _("This version of libvirt has other streams than those that bytes for another host need"));
    return -1;
}

int
replStreamOpen(virStreamPtr stream, virConnectPtr conn, ReplFd *fd, GError **err)
{
    ReplStreamEntry entry = {.unconfirmed = TRUE, .fd = -1};

    return replStreamOpenAs(stream, conn, fd, &entry, err);
}

ReplStreamEnd *
replStreamEndOpen(virStreamPtr stream, virConnectPtr conn, ReplFd *fd, gboolean confirmed, gboolean sparse,
                  GError **err)
{
    ReplStreamEntry entry = {
        .end = replStreamEndNew(), .unconfirmed = !confirmed, .sparse = sparse, .fd = -1};

    if (replStreamOpenAs(stream, conn, fd, &entry, err) == 0)
        return entry.end;
    replStreamEndUnref(entry.end);
    return NULL;
}
