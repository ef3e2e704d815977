/*
 * test_bundle_lies.c: bundles that are not whole, or lie
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/mman.h>
#include <zstd.h>

#include "bundle/map.h"
#include "bundlefiles.h"

/* One layer of one part, with bytes of the test's own. */
typedef struct {
    ReplBundle *bundle;
    GByteArray *blob; /* the part's */
    GByteArray *tar;
} Lie;

static void
lieClear(Lie *lie)
{
    replBundleFree(lie->bundle);
    g_clear_pointer(&lie->blob, g_byte_array_unref);
    g_clear_pointer(&lie->tar, g_byte_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Lie, lieClear)

#define LIE_DATA_BYTES 8192u

/* A map of one run and as much data as it is called to have, and @more_bytes behind. */
static GByteArray *
unpacked(gsize more_bytes)
{
    g_autoptr(ReplMap) map = replMapNew(0);
    const ReplMapRun run = {4096, LIE_DATA_BYTES};
    GByteArray *bytes;
    guint head;

    g_array_append_val(map->runs, run);
    bytes = replMapWrite(map);
    head = bytes->len;
    g_byte_array_set_size(bytes, head + LIE_DATA_BYTES + more_bytes);
    memset(bytes->data + head, 'x', LIE_DATA_BYTES + more_bytes);
    return bytes;
}

static GByteArray *
packed(const GByteArray *bytes, int level)
{
    GByteArray *out = g_byte_array_new();

    g_byte_array_set_size(out, ZSTD_compressBound(bytes->len));
    g_byte_array_set_size(out, ZSTD_compress(out->data, out->len, bytes->data, bytes->len, level));
    return out;
}

/* Takes @blob over. */
static Lie
lieOf(GByteArray *blob, gboolean zstd)
{
    Lie lie = {.bundle = replBundleNew("8c7e0b7e-6b3c-4d39-9d6c-3b1b0a9b8a01"), .blob = blob};
    ReplBundlePart part = {.start_bytes = 4096,
                           .end_bytes = 4096 + LIE_DATA_BYTES,
                           .data_bytes = LIE_DATA_BYTES,
                           .packed_bytes = blob->len,
                           .zstd = zstd};
    ReplBundleLayer *layer;

    lie.bundle->volume = g_strdup("web.raw");
    lie.bundle->image->source.region = g_strdup("r");
    layer = replBundleAddLayer(lie.bundle, "web.raw");
    layer->size_bytes = layer->virtualSize_bytes = 65536;
    layer->data_bytes = LIE_DATA_BYTES;
    digestOf((const char *)blob->data, blob->len, part.digest);
    g_array_append_val(layer->parts, part);
    lie.tar = g_byte_array_new();
    tarAdd(lie.tar, "oci-layout", "{}", 2);
    return lie;
}

static void
lieAddBlob(Lie *lie)
{
    g_autofree char *name =
        g_strconcat("blobs/sha256/", replBundlePart(replBundleLayer(lie->bundle, 0), 0)->digest, NULL);

    tarAdd(lie->tar, name, lie->blob->data, lie->blob->len);
}

static int
lieFile(const Lie *lie)
{
    int fd = memfd_create("lie", MFD_CLOEXEC);

    g_assert_cmpint(replPwriteFull(fd, lie->tar->data, lie->tar->len, 0), ==, 0);
    return fd;
}

/* Opening it fails, with @says in the message. */
static void
assertRefused(const Lie *lie, int code, const char *says)
{
    g_auto(ReplFd) fd = lieFile(lie);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplBundle) bundle = replBundleOpen(&(ReplBundleFile){.fd = fd, .what = "lie.bundle"}, &err);

    g_assert_null(bundle);
    g_assert_error(err, REPL_ERROR, code);
    g_assert_nonnull(strstr(err->message, "lie.bundle"));
    g_assert_nonnull(strstr(err->message, says));
}

/* Opening it works, reading it fails, with @says in the message; NULL: it works, too. */
static void
assertUnread(Lie *lie, const char *says)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplBundle) bundle = NULL;
    g_autoptr(ReplReader) reader = NULL;
    g_auto(ReplFd) fd = -1;
    guint8 buf[LIE_DATA_BYTES];
    guint64 offset, length;
    int rc;

    lieAddBlob(lie);
    tarAddTexts(lie->tar, lie->bundle, NULL);
    tarEnd(lie->tar);
    fd = lieFile(lie);
    bundle = replBundleOpen(&(ReplBundleFile){.fd = fd, .what = "lie.bundle"}, &err);
    g_assert_no_error(err);
    reader = replBundleReaderNew(bundle, 0, &(ReplBundleFile){.fd = fd, .what = "lie.bundle"}, &err);
    rc = replReaderData(reader, 0, &offset, &length, &err);
    if (rc > 0)
        rc = replReaderRead(reader, buf, MIN(length, sizeof(buf)), offset, &err);
    if (!says) {
        g_assert_no_error(err);
        g_assert_cmpint(rc, ==, 0);
        return;
    }
    g_assert_cmpint(rc, <, 0);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_nonnull(strstr(err->message, "lie.bundle"));
    g_assert_nonnull(strstr(err->message, says));
}

/* --- what a blob holds --- */

static void
testTruth(void)
{
    g_autoptr(GByteArray) bytes = unpacked(0);
    g_auto(Lie) plain = lieOf(unpacked(0), FALSE);
    g_auto(Lie) zstd = lieOf(packed(bytes, 3), TRUE);

    assertUnread(&plain, NULL);
    assertUnread(&zstd, NULL);
}

/* A bomb: many more bytes than the config tells. */
static void
testBomb(void)
{
    g_autoptr(GByteArray) bytes = unpacked(64 * MIB);
    g_auto(Lie) zstd = lieOf(packed(bytes, 19), TRUE);
    g_auto(Lie) plain = lieOf(unpacked(1), FALSE);

    g_assert_cmpuint(zstd.blob->len, <, 64 * KIB);
    assertUnread(&zstd, "does not hold what its config tells");
    assertUnread(&plain, "does not hold what its config tells");
}

/* A window of 128 MiB is memory that a few bytes would make us take. */
static void
testWindow(void)
{
    g_autoptr(GByteArray) bytes = unpacked(0);
    g_autoptr(GByteArray) out = g_byte_array_new();
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_outBuffer to;
    ZSTD_inBuffer from = {bytes->data, bytes->len, 0};
    Lie lie;

    g_byte_array_set_size(out, MIB);
    to = (ZSTD_outBuffer){out->data, out->len, 0};
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 27);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
    g_assert_false(ZSTD_isError(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_flush)));
    g_assert_cmpint(ZSTD_compressStream2(zstd, &to, &from, ZSTD_e_end), ==, 0);
    ZSTD_freeCCtx(zstd);
    g_byte_array_set_size(out, to.pos);
    lie = lieOf(g_steal_pointer(&out), TRUE);
    assertUnread(&lie, "is not a part of a layer");
    lieClear(&lie);
}

static void
testShort(void)
{
    g_autoptr(GByteArray) bytes = unpacked(0);
    g_autoptr(GByteArray) whole = packed(bytes, 3);
    g_auto(Lie) plain = lieOf(unpacked(0), FALSE);
    g_auto(Lie) zstd = {0};

    /* Its end is cut off, with the right digest of the rest. */
    g_byte_array_set_size(whole, whole->len - 5);
    zstd = lieOf(g_byte_array_ref(whole), TRUE);
    assertUnread(&zstd, "is not a part of a layer");
    lieClear(&plain);
    {
        GByteArray *cut = unpacked(0);

        g_byte_array_set_size(cut, cut->len - 1);
        plain = lieOf(cut, FALSE);
    }
    assertUnread(&plain, "does not hold what its config tells");
}

static void
testBehind(void)
{
    g_autoptr(GByteArray) bytes = unpacked(0);
    GByteArray *two = packed(bytes, 3);
    Lie lie;

    /* A second frame. */
    {
        g_autoptr(GByteArray) one = packed(bytes, 3);

        g_byte_array_append(two, one->data, one->len);
    }
    lie = lieOf(two, TRUE);
    assertUnread(&lie, "does not hold what its config tells");
    lieClear(&lie);
}

/* The map is that of another layer, or has other runs than the config. */
static void
testMap(void)
{
    GByteArray *layer = unpacked(0);
    GByteArray *moved = unpacked(0);
    GByteArray *count = unpacked(0);
    Lie lies[3];

    layer->data[11] = 1;
    moved->data[REPL_MAP_HEAD_BYTES + 6] = 0x20;
    memset(count->data + 12, 0xff, 4);
    lies[0] = lieOf(layer, FALSE);
    lies[1] = lieOf(moved, FALSE);
    lies[2] = lieOf(count, FALSE);
    assertUnread(&lies[0], "does not hold what its config tells");
    assertUnread(&lies[1], "does not hold what its config tells");
    assertUnread(&lies[2], "is not a part of a layer");
    for (guint i = 0; i < G_N_ELEMENTS(lies); i++)
        lieClear(&lies[i]);
}

static void
testDigest(void)
{
    g_auto(Lie) lie = lieOf(unpacked(0), FALSE);

    lie.blob->data[lie.blob->len - 1] ^= 1;
    assertUnread(&lie, "the digest of blob sha256:");
}

/* --- what a tar holds --- */

static void
testMissing(void)
{
    g_auto(Lie) lie = lieOf(unpacked(0), FALSE);

    tarAddTexts(lie.tar, lie.bundle, NULL);
    tarEnd(lie.tar);
    assertRefused(&lie, VIR_ERR_OPERATION_INVALID, replBundlePart(replBundleLayer(lie.bundle, 0), 0)->digest);
    assertRefused(&lie, VIR_ERR_OPERATION_INVALID, "is missing");
}

static void
testTwice(void)
{
    g_auto(Lie) lie = lieOf(unpacked(0), FALSE);

    lieAddBlob(&lie);
    lieAddBlob(&lie);
    tarAddTexts(lie.tar, lie.bundle, NULL);
    tarEnd(lie.tar);
    assertRefused(&lie, VIR_ERR_OPERATION_INVALID, "twice");
}

static void
testNames(void)
{
    static const char *const names[] = {
        "../../etc/passwd",   "/etc/passwd",    "blobs/sha256/../../x",
        "blobs/sha256/short", "blobs/sha512/x", "index.json2",
    };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(Lie) lie = lieOf(unpacked(0), FALSE);

        tarAdd(lie.tar, names[i], "x", 1);
        lieAddBlob(&lie);
        tarAddTexts(lie.tar, lie.bundle, NULL);
        tarEnd(lie.tar);
        assertRefused(&lie, VIR_ERR_OPERATION_INVALID, names[i]);
    }
}

static void
tarRetype(GByteArray *tar, guint at, char type)
{
    guint sum = 0;
    guint8 *block = tar->data + at;

    block[156] = type;
    memset(block + 148, ' ', 8);
    for (guint i = 0; i < REPL_TAR_BLOCK_BYTES; i++)
        sum += block[i];
    g_snprintf((char *)block + 148, 8, "%06o", sum);
}

/* Links and devices. */
static void
testTypes(void)
{
    static const char types[] = "123467SLKV";

    for (guint i = 0; types[i]; i++) {
        g_auto(Lie) lie = lieOf(unpacked(0), FALSE);
        guint at = lie.tar->len;

        lieAddBlob(&lie);
        tarRetype(lie.tar, at, types[i]);
        tarAddTexts(lie.tar, lie.bundle, NULL);
        tarEnd(lie.tar);
        assertRefused(&lie, VIR_ERR_OPERATION_INVALID, "which is no file of a bundle");
    }
}

/* A comment that gives the next file another name. */
static void
testRename(void)
{
    static const char text[] = "24 path=blobs/sha256/ab\n";
    g_auto(Lie) lie = lieOf(unpacked(0), FALSE);
    guint at = lie.tar->len;

    tarAdd(lie.tar, "x", text, strlen(text));
    tarRetype(lie.tar, at, 'x');
    lieAddBlob(&lie);
    tarAddTexts(lie.tar, lie.bundle, NULL);
    tarEnd(lie.tar);
    assertRefused(&lie, VIR_ERR_OPERATION_INVALID, "a header of its tar is damaged");
}

/* Cut off anywhere, it is refused; so it is with any header damaged. */
static void
testCut(void)
{
    g_auto(Lie) lie = lieOf(unpacked(0), FALSE);
    guint whole;

    lieAddBlob(&lie);
    tarAddTexts(lie.tar, lie.bundle, NULL);
    whole = lie.tar->len;
    for (guint length = 0; length < whole; length += 512) {
        g_autoptr(ReplBundle) bundle = NULL;
        g_autoptr(GError) err = NULL;
        g_auto(ReplFd) fd = -1;

        g_byte_array_set_size(lie.tar, length);
        fd = lieFile(&lie);
        bundle = replBundleOpen(&(ReplBundleFile){.fd = fd, .what = "lie.bundle"}, &err);
        g_assert_null(bundle);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    }
}

/* --- what the texts say --- */

static const struct {
    const char *which, *from, *to, *says;
    int code;
} changes[] = {
    {"config", "\"version\":1", "\"version\":2", "newer version", VIR_ERR_NO_SUPPORT},
    {"config", "\"version\":1", "\"version\":\"1\"", "newer version", VIR_ERR_NO_SUPPORT},
    {"config", "\"layers\":[", "\"other\":[", "not that of an image", VIR_ERR_OPERATION_INVALID},
    {"config", "8c7e0b7e", "8c7e0b7g", "not that of an image", VIR_ERR_OPERATION_INVALID},
    {"config", "\"volume\":\"web.raw\",\"format\"", "\"volume\":\"../web.raw\",\"format\"", "number 1",
     VIR_ERR_OPERATION_INVALID},
    {"config", "\"image\":{\"id\"", "\"image\":{\"ID\"", "not that of an image", VIR_ERR_OPERATION_INVALID},
    {"config", "\"format\":\"raw\"", "\"format\":\"vmdk\"", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "\"size\":65536", "\"size\":-1", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "\"size\":65536", "\"size\":9223372036854775807", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "\"size\":65536", "\"size\":1e3", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "\"data\":8192", "\"data\":8191", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "[4096,12288,8192]", "[4096,12288,8193]", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "[4096,12288,8192]", "[4096,65537,8192]", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "[4096,12288,8192]", "[12288,4096,8192]", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "[4096,12288,8192]", "[4096,12288]", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "\"parts\":[", "\"ports\":[", "number 1", VIR_ERR_OPERATION_INVALID},
    {"config", "\"version\":1", "\"version\":1,", "malformed JSON", VIR_ERR_OPERATION_INVALID},
    {"config", "\"version\":1",
     "\"version\":1,\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
     "malformed JSON", VIR_ERR_OPERATION_INVALID},
    {"manifest", "libvirt.replication.image", "docker.container.image", "another kind", VIR_ERR_NO_SUPPORT},
    {"manifest", "part.v1", "part.v9", "names a layer that cannot be one", VIR_ERR_OPERATION_INVALID},
    {"manifest", "\"layers\":[", "\"layers\":[],\"x\":[", "different layers", VIR_ERR_OPERATION_INVALID},
    {"manifest", "sha256:", "sha512:", "names no config", VIR_ERR_OPERATION_INVALID},
    {"index", "\"manifests\":[", "\"manifests\":[{},", "exactly one image", VIR_ERR_OPERATION_INVALID},
    {"index", "sha256:", "sha256:x", "names no manifest", VIR_ERR_OPERATION_INVALID},
    {"index", "\"size\":", "\"size\":1", " instead of ", VIR_ERR_OPERATION_INVALID},
};

static guint changing;

static char *
change(const char *which, char *text)
{
    g_autofree char *old = text;
    const char *at = strstr(text, changes[changing].from);

    if (!g_str_equal(which, changes[changing].which))
        return g_steal_pointer(&old);
    g_assert_nonnull(at);
    return g_strdup_printf("%.*s%s%s", (int)(at - text), text, changes[changing].to,
                           at + strlen(changes[changing].from));
}

static void
testTexts(void)
{
    for (changing = 0; changing < G_N_ELEMENTS(changes); changing++) {
        g_auto(Lie) lie = lieOf(unpacked(0), FALSE);

        g_test_message("%s instead of %s", changes[changing].to, changes[changing].from);
        lieAddBlob(&lie);
        tarAddTexts(lie.tar, lie.bundle, change);
        tarEnd(lie.tar);
        assertRefused(&lie, changes[changing].code, changes[changing].says);
    }
}

static char *
blowUp(const char *which, char *text)
{
    char *large;

    if (!g_str_equal(which, "manifest"))
        return text;
    large = g_strdup_printf("%s%*s", text, (int)(2 * MIB), "");
    g_free(text);
    return large;
}

static void
testHugeManifest(void)
{
    g_auto(Lie) lie = lieOf(unpacked(0), FALSE);

    lieAddBlob(&lie);
    tarAddTexts(lie.tar, lie.bundle, blowUp);
    tarEnd(lie.tar);
    assertRefused(&lie, VIR_ERR_OPERATION_INVALID, "more than the 1 MiB (1048576 bytes) that are read");
}

/* Two layers of one name; a layer that is left out on top of one that is there; raw on top of something. */
static void
testChains(void)
{
    static const struct {
        const char *volume;
        ReplFormat format;
        gboolean absent;
    } second[] = {
        {"web.raw", REPL_FORMAT_QCOW2, FALSE}, {"x", REPL_FORMAT_RAW, FALSE}, {"x", REPL_FORMAT_QCOW2, TRUE}};

    for (guint i = 0; i < G_N_ELEMENTS(second); i++) {
        g_auto(Lie) lie = lieOf(unpacked(0), FALSE);
        ReplBundleLayer *layer = replBundleAddLayer(lie.bundle, second[i].volume);

        layer->format = second[i].format;
        layer->absent = second[i].absent;
        layer->content = g_strnfill(REPL_BUNDLE_DIGEST_CHARS, 'a');
        lieAddBlob(&lie);
        tarAddTexts(lie.tar, lie.bundle, NULL);
        tarEnd(lie.tar);
        assertRefused(&lie, VIR_ERR_OPERATION_INVALID, "number 2");
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bundle_lies/truth", testTruth);
    g_test_add_func("/bundle_lies/bomb", testBomb);
    g_test_add_func("/bundle_lies/window", testWindow);
    g_test_add_func("/bundle_lies/short", testShort);
    g_test_add_func("/bundle_lies/behind", testBehind);
    g_test_add_func("/bundle_lies/map", testMap);
    g_test_add_func("/bundle_lies/digest", testDigest);
    g_test_add_func("/bundle_lies/missing", testMissing);
    g_test_add_func("/bundle_lies/twice", testTwice);
    g_test_add_func("/bundle_lies/names", testNames);
    g_test_add_func("/bundle_lies/types", testTypes);
    g_test_add_func("/bundle_lies/rename", testRename);
    g_test_add_func("/bundle_lies/cut", testCut);
    g_test_add_func("/bundle_lies/texts", testTexts);
    g_test_add_func("/bundle_lies/huge-manifest", testHugeManifest);
    g_test_add_func("/bundle_lies/chains", testChains);
    return g_test_run();
}
