/*
 * test_store_labels.c: the labels of pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storefiles.h"

#include "store/labels.h"

static const unsigned char A[REPL_UUID_bytes] = {0x2b, 0x2b, 0xd8, 0xc5, 0x2a, 0x4d, 0x4b, 0x8e,
                                                 0x9f, 0x3a, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab};
static const unsigned char B[REPL_UUID_bytes] = {1};
#define FILE_A "2b2bd8c5-2a4d-4b8e-9f3a-0123456789ab"

/* Both directories below the scratch pool; neither exists at first. */
static ReplLabels *
openLabels(Pool *pool)
{
    g_autofree char *persistent = g_build_filename(pool->path, "etc/labels", NULL);
    g_autofree char *transient = g_build_filename(pool->path, "run/labels", NULL);
    g_autoptr(GError) err = NULL;
    ReplLabels *labels = replLabelsNew(persistent, transient, &err);

    g_assert_no_error(err);
    g_assert_nonnull(labels);
    return labels;
}

static ReplLabel *
labelMake(const char *name)
{
    ReplLabel *label = replLabelNew(name, "p1\n");

    label->quota = (ReplAmounts){100, -1, G_MAXINT64};
    return label;
}

static void
set(ReplLabels *labels, const unsigned char *uuid, const char *name, gboolean persistent)
{
    g_autoptr(ReplLabel) label = labelMake(name);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replLabelsSet(labels, uuid, label, persistent, &err), ==, 0);
    g_assert_no_error(err);
}

/* @name NULL: none. */
static void
assertLabel(ReplLabels *labels, const unsigned char *uuid, const char *name, gboolean persistent)
{
    gboolean is = !persistent;
    g_autoptr(ReplLabel) label = replLabelsGet(labels, uuid, &is);

    g_assert_cmpstr(label ? label->name : NULL, ==, name);
    if (!label)
        return;
    g_assert_cmpint(is, ==, persistent);
    g_assert_cmpstr(label->project, ==, "p1\n");
    g_assert_cmpint(label->quota.images, ==, 100);
    g_assert_cmpint(label->quota.snapshots, ==, -1);
    g_assert_cmpint(label->quota.bytes, ==, G_MAXINT64);
}

/* The labels as another daemon would read them now. */
static void
assertStored(Pool *pool, const unsigned char *uuid, const char *name, gboolean persistent)
{
    g_autoptr(ReplLabels) again = openLabels(pool);

    assertLabel(again, uuid, name, persistent);
}

static void
testSetAndDrop(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);

    g_assert_cmpuint(replLabelsCount(labels), ==, 0);
    g_assert_false(fileExists(pool->fd, "etc"));
    assertLabel(labels, A, NULL, FALSE);
    set(labels, A, "cn-north-1", TRUE);
    set(labels, B, " odd\n[region]\nname=x ", FALSE);
    g_assert_cmpuint(replLabelsCount(labels), ==, 2);
    assertLabel(labels, A, "cn-north-1", TRUE);
    assertStored(pool, A, "cn-north-1", TRUE);
    assertStored(pool, B, " odd\n[region]\nname=x ", FALSE);
    set(labels, A, "new", TRUE);
    assertStored(pool, A, "new", TRUE);
    g_assert_cmpint(replLabelsDrop(labels, A, NULL), ==, 0);
    g_assert_cmpint(replLabelsDrop(labels, A, NULL), ==, 0);
    g_assert_cmpuint(replLabelsCount(labels), ==, 1);
    assertLabel(labels, A, NULL, FALSE);
    assertStored(pool, A, NULL, FALSE);
    g_assert_cmpint(logWarnings, ==, 0);
}

static void
testMove(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);

    set(labels, A, "r", FALSE);
    g_assert_true(fileExists(pool->fd, "run/labels/" FILE_A));
    set(labels, A, "r", TRUE); /* moves, too */
    assertStored(pool, A, "r", TRUE);
    g_assert_false(fileExists(pool->fd, "run/labels/" FILE_A));
    set(labels, A, "r", FALSE);
    assertLabel(labels, A, "r", FALSE);
    assertStored(pool, A, "r", FALSE);
    g_assert_false(fileExists(pool->fd, "etc/labels/" FILE_A));
    set(labels, A, "s", TRUE);
    assertStored(pool, A, "s", TRUE);
    g_assert_false(fileExists(pool->fd, "run/labels/" FILE_A));
}

static guint
filesIn(Pool *pool, const char *dir)
{
    g_autofree char *path = g_build_filename(pool->path, dir, NULL);
    g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (d && g_dir_read_name(d))
        n++;
    return n;
}

static void
testPrepare(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);
    g_autoptr(ReplLabel) label = labelMake("new");
    ReplLabelChange *change;
    ReplLabelChange *second;

    set(labels, A, "old", TRUE);
    change = replLabelsPrepare(labels, A, label, TRUE, NULL);
    assertLabel(labels, A, "old", TRUE);
    g_assert_cmpuint(filesIn(pool, "etc/labels"), ==, 2);
    replLabelChangeAbort(change);
    g_assert_cmpuint(filesIn(pool, "etc/labels"), ==, 1);
    assertStored(pool, A, "old", TRUE);

    change = replLabelsPrepare(labels, A, label, FALSE, NULL);
    second = replLabelsPrepare(labels, A, NULL, FALSE, NULL);
    g_assert_cmpint(replLabelChangeCommit(change, NULL), ==, 0);
    assertLabel(labels, A, "new", FALSE);
    g_assert_cmpuint(filesIn(pool, "etc/labels"), ==, 0);
    g_assert_cmpint(replLabelChangeCommit(second, NULL), ==, 0);
    assertLabel(labels, A, NULL, FALSE);
    assertStored(pool, A, NULL, FALSE);
    replLabelChangeAbort(NULL);
}

/* A crash between prepare and commit: the old label is the label, and nothing is left over. */
static void
testCrash(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);
    g_autoptr(ReplLabel) label = labelMake("new");
    ReplLabelChange *change;

    set(labels, A, "old", TRUE);
    change = replLabelsPrepare(labels, A, label, TRUE, NULL);
    fileWrite(pool->fd, "etc/labels/" FILE_A ".0123456789abcdef.new", "[rec", 4);
    g_assert_cmpuint(filesIn(pool, "etc/labels"), ==, 3);
    assertStored(pool, A, "old", TRUE);
    g_assert_cmpuint(filesIn(pool, "etc/labels"), ==, 1);
    {
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(replLabelChangeCommit(change, &err), ==, -1); /* its file is gone */
        g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
    }
    assertLabel(labels, A, "old", TRUE);
}

static void
setOther(GKeyFile *keys, gconstpointer opaque)
{
    const char *const *change = opaque;

    if (change[2])
        g_key_file_set_value(keys, change[0], change[1], change[2]);
    else
        g_key_file_remove_key(keys, change[0], change[1], NULL);
}

static void
testDamaged(Pool *pool, gconstpointer data)
{
    static const char *const changes[][3] = {
        {"region", "pool", "00000000-0000-4000-8000-000000000000"},
        {"region", "name", NULL},
        {"region", "project", NULL},
        {"quota", "images", "-2"},
        {"quota", "bytes", "9223372036854775808"},
    };
    guint i;

    for (i = 0; i <= G_N_ELEMENTS(changes); i++) {
        g_autoptr(ReplLabels) labels = openLabels(pool);

        set(labels, A, "r", TRUE);
        set(labels, B, "other", TRUE);
        if (i < G_N_ELEMENTS(changes))
            textChange(pool->fd, "etc/labels/" FILE_A, "label", setOther, changes[i], 0);
        else
            fileWrite(pool->fd, "etc/labels/" FILE_A, "garbage", 7);
        logReset();
        assertStored(pool, A, NULL, TRUE);
        g_assert_cmpint(logWarnings, ==, 1);
        g_assert_nonnull(strstr(logLast, FILE_A));
        g_assert_false(fileExists(pool->fd, "etc/labels/" FILE_A));
        g_assert_true(fileExists(pool->fd, "etc/labels/" FILE_A ".bad"));
        assertStored(pool, B, "other", TRUE);
        g_assert_cmpint(logWarnings, ==, 1);
    }
}

static void
testNewerVersion(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);

    set(labels, A, "r", TRUE);
    textChange(pool->fd, "etc/labels/" FILE_A, "label", NULL, NULL, REPL_TEXT_VERSION + 1);
    assertStored(pool, A, NULL, TRUE);
    g_assert_cmpint(logWarnings, ==, 1);
    g_assert_true(fileExists(pool->fd, "etc/labels/" FILE_A));
}

static void
testRefused(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);
    g_autoptr(ReplLabel) label = labelMake("\xff");
    g_autoptr(GError) err = NULL;

    set(labels, A, "old", TRUE);
    g_assert_cmpint(replLabelsSet(labels, A, label, TRUE, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    assertStored(pool, A, "old", TRUE);
    g_assert_cmpuint(filesIn(pool, "etc/labels"), ==, 1);
}

static void
testNoDirectory(Pool *pool, gconstpointer data)
{
    g_autofree char *file = g_build_filename(pool->path, "file", NULL);
    g_autofree char *below = g_build_filename(pool->path, "file", "labels", NULL);
    g_autofree char *transient = g_build_filename(pool->path, "run", NULL);
    g_autoptr(GError) err = NULL;

    fileWrite(pool->fd, "file", "x", 1);
    g_assert_null(replLabelsNew(file, transient, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
    g_clear_error(&err);
    g_assert_null(replLabelsNew(below, transient, &err));
    g_assert_error(err, REPL_ERROR, VIR_ERR_SYSTEM_ERROR);
}

static void
testOf(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);
    g_autoptr(GPtrArray) all = NULL;
    g_autoptr(GPtrArray) some = NULL;
    g_autoptr(GPtrArray) none = NULL;

    set(labels, A, "a", TRUE);
    set(labels, B, "b", FALSE);
    all = replLabelsOf(labels, NULL);
    some = replLabelsOf(labels, "b");
    none = replLabelsOf(labels, "c");
    g_assert_cmpuint(all->len, ==, 2);
    g_assert_cmpmem(some->pdata[0], REPL_UUID_bytes * some->len, B, REPL_UUID_bytes);
    g_assert_cmpuint(none->len, ==, 0);
}

static gpointer
worker(gpointer opaque)
{
    ReplLabels *labels = opaque;
    guint i;

    for (i = 0; i < 40; i++) {
        g_autoptr(ReplLabel) label = labelMake("r");
        g_autoptr(ReplLabel) got = NULL;

        g_assert_cmpint(replLabelsSet(labels, i % 2 ? A : B, label, i % 3 == 0, NULL), ==, 0);
        got = replLabelsGet(labels, i % 2 ? A : B, NULL);
        g_assert_cmpstr(got->name, ==, "r");
        (void)replLabelsCount(labels);
    }
    return NULL;
}

static void
testThreads(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplLabels) labels = openLabels(pool);
    GThread *threads[4];
    guint i;

    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("t", worker, labels);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(filesIn(pool, "etc/labels") + filesIn(pool, "run/labels"), ==, 2);
    g_assert_cmpint(logWarnings, ==, 0);
}

static void
bareSetUp(Pool *pool, gconstpointer data)
{
    poolMake(pool);
}

#define ADD(name, func) g_test_add("/store/labels/" name, Pool, NULL, bareSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("set-and-drop", testSetAndDrop);
    ADD("move", testMove);
    ADD("prepare", testPrepare);
    ADD("crash", testCrash);
    ADD("damaged", testDamaged);
    ADD("newer-version", testNewerVersion);
    ADD("refused", testRefused);
    ADD("no-directory", testNoDirectory);
    ADD("each", testOf);
    ADD("threads", testThreads);
    return g_test_run();
}
