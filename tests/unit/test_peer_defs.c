/*
 * test_peer_defs.c: definitions of pools of type region on disk, names that are reserved, and the daemon's id
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "peer/defs.h"
#include "peer/ident.h"
#include "peer/reserve.h"
#include "storefiles.h"

#define UUID "4a8d0a8e-5fb3-4a4d-8f32-3d4d6a9a9b10"

static ReplRegionPool *
makePool(const char *name)
{
    g_autofree char *xml = g_strdup_printf("<pool type='region'><name>%s</name><uuid>" UUID "</uuid><source>"
                                           "<host name='b'/><name>images</name></source></pool>",
                                           name);
    ReplRegionPool *pool = replRegionPoolParse(xml, NULL);

    g_assert_nonnull(pool);
    return pool;
}

static ReplDefs *
openDefs(Pool *pool)
{
    g_autofree char *persistent = g_build_filename(pool->path, "etc", "pools", NULL);
    g_autofree char *running = g_build_filename(pool->path, "run", "pools", NULL);

    return replDefsNew(persistent, running);
}

static guint
countDefs(ReplDefs *defs, gboolean persistent)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GPtrArray) pools = replDefsLoad(defs, persistent, &err);

    g_assert_no_error(err);
    return pools->len;
}

static void
testKept(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplDefs) defs = openDefs(pool);
    g_autoptr(ReplRegionPool) a = makePool("a b");
    g_autoptr(GError) err = NULL;

    g_assert_cmpuint(countDefs(defs, TRUE), ==, 0);
    g_assert_cmpint(replDefsRemove(defs, TRUE, "a b", &err), ==, 0);
    g_assert_cmpint(replDefsSave(defs, TRUE, a, &err), ==, 0);
    g_assert_cmpint(replDefsSetAutostart(defs, "a b", TRUE, &err), ==, 0);
    g_assert_cmpint(replDefsSetAutostart(defs, "a b", TRUE, &err), ==, 0);
    g_assert_no_error(err);
    {
        g_autoptr(ReplDefs) again = openDefs(pool);
        g_autoptr(GPtrArray) pools = replDefsLoad(again, TRUE, &err);

        g_assert_cmpuint(pools->len, ==, 1);
        g_assert_cmpstr(((ReplRegionPool *)g_ptr_array_index(pools, 0))->name, ==, "a b");
        g_assert_true(replDefsAutostart(again, "a b"));
        g_assert_false(replDefsAutostart(again, "a"));
        g_assert_cmpuint(countDefs(again, FALSE), ==, 0);
    }
    g_assert_cmpint(replDefsSetAutostart(defs, "a b", FALSE, &err), ==, 0);
    g_assert_cmpint(replDefsRemove(defs, TRUE, "a b", &err), ==, 0);
    g_assert_false(replDefsAutostart(defs, "a b"));
    g_assert_cmpuint(countDefs(defs, TRUE), ==, 0);
}

/* What a crash or a person left there is skipped. */
static void
testBad(Pool *pool, gconstpointer data)
{
    g_autofree char *dir = g_build_filename(pool->path, "etc", "pools", NULL);
    g_autofree char *torn = g_build_filename(dir, "x.xml.1234.new", NULL);
    g_autofree char *other = g_build_filename(dir, "other.xml", NULL);
    g_autofree char *none = g_build_filename(dir, "none.xml", NULL);
    g_autoptr(ReplDefs) defs = openDefs(pool);
    g_autoptr(ReplRegionPool) a = makePool("a");
    g_autofree char *xml = replRegionPoolFormat(a, NULL);

    logReset();
    g_assert_cmpint(replDefsSave(defs, TRUE, a, NULL), ==, 0);
    g_assert_true(g_file_set_contents(torn, xml, -1, NULL));
    g_assert_true(g_file_set_contents(other, xml, -1, NULL));
    g_assert_true(g_file_set_contents(none, "<pool", -1, NULL));
    g_assert_cmpuint(countDefs(defs, TRUE), ==, 1);
    g_assert_cmpint(logWarnings, ==, 2);
    g_assert_false(g_file_test(torn, G_FILE_TEST_EXISTS));
}

static void
testNames(Pool *pool, gconstpointer data)
{
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "a\nb"};
    g_autofree char *longName = g_strnfill(231, 'x');
    guint i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(replDefsCheckName(bad[i], &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
    }
    g_assert_cmpint(replDefsCheckName(longName, NULL), ==, -1);
    longName[230] = '\0';
    g_assert_cmpint(replDefsCheckName(longName, NULL), ==, 0);
}

static void
testReserve(Pool *pool, gconstpointer data)
{
    /* any number of the stock driver's, but none of ours beside them */
    g_assert_true(replReserveTake("a", NULL, FALSE));
    g_assert_true(replReserveTake("a", UUID, FALSE));
    g_assert_false(replReserveTake("a", NULL, TRUE));
    g_assert_false(replReserveTake("b", UUID, TRUE));
    replReserveGive("a", UUID, FALSE);
    g_assert_false(replReserveTake("a", NULL, TRUE));
    g_assert_true(replReserveTake("b", UUID, TRUE));
    /* and the other way round */
    g_assert_false(replReserveTake("b", NULL, FALSE));
    g_assert_false(replReserveTake("c", UUID, FALSE));
    g_assert_false(replReserveTake("b", NULL, TRUE));
    replReserveGive("b", UUID, TRUE);
    replReserveGive("a", NULL, FALSE);
    g_assert_true(replReserveTake("a", UUID, TRUE));
    replReserveGive("a", UUID, TRUE);
    /* a name that looks like a UUID is none */
    g_assert_true(replReserveTake(UUID, NULL, TRUE));
    g_assert_true(replReserveTake("d", UUID, TRUE));
    replReserveGive(UUID, NULL, TRUE);
    replReserveGive("d", UUID, TRUE);
}

static void
testIdent(Pool *pool, gconstpointer data)
{
    g_autofree char *dir = g_build_filename(pool->path, "own", NULL);
    g_autofree char *file = g_build_filename(dir, "id", NULL);
    g_autofree char *first = replIdent(dir);
    g_autofree char *second = replIdent(dir);
    g_autofree char *third = NULL;

    g_assert_true(g_uuid_string_is_valid(first));
    g_assert_cmpstr(first, ==, second);
    g_assert_true(g_file_set_contents(file, "nonsense", -1, NULL));
    third = replIdent(dir);
    g_assert_true(g_uuid_string_is_valid(third));
    g_assert_cmpstr(first, !=, third);
}

#define ADD(name, func) g_test_add(name, Pool, NULL, poolSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("/peer/defs/kept", testKept);
    ADD("/peer/defs/bad", testBad);
    ADD("/peer/defs/names", testNames);
    ADD("/peer/defs/reserve", testReserve);
    ADD("/peer/defs/ident", testIdent);
    return g_test_run();
}
