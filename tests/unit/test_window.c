/*
 * test_window.c: several jobs, one reading
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "base/thread.h"
#include "endpoint/window.h"

#define MIB (1u << 20)

typedef struct {
    gint made;    /* blocks */
    gint entered; /* calls that have begun */
    guint8 fill;
    gint fail; /* so many calls fail */
    gint gate; /* not 0: wait until it is */
} Maker;

static GByteArray *
testMake(void *opaque, const ReplWireRange *range, GError **err)
{
    Maker *maker = opaque;
    GByteArray *payload;

    g_atomic_int_inc(&maker->entered);
    while (g_atomic_int_get(&maker->gate))
        g_usleep(1000);
    if (g_atomic_int_get(&maker->fail) > 0) {
        g_atomic_int_add(&maker->fail, -1);
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, "the disk is gone");
        return NULL;
    }
    g_atomic_int_inc(&maker->made);
    payload = g_byte_array_sized_new(range->length_bytes);
    g_byte_array_set_size(payload, range->length_bytes);
    memset(payload->data, maker->fill, 16);
    return payload;
}

static const ReplSourceFacts *
testFacts(guint64 mtime_ns)
{
    static ReplPlanLayer layers[2];
    static ReplSourceFacts facts = {.poolUuid = "c7a5fdbd-edaf-9455-926a-d65c16db1809",
                                    .volume = "web.qcow2",
                                    .layers = layers,
                                    .layerCount = 2};

    layers[0].identity = (ReplFileIdentity){.ino = 7, .size_bytes = MIB, .mtime_ns = mtime_ns, .ctime_ns = 1};
    layers[1].identity = (ReplFileIdentity){.ino = 8, .size_bytes = MIB, .mtime_ns = 1, .ctime_ns = 1};
    return &facts;
}

static GByteArray *
testReadBlock(ReplWindowSeat *seat, guint layer, guint64 block, Maker *maker)
{
    const ReplWireRange range = {layer, block * MIB, MIB};
    g_autoptr(GError) err = NULL;
    GByteArray *payload = replWindowRead(seat, &range, testMake, maker, &err);

    g_assert_true(!payload == !!err);
    return payload;
}

static int
testFirst(const GByteArray *payload)
{
    return payload ? payload->data[0] : -1;
}

/* Reads a block and returns its first byte, or -1. */
static int
testRead(ReplWindowSeat *seat, guint layer, guint64 block, Maker *maker)
{
    g_autoptr(GByteArray) payload = testReadBlock(seat, layer, block, maker);

    return testFirst(payload);
}

static void
testAlone(void)
{
    ReplWindowSeat *seat = replWindowJoin(testFacts(1));
    Maker maker = {.fill = 1};

    g_assert_cmpint(testRead(seat, 0, 0, &maker), ==, 1);
    g_assert_cmpint(testRead(seat, 0, 0, &maker), ==, 1);
    g_assert_cmpint(maker.made, ==, 2); /* nothing is kept for nobody */
    replWindowLeave(seat);
}

static void
testShared(void)
{
    ReplWindowSeat *a = replWindowJoin(testFacts(1));
    ReplWindowSeat *b = replWindowJoin(testFacts(1));
    ReplWindowSeat *c = replWindowJoin(testFacts(1));
    Maker makers[3] = {{.fill = 1}, {.fill = 2}, {.fill = 3}};

    for (guint i = 0; i < 40; i++) {
        g_assert_cmpint(testRead(a, 1, i, &makers[0]), ==, 1);
        g_assert_cmpint(testRead(b, 1, i, &makers[1]), ==, 1);
        g_assert_cmpint(testRead(c, 1, i, &makers[2]), ==, 1);
    }
    /* The same place in another layer is another block. */
    g_assert_cmpint(testRead(b, 0, 0, &makers[1]), ==, 2);
    g_assert_cmpint(testRead(a, 0, 0, &makers[0]), ==, 2);
    g_assert_cmpint(makers[0].made + makers[1].made + makers[2].made, ==, 41);
    /* One that goes takes nothing from the others. */
    replWindowLeave(b);
    g_assert_cmpint(testRead(c, 0, 0, &makers[2]), ==, 2);
    replWindowLeave(a);
    replWindowLeave(c);
}

/* A file that was written to meanwhile is another one. */
static void
testChanged(void)
{
    ReplWindowSeat *a = replWindowJoin(testFacts(1));
    ReplWindowSeat *b = replWindowJoin(testFacts(2));
    Maker before = {.fill = 1}, after = {.fill = 2};

    g_assert_cmpint(testRead(a, 0, 0, &before), ==, 1);
    g_assert_cmpint(testRead(b, 0, 0, &after), ==, 2);
    replWindowLeave(a);
    replWindowLeave(b);
}

static void
testBehind(void)
{
    ReplWindowSeat *a = replWindowJoin(testFacts(1));
    ReplWindowSeat *b = replWindowJoin(testFacts(1));
    ReplWindowSeat *slow = replWindowJoin(testFacts(1));
    Maker first = {.fill = 1}, second = {.fill = 2}, behind = {.fill = 3};
    guint blocks = 2 * REPL_WINDOW_BYTES / MIB;

    for (guint i = 0; i < blocks; i++)
        g_assert_cmpint(testRead(a, 0, i, &first), ==, 1);
    /* It reads for itself, and pushes nothing out of the window that is still wanted. */
    for (guint i = 0; i < blocks / 4; i++)
        g_assert_cmpint(testRead(slow, 0, i, &behind), ==, 3);
    for (guint i = blocks / 2; i < blocks; i++)
        g_assert_cmpint(testRead(b, 0, i, &second), ==, 1);
    g_assert_cmpint(second.made, ==, 0);
    replWindowLeave(a);
    replWindowLeave(b);
    replWindowLeave(slow);
}

/* The payload is freed by the main thread: GLib's count of its owners is not seen by ThreadSanitizer. */
typedef struct {
    ReplWindowSeat *seat;
    Maker *maker;
    GByteArray *payload;
} Reading;

static void *
testReadingThread(void *opaque)
{
    Reading *reading = opaque;

    reading->payload = testReadBlock(reading->seat, 0, 0, reading->maker);
    return NULL;
}

/* A block that another job is reading is waited for; when that fails, it is read by the one that waits. */
static void
testWaiting(gconstpointer fails)
{
    Maker slow = {.fill = 1, .gate = 1, .fail = GPOINTER_TO_INT(fails)}, other = {.fill = 2};
    Reading a = {replWindowJoin(testFacts(1)), &slow, NULL};
    Reading b = {replWindowJoin(testFacts(1)), &other, NULL};
    GThread *first = replThreadNew("first", testReadingThread, &a, NULL);
    GThread *second;

    while (!g_atomic_int_get(&slow.entered))
        g_usleep(1000);
    second = replThreadNew("second", testReadingThread, &b, NULL);
    g_usleep(20000);
    g_assert_cmpint(g_atomic_int_get(&other.entered), ==, 0);
    g_atomic_int_set(&slow.gate, 0);
    g_thread_join(first);
    g_thread_join(second);
    g_assert_cmpint(testFirst(a.payload), ==, fails ? -1 : 1);
    g_assert_cmpint(testFirst(b.payload), ==, fails ? 2 : 1);
    g_clear_pointer(&a.payload, g_byte_array_unref);
    g_clear_pointer(&b.payload, g_byte_array_unref);
    replWindowLeave(a.seat);
    replWindowLeave(b.seat);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/window/alone", testAlone);
    g_test_add_func("/window/shared", testShared);
    g_test_add_func("/window/changed", testChanged);
    g_test_add_func("/window/behind", testBehind);
    g_test_add_data_func("/window/waiting", NULL, testWaiting);
    g_test_add_data_func("/window/waiting/failed", GINT_TO_POINTER(1), testWaiting);
    return g_test_run();
}
