/*
 * test_wire.c: frames and messages there and back, and what is refused
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "wire_samples.h"

/* Feeds @bytes in parts of @part; the count of whole frames, -1 on an error (code in *code). */
static int
feed(const GByteArray *bytes, gsize part, GPtrArray *payloads, int *code)
{
    g_auto(ReplWireInput) input = {0};
    gsize at = 0;
    int frames = 0;

    while (at < bytes->len) {
        g_autoptr(GError) err = NULL;
        g_auto(ReplWireFrame) frame = {0};
        gsize room;
        guint8 *to = replWireInputRoom(&input, &room);
        gsize length = MIN(MIN(room, part), bytes->len - at);
        int rc;

        g_assert_cmpuint(room, >, 0);
        memcpy(to, bytes->data + at, length);
        at += length;
        if ((rc = replWireInputTake(&input, length, &frame, &err)) < 0) {
            *code = err->code;
            return -1;
        }
        if (rc > 0 && payloads)
            g_ptr_array_add(payloads, g_byte_array_ref(frame.payload));
        frames += rc;
    }
    return frames;
}

static void
testFrames(void)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();
    g_autoptr(GByteArray) data = sampleData(REPL_WIRE_READ_MAX_BYTES);

    for (int level = 0; level < 3; level++) {
        g_autoptr(GByteArray) frame = sampleFrame(REPL_WIRE_DATA, 9, data, level);
        g_autoptr(GByteArray) empty = sampleFrame(REPL_WIRE_PING, 0, NULL, level);

        g_byte_array_append(stream, frame->data, frame->len);
        g_byte_array_append(stream, empty->data, empty->len);
        if (level > 0)
            g_assert_cmpuint(frame->len, <, data->len / 2);
    }
    for (gsize part = 7; part < 10000000; part *= 100) {
        g_autoptr(GPtrArray) payloads = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
        int code;

        g_assert_cmpint(feed(stream, part, payloads, &code), ==, 6);
        for (guint i = 0; i < 6; i += 2) {
            const GByteArray *got = g_ptr_array_index(payloads, i);

            g_assert_cmpmem(got->data, got->len, data->data, data->len);
        }
    }
}

/* Random bytes do not get smaller: they go as they are. */
static void
testIncompressible(void)
{
    g_autoptr(GByteArray) noise = g_byte_array_new();
    g_autoptr(GByteArray) frame = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (int i = 0; i < 65536; i++) {
        guint8 byte = g_rand_int(rand);

        g_byte_array_append(noise, &byte, 1);
    }
    frame = sampleFrame(REPL_WIRE_DATA, 1, noise, 3);
    g_assert_cmpuint(frame->len, ==, noise->len + REPL_WIRE_HEADER_BYTES);
    g_assert_cmpuint(frame->data[5], ==, 0);
}

/* Each single bit of a frame matters. */
static void
testDamage(void)
{
    for (int level = 0; level < 2; level++) {
        g_autoptr(GByteArray) data = sampleData(300);
        g_autoptr(GByteArray) frame = sampleFrame(REPL_WIRE_DATA, 9, data, level);

        for (guint bit = 0; bit < frame->len * 8; bit++) {
            int code = 0;
            int frames;

            frame->data[bit / 8] ^= 1 << bit % 8;
            frames = feed(frame, 1000, NULL, &code);
            /* A longer length waits for bytes that do not come. */
            g_assert_cmpint(frames, <=, 0);
            if (frames < 0)
                g_assert_cmpint(code, ==, VIR_ERR_RPC);
            frame->data[bit / 8] ^= 1 << bit % 8;
        }
    }
}

/* A header alone must not make us allocate more than a frame may have, nor may a packed payload. */
static void
testAbsurdSizes(void)
{
    g_autoptr(GByteArray) frame = sampleFrame(REPL_WIRE_PING, 0, NULL, 0);
    int code = 0;

    frame->data[12] = 0x7f;
    g_assert_cmpint(feed(frame, 1000, NULL, &code), ==, -1);
    g_assert_cmpint(code, ==, VIR_ERR_RPC);
}

static void
testHello(void)
{
    g_auto(ReplWireHello) hello = sampleHello();
    g_autoptr(GByteArray) bytes = replWireHelloBytes(&hello);
    g_auto(ReplWireHello) read = {0};
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replWireHelloRead(bytes, &read, &err), ==, 0);
    g_assert_cmpstr(read.job, ==, SAMPLE_UUID);
    g_assert_cmpstr(read.request, ==, "<volume/>");
    g_assert_cmpstr(read.host, ==, "host a");
    g_assert_cmpuint(read.epoch, ==, 7);
    g_assert_cmpuint(replWireVersionPick(&read), ==, 1);
}

/* A newer host may say more than we understand; we still learn which versions it has. */
static void
testNewerVersion(void)
{
    static const guint8 newer[] = {0, 5, 0, 9, 1, 2, 3};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_auto(ReplWireHello) read = {0};

    g_byte_array_append(bytes, newer, sizeof(newer));
    g_assert_cmpint(replWireHelloRead(bytes, &read, NULL), ==, 0);
    g_assert_cmpuint(replWireVersionPick(&read), ==, 0);
    g_assert_cmpuint(read.versionMin, ==, 5);
    g_assert_cmpuint(read.versionMax, ==, 9);
}

static void
testChain(void)
{
    g_autoptr(ReplWireChain) chain = sampleChain(REPL_WIRE_LAYERS_MAX);
    g_autoptr(GByteArray) bytes = replWireChainBytes(chain);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplWireChain) read = replWireChainRead(bytes, &err);
    const ReplWireLayer *a = g_ptr_array_index(chain->layers, 150);
    const ReplWireLayer *b;

    g_assert_no_error(err);
    g_assert_cmpuint(bytes->len, <=, REPL_WIRE_PAYLOAD_MAX_BYTES);
    b = g_ptr_array_index(read->layers, 150);
    g_assert_cmpstr(a->volume, ==, b->volume);
    g_assert_true(replFileIdentityEqual(&a->identity, &b->identity));
    g_assert_cmpuint(b->luksLength, ==, 8192);
    g_assert_cmpint(b->format, ==, REPL_FORMAT_QCOW2);
    g_assert_true(b->encrypted && !b->compressed);
    g_assert_true(b->exact == a->exact);
    g_assert_cmpstr(b->onDemand, ==, "rekey");
    g_assert_cmpuint(b->lostSnapshots, ==, 2);
    g_assert_cmpuint(b->lostBitmaps, ==, 1);
    g_assert_cmpstr(read->image->name, ==, "web");
    g_assert_cmpint(read->image->type, ==, REPL_IMAGE_TYPE_DATA_DISK);
}

/* A full machine: what is behind the layers says where each data disk begins, ascending, and never past the end. */
static void
testDisks(void)
{
    static const struct {
        guint32 first[2];
        gboolean good;
    } cases[] = {
        {{1, 3}, TRUE}, {{3, 4}, TRUE}, {{0, 3}, FALSE}, {{3, 3}, FALSE}, {{3, 1}, FALSE}, {{1, 5}, FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ReplWireChain) chain = sampleChain(5);
        g_autoptr(ReplWireChain) read = NULL;
        g_autoptr(GByteArray) bytes = NULL;
        g_autoptr(GError) err = NULL;

        for (guint k = 0; k < 2; k++)
            replWireChainAddDisk(chain, cases[i].first[k], replImageCopy(chain->image));
        bytes = replWireChainBytes(chain);
        read = replWireChainRead(bytes, &err);
        g_assert_true((read != NULL) == cases[i].good);
        if (!read) {
            g_assert_error(err, REPL_ERROR, VIR_ERR_RPC);
            continue;
        }
        g_assert_cmpuint(read->disks->len, ==, 2);
        g_assert_cmpstr(g_ptr_array_index(read->image->members, 0), ==,
                        i == 0 ? "layer1.qcow2" : "layer3.qcow2");
        g_byte_array_set_size(bytes, bytes->len - 1);
        g_assert_null(replWireChainRead(bytes, NULL));
    }
}

/* Names become names of files here. */
static void
testBadNames(void)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "../../etc/passwd", "a\nb"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(ReplWireChain) chain = sampleChain(1);
        ReplWireLayer *layer = g_ptr_array_index(chain->layers, 0);
        g_autoptr(GByteArray) bytes = NULL;
        g_autoptr(GError) err = NULL;

        g_free(layer->volume);
        layer->volume = g_strdup(bad[i]);
        bytes = replWireChainBytes(chain);
        g_assert_null(replWireChainRead(bytes, &err));
        g_assert_error(err, REPL_ERROR, VIR_ERR_RPC);
    }
}

/* Every message cut short anywhere, or with a byte too many, is refused. */
static void
testCut(void)
{
    for (guint type = REPL_WIRE_CHAIN; type < 64; type++) {
        g_autoptr(GByteArray) payload = samplePayload(type);
        g_auto(ReplWireStatus) status = {0};
        ReplWireVerb verb;
        ReplWireRange range;
        const guint8 *bytes;
        guint64 value;
        guint count;
        gboolean read = FALSE;

        if (!payload)
            continue;
        g_byte_array_append(payload, (const guint8 *)"x", 1);
        for (gint length = payload->len; length >= 0; length--) {
            g_autoptr(ReplWireChain) chain = NULL;
            g_autoptr(GArray) runs = NULL;
            g_autoptr(GByteArray) header = NULL;
            ReplWireMade made;

            if (length == (gint)payload->len - 1)
                continue;
            g_byte_array_set_size(payload, length);
            read = (type == REPL_WIRE_CHAIN && (chain = replWireChainRead(payload, NULL))) ||
                   (type == REPL_WIRE_READ && replWireRangeRead(payload, &range, NULL) == 0) ||
                   (type == REPL_WIRE_RUN_LIST && (runs = replWireRunsRead(payload, &value, NULL))) ||
                   (type == REPL_WIRE_DATA && replWireDataRead(payload, &range, &bytes, NULL) == 0) ||
                   (type == REPL_WIRE_DIGEST_LIST && replWireDigestsRead(payload, &count, NULL)) ||
                   (type == REPL_WIRE_KEY_HEADER && (header = replWireKeyRead(payload, &value, NULL))) ||
                   (type == REPL_WIRE_MADE && replWireMadeRead(payload, &made, NULL) == 0) ||
                   (type == REPL_WIRE_STATUS && replWireStatusRead(payload, &status, NULL) == 0) ||
                   (type == REPL_WIRE_CONTROL && replWireControlRead(payload, &verb, &value, NULL) == 0);
            g_assert_false(read);
        }
    }
}

/* A header that is larger than any, or than it says itself, and an action that the record does not know. */
static void
testMade(void)
{
    g_autoptr(GByteArray) good = samplePayload(REPL_WIRE_KEY_HEADER);
    g_autoptr(GByteArray) large = g_byte_array_new();
    g_autoptr(GByteArray) header = NULL;
    g_autoptr(ReplWireChain) chain = sampleChain(2);
    guint64 header_bytes;

    header = replWireKeyRead(good, &header_bytes, NULL);
    g_assert_cmpmem(header->data, header->len, "LUKS", 4);
    g_assert_cmpuint(header_bytes, ==, 1 << 20);
    g_byte_array_set_size(large, REPL_WIRE_KEY_BYTES_MAX + 1);
    for (guint i = 0; i < 3; i++) {
        static const guint64 sizes[] = {3, REPL_WIRE_KEY_HEADER_MAX + 1, REPL_WIRE_KEY_HEADER_MAX};
        g_autoptr(GByteArray) bytes = replWireKeyBytes(i < 2 ? header : large, sizes[i]);

        g_assert_null(replWireKeyRead(bytes, &header_bytes, NULL));
    }
    g_free(((ReplWireLayer *)chain->layers->pdata[1])->onDemand);
    ((ReplWireLayer *)chain->layers->pdata[1])->onDemand = g_strdup("melt");
    {
        g_autoptr(GByteArray) bytes = replWireChainBytes(chain);

        g_assert_null(replWireChainRead(bytes, NULL));
    }
}

/* Runs that overlap or go back would make a copy write the same bytes twice. */
static void
testRuns(void)
{
    static const ReplWireRun bad[][2] = {{{0, 100}, {50, 10}}, {{100, 10}, {0, 10}}, {{0, 0}, {10, 10}}};
    g_autoptr(GByteArray) good = samplePayload(REPL_WIRE_RUN_LIST);
    g_autoptr(GArray) read = NULL;
    guint64 end;

    read = replWireRunsRead(good, &end, NULL);
    g_assert_cmpuint(read->len, ==, 2);
    g_assert_cmpuint(end, ==, 1 << 20);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(ReplWireRun));
        g_autoptr(GByteArray) bytes = NULL;

        g_array_append_vals(runs, bad[i], 2);
        bytes = replWireRunsBytes(runs, G_MAXUINT64);
        g_assert_null(replWireRunsRead(bytes, &end, NULL));
    }
}

/* A byte that changed between the source's read and the frame is found. */
static void
testDataSum(void)
{
    g_autoptr(GByteArray) data = sampleData(65536);
    g_autoptr(GError) err = NULL;
    ReplWireRange range;
    const guint8 *bytes;

    g_assert_cmpint(replWireDataRead(data, &range, &bytes, NULL), ==, 0);
    g_assert_cmpuint(range.length_bytes, ==, 65536);
    g_assert_cmpuint(range.layer, ==, 1);
    data->data[1000] ^= 1;
    g_assert_cmpint(replWireDataRead(data, &range, &bytes, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_RPC);
}

static void
testStatus(void)
{
    g_auto(ReplWireStatus) status = sampleStatus();
    g_autoptr(GByteArray) bytes = replWireStatusBytes(&status);
    g_auto(ReplWireStatus) read = {0};
    const ReplStep *step;

    g_assert_cmpint(replWireStatusRead(bytes, &read, NULL), ==, 0);
    g_assert_cmpstr(read.volume, ==, "web.qcow2");
    g_assert_cmpint(read.info->state, ==, REPL_JOB_RUNNING);
    g_assert_cmpuint(read.stable_bytes, ==, 5);
    step = g_ptr_array_index(read.info->steps, 0);
    g_assert_cmpstr(step->volume, ==, "b");
}

static void
testError(void)
{
    g_autofree char *text = g_strnfill(2 * REPL_WIRE_TEXT_MAX, 'x');
    g_autoptr(GError) error = g_error_new(REPL_ERROR, VIR_ERR_NO_STORAGE_VOL, "%s", text);
    g_autoptr(GByteArray) bytes = replWireErrorBytes(error);
    g_autoptr(GError) err = NULL;

    replWireErrorRead(bytes, &err);
    g_assert_error(err, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL);
    g_assert_cmpuint(strlen(err->message), >, REPL_WIRE_TEXT_MAX / 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/frames", testFrames);
    g_test_add_func("/wire/frames/incompressible", testIncompressible);
    g_test_add_func("/wire/frames/damage", testDamage);
    g_test_add_func("/wire/frames/absurd", testAbsurdSizes);
    g_test_add_func("/wire/hello", testHello);
    g_test_add_func("/wire/hello/newer", testNewerVersion);
    g_test_add_func("/wire/chain", testChain);
    g_test_add_func("/wire/chain/disks", testDisks);
    g_test_add_func("/wire/chain/names", testBadNames);
    g_test_add_func("/wire/cut", testCut);
    g_test_add_func("/wire/runs", testRuns);
    g_test_add_func("/wire/made", testMade);
    g_test_add_func("/wire/data", testDataSum);
    g_test_add_func("/wire/status", testStatus);
    g_test_add_func("/wire/error", testError);
    return g_test_run();
}
