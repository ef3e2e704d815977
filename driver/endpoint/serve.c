/*
 * serve.c: answers what another host asks about a source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/serve.h"

#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"
#include "copy/reader.h"
#include "endpoint/layerkey.h"
#include "endpoint/window.h"
#include "luks/convert.h"
#include "wire/messages.h"

/* READs of a window of small blocks, and a little more. */
#define REPL_SERVE_QUESTIONS_MAX 512
#define REPL_SERVE_THREADS 3
#define REPL_SERVE_QUESTION_BYTES 16u /* a range */
#define REPL_SERVE_ALIGN_BYTES 4096

G_STATIC_ASSERT(REPL_WIRE_BLOCK_BYTES == REPL_DIGEST_BLOCK_bytes);
G_STATIC_ASSERT(REPL_WIRE_DIGEST_BYTES == REPL_DIGEST_bytes);

typedef struct {
    ReplSession *session;
    ReplWireFrame frame;
} ReplQuestion;

struct _ReplServe {
    /* fixed */
    ReplServeMay may;
    void *opaque;
    int (*admit)(void *opaque, guint64 bytes, GError **err);
    void *admitOpaque;
    GThread *threads[REPL_SERVE_THREADS];

    ReplLock sourceLock; /* guards these */
    ReplSource *source;
    ReplRequest request;                       /* an empty one: layers as they are */
    const ReplSourceFacts *facts;              /* NULL: not yet described */
    ReplReader *readers[REPL_WIRE_LAYERS_MAX]; /* NULL: not yet opened */
    guint64 sizes[REPL_WIRE_LAYERS_MAX];
    ReplWindowSeat *seat; /* NULL: not yet described; then it stays */

    ReplLock lock; /* guards these */
    GQueue questions;
    gboolean stop;
};

static void
replQuestionFree(ReplQuestion *question)
{
    replSessionUnref(question->session);
    replWireFrameClear(&question->frame);
    g_free(question);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplQuestion, replQuestionFree)

/* --- with sourceLock held --- */

static int
replServeDescribed(ReplServe *serve, GError **err)
{
    if (serve->facts)
        return 0;
    if (replSourceHold(serve->source, err) < 0)
        return -1;
    if (replSourceDescribe(serve->source, &serve->request, &serve->facts, err) < 0) {
        serve->facts = NULL;
        return -1;
    }
    if (serve->facts->layerCount > REPL_WIRE_LAYERS_MAX) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("'%s' has more than %u layers"), serve->facts->volume,
                     REPL_WIRE_LAYERS_MAX);
        serve->facts = NULL;
        return -1;
    }
    if (serve->may && serve->may(serve->opaque, serve->facts, err) < 0) {
        serve->facts = NULL;
        return -1;
    }
    for (guint i = 0; i < serve->facts->layerCount; i++)
        serve->sizes[i] = serve->facts->layers[i].size_bytes;
    serve->seat = replWindowJoin(serve->facts);
    return 0;
}

static ReplReader *
replServeReader(ReplServe *serve, guint layer, GError **err)
{
    if (replServeDescribed(serve, err) < 0)
        return NULL;
    if (layer >= serve->facts->layerCount) {
        replErrorSet(err, VIR_ERR_RPC, _("The other host asks for layer %u of %u"), layer,
                     serve->facts->layerCount);
        return NULL;
    }
    if (!serve->readers[layer])
        serve->readers[layer] = replSourceOpenLayer(serve->source, layer, err);
    return serve->readers[layer];
}

/* The maker sees no header of a layer; the file is looked at here, where there is one. */
static gboolean
replServeIsExact(const ReplServe *serve, guint index)
{
    const ReplChain *chain = replSourceChain(serve->source);
    const ReplLayer *layer = chain ? replChainLayer(chain, index) : NULL;
    ReplLuksVerdict verdict;

    return layer && replLuksJudge(layer->fd, layer->volume, layer->format, TRUE, &verdict, NULL) == 0 &&
           verdict.way != REPL_LUKS_BY_QEMU_IMG;
}

static ReplWireLayer *
replServeLayer(const ReplServe *serve, guint index)
{
    const ReplPlanLayer *layer = &serve->facts->layers[index];
    ReplWireLayer *wire = g_new0(ReplWireLayer, 1);

    wire->volume = g_strdup(layer->volume);
    wire->pool = g_strdup(layer->pool);
    wire->poolUuid = g_strdup(layer->poolUuid);
    wire->identity = layer->identity;
    wire->identity.size_bytes = layer->size_bytes;
    wire->format = layer->format;
    wire->encrypted = layer->encrypted;
    wire->compressed = layer->compressed;
    wire->snapshotCount = layer->snapshotCount;
    wire->bitmapCount = layer->bitmapCount;
    wire->allocated_bytes = layer->allocated_bytes;
    wire->virtualSize_bytes = layer->virtualSize_bytes;
    wire->secretUsage = replLayerKeyUsage(layer);
    wire->exact = replServeIsExact(serve, index);
    wire->onDemand = g_strdup(layer->onDemand);
    wire->lostSnapshots = layer->lostSnapshots;
    wire->lostBitmaps = layer->lostBitmaps;
    return wire;
}

/* Data disks of a full machine: their layers follow those of the disk before. */
static void
replServeDisks(const ReplSourceFacts *facts, ReplWireChain *chain)
{
    for (guint i = 1; i < facts->layerCount; i++) {
        guint disk = facts->layers[i].disk;

        if (disk != facts->layers[i - 1].disk)
            replWireChainAddDisk(chain, i, replImageCopy(facts->members[disk - 1]));
    }
}

/* Each of these returns an answer's payload, or NULL with @err set. */
static GByteArray *
replServeDescribe(ReplServe *serve, const GByteArray *question, GError **err)
{
    g_autoptr(ReplWireChain) chain = NULL;

    (void)question;
    if (replServeDescribed(serve, err) < 0)
        return NULL;
    chain = replWireChainNew();
    chain->pool = g_strdup(serve->facts->pool);
    chain->poolUuid = g_strdup(serve->facts->poolUuid);
    chain->region = g_strdup(serve->facts->label->name);
    chain->project = g_strdup(serve->facts->label->project);
    chain->image = replImageCopy(serve->facts->image);
    for (guint i = 0; i < serve->facts->layerCount; i++)
        g_ptr_array_add(chain->layers, replServeLayer(serve, i));
    replServeDisks(serve->facts, chain);
    return replWireChainBytes(chain);
}

static GByteArray *
replServeHolding(ReplServe *serve, const GByteArray *question, GError **err)
{
    (void)question;
    return replServeDescribed(serve, err) < 0 ? NULL : g_byte_array_new();
}

static GByteArray *
replServeCheck(ReplServe *serve, const GByteArray *question, GError **err)
{
    (void)question;
    if (replServeDescribed(serve, err) < 0 || replSourceUnchanged(serve->source, err) < 0)
        return NULL;
    return g_byte_array_new();
}

static GByteArray *
replServeRuns(ReplServe *serve, const GByteArray *question, GError **err)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(ReplWireRun));
    ReplWireRange range;
    ReplReader *reader;
    guint64 size_bytes;
    guint64 at;

    if (replWireRangeRead(question, &range, err) < 0 || !(reader = replServeReader(serve, range.layer, err)))
        return NULL;
    size_bytes = serve->sizes[range.layer];
    at = range.offset_bytes;
    while (at < size_bytes && runs->len < REPL_WIRE_RUNS_MAX) {
        ReplWireRun run;
        guint64 from = at;
        int rc = replReaderData(reader, from, &run.offset_bytes, &run.length_bytes, err);

        if (rc < 0)
            return NULL;
        if (rc == 0 || run.offset_bytes >= size_bytes)
            return replWireRunsBytes(runs, G_MAXUINT64);
        at = MIN(run.offset_bytes + run.length_bytes, size_bytes);
        run.offset_bytes = MAX(run.offset_bytes, from);
        run.length_bytes = at - run.offset_bytes;
        g_array_append_val(runs, run);
    }
    return replWireRunsBytes(runs, at < size_bytes ? at : G_MAXUINT64);
}

static GByteArray *
replServeDigests(ReplServe *serve, const GByteArray *question, GError **err)
{
    g_autofree guint8 *digests = NULL;
    ReplWireRange range;
    gssize count;

    if (replWireRangeRead(question, &range, err) < 0)
        return NULL;
    if (range.length_bytes > REPL_WIRE_DIGESTS_MAX || range.offset_bytes % REPL_WIRE_BLOCK_BYTES != 0) {
        replErrorSet(err, VIR_ERR_RPC, _("The other host asks for %u digests at once"), range.length_bytes);
        return NULL;
    }
    if (!replServeReader(serve, range.layer, err))
        return NULL;
    digests = g_malloc0(MAX(range.length_bytes, 1) * REPL_WIRE_DIGEST_BYTES);
    count = replSourceDigests(serve->source, range.layer, REPL_DIGEST_BLOCKS,
                              range.offset_bytes / REPL_WIRE_BLOCK_BYTES, range.length_bytes, digests, err);
    return count < 0 ? NULL : replWireDigestsBytes(digests, count);
}

/* The layer that KEY or MAKE is about; -1 with @err set. */
static gint
replServeAsked(ReplServe *serve, const GByteArray *question, GError **err)
{
    ReplWireRange range;

    if (replWireRangeRead(question, &range, err) < 0 || replServeDescribed(serve, err) < 0)
        return -1;
    if (range.layer < serve->facts->layerCount)
        return range.layer;
    replErrorSet(err, VIR_ERR_RPC, _("The other host asks for layer %u of %u"), range.layer,
                 serve->facts->layerCount);
    return -1;
}

static GByteArray *
replServeKey(ReplServe *serve, const GByteArray *question, GError **err)
{
    gint layer = replServeAsked(serve, question, err);
    g_auto(ReplSourceKey) key = {0};

    return layer < 0 || replSourceNewKey(serve->source, layer, &key, err) < 0
               ? NULL
               : replWireKeyBytes(key.header, key.header_bytes);
}

/* Makes the layer, unless it is there. Other questions wait for as long: the maker has none until it can read. */
static GByteArray *
replServeMakeLayer(ReplServe *serve, const GByteArray *question, GError **err)
{
    gint layer = replServeAsked(serve, question, err);
    ReplSourceMade made;

    if (layer < 0 || replSourceMakeLayer(serve->source, layer, &made, err) < 0)
        return NULL;
    serve->sizes[layer] = made.size_bytes;
    return replWireMadeBytes(&(ReplWireMade){made.making, made.size_bytes});
}

/* --- without it --- */

typedef struct {
    ReplReader *reader;
    guint8 *buffer;
} ReplServeBlock;

/* Read into memory that a disk can write to directly, then into the frame. */
static GByteArray *
replServeMake(void *opaque, const ReplWireRange *range, GError **err)
{
    const ReplServeBlock *block = opaque;
    GByteArray *data;

    if (replReaderRead(block->reader, block->buffer, range->length_bytes, range->offset_bytes, err) < 0)
        return NULL;
    data = replWireDataNew(range);
    memcpy(data->data + REPL_WIRE_DATA_HEAD_BYTES, block->buffer, range->length_bytes);
    replWireDataSeal(data);
    return data;
}

static GByteArray *
replServeRead(ReplServe *serve, const GByteArray *question, guint8 *buffer, GError **err)
{
    ReplServeBlock block = {.buffer = buffer};
    ReplWireRange range;

    if (replWireRangeRead(question, &range, err) < 0)
        return NULL;
    {
        REPL_GUARD(&serve->sourceLock);
        if (!(block.reader = replServeReader(serve, range.layer, err)))
            return NULL;
    }
    if (range.offset_bytes + range.length_bytes > serve->sizes[range.layer] || range.length_bytes == 0) {
        replErrorSet(err, VIR_ERR_RPC,
                     _("The other host asks for %u bytes at offset %llu of a layer of %llu bytes"),
                     range.length_bytes, (unsigned long long)range.offset_bytes,
                     (unsigned long long)serve->sizes[range.layer]);
        return NULL;
    }
    if (serve->admit && serve->admit(serve->admitOpaque, range.length_bytes, NULL) < 0)
        return NULL;
    return replWindowRead(serve->seat, &range, replServeMake, &block, err);
}

static const struct {
    ReplWireType question;
    ReplWireType answer;
    GByteArray *(*make)(ReplServe *serve, const GByteArray *question, GError **err);
} replServeAnswers[] = {
    {REPL_WIRE_DESCRIBE, REPL_WIRE_CHAIN, replServeDescribe},
    {REPL_WIRE_HOLD, REPL_WIRE_OK, replServeHolding},
    {REPL_WIRE_CHECK, REPL_WIRE_OK, replServeCheck},
    {REPL_WIRE_RUNS, REPL_WIRE_RUN_LIST, replServeRuns},
    {REPL_WIRE_READ, REPL_WIRE_DATA, NULL}, /* replServeRead */
    {REPL_WIRE_DIGESTS, REPL_WIRE_DIGEST_LIST, replServeDigests},
    {REPL_WIRE_KEY, REPL_WIRE_KEY_HEADER, replServeKey},
    {REPL_WIRE_MAKE, REPL_WIRE_MADE, replServeMakeLayer},
};

static int
replServeFind(ReplWireType question)
{
    for (guint i = 0; i < G_N_ELEMENTS(replServeAnswers); i++) {
        if (replServeAnswers[i].question == question)
            return i;
    }
    return -1;
}

static void
replServeAnswer(ReplServe *serve, const ReplQuestion *question, guint8 *buffer)
{
    int which = replServeFind(question->frame.type);
    g_autoptr(GByteArray) answer = NULL;
    g_autoptr(GError) err = NULL;
    ReplWireType type = replServeAnswers[which].answer;

    if (!replServeAnswers[which].make) {
        answer = replServeRead(serve, question->frame.payload, buffer, &err);
    } else {
        REPL_GUARD(&serve->sourceLock);
        answer = replServeAnswers[which].make(serve, question->frame.payload, &err);
    }
    /* Not admitted: the job is about to end. */
    if (!answer && !err)
        return;
    if (!answer) {
        type = REPL_WIRE_ERROR;
        answer = replWireErrorBytes(err);
    }
    replSessionSend(question->session, type, question->frame.id, answer, FALSE);
}

static ReplQuestion *
replServeNext(ReplServe *serve)
{
    REPL_GUARD(&serve->lock);

    while (!serve->stop && g_queue_is_empty(&serve->questions))
        replLockWait(&serve->lock);
    return serve->stop ? NULL : g_queue_pop_head(&serve->questions);
}

static void *
replServeThread(void *opaque)
{
    ReplServe *serve = opaque;
    guint8 *room = g_malloc(REPL_WIRE_READ_MAX_BYTES + REPL_READER_SLACK_BYTES + REPL_SERVE_ALIGN_BYTES);
    guint8 *buffer = room + (REPL_SERVE_ALIGN_BYTES - (guintptr)room % REPL_SERVE_ALIGN_BYTES);
    ReplQuestion *next;

    while ((next = replServeNext(serve))) {
        g_autoptr(ReplQuestion) question = next;

        if (!replSessionIsOver(question->session))
            replServeAnswer(serve, question, buffer);
    }
    g_free(room);
    return NULL;
}

int
replServeFrame(ReplServe *serve, ReplSession *session, ReplWireFrame *frame, GError **err)
{
    ReplQuestion *question;

    if (replServeFind(frame->type) < 0 || frame->id == 0 || frame->payload->len > REPL_SERVE_QUESTION_BYTES) {
        replErrorSet(err, VIR_ERR_RPC, _("The other host asks something that is no question: message %u"),
                     frame->type);
        return -1;
    }
    question = g_new0(ReplQuestion, 1);
    question->session = replSessionRef(session);
    question->frame = *frame;
    frame->payload = NULL;
    {
        REPL_GUARD(&serve->lock);
        if (g_queue_get_length(&serve->questions) < REPL_SERVE_QUESTIONS_MAX) {
            g_queue_push_tail(&serve->questions, question);
            replLockWake(&serve->lock);
            return 0;
        }
    }
    replQuestionFree(question);
    replErrorSet(err, VIR_ERR_RPC, _("The other host asks more than %u questions at once"),
                 REPL_SERVE_QUESTIONS_MAX);
    return -1;
}

void
replServeAdmit(ReplServe *serve, int (*admit)(void *opaque, guint64 bytes, GError **err), void *opaque)
{
    serve->admit = admit;
    serve->admitOpaque = opaque;
}

int
replServeHold(ReplServe *serve, GError **err)
{
    REPL_GUARD(&serve->sourceLock);

    return replServeDescribed(serve, err);
}

const ReplSourceFacts *
replServeFacts(ReplServe *serve)
{
    REPL_GUARD(&serve->sourceLock);

    return serve->facts;
}

ReplServe *
replServeNew(ReplSource *source, ReplServeMay may, void *opaque, GError **err)
{
    g_autoptr(ReplServe) serve = g_new0(ReplServe, 1);

    serve->source = source;
    serve->may = may;
    serve->opaque = opaque;
    replLockInit(&serve->sourceLock);
    replLockInit(&serve->lock);
    g_queue_init(&serve->questions);
    for (guint i = 0; i < REPL_SERVE_THREADS; i++) {
        if (!(serve->threads[i] = replThreadNew("repl-serve", replServeThread, serve, err)))
            return NULL;
    }
    return g_steal_pointer(&serve);
}

void
replServeFree(ReplServe *serve)
{
    if (!serve)
        return;
    {
        REPL_GUARD(&serve->lock);
        serve->stop = TRUE;
        replLockWake(&serve->lock);
    }
    for (guint i = 0; i < REPL_SERVE_THREADS; i++)
        g_clear_pointer(&serve->threads[i], g_thread_join);
    g_queue_clear_full(&serve->questions, (GDestroyNotify)replQuestionFree);
    for (guint i = 0; i < REPL_WIRE_LAYERS_MAX; i++)
        replReaderFree(serve->readers[i]);
    replWindowLeave(serve->seat);
    replLockClear(&serve->lock);
    replLockClear(&serve->sourceLock);
    g_free(serve);
}
