/*
 * channelstream.c: a road for bytes through a stream of libvirt's own, to another daemon with the module
 *
 * A download stream is full duplex: the daemon takes data on any stream, and sends on those of downloads.
 *
 * One thread makes all calls on the connection (link.h): a thread of the channel's own sends what is queued and takes what
 * has come, libvirt's event loop tells it by a flag that something has, and a channel is aborted by telling its thread.
 * Sessions say something twice a second, and their callers end those that are silent. When the network swallows everything
 * the thread stays in its call until TCP gives up; nobody waits for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/channelstream.h"

#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "peer/rate.h"
#include "virt/virt.h"
#include "wire/wire.h"

/* libvirt's messages carry so much of a stream at once. */
#define REPL_STREAM_PART_BYTES (256u << 10)

/* What was taken and not yet received waits up to this; then it waits in libvirt, whose queue the credits bound. */
#define REPL_STREAM_TAKEN_BYTES (4u << 20)
#define REPL_STREAM_QUEUED_BYTES (1u << 20)

/* What libvirt gives at once, from @done on not yet handed on. */
typedef struct {
    gsize length;
    gsize done;
    guint8 bytes[REPL_STREAM_PART_BYTES];
} ReplStreamPart;

typedef struct {
    gatomicrefcount refs; /* the channel's, its thread's, and the callback's */

    /* The thread's alone. */
    ReplLink *link;
    virStreamPtr stream;

    ReplLock lock; /* guards the rest */
    GQueue queued; /* of ReplWirePacket: to be sent */
    gsize queued_bytes;
    GQueue taken; /* of ReplStreamPart: received, and not yet handed on in whole */
    gsize taken_bytes;
    ReplStreamPart *spare; /* the last one that was handed on; NULL: none */
    gboolean readable;     /* something may have come */
    gboolean end;          /* of what comes */
    gboolean finished;     /* ends when all that is queued has been sent */
    gboolean aborted;
    GError *error; /* what libvirt said; NULL: nothing */
} ReplStreamRoad;

typedef struct {
    ReplChannel channel;
    ReplStreamRoad *road;
} ReplStreamChannel;

static void
replStreamUnref(void *opaque)
{
    ReplStreamRoad *road = opaque;

    if (!g_atomic_ref_count_dec(&road->refs))
        return;
    g_queue_clear_full(&road->queued, (GDestroyNotify)replWirePacketFree);
    g_queue_clear_full(&road->taken, g_free);
    g_free(road->spare);
    g_clear_error(&road->error);
    replLockClear(&road->lock);
    g_free(road);
}

/* --- the channel's side --- */

/* Hands on up to @max bytes of what was taken first. With the lock held. */
static gsize
replStreamHandOn(ReplStreamRoad *road, guint8 *bytes, gsize max)
{
    ReplStreamPart *part = g_queue_peek_head(&road->taken);
    gsize length = MIN(part->length - part->done, max);

    memcpy(bytes, part->bytes + part->done, length);
    part->done += length;
    road->taken_bytes -= length;
    if (part->done < part->length)
        return length;
    g_queue_pop_head(&road->taken);
    g_free(road->spare);
    road->spare = part;
    return length;
}

static gssize
replStreamReceive(ReplChannel *channel, guint8 *bytes, gsize max, GError **err)
{
    ReplStreamRoad *road = ((ReplStreamChannel *)channel)->road;
    gsize before, length;
    REPL_GUARD(&road->lock);

    while (g_queue_is_empty(&road->taken) && !road->end && !road->error && !road->aborted)
        replLockWait(&road->lock);
    if (g_queue_is_empty(&road->taken)) {
        if (road->error)
            g_propagate_error(err, g_error_copy(road->error));
        return road->error ? -1 : 0;
    }
    before = road->taken_bytes;
    length = replStreamHandOn(road, bytes, max);
    if (before >= REPL_STREAM_TAKEN_BYTES && road->taken_bytes < REPL_STREAM_TAKEN_BYTES) {
        /* There is room again for what waits in libvirt. */
        road->readable = TRUE;
        replLockWake(&road->lock);
    }
    return (gssize)length;
}

static int
replStreamSend(ReplChannel *channel, const ReplWirePacket *packet, GError **err)
{
    ReplStreamRoad *road = ((ReplStreamChannel *)channel)->road;
    ReplWirePacket *queued;
    REPL_GUARD(&road->lock);

    while (road->queued_bytes >= REPL_STREAM_QUEUED_BYTES && !road->error && !road->aborted)
        replLockWait(&road->lock);
    if (road->error || road->aborted) {
        if (road->error)
            g_propagate_error(err, g_error_copy(road->error));
        else
            replErrorSet(err, VIR_ERR_OPERATION_ABORTED, _("The session was ended"));
        return -1;
    }
    queued = g_memdup2(packet, sizeof(*packet));
    if (queued->body)
        g_byte_array_ref(queued->body);
    g_queue_push_tail(&road->queued, queued);
    road->queued_bytes += replWirePacketBytes(queued);
    replLockWake(&road->lock);
    return 0;
}

static void
replStreamFinish(ReplChannel *channel)
{
    ReplStreamRoad *road = ((ReplStreamChannel *)channel)->road;
    REPL_GUARD(&road->lock);

    road->finished = TRUE;
    replLockWake(&road->lock);
}

static void
replStreamAborted(ReplStreamRoad *road)
{
    REPL_GUARD(&road->lock);

    road->aborted = TRUE;
    replLockWake(&road->lock);
}

static void
replStreamAbort(ReplChannel *channel)
{
    replStreamAborted(((ReplStreamChannel *)channel)->road);
}

static void
replStreamFree(ReplChannel *channel)
{
    replStreamAbort(channel);
    replStreamUnref(((ReplStreamChannel *)channel)->road);
    g_free(channel);
}

/* --- the thread that alone calls libvirt --- */

/* In libvirt's event loop. It would be called again and again until the thread has taken what came: so it is told not to be. */
static void
replStreamEvent(virStreamPtr stream, int events, void *opaque)
{
    ReplStreamRoad *road = opaque;

    (void)events;
    virStreamEventUpdateCallback(stream, 0);
    REPL_GUARD(&road->lock);
    road->readable = TRUE;
    replLockWake(&road->lock);
}

static void
replStreamFail(ReplStreamRoad *road)
{
    GError *error = NULL;

    replLinkTakeError(road->link->uri, road->link->transport, FALSE, &error);
    REPL_GUARD(&road->lock);
    if (road->error)
        g_error_free(error);
    else
        road->error = error;
    replLockWake(&road->lock);
}

/* Waits for something to do: what is to be sent (NULL: nothing), and whether something may have come. FALSE: the end. */
static gboolean
replStreamNext(ReplStreamRoad *road, ReplWirePacket **send, gboolean *take)
{
    REPL_GUARD(&road->lock);

    for (;;) {
        *take = road->readable && !road->end && road->taken_bytes < REPL_STREAM_TAKEN_BYTES;
        if (road->error || road->aborted)
            return FALSE;
        if (*take || !g_queue_is_empty(&road->queued))
            break;
        if (road->finished)
            return FALSE;
        replLockWait(&road->lock);
    }
    if ((*send = g_queue_pop_head(&road->queued))) {
        road->queued_bytes -= replWirePacketBytes(*send);
        replLockWake(&road->lock);
    }
    if (*take)
        road->readable = FALSE;
    return TRUE;
}

static int
replStreamSendBytes(ReplStreamRoad *road, const guint8 *bytes, gsize length)
{
    for (gsize at = 0; at < length;) {
        int sent =
            virStreamSend(road->stream, (const char *)bytes + at, MIN(length - at, REPL_STREAM_PART_BYTES));

        if (sent == -2) {
            g_usleep(1000); /* libvirt itself waits where it has to */
            continue;
        }
        if (sent < 0)
            return -1;
        replRateCarried(road->link->uri, (guint64)sent);
        at += sent;
    }
    return 0;
}

/* The header goes together with as much of the body as leaves whole parts of it. */
static int
replStreamSendPacket(ReplStreamRoad *road, const ReplWirePacket *packet, guint8 *buffer)
{
    gsize length = packet->body ? packet->body->len : 0;
    gsize first = length % REPL_STREAM_PART_BYTES;

    if (first + REPL_WIRE_HEADER_BYTES > REPL_STREAM_PART_BYTES)
        first = 0;
    memcpy(buffer, packet->header, REPL_WIRE_HEADER_BYTES);
    if (first > 0)
        memcpy(buffer + REPL_WIRE_HEADER_BYTES, packet->body->data, first);
    if (replStreamSendBytes(road, buffer, REPL_WIRE_HEADER_BYTES + first) < 0)
        return -1;
    return length > first ? replStreamSendBytes(road, packet->body->data + first, length - first) : 0;
}

static ReplStreamPart *
replStreamPart(ReplStreamRoad *road)
{
    REPL_GUARD(&road->lock);

    return road->spare ? g_steal_pointer(&road->spare) : g_malloc(sizeof(ReplStreamPart));
}

/* Puts the @length bytes in *part behind what was taken: into the last part if there is room, so that many small ones take no
 * more memory, else *part itself, which is taken over then. Returns whether there is room for more. */
static gboolean
replStreamTaken(ReplStreamRoad *road, ReplStreamPart **part, gsize length)
{
    ReplStreamPart *last;
    REPL_GUARD(&road->lock);

    last = g_queue_peek_tail(&road->taken);
    if (last && sizeof(last->bytes) - last->length >= length) {
        memcpy(last->bytes + last->length, (*part)->bytes, length);
        last->length += length;
    } else {
        (*part)->length = length;
        (*part)->done = 0;
        g_queue_push_tail(&road->taken, g_steal_pointer(part));
    }
    road->taken_bytes += length;
    replLockWake(&road->lock);
    return road->taken_bytes < REPL_STREAM_TAKEN_BYTES;
}

static void
replStreamEnded(ReplStreamRoad *road)
{
    REPL_GUARD(&road->lock);

    road->end = TRUE;
    replLockWake(&road->lock);
}

/* Takes what has come, as far as there is room. */
static int
replStreamTake(ReplStreamRoad *road)
{
    g_autofree ReplStreamPart *part = NULL;

    for (;;) {
        int got;

        if (!part)
            part = replStreamPart(road);
        got = virStreamRecv(road->stream, (char *)part->bytes, sizeof(part->bytes));
        if (got == -2)
            return virStreamEventUpdateCallback(road->stream, VIR_STREAM_EVENT_READABLE);
        if (got < 0)
            return -1;
        if (got == 0) {
            replStreamEnded(road);
            return 0;
        }
        replRateCarried(road->link->uri, (guint64)got);
        if (!replStreamTaken(road, &part, (gsize)got))
            return 0;
    }
}

static void *
replStreamRun(void *opaque)
{
    ReplStreamRoad *road = opaque;
    g_autofree guint8 *buffer = g_malloc(REPL_STREAM_PART_BYTES);
    ReplWirePacket *next;
    gboolean take;
    int rc = 0;

    while (rc == 0 && replStreamNext(road, &next, &take)) {
        g_autoptr(ReplWirePacket) send = next;

        if ((send && replStreamSendPacket(road, send, buffer) < 0) || (take && replStreamTake(road) < 0)) {
            replStreamFail(road);
            rc = -1;
        }
    }
    virStreamEventRemoveCallback(road->stream);
    replLinkEndStream(road->link, road->stream, FALSE);
    replLinkUnref(road->link);
    replStreamAborted(road);
    replStreamUnref(road);
    return NULL;
}

/* --- opening --- */

static virStreamPtr
replStreamOpen(ReplLink *link, virStoragePoolPtr pool, const char *volume, GError **err)
{
    /* Of a push, the volume is not there yet; the other end looks for itself what this handle is good for. */
    virStorageVolPtr vol =
        replVirt.GetStorageVol(link->conn, virStoragePoolGetName(pool), volume, volume, NULL, NULL);
    virStreamPtr stream = vol ? virStreamNew(link->conn, VIR_STREAM_NONBLOCK) : NULL;

    if (!stream || virStorageVolDownload(vol, stream, 0, 0, REPL_WIRE_STREAM_FLAG) < 0) {
        replLinkTakeError(link->uri, link->transport, FALSE, err);
        if (stream)
            replLinkEndStream(link, stream, FALSE);
        stream = NULL;
    }
    if (vol)
        virStorageVolFree(vol);
    virResetLastError();
    return stream;
}

/* Takes over @link and @stream. */
static ReplStreamRoad *
replStreamRoadNew(ReplLink *link, virStreamPtr stream, GError **err)
{
    ReplStreamRoad *road = g_new0(ReplStreamRoad, 1);
    GThread *thread;

    g_atomic_ref_count_init(&road->refs);
    replLockInit(&road->lock);
    road->link = link;
    road->stream = stream;
    g_queue_init(&road->queued);
    g_queue_init(&road->taken);
    g_atomic_ref_count_inc(&road->refs); /* the callback's */
    if (virStreamEventAddCallback(stream, VIR_STREAM_EVENT_READABLE, replStreamEvent, road, replStreamUnref) <
        0) {
        replLinkTakeError(link->uri, link->transport, FALSE, err);
        replStreamUnref(road);
    } else {
        g_atomic_ref_count_inc(&road->refs); /* the thread's */
        if ((thread = replThreadNew("repl-stream", replStreamRun, road, err))) {
            g_thread_unref(thread);
            return road;
        }
        replStreamUnref(road);
        virStreamEventRemoveCallback(stream);
    }
    replLinkEndStream(link, stream, FALSE);
    replLinkUnref(link);
    replStreamUnref(road);
    return NULL;
}

ReplChannel *
replChannelOfLink(ReplLink *link, const char *pool, const char *volume, GError **err)
{
    static const ReplChannelOps ops = {replStreamReceive, replStreamSend, replStreamFinish, replStreamAbort,
                                       replStreamFree};
    virStoragePoolPtr there = replLinkPool(link, pool, err);
    ReplStreamChannel *self;
    ReplStreamRoad *road;
    virStreamPtr stream;

    stream = there ? replStreamOpen(link, there, volume, err) : NULL;
    if (there)
        virStoragePoolFree(there);
    if (!stream) {
        replLinkUnref(link);
        return NULL;
    }
    if (!(road = replStreamRoadNew(link, stream, err)))
        return NULL;
    self = g_new0(ReplStreamChannel, 1);
    self->channel.ops = &ops;
    self->road = road;
    return &self->channel;
}
