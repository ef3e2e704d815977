/*
 * test_probe_present.c: layers that the target has already are found, and nothing else is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_probe_util.h"

#include "probe/present.h"
#include "qcow2/backing.h"
#include "store/files.h"
#include "store/imagelock.h"

/* All layers but the image itself: a volume of @target or NULL for each. NULL with @err set. */
static GPtrArray *
presentMap(const ReplChain *chain, const ReplPoolDir *target, const ReplPresentAsk *ask, GError **err)
{
    g_autoptr(GPtrArray) map = g_ptr_array_new_with_free_func(g_free);
    guint i;

    g_ptr_array_set_size(map, chain->layers->len);
    for (i = chain->layers->len - 1; i > 0; i--) {
        const char *below = i + 1 < map->len ? g_ptr_array_index(map, i + 1) : NULL;
        ReplFileIdentity unused;
        char *volume = NULL;
        int ret = replPresentFind(chain, i, target, below, ask, &volume, &unused, err);

        if (ret < 0)
            return NULL;
        if (ret == 0)
            break;
        g_ptr_array_index(map, i) = volume;
    }
    return g_steal_pointer(&map);
}

/* What the search is told, and what it asked. */
typedef struct {
    const char *recordOf; /* the volume that has a record, NULL: none */
    ReplFileIdentity origin, self;
    const char *unusable; /* a volume not to be used */
    gboolean stop;        /* at the first byte to be read */
    guint64 read_bytes;
} Answers;

static ReplImage *
answerRecord(void *opaque, const char *volume)
{
    Answers *answers = opaque;
    ReplImage *image;

    if (g_strcmp0(answers->recordOf, volume) != 0)
        return NULL;
    image = replImageNew("id");
    image->hasOrigin = TRUE;
    image->originPool = g_strdup("a");
    image->origin = answers->origin;
    image->self = answers->self;
    return image;
}

static gboolean
answerUsable(void *opaque, const char *volume)
{
    Answers *answers = opaque;

    return g_strcmp0(answers->unusable, volume) != 0;
}

static int
answerProceed(void *opaque, guint64 bytes, GError **err)
{
    Answers *answers = opaque;

    answers->read_bytes += bytes;
    if (!answers->stop)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_ABORTED, "stopped");
    return -1;
}

/* The map of top.qcow2 in @target as "mid base", "-" for what is not there. */
static char *
map(const TestPools *t, const ReplPoolDir *target, Answers *answers)
{
    const ReplPresentAsk ask = {
        .record = answerRecord, .usable = answerUsable, .proceed = answerProceed, .opaque = answers};
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplChain) chain = replChainOpen(t->set, t->a, "top.qcow2", &err);
    g_autoptr(GPtrArray) found = NULL;
    const char *mid, *base;

    g_assert_no_error(err);
    found = presentMap(chain, target, &ask, &err);
    g_assert_no_error(err);
    g_assert_cmpint(found->len, ==, 3);
    g_assert_null(g_ptr_array_index(found, 0));
    mid = g_ptr_array_index(found, 1);
    base = g_ptr_array_index(found, 2);
    return g_strdup_printf("%s %s", mid ? mid : "-", base ? base : "-");
}

static void
expectMap(const TestPools *t, const ReplPoolDir *target, const char *want)
{
    Answers answers = {0};
    g_autofree char *text = map(t, target, &answers);

    g_assert_cmpstr(text, ==, want);
}

/* Copies mid.qcow2 to pool b as @name, over @backing of @format. */
static void
copyMid(const char *name, const char *backing, const char *format)
{
    g_autofree char *path = g_strdup_printf("b/%s", name);
    g_auto(ReplFd) fd = -1;

    testRun("cp a/mid.qcow2 %s", path);
    fd = testOpen(path, O_RDWR);
    g_assert_cmpint(replQcow2SetBacking(fd, backing, format, name, NULL), ==, 0);
}

static void
testNothing(TestPools *t, gconstpointer unused)
{
    testMakeChain();
    expectMap(t, t->b, "- -");
    testRun("truncate -s 8M b/zeros && mkdir b/dir && ln -s ../a/base.raw b/link");
    expectMap(t, t->b, "- -");
}

static void
testOtherNames(TestPools *t, gconstpointer unused)
{
    testMakeChain();
    testRun("cp a/base.raw b/elsewhere");
    expectMap(t, t->b, "- elsewhere");
    copyMid("also", "elsewhere", "raw");
    expectMap(t, t->b, "also elsewhere");
    /* Also written in another way, as a user's own copy may have it. */
    copyMid("also", "../b/elsewhere", "raw");
    expectMap(t, t->b, "also elsewhere");
    /* Of two, that with the name of the source. */
    testRun("cp b/elsewhere b/base.raw");
    expectMap(t, t->b, "- base.raw");
    copyMid("zzz", "base.raw", "raw");
    expectMap(t, t->b, "zzz base.raw");
}

/* The same bytes over another base, or without a format, are another layer. */
static void
testOtherBacking(TestPools *t, gconstpointer unused)
{
    testMakeChain();
    testRun("cp a/base.raw b/base.raw && cp a/base.raw b/other");
    copyMid("mid.qcow2", "other", "raw");
    expectMap(t, t->b, "- base.raw");
    copyMid("mid.qcow2", "base.raw", NULL);
    expectMap(t, t->b, "- base.raw");
    copyMid("mid.qcow2", "base.raw", "qcow2");
    expectMap(t, t->b, "- base.raw");
    copyMid("mid.qcow2", "../a/base.raw", "raw");
    expectMap(t, t->b, "- base.raw");
    copyMid("mid.qcow2", "base.raw", "raw");
    expectMap(t, t->b, "mid.qcow2 base.raw");
}

static void
testOtherContent(TestPools *t, gconstpointer unused)
{
    testMakeChain();
    testRun("cp a/base.raw b/base.raw");
    copyMid("mid.qcow2", "base.raw", "raw");
    testRun("printf x | dd of=b/base.raw bs=1 seek=8388607 conv=notrunc status=none");
    expectMap(t, t->b, "- -");
    testRun("cp a/base.raw b/base.raw && "
            "qemu-io -f qcow2 -c 'write -q -P 9 1M 512' b/mid.qcow2");
    expectMap(t, t->b, "- base.raw");
}

/* In its own pool every layer is there as itself, and nothing is read to know it. */
static void
testSamePool(TestPools *t, gconstpointer unused)
{
    Answers answers = {.stop = TRUE};
    g_autofree char *text = NULL;

    testMakeChain();
    text = map(t, t->a, &answers);
    g_assert_cmpstr(text, ==, "mid.qcow2 base.raw");
}

static ReplFileIdentity
identityOf(const ReplPoolDir *pool, const char *volume)
{
    ReplFileIdentity identity;
    struct stat st;

    g_assert_cmpint(fstatat(pool->dirFd, volume, &st, 0), ==, 0);
    replIdentityOfStat(&st, &identity);
    return identity;
}

/* A record spares the reading, for as long as both files are what it knew. */
static void
testRecord(TestPools *t, gconstpointer unused)
{
    Answers answers = {.recordOf = "copy", .stop = TRUE};
    g_autofree char *text = NULL;

    testMakeChain();
    testRun("cp a/base.raw b/copy");
    answers.origin = identityOf(t->a, "base.raw");
    answers.self = identityOf(t->b, "copy");
    text = map(t, t->b, &answers);
    g_assert_cmpstr(text, ==, "- copy");
    g_assert_cmpint(answers.read_bytes, ==, 0);

    /* The copy was written to, with its record left behind. */
    g_free(text);
    g_usleep(20000);
    testRun("printf x | dd of=b/copy bs=1 conv=notrunc status=none");
    answers.stop = FALSE;
    text = map(t, t->b, &answers);
    g_assert_cmpstr(text, ==, "- -");
    g_assert_cmpint(answers.read_bytes, >, 0);

    /* The source was. */
    g_free(text);
    testRun("cp a/base.raw b/copy && printf x | dd of=a/base.raw bs=1 conv=notrunc status=none");
    answers.self = identityOf(t->b, "copy");
    text = map(t, t->b, &answers);
    g_assert_cmpstr(text, ==, "- -");
}

static void
testUnusable(TestPools *t, gconstpointer unused)
{
    Answers answers = {.unusable = "base.raw"};
    g_autofree char *text = NULL;

    testMakeChain();
    testRun("cp a/base.raw b/base.raw");
    text = map(t, t->b, &answers);
    g_assert_cmpstr(text, ==, "- -");
}

static void
testWriter(TestPools *t, gconstpointer unused)
{
    g_auto(ReplFd) writer = -1;

    testMakeChain();
    testRun("cp a/base.raw b/base.raw");
    writer = testOpen("b/base.raw", O_RDWR);
    g_assert_cmpint(replImageLockWrite(writer, "base.raw", NULL), ==, 0);
    expectMap(t, t->b, "- -");
    replImageUnlock(writer);
    expectMap(t, t->b, "- base.raw");
}

static void
testStop(TestPools *t, gconstpointer unused)
{
    Answers answers = {.stop = TRUE};
    const ReplPresentAsk ask = {.proceed = answerProceed, .opaque = &answers};
    g_autoptr(ReplChain) chain = NULL;
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GError) err = NULL;

    testMakeChain();
    testRun("cp a/base.raw b/base.raw");
    chain = replChainOpen(t->set, t->a, "top.qcow2", NULL);
    found = presentMap(chain, t->b, &ask, &err);
    g_assert_null(found);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
}

/* An empty file has no content to be known by: the placeholder of a replica is one. */
static void
testEmpty(TestPools *t, gconstpointer unused)
{
    testRun("truncate -s 0 a/base.raw b/base.raw && cd a && "
            "qemu-img create -q -f qcow2 -u -b base.raw -F raw mid.qcow2 1M && "
            "qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2");
    expectMap(t, t->b, "- -");
}

/* Internal snapshots and all other metadata belong to what a layer is. */
static void
testMetadata(TestPools *t, gconstpointer unused)
{
    testMakeChain();
    testRun("cp a/base.raw b/base.raw && qemu-img snapshot -c one a/mid.qcow2");
    copyMid("mid.qcow2", "base.raw", "raw");
    expectMap(t, t->b, "mid.qcow2 base.raw");
    testRun("qemu-img snapshot -d one b/mid.qcow2 && qemu-img snapshot -c two b/mid.qcow2");
    expectMap(t, t->b, "- base.raw");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    testAdd("/present/nothing", testNothing);
    testAdd("/present/other-names", testOtherNames);
    testAdd("/present/other-backing", testOtherBacking);
    testAdd("/present/other-content", testOtherContent);
    testAdd("/present/same-pool", testSamePool);
    testAdd("/present/record", testRecord);
    testAdd("/present/unusable", testUnusable);
    testAdd("/present/writer", testWriter);
    testAdd("/present/stop", testStop);
    testAdd("/present/empty", testEmpty);
    testAdd("/present/metadata", testMetadata);
    return g_test_run();
}
