/*
 * test_job_pins.c: pins, routes, and what a refusal says
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "job/pins.h"

#define POOL "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

static void
assertRefused(ReplPins *pins, const char *volume, const char *head, const char *middle)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replPinsCheck(pins, POOL, volume, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_true(g_str_has_prefix(err->message, head));
    if (middle)
        g_assert_nonnull(strstr(err->message, middle));
    g_assert_true(
        g_regex_match_simple("since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$", err->message, 0, 0));
}

static void
testSentences(void)
{
    g_autoptr(ReplPins) pins = replPinsNew();

    replPinsAdd(pins, POOL, "beijing", "web.qcow2", "J", REPL_PIN_SOURCE, NULL);
    replPinsAdd(pins, POOL, "beijing", "base.qcow2", "J", REPL_PIN_BASE, "web.qcow2");
    replPinsAdd(pins, POOL, "beijing", "t", "J", REPL_PIN_TARGET, NULL);
    replPinsAdd(pins, POOL, "beijing", "l", "J", REPL_PIN_LAYER, "t");
    replPinsAdd(pins, POOL, "beijing", "100%s", "J", REPL_PIN_REUSE, "%n");
    assertRefused(pins, "web.qcow2",
                  "Volume 'web.qcow2' of pool 'beijing' is being read by replication job J since", NULL);
    assertRefused(pins, "base.qcow2",
                  "Volume 'base.qcow2' of pool 'beijing' is being read by replication job J",
                  "as base of 'web.qcow2' since");
    assertRefused(pins, "t", "Volume 't' of pool 'beijing' is being written by replication job J", NULL);
    assertRefused(pins, "l", "Volume 'l' of pool 'beijing' is being written by replication job J",
                  "as base of 't' since");
    assertRefused(pins, "100%s", "Volume '100%s' of pool 'beijing' is needed by replication job J",
                  "as base of '%n' since");
    g_assert_cmpint(replPinsCheck(pins, OTHER, "web.qcow2", NULL), ==, 0);
    g_assert_cmpint(replPinsCheck(pins, POOL, "free.qcow2", NULL), ==, 0);
}

/* A base of two images stays pinned until both jobs are over. */
static void
testShared(void)
{
    g_autoptr(ReplPins) pins = replPinsNew();

    replPinsAdd(pins, POOL, "p", "base", "J1", REPL_PIN_BASE, "a");
    replPinsAdd(pins, POOL, "p", "base", "J1", REPL_PIN_BASE, "a");
    replPinsAdd(pins, POOL, "p", "base", "J2", REPL_PIN_BASE, "b");
    assertRefused(pins, "base", "Volume 'base' of pool 'p' is being read by replication job J1", NULL);
    replPinsDropJob(pins, "J1");
    assertRefused(pins, "base", "Volume 'base' of pool 'p' is being read by replication job J2", NULL);
    replPinsDropJob(pins, "J3");
    replPinsDropJob(pins, "J2");
    g_assert_cmpint(replPinsCheck(pins, POOL, "base", NULL), ==, 0);
}

static void
testPoolJobs(void)
{
    g_autoptr(ReplPins) pins = replPinsNew();
    g_auto(GStrv) none = replPinsPoolJobs(pins, POOL);
    g_auto(GStrv) some = NULL;

    g_assert_cmpuint(g_strv_length(none), ==, 0);
    replPinsAdd(pins, POOL, "p", "a", "J1", REPL_PIN_SOURCE, NULL);
    replPinsAdd(pins, POOL, "p", "b", "J1", REPL_PIN_BASE, "a");
    replPinsAdd(pins, POOL, "p", "c", "J2", REPL_PIN_TARGET, NULL);
    replPinsAdd(pins, OTHER, "o", "c", "J3", REPL_PIN_TARGET, NULL);
    some = replPinsPoolJobs(pins, POOL);
    g_assert_cmpuint(g_strv_length(some), ==, 2);
    g_assert_true(g_strv_contains((const char *const *)some, "J1"));
    g_assert_true(g_strv_contains((const char *const *)some, "J2"));
}

static void
testRoutes(void)
{
    g_autoptr(ReplPins) pins = replPinsNew();
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replPinsTakeRoute(pins, "J1", POOL, "web", "north", NULL), ==, 0);
    g_assert_cmpint(replPinsTakeRoute(pins, "J1", POOL, "web", "north", NULL), ==, 0);
    g_assert_cmpint(replPinsTakeRoute(pins, "J2", POOL, "web", "south", NULL), ==, 0);
    g_assert_cmpint(replPinsTakeRoute(pins, "J3", OTHER, "web", "north", NULL), ==, 0);
    g_assert_cmpint(replPinsTakeRoute(pins, "J4", POOL, "web", "north", &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_cmpstr(err->message, ==,
                    "Volume 'web' is being replicated to region 'north' already, by replication "
                    "job J1");
    replPinsDropJob(pins, "J1");
    g_assert_cmpint(replPinsTakeRoute(pins, "J4", POOL, "web", "north", NULL), ==, 0);
}

/* Of many that race for one route, one gets it. */
static gint racers;

static gpointer
racer(gpointer opaque)
{
    g_autofree char *id = g_strdup_printf("J%d", g_atomic_int_add(&racers, 1));

    return GINT_TO_POINTER(replPinsTakeRoute(opaque, id, POOL, "web", "north", NULL) == 0);
}

static void
testRace(void)
{
    g_autoptr(ReplPins) pins = replPinsNew();
    GThread *threads[8];
    gsize i;
    int won = 0;

    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("racer", racer, pins);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        won += GPOINTER_TO_INT(g_thread_join(threads[i]));
    g_assert_cmpint(won, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pins/sentences", testSentences);
    g_test_add_func("/pins/shared", testShared);
    g_test_add_func("/pins/pool-jobs", testPoolJobs);
    g_test_add_func("/pins/routes", testRoutes);
    g_test_add_func("/pins/race", testRace);
    return g_test_run();
}
