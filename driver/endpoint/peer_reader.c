/*
 * peer_reader.c: the bytes of a layer on another host
 *
 * A read of several blocks asks for all of them before it waits for the first, and many threads read at once: that, and
 * not reading ahead, keeps the link full. The runs of data are fetched by the thousand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "copy/reader.h"
#include "endpoint/peersourcepriv.h"

/* A pread has at most 4 MiB. */
#define REPL_PEER_PARTS_MAX 5
/* Small parts overlap packing, sending and checking. */
#define REPL_PEER_PART_BYTES (1u << 20)

typedef struct {
    ReplReader reader;
    ReplPeerSource *source;
    guint layer;
    guint64 size_bytes;

    /* Of the one thread at a time that asks for runs. */
    GArray *runs;       /* NULL: none fetched */
    guint64 from_bytes; /* what they begin at */
    guint64 end_bytes;  /* what is known up to here */
    guint next;         /* where to look on */
} ReplPeerReader;

static int
replPeerReaderFetchRuns(ReplPeerReader *self, guint64 from_bytes, GError **err)
{
    ReplWireRange range = {self->layer, from_bytes, 0};
    g_autoptr(GByteArray) payload = replWireRangeBytes(&range);
    g_auto(ReplWireFrame) answer = {0};
    const ReplWireRun *first;

    g_clear_pointer(&self->runs, g_array_unref);
    if (replPeerSourceAsk(self->source, REPL_WIRE_RUNS, payload, REPL_WIRE_RUN_LIST, &answer, err) < 0 ||
        !(self->runs = replWireRunsRead(answer.payload, &self->end_bytes, err)))
        return -1;
    first = self->runs->len > 0 ? &g_array_index(self->runs, ReplWireRun, 0) : NULL;
    if (self->end_bytes <= from_bytes || (first && first->offset_bytes < from_bytes)) {
        replErrorSet(err, VIR_ERR_RPC, _("Host '%s' tells nothing of the data at offset %llu"),
                     self->source->host, (unsigned long long)from_bytes);
        return -1;
    }
    self->from_bytes = from_bytes;
    self->next = 0;
    return 0;
}

static int
replPeerReaderData(ReplReader *reader, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
                   GError **err)
{
    ReplPeerReader *self = (ReplPeerReader *)reader;

    while (from_bytes < self->size_bytes) {
        if (!self->runs || from_bytes < self->from_bytes || from_bytes >= self->end_bytes) {
            if (replPeerReaderFetchRuns(self, from_bytes, err) < 0)
                return -1;
        }
        if (self->next > 0 &&
            from_bytes < g_array_index(self->runs, ReplWireRun, self->next - 1).offset_bytes)
            self->next = 0;
        for (; self->next < self->runs->len; self->next++) {
            const ReplWireRun *run = &g_array_index(self->runs, ReplWireRun, self->next);

            if (run->offset_bytes + run->length_bytes <= from_bytes)
                continue;
            *offset_bytes = run->offset_bytes;
            *length_bytes = run->length_bytes;
            return run->offset_bytes < self->size_bytes;
        }
        from_bytes = self->end_bytes;
    }
    return 0;
}

/* One part's bytes out of the answer. */
static int
replPeerReaderTake(const ReplPeerReader *self, const GByteArray *payload, const ReplWireRange *asked,
                   guint8 *buf, GError **err)
{
    ReplWireRange got;
    const guint8 *bytes;

    if (replWireDataRead(payload, &got, &bytes, err) < 0)
        return -1;
    if (got.layer != asked->layer || got.offset_bytes != asked->offset_bytes ||
        got.length_bytes != asked->length_bytes) {
        replErrorSet(err, VIR_ERR_RPC,
                     _("Host '%s' sent %u bytes at offset %llu where %u bytes at offset %llu were "
                       "asked for"),
                     self->source->host, got.length_bytes, (unsigned long long)got.offset_bytes,
                     asked->length_bytes, (unsigned long long)asked->offset_bytes);
        return -1;
    }
    memcpy(buf, bytes, got.length_bytes);
    return 0;
}

/* Asks for all parts of the range that are not @done, then hears all that were asked. 1: all are there; 0: the
 * session was lost; -1 with @err set. */
static int
replPeerReaderParts(ReplPeerReader *self, guint64 number, guint8 *buf, const ReplWireRange *parts,
                    guint count, gboolean *done, GError **err)
{
    ReplAsked asked[REPL_PEER_PARTS_MAX] = {0};
    gsize at = 0;
    int ret = 1;

    for (guint i = 0; i < count && ret > 0; i++) {
        g_autoptr(GByteArray) payload = done[i] ? NULL : replWireRangeBytes(&parts[i]);

        if (payload)
            ret = replTalkAsk(self->source->talk, number, REPL_WIRE_READ, payload, parts[i].length_bytes,
                              &asked[i], err);
    }
    for (guint i = 0; i < count; at += parts[i++].length_bytes) {
        g_auto(ReplWireFrame) answer = {0};
        int rc;

        if (asked[i].id == 0)
            continue;
        rc = replTalkHear(self->source->talk, &asked[i], REPL_WIRE_DATA, &answer, ret < 0 ? NULL : err);
        if (rc > 0 && ret >= 0 && replPeerReaderTake(self, answer.payload, &parts[i], buf + at, err) < 0)
            rc = -1;
        done[i] = rc > 0;
        ret = MIN(ret, rc);
    }
    return ret;
}

static int
replPeerReaderRead(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    ReplPeerReader *self = (ReplPeerReader *)reader;
    ReplWireRange parts[REPL_PEER_PARTS_MAX];
    gboolean done[REPL_PEER_PARTS_MAX] = {FALSE};
    guint count = 0;

    while (len > 0 && count < REPL_PEER_PARTS_MAX) {
        guint part = MIN(len, REPL_PEER_PART_BYTES);

        parts[count++] = (ReplWireRange){self->layer, offset, part};
        offset += part;
        len -= part;
    }
    for (;;) {
        guint64 number = replPeerSourceSession(self->source, err);
        int rc;

        if (number == 0 || (rc = replPeerReaderParts(self, number, buf, parts, count, done, err)) < 0)
            return -1;
        if (rc > 0)
            return 0;
    }
}

static void
replPeerReaderCancel(ReplReader *reader)
{
    replTalkCancel(((ReplPeerReader *)reader)->source->talk);
}

static void
replPeerReaderFree(ReplReader *reader)
{
    ReplPeerReader *self = (ReplPeerReader *)reader;

    g_clear_pointer(&self->runs, g_array_unref);
    g_free(self);
}

ReplReader *
replPeerReaderNew(ReplSource *source, guint layer, GError **err)
{
    static const ReplReaderOps ops = {
        .data = replPeerReaderData,
        .pread = replPeerReaderRead,
        .cancel = replPeerReaderCancel,
        .free = replPeerReaderFree,
    };
    ReplPeerSource *from = (ReplPeerSource *)source;
    ReplPeerReader *self;

    if (!from->layers || layer >= from->facts.layerCount) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("There is no layer %u"), layer);
        return NULL;
    }
    /* A copy that failed at its other end has cancelled the reader before, and with it the talk. One that is cancelled
     * meanwhile stays so. */
    if (!g_atomic_int_get(&source->cancelled))
        replTalkReopen(from->talk);
    if (g_atomic_int_get(&source->cancelled))
        replTalkCancel(from->talk);
    self = g_new0(ReplPeerReader, 1);
    self->reader.ops = &ops;
    self->source = from;
    self->layer = layer;
    self->size_bytes = from->layers[layer].size_bytes;
    return &self->reader;
}
