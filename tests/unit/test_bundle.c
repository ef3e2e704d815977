/*
 * test_bundle.c: bundles are written, gone on with, and read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/content.h"
#include "bundlefiles.h"

static void
assertWhole(Made *made)
{
    static const char *const files[] = {"base", "top"};
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplBundle) bundle = replBundleOpen(&(ReplBundleFile){.fd = made->bundle, .what = "b"}, &err);

    g_assert_no_error(err);
    g_assert_cmpstr(bundle->volume, ==, "web.qcow2");
    g_assert_cmpstr(bundle->image->name, ==, "web \"<1>\" \xc3\xa4");
    g_assert_cmpstr(bundle->image->source.region, ==, "cn-north-1");
    g_assert_cmpint(bundle->image->type, ==, REPL_IMAGE_TYPE_DATA_DISK);
    g_assert_cmpuint(bundle->layers->len, ==, LAYERS);
    for (guint i = 0; i < LAYERS; i++) {
        g_assert_cmpint(unpackLayer(made, bundle, i, "out", 0, &err), ==, 0);
        g_assert_no_error(err);
        assertSameContent(made->dir, files[i], "out");
    }
}

static void
testRoundTrip(gconstpointer level)
{
    g_auto(Made) made = {.bundle = -1};
    g_autoptr(ReplBundle) bundle = NULL;
    guint packed = 0, plain = 0;

    makeBundle(&made, GPOINTER_TO_UINT(level));
    g_assert_true(replBundleIs(&(ReplBundleFile){.fd = made.bundle, .what = "b"}));
    assertWhole(&made);
    bundle = replBundleOpen(&(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    g_assert_cmpuint(replBundleLayer(bundle, 0)->parts->len, >=, 5);
    for (guint i = 0; i < replBundleLayer(bundle, 0)->parts->len; i++) {
        g_assert_cmpuint(replBundlePart(replBundleLayer(bundle, 0), i)->at_bytes % REPL_TAR_ALIGN_BYTES, ==,
                         0);
        if (replBundlePart(replBundleLayer(bundle, 0), i)->zstd)
            packed++;
        else
            plain++;
    }
    /* Noise stays as it is. */
    g_assert_cmpuint(plain, >, 0);
    g_assert_true((packed > 0) == (GPOINTER_TO_UINT(level) > 0));
}

/* Other programs can take it apart. */
static void
testTar(void)
{
    g_auto(Made) made = {.bundle = -1};
    g_autofree char *path = NULL;
    g_autofree char *out = NULL;

    makeBundle(&made, 3);
    path = g_build_filename(made.dir, "bundle", NULL);
    out = g_build_filename(made.dir, "layout", NULL);
    g_assert_cmpint(g_mkdir(out, 0700), ==, 0);
    g_assert_true(runs("tar", "--warning=all", "-xf", path, "-C", out, NULL));
    g_assert_true(runs("sh", "-c",
                       "cd \"$0\"/blobs/sha256 && for i in *; do echo \"$i  $i\"; done | sha256sum -c", out,
                       NULL));
}

/* However often it is interrupted, it ends with the same bytes. */
static void
testResume(void)
{
    g_auto(Made) made = {.bundle = -1};
    g_auto(ReplFd) once = -1;
    g_autoptr(ReplBundle) whole = NULL;
    guint attempts = 0;
    int rc;

    makeLayers(&made);
    whole = describe(&made);
    g_assert_cmpint(packLayers(&made, whole, 3, NULL), ==, 0);
    once = made.bundle;
    made.bundle = newFile(made.dir, "again");
    made.last_bytes = 0;
    do {
        g_autoptr(ReplBundle) bundle = describe(&made);
        g_autoptr(GError) err = NULL;

        made.checkpoints = 0;
        made.failAt = 3;
        attempts++;
        if ((rc = packLayers(&made, bundle, 3, &err)) < 0) {
            g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
            /* What comes behind the last checkpoint may be anything. */
            writeNoise(made.bundle, made.last_bytes, 4 * KIB);
        }
    } while (rc < 0);
    g_assert_cmpuint(attempts, >, 2);
    assertSameContent(made.dir, "bundle", "again");
    assertWhole(&made);
}

/* A file that was changed below the checkpoint is begun anew. */
static void
testResumeDamaged(void)
{
    g_auto(Made) made = {.bundle = -1, .failAt = 4};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(ReplBundle) again = NULL;

    makeLayers(&made);
    bundle = describe(&made);
    g_assert_cmpint(packLayers(&made, bundle, 0, NULL), <, 0);
    writeNoise(made.bundle, 512 + 64, 4 * KIB);
    made.failAt = 0;
    again = describe(&made);
    g_assert_cmpint(packLayers(&made, again, 0, NULL), ==, 0);
    assertWhole(&made);
}

/* A layer can be gone on with anywhere. */
static void
testUnpackResume(void)
{
    static const guint64 starts[] = {0, 100 * KIB, MIB, 2 * MIB, 6 * MIB, 21 * MIB + 5, 39 * MIB + 1000};
    g_auto(Made) made = {.bundle = -1};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(GError) err = NULL;

    makeBundle(&made, 3);
    bundle = replBundleOpen(&(ReplBundleFile){.fd = made.bundle, .what = "b"}, &err);
    for (guint i = 0; i < G_N_ELEMENTS(starts); i++) {
        g_autofree char *a = g_build_filename(made.dir, "base", NULL);
        g_autofree char *b = g_build_filename(made.dir, "out", NULL);
        g_autofree char *skip = g_strdup_printf("--ignore-initial=%" G_GUINT64_FORMAT, starts[i]);

        g_assert_cmpint(unpackLayer(&made, bundle, 0, "out", starts[i], &err), ==, 0);
        g_assert_no_error(err);
        g_assert_true(runs("cmp", "-s", skip, a, b, NULL));
    }
}

/* What the destination says that it has is not read at all. */
static void
testPass(void)
{
    g_auto(Made) made = {.bundle = -1};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(ReplReader) reader = NULL;
    g_autofree guint8 *buf = g_malloc(MIB);
    guint64 offset, length;

    makeBundle(&made, 3);
    bundle = replBundleOpen(&(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    reader = replBundleReaderNew(bundle, 0, &(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    g_assert_cmpint(replReaderData(reader, 0, &offset, &length, NULL), ==, 1);
    g_assert_cmpuint(length, ==, MIB);
    replReaderPass(reader, 0, 100 * KIB);
    g_assert_cmpint(replReaderRead(reader, buf, 50 * KIB, 100 * KIB, NULL), ==, 0);
    g_assert_cmpint(buf[0], ==, byteAt(100 * KIB));
    replReaderPass(reader, 150 * KIB, MIB - 150 * KIB);
    g_assert_cmpint(replReaderData(reader, MIB, &offset, &length, NULL), ==, 1);
    g_assert_cmpuint(offset, ==, 5 * MIB);
    g_assert_cmpint(replReaderRead(reader, buf, 4 * KIB, 5 * MIB, NULL), ==, 0);
    g_assert_cmpint(buf[0], ==, byteAt(5 * MIB));
}

/* Cancelled, reads return, whoever waits for whom. */
static gpointer
readLater(gpointer opaque)
{
    guint8 buf[4096];
    GError *err = NULL;

    g_assert_cmpint(replReaderRead(opaque, buf, sizeof(buf), 512 * KIB, &err), <, 0);
    return err;
}

static void
testCancel(void)
{
    g_auto(Made) made = {.bundle = -1};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(ReplReader) reader = NULL;
    guint64 offset, length;
    GThread *thread;
    GError *err;

    makeBundle(&made, 0);
    bundle = replBundleOpen(&(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    reader = replBundleReaderNew(bundle, 0, &(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    g_assert_cmpint(replReaderData(reader, 0, &offset, &length, NULL), ==, 1);
    thread = g_thread_new("later", readLater, reader);
    replReaderCancel(reader);
    err = g_thread_join(thread);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    g_error_free(err);
}

static void
contentOf(ReplReader *reader, guint64 size, ReplFormat format, char *digest)
{
    const ReplContent content = {.volume = "v", .format = format, .size_bytes = size};
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replContentDigest(reader, &content, digest, &err), ==, 0);
    g_assert_no_error(err);
}

/* The same content has the same digest: as a file, in a bundle, with zeros instead of holes. */
static void
testContent(void)
{
    g_auto(Made) made = {.bundle = -1};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(ReplReader) file = NULL;
    g_autoptr(ReplReader) packed = NULL;
    g_autoptr(ReplReader) dense = NULL;
    const ReplFileTune noSeek = {.noSeek = TRUE};
    char a[65], b[65], c[65];

    makeBundle(&made, 3);
    bundle = replBundleOpen(&(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    file = replFileReaderNew(made.fds[0], NULL, NULL);
    packed = replBundleReaderNew(bundle, 0, &(ReplBundleFile){.fd = made.bundle, .what = "b"}, NULL);
    dense = replFileReaderNew(made.fds[0], &noSeek, NULL);
    contentOf(file, 39 * MIB + 1234, REPL_FORMAT_RAW, a);
    contentOf(packed, 39 * MIB + 1234, REPL_FORMAT_RAW, b);
    contentOf(dense, 39 * MIB + 1234, REPL_FORMAT_RAW, c);
    g_assert_cmpstr(a, ==, b);
    g_assert_cmpstr(a, ==, c);
    writeNoise(made.fds[0], 20 * MIB + 4, 4);
    g_assert_cmpint(fsync(made.fds[0]), ==, 0);
    contentOf(file, 39 * MIB + 1234, REPL_FORMAT_RAW, b);
    g_assert_cmpstr(a, !=, b);
}

/* Left out, a layer is there by its content's digest only; the others are packed. */
static void
testAbsent(void)
{
    static const char digest[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    g_auto(Made) made = {.bundle = -1};
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(ReplBundle) read = NULL;
    g_autoptr(ReplReader) reader = NULL;
    g_autoptr(GError) err = NULL;

    makeLayers(&made);
    bundle = describe(&made);
    replBundleLayer(bundle, 0)->absent = TRUE;
    replBundleLayer(bundle, 0)->content = g_strdup(digest);
    g_assert_cmpint(packLayers(&made, bundle, 3, NULL), ==, 0);
    read = replBundleOpen(&(ReplBundleFile){.fd = made.bundle, .what = "b"}, &err);
    g_assert_no_error(err);
    g_assert_true(replBundleLayer(read, 0)->absent);
    g_assert_cmpstr(replBundleLayer(read, 0)->content, ==, digest);
    g_assert_false(replBundleIsInventory(read));
    g_assert_cmpint(unpackLayer(&made, read, 1, "out", 0, NULL), ==, 0);
    assertSameContent(made.dir, "top", "out");
    reader = replBundleReaderNew(read, 0, &(ReplBundleFile){.fd = made.bundle, .what = "b"}, &err);
    g_assert_null(reader);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/bundle/round-trip/plain", GUINT_TO_POINTER(0), testRoundTrip);
    g_test_add_data_func("/bundle/round-trip/packed", GUINT_TO_POINTER(3), testRoundTrip);
    g_test_add_func("/bundle/tar", testTar);
    g_test_add_func("/bundle/resume", testResume);
    g_test_add_func("/bundle/resume-damaged", testResumeDamaged);
    g_test_add_func("/bundle/unpack-resume", testUnpackResume);
    g_test_add_func("/bundle/pass", testPass);
    g_test_add_func("/bundle/cancel", testCancel);
    g_test_add_func("/bundle/content", testContent);
    g_test_add_func("/bundle/absent", testAbsent);
    return g_test_run();
}
