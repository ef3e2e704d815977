/*
 * test_job_state.c: the tables of moves and verbs, the meter, the limit and the waiting line
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/fairqueue.h"
#include "job/limit.h"
#include "job/meter.h"
#include "job/state.h"

#define MiB (1024 * 1024)
#define SECOND G_USEC_PER_SEC

/* The tables of state.h once more, as text: rows and columns in the order of the enumerations. */
static const char *const moves[REPL_JOB_STATE_LAST] = {
    /*            PQRVUSCFX  planned queued running verifying pUblishing pauSed completed failed X
     */
    [REPL_JOB_PLANNED] = ".x.....xx",    [REPL_JOB_QUEUED] = "..x..x.xx",
    [REPL_JOB_RUNNING] = ".x.x.x.xx",    [REPL_JOB_VERIFYING] = ".x..x..xx",
    [REPL_JOB_PUBLISHING] = ".x....xx.", [REPL_JOB_PAUSED] = ".x.....xx",
    [REPL_JOB_COMPLETED] = ".........",  [REPL_JOB_FAILED] = ".x......x",
    [REPL_JOB_CANCELLED] = ".........",
};

static const char *const verbs[REPL_JOB_STATE_LAST][REPL_VERB_RESUME + 1] = {
    /* none, start, cancel, retry, pause, resume */
    [REPL_JOB_PLANNED] = {NULL, "queued", "cancelled", NULL, NULL, NULL},
    [REPL_JOB_QUEUED] = {NULL, NULL, "cancelled", NULL, "paused", NULL},
    [REPL_JOB_RUNNING] = {NULL, NULL, "cancelled", NULL, "paused", NULL},
    [REPL_JOB_VERIFYING] = {NULL, NULL, "cancelled", NULL, NULL, NULL},
    [REPL_JOB_PUBLISHING] = {NULL, NULL, NULL, NULL, NULL, NULL},
    [REPL_JOB_PAUSED] = {NULL, NULL, "cancelled", NULL, NULL, "queued"},
    [REPL_JOB_COMPLETED] = {NULL, NULL, NULL, NULL, NULL, NULL},
    [REPL_JOB_FAILED] = {NULL, NULL, "cancelled", "queued", NULL, NULL},
    [REPL_JOB_CANCELLED] = {NULL, NULL, NULL, NULL, NULL, NULL},
};

static void
testMoves(void)
{
    int from, to;

    for (from = -1; from <= REPL_JOB_STATE_LAST; from++) {
        for (to = -1; to <= REPL_JOB_STATE_LAST; to++) {
            gboolean inside = from >= 0 && from < REPL_JOB_STATE_LAST && to >= 0 && to < REPL_JOB_STATE_LAST;
            gboolean want = inside && moves[from][to] == 'x';

            g_assert_cmpint(replJobMayMove(from, to), ==, want);
        }
    }
}

static void
testVerbs(void)
{
    int state, verb;

    for (state = 0; state < REPL_JOB_STATE_LAST; state++) {
        for (verb = 0; verb <= REPL_VERB_RESUME; verb++) {
            int to = replJobVerbTarget(state, verb);

            g_assert_cmpstr(replJobStateToString(to), ==, verbs[state][verb]);
            g_assert_cmpint(replJobVerbAllowed(state, verb), ==, verbs[state][verb] != NULL);
            /* A verb never leads where the other table forbids to go. */
            g_assert_true(to < 0 || replJobMayMove(state, to));
        }
        g_assert_cmpint(replJobVerbTarget(state, -1), ==, -1);
        g_assert_cmpint(replJobVerbTarget(state, REPL_VERB_RESUME + 1), ==, -1);
    }
    g_assert_cmpint(replJobVerbTarget(-1, REPL_VERB_CANCEL), ==, -1);
    g_assert_cmpint(replJobVerbTarget(REPL_JOB_STATE_LAST, REPL_VERB_CANCEL), ==, -1);
}

/* From every state that has not ended for good there is a way to completed or to cancelled. */
static void
testNoDeadEnds(void)
{
    int state;

    for (state = 0; state < REPL_JOB_STATE_LAST; state++) {
        if (state == REPL_JOB_COMPLETED || state == REPL_JOB_CANCELLED)
            continue;
        g_assert_true(replJobMayMove(state, REPL_JOB_CANCELLED) || replJobMayMove(state, REPL_JOB_FAILED));
    }
    g_assert_true(replJobStateIsEnded(REPL_JOB_FAILED));
    g_assert_false(replJobStateIsEnded(REPL_JOB_PAUSED));
    g_assert_false(replJobStateIsActive(REPL_JOB_PAUSED));
    g_assert_true(replJobStateIsActive(REPL_JOB_PUBLISHING));
}

static void
assertNear(guint64 value, guint64 want, double part)
{
    g_assert_cmpfloat((double)value, >=, want * (1 - part));
    g_assert_cmpfloat((double)value, <=, want * (1 + part));
}

static void
testMeterSteady(void)
{
    ReplMeter meter;
    gint64 now_us = 77 * SECOND;
    int i;

    replMeterReset(&meter, now_us);
    g_assert_cmpuint(replMeterRate(&meter, now_us), ==, 0);
    for (i = 0; i < 100; i++) /* 10 s of 1 MiB each 100 ms */
        replMeterAdd(&meter, MiB, now_us += SECOND / 10);
    assertNear(replMeterRate(&meter, now_us), 10 * MiB, 0.03);
}

/* Half a second after a start the rate is right already, not a part of it. */
static void
testMeterStart(void)
{
    ReplMeter meter;
    int i;

    replMeterReset(&meter, 0);
    for (i = 1; i <= 5; i++)
        replMeterAdd(&meter, MiB, i * SECOND / 10);
    assertNear(replMeterRate(&meter, SECOND / 2), 10 * MiB, 0.25);
}

static void
testMeterFollows(void)
{
    ReplMeter meter;
    gint64 now_us = 0;
    guint64 before;
    int i;

    replMeterReset(&meter, now_us);
    for (i = 0; i < 100; i++)
        replMeterAdd(&meter, MiB, now_us += SECOND / 10);
    for (i = 0; i < 200; i++)
        replMeterAdd(&meter, 2 * MiB, now_us += SECOND / 10);
    assertNear(replMeterRate(&meter, now_us), 20 * MiB, 0.05);
    before = replMeterRate(&meter, now_us);
    g_assert_cmpuint(replMeterRate(&meter, now_us + 10 * SECOND), <, before / 2); /* stalled */
    replMeterReset(&meter, now_us);
    g_assert_cmpuint(replMeterRate(&meter, now_us), ==, 0);
}

static void
testEta(void)
{
    g_assert_cmpint(replMeterEta(0, 0), ==, 0);
    g_assert_cmpint(replMeterEta(1, 0), ==, -1);
    g_assert_cmpint(replMeterEta(10, 5), ==, 2);
    g_assert_cmpint(replMeterEta(11, 5), ==, 3);
    g_assert_cmpint(replMeterEta(G_MAXUINT64, 1), ==, -1);
    g_assert_cmpint(replMeterEta(G_MAXUINT64, G_MAXUINT64), ==, 1);
}

/* What one taker of blocks gets in @span_us. */
static guint64
takeFor(ReplLimit *limit, guint64 block_bytes, gint64 *now_us, gint64 span_us)
{
    gint64 end_us = *now_us + span_us;
    guint64 got_bytes = 0;

    while (*now_us < end_us) {
        guint64 ticket = replLimitReserve(limit, block_bytes, *now_us);
        gint64 wait_us;

        while ((wait_us = replLimitWait(limit, ticket, *now_us)) > 0) {
            *now_us += wait_us;
            if (*now_us >= end_us) {
                replLimitRefund(limit, block_bytes, end_us);
                return got_bytes;
            }
        }
        got_bytes += block_bytes;
    }
    return got_bytes;
}

static void
testLimitHolds(void)
{
    static const guint64 rates[] = {300000, MiB, 20 * MiB, 200 * MiB, 3000ULL * MiB};
    static const guint64 blocks[] = {512, 4096, 65536, MiB};
    gsize r, b;

    for (r = 0; r < G_N_ELEMENTS(rates); r++) {
        for (b = 0; b < G_N_ELEMENTS(blocks); b++) {
            ReplLimit limit;
            gint64 now_us = 5 * SECOND;

            if (blocks[b] > rates[r])
                continue; /* less than a block a second cannot be within 10 % over 10 s */
            replLimitInit(&limit, rates[r], now_us);
            now_us += 3600 * (gint64)SECOND; /* idle: saves up no more than the burst */
            assertNear(takeFor(&limit, blocks[b], &now_us, 10 * SECOND), 10 * rates[r], 0.1);
        }
    }
}

static void
testLimitBurst(void)
{
    ReplLimit limit;
    guint64 ticket;

    replLimitInit(&limit, 10 * MiB, 0);
    ticket = replLimitReserve(&limit, MiB, 10 * SECOND); /* a tenth of a second: at once */
    g_assert_cmpint(replLimitWait(&limit, ticket, 10 * SECOND), ==, 0);
    ticket = replLimitReserve(&limit, MiB, 10 * SECOND); /* the next one: not */
    assertNear(replLimitWait(&limit, ticket, 10 * SECOND), SECOND / 10, 0.01);
    replLimitInit(&limit, 1000, 0); /* a block far over the burst comes through in its time */
    ticket = replLimitReserve(&limit, 8000, 0);
    g_assert_cmpint(replLimitWait(&limit, ticket, 7 * SECOND + SECOND / 2), >, 0);
    g_assert_cmpint(replLimitWait(&limit, ticket, 8 * SECOND), ==, 0);
}

static void
testLimitNone(void)
{
    ReplLimit limit;
    guint64 ticket;

    replLimitInit(&limit, 0, 0);
    ticket = replLimitReserve(&limit, G_MAXUINT32, 0);
    g_assert_cmpint(replLimitWait(&limit, ticket, 0), ==, 0);
    replLimitSetRate(&limit, 1000, SECOND); /* what went free before is not owed now */
    ticket = replLimitReserve(&limit, 1000, SECOND);
    assertNear(replLimitWait(&limit, ticket, SECOND), SECOND, 0.01);
}

static void
testLimitChange(void)
{
    ReplLimit limit;
    guint64 ticket;
    gint64 now_us = 0;

    replLimitInit(&limit, 10, now_us);
    ticket = replLimitReserve(&limit, MiB, now_us);
    g_assert_cmpint(replLimitWait(&limit, ticket, now_us), >, 1000 * (gint64)SECOND);
    replLimitSetRate(&limit, MiB, SECOND);
    assertNear(replLimitWait(&limit, ticket, SECOND), SECOND, 0.01);
    replLimitSetRate(&limit, 0, SECOND);
    g_assert_cmpint(replLimitWait(&limit, ticket, SECOND), ==, 0);
    replLimitSetRate(&limit, 2 * MiB, SECOND);
    assertNear(takeFor(&limit, 65536, &now_us, 11 * SECOND), 20 * MiB, 0.1);
}

static void
testLimitOrder(void)
{
    ReplLimit limit;
    guint64 first, second, third;

    replLimitInit(&limit, 1000, 0);
    first = replLimitReserve(&limit, 1000, 0);
    second = replLimitReserve(&limit, 1000, 0);
    third = replLimitReserve(&limit, 1000, 0);
    g_assert_cmpint(replLimitWait(&limit, first, SECOND), ==, 0);
    g_assert_cmpint(replLimitWait(&limit, second, SECOND), >, 0);
    replLimitRefund(&limit, 1000, SECOND); /* the second gives up: the third moves up */
    assertNear(replLimitWait(&limit, third, SECOND), SECOND, 0.01);
    g_assert_cmpint(replLimitWait(&limit, third, 2 * SECOND), ==, 0);
}

static void
testLimitHuge(void)
{
    ReplLimit limit;
    guint64 ticket;

    replLimitInit(&limit, G_MAXUINT64, 0);
    ticket = replLimitReserve(&limit, MiB, SECOND);
    g_assert_cmpint(replLimitWait(&limit, ticket, G_MAXINT64), ==, 0);
    replLimitInit(&limit, 1, 0);
    ticket = replLimitReserve(&limit, G_MAXINT64, 0);
    g_assert_cmpint(replLimitWait(&limit, ticket, 0), ==, G_MAXINT32);
    g_assert_cmpint(replLimitWait(&limit, ticket, -5), >, 0); /* a clock that errs */
}

/* --- the line --- */

static gboolean
isEligible(void *item, void *opaque)
{
    return item != opaque;
}

static char *
pickAll(ReplFairQueue *queue, const char * not )
{
    g_autoptr(GString) order = g_string_new(NULL);
    const char *item;

    while ((item = replFairQueuePick(queue, isEligible, (void *)not )))
        g_string_append(order, item);
    return g_string_free(g_steal_pointer(&order), FALSE);
}

static void
notePosition(void *item, guint position, void *opaque)
{
    (void)opaque;
    ((char *)item)[2] = '0' + position;
}

static void
testFairQueue(void)
{
    char a1[] = "A1", a2[] = "A2", a3[] = "A3", a4[] = "A4", b1[] = "B1", b2[] = "B2", c1[] = "C1";
    char *const items[] = {a1, a2, a3, b1, c1, b2, a4};
    ReplFairQueue *queue = replFairQueueNew();
    g_autofree char *order = NULL, *rest = NULL;
    gsize i;

    g_assert_null(replFairQueuePick(queue, isEligible, NULL));
    for (i = 0; i < G_N_ELEMENTS(items); i++)
        replFairQueuePush(queue, (char[]){items[i][0], 0}, items[i]);
    g_assert_false(replFairQueueRemove(queue, "A", b1));
    g_assert_false(replFairQueueRemove(queue, "D", a1));
    g_assert_true(replFairQueueRemove(queue, "A", a3));
    order = pickAll(queue, a2);
    g_assert_cmpstr(order, ==, "A1B1C1A4B2");
    rest = pickAll(queue, NULL);
    g_assert_cmpstr(rest, ==, "A2");
    replFairQueueFree(queue);
}

static void
testPositions(void)
{
    char items[][4] = {"A1", "A2", "A3", "B1", "B2", "C1"};
    ReplFairQueue *queue = replFairQueueNew();
    g_autofree char *order = NULL;
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(items); i++)
        replFairQueuePush(queue, (char[]){items[i][0], 0}, items[i]);
    /* Each says the order in which the picks will take it: A1 B1 C1 A3 B2, A2 is held. */
    replFairQueuePositions(queue, isEligible, notePosition, items[1]);
    for (i = 0; i < G_N_ELEMENTS(items); i++)
        g_assert_cmpint(items[i][2] - '0', ==, ((int[]){1, 0, 4, 2, 5, 3})[i]);
    order = pickAll(queue, items[1]);
    g_assert_cmpstr(order, ==, "A11B12C13A34B25");
    replFairQueueFree(queue);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state/moves", testMoves);
    g_test_add_func("/state/verbs", testVerbs);
    g_test_add_func("/state/no-dead-ends", testNoDeadEnds);
    g_test_add_func("/meter/steady", testMeterSteady);
    g_test_add_func("/meter/start", testMeterStart);
    g_test_add_func("/meter/follows", testMeterFollows);
    g_test_add_func("/meter/eta", testEta);
    g_test_add_func("/limit/holds", testLimitHolds);
    g_test_add_func("/limit/burst", testLimitBurst);
    g_test_add_func("/limit/none", testLimitNone);
    g_test_add_func("/limit/change", testLimitChange);
    g_test_add_func("/limit/order", testLimitOrder);
    g_test_add_func("/limit/huge", testLimitHuge);
    g_test_add_func("/fairqueue/fair", testFairQueue);
    g_test_add_func("/fairqueue/positions", testPositions);
    return g_test_run();
}
