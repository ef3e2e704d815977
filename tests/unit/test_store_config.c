/*
 * test_store_config.c: the configuration file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storefiles.h"

#include "store/config.h"

#define MIB ((guint64)1 << 20)
#define GIB ((guint64)1 << 30)

static const ReplConfig defaults = {
    .maxJobs = 2,
    .maxWaiting = 10,
    .maxSize_bytes = 128 * GIB,
    .defaultKey = (char *)"ims/default",
    .bandwidth_bytesPerSec = 0,
    .checkpoint_bytes = 32 * MIB,
    .bundleLevel = 3,
    .peerGone_s = 600,
    .helperTime_s = 30,
    .helperMemory_bytes = 1024 * MIB,
    .trustedLibvirt = (char *)"",
    .peerWait_s = 5,
    .peerMaxWaiting = 5,
    .peerUris = (char *)"",
};

static void
assertConfig(const ReplConfig *a, const ReplConfig *b)
{
    g_assert_cmpuint(a->maxJobs, ==, b->maxJobs);
    g_assert_cmpuint(a->maxWaiting, ==, b->maxWaiting);
    g_assert_cmpuint(a->maxSize_bytes, ==, b->maxSize_bytes);
    g_assert_cmpstr(a->defaultKey, ==, b->defaultKey);
    g_assert_cmpuint(a->bandwidth_bytesPerSec, ==, b->bandwidth_bytesPerSec);
    g_assert_cmpuint(a->checkpoint_bytes, ==, b->checkpoint_bytes);
    g_assert_cmpuint(a->bundleLevel, ==, b->bundleLevel);
    g_assert_cmpuint(a->serveHosts, ==, b->serveHosts);
    g_assert_cmpuint(a->peerGone_s, ==, b->peerGone_s);
    g_assert_cmpuint(a->helperTime_s, ==, b->helperTime_s);
    g_assert_cmpuint(a->helperMemory_bytes, ==, b->helperMemory_bytes);
    g_assert_cmpstr(a->trustedLibvirt, ==, b->trustedLibvirt);
    g_assert_cmpuint(a->peerWait_s, ==, b->peerWait_s);
    g_assert_cmpuint(a->peerMaxWaiting, ==, b->peerMaxWaiting);
    g_assert_cmpstr(a->peerUris, ==, b->peerUris);
}

static ReplConfig *
parse(Pool *pool, const char *text, gsize len)
{
    g_autofree char *path = g_build_filename(pool->path, "c.conf", NULL);

    logReset();
    fileWrite(pool->fd, "c.conf", text, len);
    return replConfigLoad(path);
}

static char *
shipped(void)
{
    const char *dir = g_getenv("REPL_TEST_SRCDIR");
    g_autofree char *path = NULL;
    g_autoptr(GError) err = NULL;
    char *text = NULL;

    path = g_build_filename(dir ? dir : ".", "tools", "storage-replication.conf", NULL);
    g_file_get_contents(path, &text, NULL, &err);
    g_assert_no_error(err);
    return text;
}

/* The file as it is, and with every "#key = value" put in force, says the defaults, for all keys.
 */
static void
testShipped(Pool *pool, gconstpointer data)
{
    static const char *const keys[] = {"max_jobs",         "max_waiting",         "max_size_gib",
                                       "default_key",      "bandwidth_mib_per_s", "checkpoint_mib",
                                       "bundle_level",     "serve_hosts",         "peer_gone_seconds",
                                       "qemu_img_seconds", "qemu_img_memory_mib", "trusted_libvirt",
                                       "peer_seconds",     "max_peer_waiting",    "peer_uris"};
    g_autofree char *text = shipped();
    g_autoptr(GRegex) regex = g_regex_new("^#([a-z_]+ = )", G_REGEX_MULTILINE, 0, NULL);
    g_autofree char *inForce = g_regex_replace(regex, text, -1, 0, "\\1", 0, NULL);
    g_autoptr(ReplConfig) asIs = parse(pool, text, strlen(text));
    g_autoptr(ReplConfig) set = NULL;
    guint i;

    assertConfig(asIs, &defaults);
    g_assert_cmpint(logWarnings, ==, 0);
    set = parse(pool, inForce, strlen(inForce));
    assertConfig(set, &defaults);
    g_assert_cmpint(logWarnings, ==, 0);
    for (i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autofree char *line = g_strdup_printf("\n#%s = ", keys[i]);

        g_assert_nonnull(strstr(text, line));
    }
}

static void
testMissing(Pool *pool, gconstpointer data)
{
    g_autofree char *path = g_build_filename(pool->path, "none.conf", NULL);
    g_autoptr(ReplConfig) config = replConfigLoad(path);

    assertConfig(config, &defaults);
    g_assert_cmpint(logWarnings, ==, 0);
}

static void
testValues(Pool *pool, gconstpointer data)
{
    static const char text[] =
        "# comment\n"
        "\n"
        "max_jobs = 64\n"
        "  max_waiting=0   # behind\r\n"
        "max_size_gib = \"1\" # quoted\n"
        "default_key = 'a # b = \"c\"'\n"
        "\tbandwidth_mib_per_s\t=\t1048576\t\n"
        "checkpoint_mib = 1\n"
        "bundle_level = 0\n"
        "serve_hosts = 1\n"
        "peer_gone_seconds = 10\n"
        "qemu_img_seconds = 3600\n"
        "trusted_libvirt = \"12.8\"\n"
        "qemu_img_memory_mib = 256\n"
        "peer_seconds = 60\n"
        "max_peer_waiting = 1\n"
        "peer_uris = 'storage+unix:///system?socket=/run/a qemu+ssh://b/system?netcat=c'";
    static const ReplConfig expected = {
        .maxJobs = 64,
        .maxWaiting = 0,
        .maxSize_bytes = GIB,
        .defaultKey = (char *)"a # b = \"c\"",
        .bandwidth_bytesPerSec = 1048576 * MIB,
        .checkpoint_bytes = MIB,
        .serveHosts = 1,
        .peerGone_s = 10,
        .helperTime_s = 3600,
        .helperMemory_bytes = 256 * MIB,
        .trustedLibvirt = (char *)"12.8",
        .peerWait_s = 60,
        .peerMaxWaiting = 1,
        .peerUris = (char *)"storage+unix:///system?socket=/run/a qemu+ssh://b/system?netcat=c",
    };
    g_autoptr(ReplConfig) config = parse(pool, text, strlen(text));

    g_assert_cmpstr(logLast, ==, NULL);
    assertConfig(config, &expected);
}

static void
testBadLines(Pool *pool, gconstpointer data)
{
    static const char *const lines[] = {
        "max_jobs = 0",
        "max_jobs = 65",
        "max_jobs = -1",
        "max_jobs = two",
        "max_jobs =",
        "max_jobs = 2 3",
        "max_jobs = \"2",
        "max_jobs = \"2\" 3",
        "max_jobs = 4294967298",
        "max_jobs = 18446744073709551618",
        "max_jobs",
        "max_job = 3",
        "MAX_JOBS = 3",
        "= 3",
        "checkpoint_mib = 65",
        "max_size_gib = 0",
        "max_size_gib = 8589934592",
        "default_key = \"\"",
        "default_key = a\"b",
        "qemu_img_seconds = 1.5",
        "\xff = 3",
        "max_jobs = \xff",
        "qemu_img_memory_mib = 255",
        "peer_seconds = 0",
        "peer_seconds = 61",
        "max_peer_waiting = 0",
        "bandwidth_mib_per_s = 1048577",
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *text = g_strdup_printf("# first\n\n%s\nmax_waiting = 7\n", lines[i]);
        g_autoptr(ReplConfig) config = parse(pool, text, strlen(text));
        ReplConfig expected = defaults;

        expected.maxWaiting = 7;
        g_test_message("%s", g_utf8_validate(lines[i], -1, NULL) ? lines[i] : "not UTF-8");
        assertConfig(config, &expected);
        g_assert_cmpint(logWarnings, ==, 1);
        g_assert_nonnull(strstr(logLast, "c.conf:3: "));
    }
}

static void
testBadFiles(Pool *pool, gconstpointer data)
{
    g_autofree char *path = g_build_filename(pool->path, "c.conf", NULL);
    g_autoptr(ReplConfig) nul = parse(pool, "max_jobs = 3\n\0", 14);
    g_autoptr(ReplConfig) large = NULL;
    g_autoptr(ReplConfig) dir = NULL;

    assertConfig(nul, &defaults);
    g_assert_cmpint(logWarnings, ==, 1);
    logReset();
    g_assert_cmpint(truncate(path, (off_t)1 << 40), ==, 0);
    large = replConfigLoad(path);
    assertConfig(large, &defaults);
    g_assert_cmpint(logWarnings, ==, 1);
    logReset();
    dir = replConfigLoad(pool->path);
    assertConfig(dir, &defaults);
    g_assert_cmpint(logWarnings, ==, 1);
}

/* Anything at all: within the limits, and no crash. */
static void
testRandom(Pool *pool, gconstpointer data)
{
    g_autofree char *text = shipped();
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    gsize len = strlen(text);
    guint i;

    for (i = 0; i < 300; i++) {
        g_autofree char *bad = g_memdup2(text, len + 1);
        g_autoptr(ReplConfig) config = NULL;
        guint n = g_rand_int_range(rand, 1, 200);

        while (n--)
            bad[g_rand_int_range(rand, 0, len)] = g_rand_boolean(rand)
                                                      ? "\n=#\"' 0m"[g_rand_int_range(rand, 0, 8)]
                                                      : g_rand_int_range(rand, 1, 256);
        config = parse(pool, bad, len);
        g_assert_cmpuint(config->maxJobs, >=, 1);
        g_assert_cmpuint(config->maxJobs, <=, 64);
        g_assert_true(g_utf8_validate(config->defaultKey, -1, NULL));
    }
}

static void
testPath(void)
{
    g_autofree char *system = replConfigPath(TRUE);
    g_autofree char *session = replConfigPath(FALSE);

    g_assert_cmpstr(system, ==, "/etc/libvirt/storage-replication.conf");
    g_assert_cmpstr(session, ==, "/xdg/libvirt/storage-replication.conf");
}

static void
bareSetUp(Pool *pool, gconstpointer data)
{
    poolMake(pool);
}

#define ADD(name, func) g_test_add("/store/config/" name, Pool, NULL, bareSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_setenv("XDG_CONFIG_HOME", "/xdg", TRUE);
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("shipped", testShipped);
    ADD("missing", testMissing);
    ADD("values", testValues);
    ADD("bad-lines", testBadLines);
    ADD("bad-files", testBadFiles);
    ADD("random", testRandom);
    g_test_add_func("/store/config/path", testPath);
    return g_test_run();
}
