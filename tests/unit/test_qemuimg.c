/*
 * test_qemuimg.c: the command lines of qemu-img are what they have to be
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "qemuimg/argv.h"
#include "qemuimg/run.h"

static ReplSecretBuf *
secret(const char *text)
{
    g_autoptr(GError) err = NULL;
    ReplSecretBuf *buf = replSecretBufNewFrom(text, strlen(text), &err);

    g_assert_no_error(err);
    return buf;
}

static void
expect(ReplQemuCommand *command, const char *want, guint inputs)
{
    g_autofree char *line = NULL;

    g_ptr_array_add(command->argv, NULL);
    line = g_strjoinv(" ", (char **)command->argv->pdata);
    g_assert_cmpstr(line, ==, want);
    g_assert_cmpuint(command->inputs->len, ==, inputs);
    replQemuCommandFree(command);
}

#define NODE(driver, n)                                                                                      \
    "\"driver\":\"" driver "\",\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fd/" n "\"}"

static void
testFlat(void)
{
    const ReplQemuFile files[] = {{.fd = 20, .format = REPL_FORMAT_QCOW2},
                                  {.fd = 21, .format = REPL_FORMAT_RAW}};
    const ReplQemuChain chain = {files, 2}, one = {files, 1}, raw = {files + 1, 1};
    const ReplQemuTarget plain = {.fd = 30, .format = REPL_FORMAT_QCOW2};
    const ReplQemuTarget toRaw = {.fd = 30, .format = REPL_FORMAT_RAW};
    const ReplQemuTarget fast = {.fd = 30, .format = REPL_FORMAT_QCOW2, .preallocate = TRUE};

    expect(replQemuArgvConvert(&chain, &plain, FALSE),
           "qemu-img convert -p -m 16 -W -O qcow2 -o compat=1.1 "
           "json:{" NODE("qcow2", "3") ",\"backing\":{" NODE("raw", "4") "}} /dev/fd/5",
           3);
    /* What the image says of a backing file is not followed. */
    expect(replQemuArgvConvert(&one, &plain, TRUE),
           "qemu-img convert -p -m 16 -W -O qcow2 --bitmaps -o compat=1.1 "
           "json:{" NODE("qcow2", "3") ",\"backing\":null} /dev/fd/4",
           2);
    expect(replQemuArgvConvert(&raw, &toRaw, FALSE),
           "qemu-img convert -p -m 16 -W -O raw json:{" NODE("raw", "3") "} /dev/fd/4", 2);
    expect(replQemuArgvConvert(&raw, &fast, FALSE),
           "qemu-img convert -p -m 16 -W -O qcow2 -o compat=1.1,preallocation=metadata "
           "json:{" NODE("raw", "3") "} /dev/fd/4",
           2);
}

static void
testLayer(void)
{
    const ReplQemuFile files[] = {{.fd = 20, .format = REPL_FORMAT_VMDK},
                                  {.fd = 21, .format = REPL_FORMAT_VMDK}};
    const ReplQemuChain chain = {files, 2};
    const ReplQemuTarget target = {.fd = 30,
                                   .format = REPL_FORMAT_QCOW2,
                                   .clusterBits = 16,
                                   .refcountOrder = 4,
                                   .lazyRefcounts = TRUE,
                                   .extendedL2 = TRUE,
                                   .zstd = TRUE};

    expect(replQemuArgvCreate(&target, 1 << 20),
           "qemu-img create -q -f qcow2 -o compat=1.1,cluster_size=65536,refcount_bits=16,"
           "lazy_refcounts=on,extended_l2=on,compression_type=zstd /dev/fd/3 1048576",
           1);
    expect(replQemuArgvConvertLayer(&chain, &target),
           "qemu-img convert -p -m 16 -W -n -B below -F raw --target-image-opts "
           "json:{" NODE("vmdk", "3") ",\"backing\":{\"driver\":\"vmdk\",\"node-name\":\"below\",\"file\":"
                                      "{\"driver\":\"file\",\"filename\":\"/dev/fd/4\"},\"backing\":null}} "
                                      "driver=qcow2,file.driver=file,file.filename=/dev/fd/5,backing=below",
           3);
}

/* Passphrases are inputs, and no byte of one is in the command line. */
static void
testSecrets(void)
{
    g_autoptr(ReplSecretBuf) old = secret("hunter2"), fresh = secret("correct horse");
    const ReplQemuFile files[] = {{.fd = 20, .format = REPL_FORMAT_QCOW2, .secret = old, .legacyAes = TRUE},
                                  {.fd = 21, .format = REPL_FORMAT_LUKS, .secret = old}};
    const ReplQemuChain chain = {files, 2}, raw = {files + 1, 1};
    const ReplQemuTarget inside = {.fd = 30,
                                   .format = REPL_FORMAT_QCOW2,
                                   .luks = {.secret = fresh,
                                            .cipher = "aes-256",
                                            .mode = "xts",
                                            .ivgen = "plain64",
                                            .hash = "sha256",
                                            .iterTime_ms = 10}};
    const ReplQemuTarget outside = {.fd = 30, .format = REPL_FORMAT_LUKS, .luks = {.secret = fresh}};
    g_autoptr(ReplQemuCommand) command = replQemuArgvConvertLayer(&chain, &inside);

    expect(replQemuArgvConvert(&raw, &outside, FALSE),
           "qemu-img convert --object secret,id=s3,file=/dev/fd/3 -p -m 16 -W -O luks "
           "--object secret,id=s5,file=/dev/fd/5 -o key-secret=s5 "
           "json:{\"driver\":\"luks\",\"key-secret\":\"s3\",\"file\":{\"driver\":\"file\",\"filename\":\"/"
           "dev/fd/4\"}} "
           "/dev/fd/6",
           4);
    expect(replQemuArgvCreate(&inside, 512),
           "qemu-img create -q -f qcow2 --object secret,id=s3,file=/dev/fd/3 -o compat=1.1,"
           "encrypt.format=luks,encrypt.key-secret=s3,encrypt.cipher-alg=aes-256,encrypt.cipher-mode=xts,"
           "encrypt.ivgen-alg=plain64,encrypt.hash-alg=sha256,encrypt.iter-time=10 /dev/fd/4 512",
           2);
    g_assert_true(g_array_index(command->inputs, ReplQemuInput, 0).secret == old);
    g_assert_cmpint(g_array_index(command->inputs, ReplQemuInput, 1).fd, ==, 20);
    g_ptr_array_add(command->argv, NULL);
    g_assert_true(g_strv_contains((const char *const *)command->argv->pdata,
                                  "driver=qcow2,file.driver=file,file.filename=/dev/fd/8,"
                                  "encrypt.format=luks,encrypt.key-secret=s7,backing=below"));
}

static void
testLooks(void)
{
    const ReplQemuFile file = {.fd = 20, .format = REPL_FORMAT_VHDX};
    const ReplQemuChain chain = {&file, 1};

    expect(replQemuArgvInfo(&chain), "qemu-img info --output=json json:{" NODE("vhdx", "3") "}", 1);
    expect(replQemuArgvMeasure(&chain),
           "qemu-img measure --output=json -O qcow2 json:{" NODE("vhdx", "3") "}", 1);
    expect(replQemuArgvCheck(&file), "qemu-img check -q json:{" NODE("vhdx", "3") "}", 1);
}

static void
testProgress(void)
{
    g_assert_cmpint(replQemuProgress(""), ==, -1);
    g_assert_cmpint(replQemuProgress("    (0.00/100%)\r"), ==, 0);
    g_assert_cmpint(replQemuProgress("    (0.00/100%)\r    (42.07/100%)\r"), ==, 4207);
    g_assert_cmpint(replQemuProgress("    (2.00/100%)\r    (4.0"), ==, 200);
    g_assert_cmpint(replQemuProgress("(100.00/100%)"), ==, 10000);
    g_assert_cmpint(replQemuProgress("(99999999999999999999999/100%)"), ==, 10000);
    g_assert_cmpint(replQemuProgress("/100%)"), ==, 0);
}

static void
testNumber(void)
{
    static const char *const none[] = {
        "{\"inner\": {\"virtual-size\": 5}}",
        "{\"file\": \"\\n    \\\"virtual-size\\\": 5\"}",
        "{\"virtual-size\": \"5\"}",
        "{\"virtual-size\": 5.5}",
        "{\"virtual-size\": -5}",
        "{\"virtual-size\": null}",
        "{\"virtual-size\": [5]}",
        "[{\"virtual-size\": 5}]",
        "{\"virtual-size\": 5",
        "5",
        "",
    };
    guint64 value = 0;
    gsize i;

    g_assert_cmpint(replQemuNumber("{\n    \"virtual-size\": 1048576\n}\n", "virtual-size", &value), ==, 0);
    g_assert_cmpuint(value, ==, 1048576);
    g_assert_cmpint(replQemuNumber("{\"n\":9223372036854775807}", "n", &value), ==, 0);
    g_assert_cmpuint(value, ==, G_MAXINT64);
    for (i = 0; i < G_N_ELEMENTS(none); i++)
        g_assert_cmpint(replQemuNumber(none[i], "virtual-size", &value), ==, -1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemuimg/flat", testFlat);
    g_test_add_func("/qemuimg/layer", testLayer);
    g_test_add_func("/qemuimg/secrets", testSecrets);
    g_test_add_func("/qemuimg/looks", testLooks);
    g_test_add_func("/qemuimg/progress", testProgress);
    g_test_add_func("/qemuimg/number", testNumber);
    return g_test_run();
}
