/*
 * test_probe_graph.c: who needs whom, over several pools, with headers read once
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/inotify.h>
#include <sys/mman.h>

#include "test_probe_util.h"

#include "probe/graph.h"
#include "qcow2/backing.h"

/* They go with the program: a graph lives in its cache. */
static GPtrArray *caches;

/* A graph that knows nothing from before. */
static ReplGraph *
scan(const TestPools *t)
{
    ReplGraphCache *cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    g_autoptr(GError) err = NULL;
    ReplGraph *graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, &err);

    g_assert_no_error(err);
    g_ptr_array_add(caches, cache);
    return graph;
}

static void
expectDependents(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume, const char *want)
{
    g_autoptr(GPtrArray) nodes = replGraphDependents(graph, pool, volume);
    g_autofree char *text = replGraphNames(nodes, pool);

    g_assert_cmpstr(text, ==, want);
}

static void
expectOrphans(const ReplGraph *graph, const ReplPoolDir *pool, const char *volume, const char *want)
{
    g_autoptr(GPtrArray) nodes = replGraphOrphans(graph, pool, volume);
    g_autofree char *text = replGraphNames(nodes, pool);

    g_assert_cmpstr(text, ==, want);
}

static void
expectChain(const TestPools *t, const ReplGraph *graph, const ReplPoolDir *pool, const char *volume,
            const char *want)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(16);
    g_auto(GStrv) slow = replGraphBackingChain(graph, pool, volume);
    g_auto(GStrv) fast = replChainNames(cache, t->set, pool, volume);
    g_autofree char *slowText = g_strjoinv(" ", slow);
    g_autofree char *fastText = g_strjoinv(" ", fast);

    g_assert_cmpstr(slowText, ==, want);
    g_assert_cmpstr(fastText, ==, want);
}

/* qcow2 file @name, the way "pool/volume", over @backing as it is written. */
static void
over(const char *name, const char *backing)
{
    testRun("qemu-img create -q -f qcow2 -u -b '%s' -F qcow2 %s 1M", backing, name);
}

static void
makeOld(const char *pool)
{
    testRun("find %s -type f -exec touch -d 2020-01-01 {} +", pool);
    /* ctime cannot be set: wait until it is old enough to be believed. */
    g_usleep(2100000);
}

static void
testFamily(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraph) graph = NULL;
    g_autofree char *absolute = testPath("a/base.qcow2");
    ReplAmounts usage;

    testRun("qemu-img create -q -f qcow2 a/base.qcow2 1M && truncate -s 0 a/placeholder && "
            "mkdir a/dir && ln -s base.qcow2 a/link && touch a/.replication/file");
    over("a/mid.qcow2", "base.qcow2");
    over("a/top.qcow2", "mid.qcow2");
    over("a/side.qcow2", absolute);
    over("b/far.qcow2", "../a/mid.qcow2");
    over("c/illegal.qcow2", "../a/base.qcow2");
    over("a/linked.qcow2", "link");
    graph = scan(t);
    expectDependents(graph, t->a, "base.qcow2", "linked.qcow2, mid.qcow2, side.qcow2, c/illegal.qcow2");
    expectDependents(graph, t->a, "mid.qcow2", "top.qcow2, b/far.qcow2");
    expectDependents(graph, t->a, "top.qcow2", "");
    expectDependents(graph, t->a, "nobody", "");
    expectOrphans(graph, t->a, "top.qcow2", "");
    expectChain(t, graph, t->a, "top.qcow2", "mid.qcow2 base.qcow2");
    expectChain(t, graph, t->b, "far.qcow2", "mid.qcow2 base.qcow2");
    expectChain(t, graph, t->a, "base.qcow2", "");
    usage = replGraphUsage(graph, t->a);
    /* top, side, linked, placeholder; base, mid. */
    g_assert_cmpint(usage.images, ==, 4);
    g_assert_cmpint(usage.snapshots, ==, 2);
    g_clear_pointer(&graph, replGraphFree);

    testRun("rm b/far.qcow2 c/illegal.qcow2 a/side.qcow2 a/linked.qcow2");
    graph = scan(t);
    expectOrphans(graph, t->a, "top.qcow2", "mid.qcow2, base.qcow2");
    expectOrphans(graph, t->a, "mid.qcow2", "base.qcow2");
}

static void
testBytes(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraph) graph = NULL;
    struct stat one, two;

    testRun("qemu-img create -q -f raw a/x 1G && qemu-io -f raw -c 'write -q 0 3M' a/x && "
            "qemu-img create -q -f qcow2 a/y 1M");
    g_assert_cmpint(fstatat(t->a->dirFd, "x", &one, 0), ==, 0);
    g_assert_cmpint(fstatat(t->a->dirFd, "y", &two, 0), ==, 0);
    graph = scan(t);
    g_assert_cmpint(replGraphUsage(graph, t->a).bytes, ==, (one.st_blocks + two.st_blocks) * 512);
    g_assert_cmpint(replGraphUsage(graph, t->b).bytes, ==, 0);
}

/* Broken chains do not keep their files for ever, and hang nothing. */
static void
testLoops(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraph) graph = NULL;

    over("a/self", "self");
    over("a/x", "y");
    over("a/y", "z");
    over("a/z", "x");
    over("a/out", "x");
    over("a/lost", "gone");
    over("a/passwd", "/etc/passwd");
    over("a/json", "json:{\"file.filename\":\"x\"}");
    testRun("truncate -s 90 a/lost2 && printf 'QFI\\373' | dd of=a/lost2 conv=notrunc status=none");
    graph = scan(t);
    expectDependents(graph, t->a, "self", "");
    expectDependents(graph, t->a, "x", "out");
    expectDependents(graph, t->a, "y", "");
    expectDependents(graph, t->a, "z", "");
    expectChain(t, graph, t->a, "self", "");
    expectChain(t, graph, t->a, "x", "y z");
    expectChain(t, graph, t->a, "out", "x y z");
    expectChain(t, graph, t->a, "lost", "");
    expectChain(t, graph, t->a, "passwd", "");
    expectChain(t, graph, t->a, "json", "");
    expectChain(t, graph, t->a, "lost2", "");
    expectOrphans(graph, t->a, "lost", "");
}

/* Two names of one file are needed together. */
static void
testHardLinks(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraph) graph = NULL;

    testRun("qemu-img create -q -f qcow2 a/one 1M && ln a/one b/two");
    over("a/top", "one");
    graph = scan(t);
    expectDependents(graph, t->a, "one", "top");
    expectDependents(graph, t->b, "two", "a/top");
}

/* Two pools in one directory are one. */
static void
testTwins(TestPools *t, gconstpointer unused)
{
    const ReplPoolDir *twin = testPool(t->set, "twin", "a", "north");
    g_autoptr(ReplGraph) graph = NULL;

    testRun("qemu-img create -q -f qcow2 a/one 1M");
    over("a/top", "one");
    graph = scan(t);
    expectDependents(graph, twin, "one", "top");
    g_assert_cmpint(replGraphUsage(graph, twin).images, ==, 1);
}

static void
testManyNames(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraph) graph = NULL;

    testRun("qemu-img create -q -f qcow2 a/base 1M && "
            "qemu-img create -q -f qcow2 -u -b base -F qcow2 a/t0 1M && "
            "for i in 1 2 3 4 5 6 7 8; do cp a/t0 a/t$i; done");
    graph = scan(t);
    expectDependents(graph, t->a, "base", "t0, t1, t2, t3, t4 and 4 more");
}

/* A directory that cannot be listed fails where it matters, and is left out elsewhere. */
static void
testGone(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(16);
    g_autoptr(ReplGraph) graph = NULL;
    g_autoptr(GError) err = NULL;
    ReplPoolDir *broken = replPoolDirNew("x", "x", testDir, NULL, NULL);

    /* Nobody can list this. */
    g_assert_cmpint(close(broken->dirFd), ==, 0);
    broken->dirFd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    replPoolSetAdd(t->set, broken);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, &err);
    g_assert_no_error(err);
    g_assert_nonnull(graph);
    g_clear_pointer(&graph, replGraphFree);
    g_assert_null(replGraphScan(cache, t->set, broken, REPL_GRAPH_NOW, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
}

/* How many files of @dir were opened since the watch was made or last asked. */
static guint
countOpens(int watch)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    guint count = 0;
    ssize_t n;

    while ((n = read(watch, events, sizeof(events))) > 0) {
        const struct inotify_event *event;

        for (char *at = events; at < events + n; at += sizeof(*event) + event->len) {
            event = (const struct inotify_event *)at;
            g_assert_false(event->mask & IN_Q_OVERFLOW);
            count += (event->mask & IN_OPEN) && !(event->mask & IN_ISDIR);
        }
    }
    return count;
}

static int
watchOpens(const char *pool)
{
    g_autofree char *path = testPath(pool);
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    g_assert_cmpint(watch, >=, 0);
    g_assert_cmpint(inotify_add_watch(watch, path, IN_OPEN), >=, 0);
    return watch;
}

static void
testCache(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(3);
    g_autoptr(ReplGraph) graph = NULL;
    g_auto(ReplFd) watch = -1;

    testRun("qemu-img create -q -f qcow2 a/one 1M && qemu-img create -q -f qcow2 a/two 1M");
    over("a/top", "one");
    watch = watchOpens("a");
    /* Too new to be believed: looked at again the next time. */
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    g_assert_cmpuint(countOpens(watch), ==, 3);
    g_clear_pointer(&graph, replGraphFree);
    makeOld("a");
    countOpens(watch);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    g_assert_cmpuint(countOpens(watch), ==, 3);
    g_clear_pointer(&graph, replGraphFree);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    /* Nothing was touched, nothing is looked at. */
    g_assert_cmpuint(countOpens(watch), ==, 0);
    expectDependents(graph, t->a, "one", "top");
    g_clear_pointer(&graph, replGraphFree);

    /* A change of the same length and a faked mtime shows in the ctime. */
    testRun("qemu-img rebase -u -f qcow2 -b two -F qcow2 a/top && touch -d 2020-01-01 a/top");
    countOpens(watch);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    g_assert_cmpuint(countOpens(watch), ==, 1);
    expectDependents(graph, t->a, "one", "");
    expectDependents(graph, t->a, "two", "top");
    g_clear_pointer(&graph, replGraphFree);

    /* A fourth file: one of the others has to go. */
    testRun("qemu-img create -q -f qcow2 a/zzz 1M");
    makeOld("a");
    countOpens(watch);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    g_assert_cmpuint(countOpens(watch), ==, 4);
}

/* --- a graph that is kept says what a new one says --- */

static void
expectSame(const TestPools *t, ReplGraphCache *cache)
{
    g_autoptr(ReplGraphCache) otherCache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    g_autoptr(ReplGraph) kept = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    g_autoptr(ReplGraph) fresh = replGraphScan(otherCache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    guint i, k;

    for (i = 0; i < t->set->pools->len; i++) {
        const ReplPoolDir *pool = g_ptr_array_index(t->set->pools, i);
        ReplAmounts a = replGraphUsage(kept, pool);
        ReplAmounts b = replGraphUsage(fresh, pool);

        g_assert_cmpint(a.images, ==, b.images);
        g_assert_cmpint(a.snapshots, ==, b.snapshots);
        g_assert_cmpint(a.bytes, ==, b.bytes);
        for (k = 0; k < 8; k++) {
            g_autoptr(GPtrArray) keptNames = replGraphSized(kept, pool, k * 4096);
            g_autoptr(GPtrArray) freshNames = replGraphSized(fresh, pool, k * 4096);
            g_autofree char *name = g_strdup_printf("n%u", k);
            g_autoptr(GPtrArray) x = replGraphDependents(kept, pool, name);
            g_autoptr(GPtrArray) y = replGraphDependents(fresh, pool, name);
            g_autofree char *was = replGraphNames(x, pool);
            g_auto(GStrv) chain = replGraphBackingChain(kept, pool, name);
            g_auto(GStrv) freshChain = replGraphBackingChain(fresh, pool, name);
            g_autofree char *one = g_strjoinv(" ", chain);
            g_autofree char *two = g_strjoinv(" ", freshChain);

            expectDependents(fresh, pool, name, was);
            g_assert_cmpint(x->len, ==, y->len);
            g_assert_cmpint(keptNames->len, ==, freshNames->len);
            g_assert_cmpstr(one, ==, two);
        }
    }
    g_clear_pointer(&fresh, replGraphFree);
}

/* One change at random among eight names of two pools. */
static void
changeAtRandom(GRand *rand)
{
    static const char *const backings[] = {"", "./", "../b/", "../a/", "@/a/", "link/", "../link/"};
    const char *pool = g_rand_boolean(rand) ? "a" : "b";
    guint name = g_rand_int_range(rand, 0, 8);
    guint other = g_rand_int_range(rand, 0, 8);

    switch (g_rand_int_range(rand, 0, 8)) {
    case 0:
        testRun("rm -f %s/n%u", pool, name);
        break;
    case 1:
        testRun("mv -f %s/n%u %s/n%u 2>/dev/null || true", pool, name, g_rand_boolean(rand) ? "a" : "b",
                other);
        break;
    case 2:
        testRun("test ! -f %s/n%u || ln -f %s/n%u b/n%u 2>/dev/null || true", pool, name, pool, name, other);
        break;
    case 3:
        testRun("rm -f %s/n%u && ln -s ../a/n%u %s/n%u", pool, name, other, pool, name);
        break;
    case 4:
        testRun("truncate -s %u %s/n%u 2>/dev/null || true", other * 4096, pool, name);
        break;
    case 5:
        testRun("ln -s %s %s/link 2>/dev/null || rm -f %s/link", g_rand_boolean(rand) ? "../a" : "../b", pool,
                pool);
        break;
    default: {
        const char *form = backings[g_rand_int_range(rand, 0, G_N_ELEMENTS(backings))];
        g_autofree char *backing = NULL;

        backing = g_strdup_printf("%s%s%s%u", form[0] == '@' ? testDir : "", form[0] == '@' ? form + 1 : form,
                                  *form ? "n" : "", other);
        if (!*form)
            *backing = '\0';
        testRun("rm -f %s/n%u", pool, name);
        if (*backing)
            testRun("qemu-img create -q -f qcow2 -u -b '%s' -F qcow2 %s/n%u 1M", backing, pool, name);
        else
            testRun("qemu-img create -q -f qcow2 %s/n%u 1M", pool, name);
    }
    }
}

static void
testFollows(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    guint32 seed = g_test_rand_int();
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    guint i;

    g_test_message("seed %u", seed);
    for (i = 0; i < 150; i++) {
        changeAtRandom(rand);
        if (i % 3 == 0)
            expectSame(t, cache);
    }
    expectSame(t, cache);
}

/* What is written while the file stays open, at one and the same size, shows too. */
static void
testWrittenInPlace(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    g_autoptr(ReplGraph) graph = NULL;
    g_autofree char *data = NULL;
    g_auto(ReplFd) fd = -1;

    testRun("qemu-img create -q -f qcow2 a/one 1M && qemu-img create -q -f qcow2 a/two 1M");
    over("a/top", "one");
    over("a/other", "two");
    makeOld("a");
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    expectDependents(graph, t->a, "one", "top");
    g_clear_pointer(&graph, replGraphFree);
    data = replReadLimited(t->a->dirFd, "other", 1 << 20, NULL, NULL);
    g_assert_nonnull(data);
    g_assert_cmpint(fd = openat(t->a->dirFd, "top", O_RDWR | O_CLOEXEC), >=, 0);
    g_assert_cmpint(replPwriteFull(fd, data, 4096, 0), ==, 0);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    expectDependents(graph, t->a, "one", "");
    expectDependents(graph, t->a, "two", "other, top");
}

/* What is written by a way that gives no events, as QEMU may, shows as long as the file is locked, as QEMU's are. */
static void
testWrittenUnseen(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    const struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    g_autoptr(ReplGraph) graph = NULL;
    g_autofree char *data = NULL;
    g_auto(ReplFd) fd = -1;
    void *map;

    testRun("qemu-img create -q -f qcow2 a/one 1M && qemu-img create -q -f qcow2 a/two 1M");
    over("a/top", "one");
    over("a/other", "two");
    makeOld("a");
    g_assert_cmpint(fd = openat(t->a->dirFd, "top", O_RDWR | O_CLOEXEC), >=, 0);
    g_assert_cmpint(fcntl(fd, F_OFD_SETLK, &all), ==, 0);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    expectDependents(graph, t->a, "one", "top");
    g_clear_pointer(&graph, replGraphFree);

    data = replReadLimited(t->a->dirFd, "other", 1 << 20, NULL, NULL);
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(data && map != MAP_FAILED);
    memcpy(map, data, 4096);
    g_assert_cmpint(msync(map, 4096, MS_SYNC), ==, 0);
    g_assert_cmpint(munmap(map, 4096), ==, 0);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_CLOSED, NULL);
    expectDependents(graph, t->a, "one", "top");
    g_clear_pointer(&graph, replGraphFree);
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_RECENTLY, NULL);
    expectDependents(graph, t->a, "one", "");
    expectDependents(graph, t->a, "two", "other, top");
}

/* Pools that come and go take their volumes with them. */
static void
testPoolsComeAndGo(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    g_autoptr(ReplPoolSet) one = replPoolSetNew();
    g_autoptr(ReplGraph) graph = NULL;
    guint i;

    testRun("qemu-img create -q -f qcow2 a/base 1M");
    over("b/far", "../a/base");
    replPoolSetAdd(one, replPoolDirRef(t->a));
    for (i = 0; i < 3; i++) {
        graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
        expectDependents(graph, t->a, "base", "b/far");
        g_assert_cmpint(replGraphUsage(graph, t->a).snapshots, ==, 1);
        g_clear_pointer(&graph, replGraphFree);
        graph = replGraphScan(cache, one, t->a, REPL_GRAPH_NOW, NULL);
        expectDependents(graph, t->a, "base", "");
        g_assert_cmpint(replGraphUsage(graph, t->a).snapshots, ==, 0);
        g_clear_pointer(&graph, replGraphFree);
    }
}

/* More changes than the kernel keeps: everything is looked at. */
static void
testTooManyChanges(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    g_autoptr(ReplGraph) graph = NULL;
    guint i;

    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    g_clear_pointer(&graph, replGraphFree);
    testRun("qemu-img create -q -f qcow2 a/base 1M");
    for (i = 0; i < 20000; i++) {
        g_autofree char *name = g_strdup_printf("x%u", i % 7);
        g_auto(ReplFd) fd = openat(t->a->dirFd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        g_assert_cmpint(fd, >=, 0);
    }
    over("a/top", "base");
    graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
    expectDependents(graph, t->a, "base", "top");
    g_assert_cmpint(replGraphUsage(graph, t->a).images, ==, 8);
}

/* Not a judgement, a measurement: it is printed. */
static void
testThousand(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(REPL_GRAPH_CACHE_ENTRIES);
    gint64 took_us[3], names_us;
    g_auto(ReplFd) watch = -1;
    guint i;

    testRun("cd a && qemu-img create -q -f qcow2 base 1M && "
            "qemu-img create -q -f qcow2 -u -b base -F qcow2 t1 1M && i=2 && "
            "while [ $i -lt 1000 ]; do cp t1 t$i || exit 1; i=$((i+1)); done");
    makeOld("a");
    watch = watchOpens("a");
    for (i = 0; i < G_N_ELEMENTS(took_us); i++) {
        gint64 start_us = g_get_monotonic_time();
        g_autoptr(ReplGraph) graph = replGraphScan(cache, t->set, t->a, REPL_GRAPH_NOW, NULL);
        g_autoptr(GPtrArray) nodes = replGraphDependents(graph, t->a, "base");

        took_us[i] = g_get_monotonic_time() - start_us;
        g_assert_cmpint(nodes->len, ==, 999);
    }
    g_assert_cmpuint(countOpens(watch), ==, 1000);
    names_us = g_get_monotonic_time();
    for (i = 0; i < 1000; i++)
        g_strfreev(replChainNames(cache, t->set, t->a, "t500"));
    names_us = g_get_monotonic_time() - names_us;
    g_test_message("1000 volumes: first scan %" G_GINT64_FORMAT " us, then %" G_GINT64_FORMAT
                   " and %" G_GINT64_FORMAT " us; names of one chain %" G_GINT64_FORMAT " ns",
                   took_us[0], took_us[1], took_us[2], names_us);
}

/* Scans, changes and look-ups from several threads at once. */
typedef struct {
    const TestPools *pools;
    ReplGraphCache *cache;
} Work;

static gpointer
workScan(gpointer opaque)
{
    Work *work = opaque;
    guint i;

    for (i = 0; i < 100; i++) {
        g_autoptr(ReplGraph) graph = replGraphScan(work->cache, work->pools->set, NULL, REPL_GRAPH_NOW, NULL);
        g_auto(GStrv) names = replChainNames(work->cache, work->pools->set, work->pools->a, "t3");

        g_assert_cmpint(g_strv_length(names), ==, 1);
        g_assert_nonnull(replGraphFind(graph, work->pools->a, "t4"));
    }
    return NULL;
}

static void
testThreads(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplGraphCache) cache = replGraphCacheNew(8);
    Work work = {t, cache};
    GThread *threads[4];
    guint i;

    testRun("cd a && qemu-img create -q -f qcow2 base 1M && "
            "qemu-img create -q -f qcow2 -u -b base -F qcow2 t1 1M && "
            "for i in 2 3 4 5 6 7 8 9 10; do cp t1 t$i || exit 1; done");
    makeOld("a");
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("scan", workScan, &work);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int
main(int argc, char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    caches = g_ptr_array_new_with_free_func((GDestroyNotify)replGraphCacheFree);
    testAdd("/graph/family", testFamily);
    testAdd("/graph/bytes", testBytes);
    testAdd("/graph/loops", testLoops);
    testAdd("/graph/hard-links", testHardLinks);
    testAdd("/graph/twins", testTwins);
    testAdd("/graph/many-names", testManyNames);
    testAdd("/graph/gone", testGone);
    testAdd("/graph/cache", testCache);
    testAdd("/graph/follows", testFollows);
    testAdd("/graph/written-in-place", testWrittenInPlace);
    testAdd("/graph/written-unseen", testWrittenUnseen);
    testAdd("/graph/pools-come-and-go", testPoolsComeAndGo);
    testAdd("/graph/too-many-changes", testTooManyChanges);
    testAdd("/graph/thousand", testThousand);
    testAdd("/graph/threads", testThreads);
    rc = g_test_run();
    g_ptr_array_unref(caches);
    return rc;
}
