/*
 * test_luks_util.h: converting layers and judging the result with qemu-img
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "test_qcow2_util.h"

#include "copy/files.h"
#include "luks/convert.h"
#include "qcow2/header.h"

#define TEST_SECRETS "--object secret,id=abc,data=abc --object secret,id=xyz,data=xyz"

static G_GNUC_UNUSED ReplSecretBuf *
testSecret(const char *word)
{
    g_autoptr(GError) err = NULL;
    ReplSecretBuf *buf = word ? replSecretBufNewFrom(word, strlen(word), &err) : NULL;

    g_assert_no_error(err);
    return buf;
}

/* --image-opts of @name, which @secret opens (NULL: plain). */
static G_GNUC_UNUSED char *
testOpts(const char *name, const char *secret)
{
    return g_strdup_printf("driver=qcow2,file.filename=%s%s%s", name, secret ? ",encrypt.key-secret=" : "",
                           secret ? secret : "");
}

/* replLuksConvert() into a file. */
static G_GNUC_UNUSED int
testConvertFile(int src, int dst, const ReplLuksConvert *params, GError **err)
{
    g_autoptr(ReplWriter) writer = replFileWriterNew(dst, NULL, err);

    return writer ? replLuksConvert(src, writer, params, err) : -1;
}

/* Converts @from into @to; returns the result, *err as set. */
static G_GNUC_UNUSED int
testTryConvert(const char *from, const char *fromSecret, const char *to, const char *toSecret, GError **err)
{
    g_auto(ReplFd) src = testOpen(from, O_RDONLY);
    g_auto(ReplFd) dst = testOpen(to, O_RDWR | O_CREAT | O_TRUNC);
    g_autoptr(ReplSecretBuf) source = testSecret(fromSecret);
    g_autoptr(ReplSecretBuf) target = testSecret(toSecret);
    ReplLuksConvert params = {.what = from, .source = source, .target = target, .kdf = REPL_LUKS_KDF_RANDOM};

    return testConvertFile(src, dst, &params, err);
}

/* The target opens, has no error, no leak, the same content in the active state and in every snapshot, and
 * the same bitmaps. */
static G_GNUC_UNUSED void
testJudge(const char *from, const char *fromSecret, const char *to, const char *toSecret)
{
    g_autofree char *a = testOpts(from, fromSecret);
    g_autofree char *b = testOpts(to, toSecret);
    g_autofree char *list = NULL;
    g_auto(GStrv) snaps = NULL;
    gsize i;

    testRun("qemu-img check -q " TEST_SECRETS " --image-opts %s", b);
    testRun("qemu-img compare -q " TEST_SECRETS " --image-opts %s %s", a, b);
    list = testOutput("qemu-img snapshot -l " TEST_SECRETS " --image-opts %s | awk 'NR>2{print $1}'", a);
    snaps = g_strsplit(g_strstrip(list), "\n", -1);
    for (i = 0; snaps[i] && *snaps[i]; i++) {
        testRun("qemu-img convert " TEST_SECRETS " -l snapshot.id=%s --image-opts %s -O raw sa.raw && "
                "qemu-img convert " TEST_SECRETS " -l snapshot.id=%s --image-opts %s -O raw sb.raw && "
                "cmp sa.raw sb.raw && rm sa.raw sb.raw",
                snaps[i], a, snaps[i], b);
    }
    testRun("qemu-img info " TEST_SECRETS " --image-opts %s | sed -n '/bitmaps:/,/refcount/p' > ba; "
            "qemu-img info " TEST_SECRETS
            " --image-opts %s | sed -n '/bitmaps:/,/refcount/p' > bb; cmp ba bb",
            a, b);
}

static G_GNUC_UNUSED void
testConvert(const char *from, const char *fromSecret, const char *to, const char *toSecret)
{
    g_autoptr(GError) err = NULL;
    int ret = testTryConvert(from, fromSecret, to, toSecret, &err);

    g_assert_no_error(err);
    g_assert_cmpint(ret, ==, 0);
    testJudge(from, fromSecret, to, toSecret);
}

/* There and back, through another key. */
static G_GNUC_UNUSED void
testCircle(const char *name)
{
    testConvert(name, NULL, "luks1.qcow2", "abc");
    testConvert("luks1.qcow2", "abc", "luks2.qcow2", "xyz");
    testConvert("luks2.qcow2", "xyz", "back.qcow2", NULL);
    testJudge(name, NULL, "back.qcow2", NULL);
    testRun("qemu-img info back.qcow2 | grep -q encrypted && exit 1; true");
    /* Still a working image: it can be written and stays consistent. */
    testRun("qemu-io " TEST_SECRETS
            " -c 'write -q -P 0x77 1M 300k' -c 'read -q -P 0x77 1M 300k' --image-opts "
            "driver=qcow2,file.filename=luks2.qcow2,encrypt.key-secret=xyz && "
            "qemu-img check -q " TEST_SECRETS " --image-opts "
            "driver=qcow2,file.filename=luks2.qcow2,encrypt.key-secret=xyz");
    testRun("rm -f luks1.qcow2 luks2.qcow2 back.qcow2");
}
