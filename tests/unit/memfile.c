/*
 * memfile.c: a file in memory as the source and the target of a copy, with faults on demand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "memfile.h"

#include <string.h>

#include "base/error.h"

MemFile *
memFileNew(gsize size)
{
    MemFile *file = g_new0(MemFile, 1);

    replLockInit(&file->lock);
    file->bytes = g_byte_array_new();
    g_byte_array_set_size(file->bytes, size);
    memset(file->bytes->data, 0, size);
    file->stable = g_byte_array_new();
    file->runs = g_array_new(FALSE, FALSE, sizeof(MemRun));
    file->has = g_array_new(FALSE, FALSE, sizeof(MemRun));
    return file;
}

void
memFileFree(MemFile *file)
{
    replLockClear(&file->lock);
    g_byte_array_unref(file->bytes);
    g_byte_array_unref(file->stable);
    g_array_unref(file->runs);
    g_array_unref(file->has);
    g_free(file);
}

void
memFileFill(MemFile *file, guint64 offset, guint64 length, guint8 seed)
{
    MemRun run = {offset, length};

    g_assert_cmpuint(offset + length, <=, file->bytes->len);
    for (guint64 i = offset; i < offset + length; i++)
        file->bytes->data[i] = ((i * 7) ^ (i >> 9) ^ (i >> 16) ^ seed) | 1;
    g_array_append_val(file->runs, run);
}

void
memFileFault(MemFile *file, MemOp op, guint call, MemFault fault)
{
    REPL_GUARD(&file->lock);
    file->fault = fault;
    file->faultOp = op;
    file->faultCall = call;
}

void
memFileGoOn(MemFile *file)
{
    REPL_GUARD(&file->lock);
    file->goOn = TRUE;
    replLockWake(&file->lock);
}

void
memFileAwaitStall(MemFile *file)
{
    REPL_GUARD(&file->lock);
    while (file->stalled == 0)
        replLockWait(&file->lock);
}

void
memFileCrash(MemFile *file)
{
    REPL_GUARD(&file->lock);
    g_byte_array_set_size(file->bytes, file->stable->len);
    if (file->stable->len > 0)
        memcpy(file->bytes->data, file->stable->data, file->stable->len);
    file->fault = MEM_FINE;
    file->gone = file->goOn = file->cancelled = FALSE;
    memset(file->calls, 0, sizeof(file->calls));
}

static void
memCancel(MemFile *file)
{
    REPL_GUARD(&file->lock);
    file->cancelled = TRUE;
    replLockWake(&file->lock);
}

/* Called with the lock held, at the beginning of each operation. 0: go on; 1: do half of it, then fail; -1 with @err
 * set. */
static int
memMeet(MemFile *file, MemOp op, GError **err)
{
    gboolean mine = file->calls[op]++ == file->faultCall && file->faultOp == op;
    MemFault fault = mine ? file->fault : MEM_FINE;

    if (fault == MEM_VANISH)
        file->gone = TRUE;
    if (fault == MEM_STALL) {
        file->stalled++;
        replLockWake(&file->lock);
        while (!file->goOn && !file->cancelled)
            replLockWait(&file->lock);
        file->stalled--;
    }
    if (file->cancelled) {
        replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "cancelled");
        return -1;
    }
    if (file->gone) {
        replErrorSet(err, VIR_ERR_NO_CONNECT, "gone");
        return -1;
    }
    if (fault == MEM_FAIL)
        replErrorSet(err, VIR_ERR_SYSTEM_ERROR, "failed");
    return fault == MEM_FAIL ? -1 : fault == MEM_SHORT;
}

/* Where @offset lies in @runs: TRUE inside of one, *end its end or the beginning of the next one. */
static gboolean
memFind(const GArray *runs, guint64 offset, guint64 *end)
{
    *end = G_MAXUINT64;
    for (guint i = 0; i < runs->len; i++) {
        const MemRun *run = &g_array_index(runs, MemRun, i);

        if (offset >= run->offset && offset < run->offset + run->length) {
            *end = run->offset + run->length;
            return TRUE;
        }
        if (run->offset > offset)
            *end = MIN(*end, run->offset);
    }
    return FALSE;
}

/* --- reader --- */

typedef struct {
    ReplReader reader;
    MemFile *file;
} MemReader;

static int
memReaderData(ReplReader *reader, guint64 from, guint64 *offset, guint64 *length, GError **err)
{
    MemFile *file = ((MemReader *)reader)->file;
    guint64 end;

    REPL_GUARD(&file->lock);
    if (memMeet(file, MEM_DATA, err) < 0)
        return -1;
    if (!memFind(file->runs, from, &end)) {
        if (end == G_MAXUINT64)
            return 0;
        from = end;
        memFind(file->runs, from, &end);
    }
    *offset = from;
    *length = end - from;
    return 1;
}

static int
memReaderPread(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    MemFile *file = ((MemReader *)reader)->file;
    int rc;

    REPL_GUARD(&file->lock);
    rc = memMeet(file, MEM_READ, err);
    if (rc < 0)
        return -1;
    if (rc > 0 || offset + len > file->bytes->len) {
        replErrorSet(err, VIR_ERR_SYSTEM_ERROR, "short");
        return -1;
    }
    memcpy(buf, file->bytes->data + offset, len);
    /* Whoever counts on the room behind a buffer to stay as it is, fails. */
    memset(buf + len, 0xee, -(guintptr)(buf + len) % REPL_READER_SLACK_BYTES);
    file->read += len;
    return 0;
}

static void
memReaderPass(ReplReader *reader, guint64 offset, guint64 length)
{
    MemFile *file = ((MemReader *)reader)->file;

    (void)offset;
    REPL_GUARD(&file->lock);
    file->passed += length;
}

static void
memReaderCancel(ReplReader *reader)
{
    memCancel(((MemReader *)reader)->file);
}

static void
memReaderFree(ReplReader *reader)
{
    g_free(reader);
}

static const ReplReaderOps memReaderOps = {
    .data = memReaderData,
    .pread = memReaderPread,
    .pass = memReaderPass,
    .cancel = memReaderCancel,
    .free = memReaderFree,
};

ReplReader *
memReaderNew(MemFile *file)
{
    MemReader *self = g_new0(MemReader, 1);

    self->reader.ops = &memReaderOps;
    self->file = file;
    return &self->reader;
}

/* --- writer --- */

typedef struct {
    ReplWriter writer;
    MemFile *file;
} MemWriter;

static MemFile *
memOf(ReplWriter *writer)
{
    return ((MemWriter *)writer)->file;
}

static int
memWriterResize(ReplWriter *writer, guint64 size, GError **err)
{
    MemFile *file = memOf(writer);
    gsize old = file->bytes->len;

    REPL_GUARD(&file->lock);
    if (memMeet(file, MEM_RESIZE, err) < 0)
        return -1;
    g_byte_array_set_size(file->bytes, size);
    if (size > old)
        memset(file->bytes->data + old, 0, size - old);
    return 0;
}

static int
memWriterPwrite(ReplWriter *writer, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    MemFile *file = memOf(writer);
    int rc;

    REPL_GUARD(&file->lock);
    rc = memMeet(file, MEM_WRITE, err);
    if (rc < 0)
        return -1;
    g_assert_cmpuint(offset + len, <=, file->bytes->len);
    memcpy(file->bytes->data + offset, buf, rc > 0 ? len / 2 : len);
    file->written += len;
    if (rc > 0)
        replErrorSet(err, VIR_ERR_SYSTEM_ERROR, "short");
    return rc > 0 ? -1 : 0;
}

static int
memWriterFlush(ReplWriter *writer, gboolean last, GError **err)
{
    MemFile *file = memOf(writer);
    g_autoptr(GByteArray) before = g_byte_array_new();

    (void)last;
    REPL_GUARD(&file->lock);
    g_byte_array_append(before, file->bytes->data, file->bytes->len);
    if (memMeet(file, MEM_FLUSH, err) < 0) /* may let others write meanwhile */
        return -1;
    g_byte_array_unref(file->stable);
    file->stable = g_steal_pointer(&before);
    return 0;
}

static int
memWriterHave(ReplWriter *writer, guint64 offset, guint64 length, guint64 *run, GError **err)
{
    MemFile *file = memOf(writer);
    gboolean has;
    guint64 end;

    REPL_GUARD(&file->lock);
    if (memMeet(file, MEM_HAVE, err) < 0)
        return -1;
    has = memFind(file->has, offset, &end);
    *run = MIN(length, end - offset);
    return has;
}

static int
memWriterZero(ReplWriter *writer, guint64 offset, guint64 length, GError **err)
{
    MemFile *file = memOf(writer);

    REPL_GUARD(&file->lock);
    if (memMeet(file, MEM_ZERO, err) < 0)
        return -1;
    g_assert_cmpuint(offset + length, <=, file->bytes->len);
    memset(file->bytes->data + offset, 0, length);
    file->zeroed += length;
    return 0;
}

static void
memWriterCancel(ReplWriter *writer)
{
    memCancel(memOf(writer));
}

static void
memWriterFree(ReplWriter *writer)
{
    g_free(writer);
}

static const ReplWriterOps memWriterOps = {
    .resize = memWriterResize,
    .pwrite = memWriterPwrite,
    .flush = memWriterFlush,
    .have = memWriterHave,
    .zero = memWriterZero,
    .cancel = memWriterCancel,
    .free = memWriterFree,
};

ReplWriter *
memWriterNew(MemFile *file)
{
    MemWriter *self = g_new0(MemWriter, 1);

    self->writer.ops = &memWriterOps;
    self->file = file;
    return &self->writer;
}
