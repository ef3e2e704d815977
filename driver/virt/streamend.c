/*
 * streamend.c: a client's stream over a socket, whose end waits for another's word
 *
 * virStream is looked into here, and nowhere else: each stream has a pointer to a table of functions, which
 * virFDStreamOpen() sets. We put a copy of that table there, with two functions of ours in it, once everything has proved to
 * be where the sources of the checked versions have it; else such streams are refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/streamend.h"

#include <dlfcn.h>
#include <glib-object.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "virt/report.h"

#define REPL_STREAM_CONFIRM_us (2 * G_USEC_PER_SEC)

/* virStreamDriver of src/driver-stream.h; only the last two matter. */
typedef struct {
    void *others[9];
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
};

/* What is to be done at the end of a stream: one of the two. */
typedef struct {
    ReplStreamEnd *end; /* a reference, or NULL */
    void (*ended)(void *opaque, gboolean good);
    void *opaque;
} ReplStreamEntry;

/* Guards these; taken alone. The tables are constant once they are set. */
static ReplLock replStreamsLock = REPL_LOCK_INIT;
static GHashTable *replStreams; /* virStream, not a reference -> ReplStreamEntry */
static ReplStreamDriver replStreamTable;
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

/* All zero when the stream is over already. */
static ReplStreamEntry
replStreamTake(virStreamPtr stream)
{
    g_autofree ReplStreamEntry *entry = NULL;
    gpointer found = NULL;

    REPL_GUARD(&replStreamsLock);
    g_hash_table_steal_extended(replStreams, stream, NULL, &found);
    entry = found;
    return entry ? *entry : (ReplStreamEntry){0};
}

static int
replStreamAbort(virStreamPtr stream)
{
    ReplStreamEntry entry = replStreamTake(stream);
    int ret = replStreamNext->streamAbort(stream);

    replStreamEndUnref(entry.end);
    if (entry.ended)
        entry.ended(entry.opaque, FALSE);
    return ret;
}

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
        ret = replStreamNext->streamFinish(stream);
        if (entry.ended)
            entry.ended(entry.opaque, ret == 0);
        return ret;
    }
    /* Said before the socket is closed, which is what the carrier waits for. */
    replLockTake(&end->lock);
    end->good = TRUE;
    replLockDrop(&end->lock);
    ret = replStreamNext->streamFinish(stream);
    if (ret == 0)
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
    return driver->streamFinish && driver->streamAbort;
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
        replStreamTable.streamFinish = replStreamFinish;
        replStreamTable.streamAbort = replStreamAbort;
    }
    if (entry->end)
        g_atomic_ref_count_inc(&entry->end->refs);
    g_hash_table_insert(replStreams, view, g_memdup2(entry, sizeof(*entry)));
    view->driver = &replStreamTable;
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
    ReplStreamEntry entry = {.ended = ended, .opaque = opaque};

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

ReplStreamEnd *
replStreamEndOpen(virStreamPtr stream, virConnectPtr conn, ReplFd *fd, gboolean confirmed, GError **err)
{
    ReplStreamView *view = (ReplStreamView *)(void *)stream;
    gboolean right = replStreamLooksRight(view, conn);
    ReplStreamEnd *end;

    if (confirmed && !right) {
        replErrorSet(
            err, VIR_ERR_NO_SUPPORT, "%s",
            _("This version of libvirt has other streams than those that an upload to another host needs"));
        return NULL;
    }
    if (replVirt.FDStreamOpen(stream, *fd) < 0) {
        replTakeError(err);
        return NULL;
    }
    (void)replFdSteal(fd);
    end = replStreamEndNew();
    if (!confirmed)
        return end;
    if (replStreamIsTable(view->driver) && replStreamWrap(view, &(ReplStreamEntry){.end = end}))
        return end;
    replStreamEndUnref(end);
    replErrorSet(
        err, VIR_ERR_NO_SUPPORT, "%s",
        _("This version of libvirt has other streams than those that an upload to another host needs"));
    return NULL;
}
