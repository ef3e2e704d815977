/*
 * test_convert_util.h: whole chains converted as a job would do it, and judged by qemu-img
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib/gstdio.h>

#include "convert/convert.h"
#include "convert/layers.h"
#include "copy/files.h"
#include "qcow2/backing.h"
#include "test_probe_util.h"

static const ReplConvertLimits testLimits = {30, 1 << 30};

/* One conversion from pool a to pool b. */
typedef struct {
    TestPools *pools;
    const char *volume;
    ReplRequest request;
    const char *sourceSecret; /* of every encrypted layer */
    const char *targetSecret; /* of the target where it is encrypted */
    const ReplCopyWatch *watch;
    ReplChain *chain;
    ReplPlan *plan;
    ReplConvertResult results[8]; /* by layer */
    gboolean unlock;              /* encrypted layers are opened first, as the daemon does */
    gboolean keyIsEnough;
    gboolean foreignKey; /* the key is spoilt, as if the header had been made anew since */
} TestConvert;

static void
testConvertClear(TestConvert *c)
{
    g_clear_pointer(&c->plan, replPlanFree);
    g_clear_pointer(&c->chain, replChainFree);
}

static ReplSecretBuf *
testSecretBuf(const char *text)
{
    g_autoptr(GError) err = NULL;
    ReplSecretBuf *buf = text ? replSecretBufNewFrom(text, strlen(text), &err) : NULL;

    g_assert_no_error(err);
    return buf;
}

/* Up to the plan. */
static int
testConvertPlan(TestConvert *c, GError **err)
{
    g_autoptr(ReplLabel) label = replLabelNew("north", "default");
    g_autofree ReplPlanLayer *layers = NULL;
    ReplImage image = {.id = (char *)"id", .type = REPL_IMAGE_TYPE_DATA_DISK};
    g_auto(ReplRefusal) refusal = {0};
    ReplPlanFacts facts = {
        .request = &c->request,
        .source = {"a", "a", label},
        .target = {"b", "b", label},
        .volume = c->volume,
        .image = &image,
        .free_bytes = G_MAXINT64,
    };

    if (!(c->chain = replChainOpen(c->pools->set, c->pools->a, c->volume, err)) ||
        replChainLock(c->chain, err) < 0 || replConvertLook(c->chain, &testLimits, err) < 0)
        return -1;
    layers = replConvertLayersNew(c->chain);
    if (replConvertFacts(c->chain, &c->request, &testLimits, layers, err) < 0)
        return -1;
    facts.layers = layers;
    facts.layerCount = c->chain->layers->len;
    if ((c->plan = replPlanMake(&facts, &refusal)))
        return 0;
    replRefusalSetError(&refusal, &facts, err);
    return -1;
}

static int
testConvertStep(TestConvert *c, const ReplPlanStep *step, GError **err)
{
    g_autoptr(ReplSecretBuf) source = testSecretBuf(c->sourceSecret);
    g_autoptr(ReplSecretBuf) target = testSecretBuf(c->targetSecret);
    const ReplLayer *layer = replChainLayer(c->chain, step->layer);
    const ReplSecretBuf *sources[8] = {NULL}, *keys[8] = {NULL};
    g_autofree char *name = g_strdup_printf("b/%s", step->volume);
    g_auto(ReplFd) fd = testOpen(name, O_RDWR | O_CREAT | O_TRUNC);
    g_autoptr(ReplWriter) writer = replFileWriterNew(fd, NULL, err);
    g_autoptr(ReplReader) reader = NULL;
    ReplConvertJob job = {.chain = c->chain,
                          .step = step,
                          .target = writer,
                          .sources = sources,
                          .keys = keys,
                          .secret = step->convert.toEncrypted ? target : NULL,
                          .kdf = REPL_LUKS_KDF_RANDOM,
                          .request = &c->request,
                          .limits = testLimits,
                          .watch = c->watch};
    guint i;

    for (i = 0; i < c->chain->layers->len; i++) {
        const ReplLayer *one = replChainLayer(c->chain, i);

        if (one->format == REPL_FORMAT_LUKS || (one->qcow2 && one->qcow2->cryptMethod))
            sources[i] = source;
    }
    if (step->action == REPL_STEP_CONVERT && c->unlock && sources[step->layer]) {
        g_autoptr(ReplSecretBuf) key = NULL;

        if (replConvertUnlock(layer, source, &testLimits, &key, err) < 0)
            return -1;
        if (c->foreignKey && key)
            memset(key->data, step->layer + 1, key->length);
        keys[step->layer] = key;
        /* With a key our engine asks for no passphrase; qemu-img does. */
        if (key && c->keyIsEnough)
            sources[step->layer] = NULL;
        return replConvertRun(&job, &c->results[step->layer], err);
    }
    if (step->action == REPL_STEP_CONVERT)
        return replConvertRun(&job, &c->results[step->layer], err);
    if (!(reader = replFileReaderNew(layer->fd, NULL, err)) ||
        replCopyRun(reader, writer, &(ReplCopyJob){.size_bytes = layer->st.st_size}, err) < 0)
        return -1;
    return layer->qcow2 ? replQcow2SetBacking(fd, step->backing,
                                              step->backing ? replFormatToString(step->backingFormat) : NULL,
                                              name, err)
                        : 0;
}

static int
testConvertAll(TestConvert *c, GError **err)
{
    guint i;

    if (testConvertPlan(c, err) < 0)
        return -1;
    for (i = 0; i < c->plan->steps->len; i++) {
        if (testConvertStep(c, g_ptr_array_index(c->plan->steps, i), err) < 0)
            return -1;
    }
    return 0;
}

static void
testNode(GString *json, const char *path, ReplFormat format, gboolean encrypted, const char *secret)
{
    g_string_append_printf(json, "{\"driver\":\"%s\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}",
                           replFormatToString(format), path);
    if (format == REPL_FORMAT_LUKS)
        g_string_append_printf(json, ",\"key-secret\":\"%s\"", secret);
    else if (encrypted)
        g_string_append_printf(json, ",\"encrypt.format\":\"%s\",\"encrypt.key-secret\":\"%s\"",
                               encrypted == REPL_QCOW2_CRYPT_AES ? "aes" : "luks", secret);
}

/* What qemu-img is told of the source from layer @index on, and of the target from step @at on. The nodes of the target
 * leave out "backing": what its headers say has to lead there, but for encrypted ones, which need keys. */
static char *
testSourceNode(const TestConvert *c, guint index)
{
    GString *json = g_string_new("json:");
    guint i;

    for (i = index; i < c->chain->layers->len; i++) {
        const ReplLayer *layer = replChainLayer(c->chain, i);
        g_autofree char *path = g_strdup_printf("%s/%s", layer->pool->path, layer->volume);

        if (i > index)
            g_string_append(json, ",\"backing\":");
        testNode(json, path, layer->format, layer->qcow2 ? layer->qcow2->cryptMethod : 0, "s0");
    }
    for (i = index; i < c->chain->layers->len; i++)
        g_string_append_c(json, '}');
    return g_string_free(json, FALSE);
}

static char *
testTargetNode(const TestConvert *c, guint at)
{
    GString *json = g_string_new("json:");
    guint depth = 0;
    int i;

    for (i = (int)at; i >= 0; i--, depth++) {
        const ReplPlanStep *step = g_ptr_array_index(c->plan->steps, i);
        g_autofree char *path = g_strdup_printf("%s/%s", c->pools->b->path, step->volume);

        if (depth > 0)
            g_string_append(json, ",\"backing\":");
        testNode(json, path, step->format, step->convert.toEncrypted ? REPL_QCOW2_CRYPT_LUKS : 0, "s1");
    }
    while (depth-- > 0)
        g_string_append_c(json, '}');
    return g_string_free(json, FALSE);
}

/* At every depth a guest sees the same, and every new layer is in order. */
static void
testConvertJudge(const TestConvert *c)
{
    const char *s0 = c->sourceSecret ? c->sourceSecret : "-", *s1 = c->targetSecret ? c->targetSecret : "-";
    guint i;

    for (i = 0; i < c->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(c->plan->steps, i);
        g_autofree char *from = testSourceNode(c, step->layer);
        g_autofree char *to = testTargetNode(c, i);

        testRun("qemu-img compare -U -q --object secret,id=s0,data='%s' --object secret,id=s1,data='%s' '%s' "
                "'%s'",
                s0, s1, from, to);
        if (step->format != REPL_FORMAT_QCOW2)
            continue;
        testRun("qemu-img check -q --object secret,id=s1,data='%s' '%s'", s1, to);
        if (step->backing)
            testRun("qemu-img info -U b/%s | grep -qx 'backing file: %s (actual path: b/%s)' && "
                    "qemu-img info -U b/%s | grep -qx 'backing file format: %s'",
                    step->volume, step->backing, step->backing, step->volume,
                    replFormatToString(step->backingFormat));
        else
            testRun("! qemu-img info -U b/%s | grep 'backing file'", step->volume);
    }
}

static void
testConvertGood(TestConvert *c)
{
    g_autoptr(GError) err = NULL;

    testConvertAll(c, &err);
    g_assert_no_error(err);
    testConvertJudge(c);
}

/* Two layers of @format with data, zeros over data, writes of odd sizes, and growth, in a. */
static G_GNUC_UNUSED void
testMakeForeign(const char *format, const char *options)
{
    testRun("cd a && qemu-img create -q -f %s %s base 6M && "
            "qemu-io -f %s -c 'write -q -P 1 0 3M' -c 'write -q -P 2 5000k 7k' base",
            format, options, format);
    if (testTry("cd a && qemu-img create -q -f %s -b base -F %s top", format, format) != 0)
        g_assert_not_reached();
    testRun("cd a && qemu-io -f %s -c 'write -q -P 3 1M 100k' -c 'write -q -P 4 4000k 5000' "
            "-c 'write -q -z 2M 64k' -c 'write -q -P 5 777k 512' top",
            format);
}
