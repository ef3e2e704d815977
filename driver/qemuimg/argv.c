/*
 * argv.c: the command lines of qemu-img, built and not yet run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qemuimg/argv.h"

#include <stdarg.h>

/* Of the child; 0 to 2 are its standard streams. */
#define REPL_QEMU_FIRST_FD 3

/* More coroutines than the default of 8, and writes in any order: the fastest of its ways, warm or cold. */
#define REPL_QEMU_COROUTINES "16"

void
replQemuCommandFree(ReplQemuCommand *command)
{
    if (!command)
        return;
    g_ptr_array_unref(command->argv);
    g_array_unref(command->inputs);
    g_free(command);
}

static void
replQemuAdd(ReplQemuCommand *command, ...)
{
    va_list args;
    const char *arg;

    va_start(args, command);
    while ((arg = va_arg(args, const char *)))
        g_ptr_array_add(command->argv, g_strdup(arg));
    va_end(args);
}

static ReplQemuCommand *
replQemuCommandNew(const char *verb)
{
    ReplQemuCommand *command = g_new0(ReplQemuCommand, 1);

    command->argv = g_ptr_array_new_with_free_func(g_free);
    command->inputs = g_array_new(FALSE, FALSE, sizeof(ReplQemuInput));
    replQemuAdd(command, "qemu-img", verb, NULL);
    return command;
}

/* The number that the child has it under. */
static guint
replQemuInput(ReplQemuCommand *command, int fd, const ReplSecretBuf *secret)
{
    const ReplQemuInput input = {fd, secret};

    g_array_append_val(command->inputs, input);
    return REPL_QEMU_FIRST_FD + command->inputs->len - 1;
}

static guint
replQemuInputFile(ReplQemuCommand *command, int fd)
{
    return replQemuInput(command, fd, NULL);
}

/* Makes @secret known to QEMU and returns what it is called there: "s" and its descriptor. */
static char *
replQemuSecret(ReplQemuCommand *command, const ReplSecretBuf *secret)
{
    guint n = replQemuInput(command, -1, secret);
    g_autofree char *object = g_strdup_printf("secret,id=s%u,file=/dev/fd/%u", n, n);

    replQemuAdd(command, "--object", object, NULL);
    return g_strdup_printf("s%u", n);
}

static gboolean
replQemuHasBacking(ReplFormat format)
{
    return format == REPL_FORMAT_QCOW2 || format == REPL_FORMAT_QCOW || format == REPL_FORMAT_QED ||
           format == REPL_FORMAT_VMDK;
}

/* Opens the node of @file; its backing node and the brace at the end are the caller's. */
static void
replQemuOpenNode(ReplQemuCommand *command, GString *json, const ReplQemuFile *file, const char *name)
{
    g_autofree char *secret = file->secret ? replQemuSecret(command, file->secret) : NULL;

    g_string_append_printf(json, "{\"driver\":\"%s\",", replFormatToString(file->format));
    if (name)
        g_string_append_printf(json, "\"node-name\":\"%s\",", name);
    if (secret && file->format == REPL_FORMAT_LUKS)
        g_string_append_printf(json, "\"key-secret\":\"%s\",", secret);
    else if (secret)
        g_string_append_printf(json, "\"encrypt\":{\"format\":\"%s\",\"key-secret\":\"%s\"},",
                               file->legacyAes ? "aes" : "luks", secret);
    g_string_append_printf(json, "\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fd/%u\"}",
                           replQemuInputFile(command, file->fd));
}

/* "json:{...}" for the whole chain. The node below the first one is called @below if there is such a name. */
static char *
replQemuChainNode(ReplQemuCommand *command, const ReplQemuChain *chain, const char *below)
{
    GString *json = g_string_new("json:");
    guint i;

    for (i = 0; i < chain->count; i++) {
        if (i > 0)
            g_string_append(json, ",\"backing\":");
        replQemuOpenNode(command, json, &chain->files[i], i == 1 ? below : NULL);
    }
    /* Without a word on it QEMU would open what the image names. */
    if (replQemuHasBacking(chain->files[chain->count - 1].format))
        g_string_append(json, ",\"backing\":null");
    for (i = 0; i < chain->count; i++)
        g_string_append_c(json, '}');
    return g_string_free(json, FALSE);
}

static void
replQemuOption(GString *options, const char *name, const char *value)
{
    if (value)
        g_string_append_printf(options, "%s%s=%s", options->len ? "," : "", name, value);
}

static void
replQemuLuksOptions(ReplQemuCommand *command, GString *options, const ReplQemuTarget *target)
{
    const ReplQemuLuks *luks = &target->luks;
    const char *prefix = target->format == REPL_FORMAT_LUKS ? "" : "encrypt.";
    g_autofree char *secret = replQemuSecret(command, luks->secret);
    g_autofree char *time = luks->iterTime_ms ? g_strdup_printf("%u", luks->iterTime_ms) : NULL;
    const char *const values[][2] = {
        {"key-secret", secret},     {"cipher-alg", luks->cipher},        {"cipher-mode", luks->mode},
        {"ivgen-alg", luks->ivgen}, {"ivgen-hash-alg", luks->ivgenHash}, {"hash-alg", luks->hash},
        {"iter-time", time},
    };
    guint i;

    if (target->format != REPL_FORMAT_LUKS)
        replQemuOption(options, "encrypt.format", "luks");
    for (i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *name = g_strconcat(prefix, values[i][0], NULL);

        replQemuOption(options, name, values[i][1]);
    }
}

/* Adds -o with the form of @target. */
static void
replQemuTargetOptions(ReplQemuCommand *command, const ReplQemuTarget *target)
{
    g_autoptr(GString) options = g_string_new(NULL);
    g_autofree char *cluster = g_strdup_printf("%u", 1u << MIN(target->clusterBits, 21));
    g_autofree char *refcount = g_strdup_printf("%u", 1u << MIN(target->refcountOrder, 6));

    if (target->format == REPL_FORMAT_QCOW2) {
        replQemuOption(options, "compat", "1.1");
        replQemuOption(options, "cluster_size", target->clusterBits ? cluster : NULL);
        replQemuOption(options, "refcount_bits", target->refcountOrder ? refcount : NULL);
        replQemuOption(options, "lazy_refcounts", target->lazyRefcounts ? "on" : NULL);
        replQemuOption(options, "extended_l2", target->extendedL2 ? "on" : NULL);
        replQemuOption(options, "compression_type", target->zstd ? "zstd" : NULL);
        replQemuOption(options, "preallocation", target->preallocate ? "metadata" : NULL);
    }
    if (target->luks.secret)
        replQemuLuksOptions(command, options, target);
    if (options->len)
        replQemuAdd(command, "-o", options->str, NULL);
}

static char *
replQemuPath(ReplQemuCommand *command, int fd)
{
    return g_strdup_printf("/dev/fd/%u", replQemuInputFile(command, fd));
}

ReplQemuCommand *
replQemuArgvConvert(const ReplQemuChain *chain, const ReplQemuTarget *target, gboolean bitmaps)
{
    ReplQemuCommand *command = replQemuCommandNew("convert");
    g_autofree char *source = replQemuChainNode(command, chain, NULL);
    g_autofree char *path = NULL;

    replQemuAdd(command, "-p", "-m", REPL_QEMU_COROUTINES, "-W", "-O", replFormatToString(target->format),
                NULL);
    if (bitmaps)
        replQemuAdd(command, "--bitmaps", NULL);
    replQemuTargetOptions(command, target);
    path = replQemuPath(command, target->fd);
    replQemuAdd(command, source, path, NULL);
    return command;
}

ReplQemuCommand *
replQemuArgvConvertLayer(const ReplQemuChain *chain, const ReplQemuTarget *target)
{
    ReplQemuCommand *command = replQemuCommandNew("convert");
    g_autofree char *source = replQemuChainNode(command, chain, "below");
    g_autofree char *secret = target->luks.secret ? replQemuSecret(command, target->luks.secret) : NULL;
    g_autofree char *opts = NULL;

    opts = g_strdup_printf("driver=%s,file.driver=file,file.filename=/dev/fd/%u%s%s,backing=below",
                           replFormatToString(target->format), replQemuInputFile(command, target->fd),
                           secret ? ",encrypt.format=luks,encrypt.key-secret=" : "", secret ? secret : "");
    /* -B says that the target has a backing file; which one, the node does, and with -n the name is not
     * looked at. The target shares the source's node, so that parts of clusters are filled up from there. */
    replQemuAdd(command, "-p", "-m", REPL_QEMU_COROUTINES, "-W", "-n", "-B", "below", "-F", "raw",
                "--target-image-opts", source, opts, NULL);
    return command;
}

ReplQemuCommand *
replQemuArgvCreate(const ReplQemuTarget *target, guint64 size_bytes)
{
    ReplQemuCommand *command = replQemuCommandNew("create");
    g_autofree char *size = g_strdup_printf("%" G_GUINT64_FORMAT, size_bytes);
    g_autofree char *path = NULL;

    replQemuAdd(command, "-q", "-f", replFormatToString(target->format), NULL);
    replQemuTargetOptions(command, target);
    path = replQemuPath(command, target->fd);
    replQemuAdd(command, path, size, NULL);
    return command;
}

ReplQemuCommand *
replQemuArgvInfo(const ReplQemuChain *chain)
{
    ReplQemuCommand *command = replQemuCommandNew("info");
    g_autofree char *source = replQemuChainNode(command, chain, NULL);

    replQemuAdd(command, "--output=json", source, NULL);
    return command;
}

ReplQemuCommand *
replQemuArgvMeasure(const ReplQemuChain *chain)
{
    ReplQemuCommand *command = replQemuCommandNew("measure");
    g_autofree char *source = replQemuChainNode(command, chain, NULL);

    replQemuAdd(command, "--output=json", "-O", "qcow2", source, NULL);
    return command;
}

ReplQemuCommand *
replQemuArgvCheck(const ReplQemuFile *file)
{
    const ReplQemuChain chain = {.files = file, .count = 1};
    ReplQemuCommand *command = replQemuCommandNew("check");
    g_autofree char *source = replQemuChainNode(command, &chain, NULL);

    replQemuAdd(command, "-q", source, NULL);
    return command;
}

ReplQemuCommand *
replQemuArgvMap(const ReplQemuFile *file)
{
    const ReplQemuChain chain = {.files = file, .count = 1};
    ReplQemuCommand *command = replQemuCommandNew("map");
    g_autofree char *source = replQemuChainNode(command, &chain, NULL);

    replQemuAdd(command, "--output=json", "--start-offset=0", "--max-length=512", source, NULL);
    return command;
}
