/*
 * test_store_record_bad.c: records of images that are damaged, forged, of a newer version, or half written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <signal.h>
#include <sys/wait.h>

#include "imagerecords.h"

/* The record in @file is damaged: one log line, moved aside, none there then, and a new one can be
 * made. */
static void
assertMovedAside(Pool *pool, const char *volume)
{
    g_autofree char *file = fileOf(volume);
    g_autofree char *aside = g_strconcat(file, ".bad", NULL);

    logReset();
    g_assert_null(load(pool->staging, volume));
    g_assert_cmpint(logWarnings, ==, 1);
    g_assert_nonnull(strstr(logLast, file));
    g_assert_false(fileExists(imagesFd(pool), file));
    g_assert_true(fileExists(imagesFd(pool), aside));
    g_assert_null(load(pool->staging, volume));
    g_assert_cmpint(logWarnings, ==, 1);
}

static void
testDamaged(Pool *pool, gconstpointer data)
{
    g_autofree char *file = fileOf("v");
    g_autoptr(ReplImage) full = imageFull();
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    g_autofree char *good = NULL;
    gsize len;
    gsize i;

    g_assert_cmpint(replRecordSave(pool->staging, "v", full, NULL), ==, 0);
    good = fileRead(imagesFd(pool), file, &len);
    for (i = 0; i < len; i += 13) {
        fileWrite(imagesFd(pool), file, good, i);
        assertMovedAside(pool, "v");
    }
    for (i = 0; i < 200; i++) {
        g_autofree char *bad = g_memdup2(good, len);
        guint n = g_rand_int_range(rand, 1, 20);

        while (n--)
            bad[g_rand_int_range(rand, 0, len)] = g_rand_int_range(rand, 0, 256);
        if (!memcmp(bad, good, len))
            continue;
        fileWrite(imagesFd(pool), file, bad, len);
        assertMovedAside(pool, "v");
    }
    fileWrite(imagesFd(pool), file, good, len);
    g_clear_pointer(&full, replImageFree);
    full = load(pool->staging, "v");
    g_assert_nonnull(full);
}

typedef struct {
    const char *group;
    const char *key;
    const char *value; /* NULL: removed */
} Change;

static void
setKey(GKeyFile *keys, gconstpointer opaque)
{
    const Change *change = opaque;

    if (change->value)
        g_key_file_set_value(keys, change->group, change->key, change->value);
    else
        g_key_file_remove_key(keys, change->group, change->key, NULL);
}

/* Well sealed, but wrong: somebody made it. */
static void
testWrongValues(Pool *pool, gconstpointer data)
{
    static const Change changes[] = {
        {"image", "volume", "other"},   {"image", "volume", "../v"},
        {"image", "volume", NULL},      {"image", "id", NULL},
        {"image", "id", "/etc/passwd"}, {"image", "status", NULL},
        {"image", "status", "ready"},   {"image", "type", "floppy"},
        {"image", "type-is-set", "2"},  {"image", "name", "a\\qb"},
        {"image", "secret", "x"},       {"image", "shares", "4294967297"},
        {"image", "shares", "3"},       {"image", "shares", "-1"},
        {"image", "conversions", "2"},  {"image", "conversions", "18446744073709551615"},
        {"share 0", "state", NULL},     {"share 0", "state", "given"},
        {"share 0", "project", NULL},   {"conversion 0", "when", "-5"},
        {"source", "volume", "a/b"},    {"job", "id", NULL},
        {"job", "state", "lost"},       {"job", "total", "9223372036854775808"},
        {"job", "steps", "513"},        {"step 0", "volume", ".."},
        {"step 0", "action", "eat"},    {"origin", "size", "99999999999999999999"},
    };
    g_autofree char *file = fileOf("v");
    g_autoptr(ReplImage) full = imageFull();
    guint i;

    for (i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_assert_cmpint(replRecordSave(pool->staging, "v", full, NULL), ==, 0);
        textChange(imagesFd(pool), file, "image", setKey, &changes[i], 0);
        g_test_message("%s %s", changes[i].group, changes[i].key);
        assertMovedAside(pool, "v");
    }
}

static void
mutateSome(GKeyFile *keys, gconstpointer opaque)
{
    static const char *const values[] = {"",   "-1",   "0", "true", "x", "18446744073709551616",
                                         "\\", "a\\n", ID};
    GRand *rand = (GRand *)opaque;
    g_auto(GStrv) groups = g_key_file_get_groups(keys, NULL);
    guint i;

    for (i = 0; i < 3; i++) {
        const char *group = groups[g_rand_int_range(rand, 0, g_strv_length(groups))];
        g_auto(GStrv) names = g_key_file_get_keys(keys, group, NULL, NULL);
        guint n = names ? g_strv_length(names) : 0;

        if (n && g_rand_int_range(rand, 0, 4))
            g_key_file_set_value(keys, group, names[g_rand_int_range(rand, 0, n)],
                                 values[g_rand_int_range(rand, 0, G_N_ELEMENTS(values))]);
        else if (n)
            g_key_file_remove_key(keys, group, names[g_rand_int_range(rand, 0, n)], NULL);
    }
}

/* Whatever is in it, the record is either a valid one or none. */
static void
testMutated(Pool *pool, gconstpointer data)
{
    g_autofree char *file = fileOf("v");
    g_autoptr(ReplImage) full = imageFull();
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    g_autofree char *good = NULL;
    guint valid = 0;
    guint i;
    gsize len;

    g_assert_cmpint(replRecordSave(pool->staging, "v", full, NULL), ==, 0);
    good = fileRead(imagesFd(pool), file, &len);
    for (i = 0; i < 1000; i++) {
        g_autoptr(ReplImage) got = NULL;

        fileWrite(imagesFd(pool), file, good, len);
        textChange(imagesFd(pool), file, "image", mutateSome, rand, 0);
        if (!(got = load(pool->staging, "v")))
            continue;
        valid++;
        g_assert_true(replIsUuid(got->id));
        g_assert_nonnull(replImageStatusToString(got->status));
        if (valid % 10 == 0)
            g_assert_cmpint(replRecordSave(pool->staging, "w", got, NULL), ==, 0);
    }
    g_assert_cmpuint(valid, >, 0);
    g_assert_cmpuint(valid, <, 1000);
}

static void
testNewerVersion(Pool *pool, gconstpointer data)
{
    g_autofree char *file = fileOf("v");
    g_autoptr(GPtrArray) listed = NULL;
    int i;

    save(pool->staging, "v", "x");
    textChange(imagesFd(pool), file, "image", NULL, NULL, REPL_TEXT_VERSION + 1);
    for (i = 0; i < 2; i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(replRecordLoad(pool->staging, "v", &err));
        g_assert_error(err, REPL_ERROR, VIR_ERR_NO_SUPPORT);
    }
    g_assert_true(fileExists(imagesFd(pool), file));
    listed = replRecordList(pool->staging, NULL);
    g_assert_cmpuint(listed->len, ==, 0);
}

static void
testNotAFile(Pool *pool, gconstpointer data)
{
    g_autofree char *file = fileOf("v");
    int fd = imagesFd(pool);

    fileWrite(pool->fd, "secret", "x", 1);
    g_assert_cmpint(symlinkat("../../secret", fd, file), ==, 0);
    assertMovedAside(pool, "v");
    g_assert_cmpint(mkfifoat(fd, file, 0600), ==, 0);
    assertMovedAside(pool, "v");
    g_assert_cmpint(mkdirat(fd, file, 0700), ==, 0);
    g_assert_null(load(pool->staging, "v")); /* a directory cannot replace the file aside */
    g_assert_cmpint(unlinkat(fd, file, AT_REMOVEDIR), ==, 0);
    save(pool->staging, "v", "x");
}

static void
testTooLarge(Pool *pool, gconstpointer data)
{
    g_autofree char *file = fileOf("v");
    g_auto(ReplFd) fd = -1;

    save(pool->staging, "v", "x");
    fd = openat(imagesFd(pool), file, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, (off_t)1 << 40), ==, 0);
    assertMovedAside(pool, "v");
}

/* What a killed writer leaves is no record, hinders nobody and is swept when it is old. */
static void
testLeftovers(Pool *pool, gconstpointer data)
{
    g_autofree char *file = fileOf("v");
    g_autofree char *young = g_strconcat(file, ".0011223344556677.new", NULL);
    g_autofree char *old = g_strconcat(file, ".8899aabbccddeeff.new", NULL);
    g_autoptr(GPtrArray) listed = NULL;
    g_autoptr(ReplImage) image = NULL;

    fileWrite(imagesFd(pool), young, "[record]\nki", 11);
    fileWrite(imagesFd(pool), old, "", 0);
    fileAge(imagesFd(pool), old, 2 * 3600);
    g_assert_null(load(pool->staging, "v"));
    save(pool->staging, "v", "x");
    image = load(pool->staging, "v");
    g_assert_nonnull(image);
    listed = replRecordList(pool->staging, NULL);
    g_assert_cmpuint(listed->len, ==, 1);
    replStagingSweep(pool->staging);
    g_assert_true(fileExists(imagesFd(pool), young));
    g_assert_false(fileExists(imagesFd(pool), old));
    g_assert_true(fileExists(imagesFd(pool), file));
}

static void
writeForEver(ReplStaging *staging)
{
    g_autofree char *big = g_strnfill(50000, 'x');
    g_autoptr(ReplImage) image = replImageNew(ID);

    image->description = g_steal_pointer(&big);
    for (;;) {
        if (replRecordSave(staging, "v", image, NULL) < 0)
            _exit(1);
    }
}

static void
testKilled(Pool *pool, gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);
    guint i;

    save(pool->staging, "v", "first");
    for (i = 0; i < 20; i++) {
        g_autoptr(ReplStaging) after = NULL;
        g_autoptr(ReplImage) image = NULL;
        int status;
        pid_t child = fork();

        if (child == 0)
            writeForEver(pool->staging);
        g_usleep(g_rand_int_range(rand, 1000, 30000));
        kill(child, SIGKILL);
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        g_assert_true(WIFSIGNALED(status));
        after = replStagingOpen(pool->fd, TRUE, NULL);
        image = load(after, "v");
        g_assert_nonnull(image);
    }
    g_assert_cmpint(logWarnings, ==, 0);
}

#define ADD(name, func) g_test_add("/store/record-bad/" name, Pool, NULL, poolSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("damaged", testDamaged);
    ADD("wrong-values", testWrongValues);
    ADD("mutated", testMutated);
    ADD("newer-version", testNewerVersion);
    ADD("not-a-file", testNotAFile);
    ADD("too-large", testTooLarge);
    ADD("leftovers", testLeftovers);
    ADD("killed", testKilled);
    return g_test_run();
}
