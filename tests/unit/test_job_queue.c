/*
 * test_job_queue.c: who runs when, and who waits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake_job.h"

static guint
placeOf(ReplJob *job)
{
    g_autoptr(ReplJobInfo) info = replJobInfo(job);

    return info->position;
}

/* --- order --- */

static void
testFair(void)
{
    static const char *const waiting[][2] = {{"A1", "a"}, {"B2", "a"}, {"C3", "a"},
                                             {"D4", "b"}, {"E5", "b"}, {"F6", "c"}};
    static const guint places[] = {1, 4, 6, 2, 5, 3};
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GString) starts = g_string_new(NULL);
    g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    Fake *first;
    g_autoptr(ReplJob) job = fakeSubmit(queue, "first", "z", &first, FAKE_RUN);
    gsize i;

    fakeAwait(first);
    g_assert_cmpuint(placeOf(job), ==, 0);
    for (i = 0; i < G_N_ELEMENTS(waiting); i++) {
        Fake *fake;
        ReplJob *next = fakeJobNew(waiting[i][0], waiting[i][1], &fake);

        fake->starts = starts;
        g_assert_cmpint(replQueueSubmit(queue, next, TRUE, NULL), ==, 0);
        g_ptr_array_add(jobs, next);
    }
    for (i = 0; i < jobs->len; i++)
        g_assert_cmpuint(placeOf(jobs->pdata[i]), ==, places[i]);
    fakeOpen(first);
    for (i = 0; i < jobs->len; i++) {
        g_assert_cmpint(replJobWait(jobs->pdata[i], NULL), ==, 0);
        g_assert_cmpuint(placeOf(jobs->pdata[i]), ==, 0);
    }
    g_assert_cmpstr(starts->str, ==, "ADFBEC");
}

/* A verb takes a waiting job out of the line, and those behind move up. */
static void
testPlacesMove(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *first;
    g_autoptr(ReplJob) running G_GNUC_UNUSED = fakeSubmit(queue, "first", "a", &first, FAKE_RUN);
    g_autoptr(ReplJob) a = fakeSubmit(queue, "a", "a", NULL, FAKE_NONE);
    g_autoptr(ReplJob) b = fakeSubmit(queue, "b", "a", NULL, FAKE_NONE);
    g_autoptr(ReplJob) c = fakeSubmit(queue, "c", "a", NULL, FAKE_NONE);

    fakeAwait(first);
    g_assert_cmpuint(placeOf(c), ==, 3);
    g_assert_cmpint(replJobDo(a, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_cmpuint(placeOf(c), ==, 2);
    g_assert_cmpint(replJobDo(b, REPL_VERB_PAUSE, NULL), ==, 0);
    g_assert_cmpuint(placeOf(b), ==, 0);
    g_assert_cmpuint(placeOf(c), ==, 1);
    g_assert_cmpint(replJobDo(b, REPL_VERB_RESUME, NULL), ==, 0);
    g_assert_cmpuint(placeOf(b), ==, 2);
    fakeOpen(first);
    g_assert_cmpint(replJobWait(b, NULL), ==, 0);
    g_assert_cmpint(replJobWait(c, NULL), ==, 0);
}

static gint runningNow, runningMost;

static void
countRunning(ReplJob *job)
{
    gint now = g_atomic_int_add(&runningNow, 1) + 1;
    gint most;

    do
        most = g_atomic_int_get(&runningMost);
    while (now > most && !g_atomic_int_compare_and_exchange(&runningMost, most, now));
    g_usleep(2000);
    g_atomic_int_add(&runningNow, -1);
}

static void
testMaxRunning(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(3, NULL);
    g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    guint i;

    for (i = 0; i < 40; i++) {
        g_autofree char *id = g_strdup_printf("job-%u", i);
        Fake *fake;
        ReplJob *job = fakeJobNew(id, i % 3 ? "a" : "b", &fake);

        fake->inRun = countRunning;
        g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
        g_ptr_array_add(jobs, job);
    }
    for (i = 0; i < jobs->len; i++)
        g_assert_cmpint(replJobWait(jobs->pdata[i], NULL), ==, 0);
    g_assert_cmpint(runningMost, <=, 3);
    g_assert_cmpint(runningMost, >=, 2);
}

/* One turn: the paused job gives it to the other, and gets it back after it. */
static void
testPauseGivesSlot(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *one, *two;
    g_autoptr(ReplJob) a = fakeSubmit(queue, "a", "x", &one, FAKE_RUN);
    g_autoptr(ReplJob) b = fakeSubmit(queue, "b", "x", &two, FAKE_RUN);

    fakeAwait(one);
    g_assert_cmpint(replJobDo(a, REPL_VERB_PAUSE, NULL), ==, 0);
    fakeAwait(two); /* runs in the turn of the first */
    g_assert_cmpint(replJobDo(a, REPL_VERB_RESUME, NULL), ==, 0);
    g_assert_cmpint(replJobState(a), ==, REPL_JOB_QUEUED);
    g_assert_cmpuint(placeOf(a), ==, 1);
    fakeOpen(one);
    g_assert_false(replJobWaitFor(a, 50)); /* there is no turn yet */
    fakeOpen(two);
    g_assert_cmpint(replJobWait(a, NULL), ==, 0);
    g_assert_cmpint(replJobWait(b, NULL), ==, 0);
    fakeAssert(one, "prvuc", "QRSQRVUC");
}

static void
testSetMaxRunning(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(0, NULL); /* counts as 1 */
    Fake *one, *two;
    g_autoptr(ReplJob) a = fakeSubmit(queue, "a", "x", &one, FAKE_RUN);
    g_autoptr(ReplJob) b = fakeSubmit(queue, "b", "x", &two, FAKE_RUN);

    fakeAwait(one);
    g_assert_cmpint(replJobState(b), ==, REPL_JOB_QUEUED);
    replQueueSetMaxRunning(queue, 2);
    fakeAwait(two);
    fakeOpen(one);
    fakeOpen(two);
    g_assert_cmpint(replJobWait(a, NULL), ==, 0);
    g_assert_cmpint(replJobWait(b, NULL), ==, 0);
}

static void
testHold(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(ReplJob) a = fakeJobNew("a", "north", NULL);
    g_autoptr(ReplJob) b = fakeJobNew("b", "north", NULL);
    g_autoptr(ReplJob) c = fakeJobNew("c", "south", NULL);

    replJobAddKey(a, "pool-1");
    replQueueHold(queue, "pool-1");
    replQueueHold(queue, "pool-1");
    replQueueHold(queue, "south");
    g_assert_cmpint(replQueueSubmit(queue, a, TRUE, NULL), ==, 0);
    g_assert_cmpint(replQueueSubmit(queue, b, TRUE, NULL), ==, 0);
    g_assert_cmpint(replQueueSubmit(queue, c, TRUE, NULL), ==, 0);
    g_assert_cmpint(replJobWait(b, NULL), ==, 0); /* goes past the one that is held */
    g_assert_false(replJobWaitFor(a, 30));
    g_assert_cmpuint(placeOf(a), ==, 0);
    g_assert_cmpint(replJobState(c), ==, REPL_JOB_QUEUED);
    replQueueRelease(queue, "pool-1");
    g_assert_cmpint(replJobWait(a, NULL), ==, 0);
    replQueueRelease(queue, "south");
    g_assert_cmpint(replJobWait(c, NULL), ==, 0);
}

/* --- the table --- */

static void
testTable(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL), other = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplJob) planned = fakeJobNew("planned", "a", NULL);
    g_autoptr(ReplJob) twin = fakeJobNew("planned", "a", NULL);
    g_autoptr(ReplJob) found = NULL;
    g_autoptr(GPtrArray) list = NULL;
    Fake *fake;
    g_autoptr(ReplJob) failed = fakeJobNew("failed", "a", &fake);
    g_autoptr(ReplJob) held = NULL;

    fake->failAt = FAKE_RUN;
    g_assert_cmpint(replQueueSubmit(queue, planned, FALSE, NULL), ==, 0);
    g_assert_cmpint(replJobState(planned), ==, REPL_JOB_PLANNED);
    g_assert_cmpint(replQueueSubmit(queue, twin, FALSE, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_cmpint(replQueueSubmit(other, planned, FALSE, NULL), ==, -1);
    g_assert_cmpint(replQueueSubmit(queue, failed, TRUE, NULL), ==, 0);
    g_assert_cmpint(replJobWait(failed, NULL), ==, -1);
    replQueueHold(queue, "b");
    held = fakeSubmit(queue, "held", "b", NULL, FAKE_NONE);
    list = replQueueList(queue);
    g_assert_cmpuint(list->len, ==, 3);
    g_assert_true(list->pdata[0] == planned && list->pdata[1] == failed && list->pdata[2] == held);

    found = replQueueFind(queue, "failed");
    g_assert_true(found == failed);
    g_assert_null(replQueueFind(queue, "nobody"));
    g_assert_false(replQueueForget(queue, "held"));
    g_assert_false(replQueueForget(queue, "nobody"));
    g_assert_true(replQueueForget(queue, "planned"));
    g_assert_null(replQueueFind(queue, "planned"));
    g_assert_cmpint(replQueueSubmit(other, planned, FALSE, NULL), ==, 0);
    g_assert_cmpint(replQueueSubmit(other, twin, TRUE, NULL), ==, -1);

    /* What has ended for good is not kept. */
    replQueueRelease(queue, "b");
    g_assert_cmpint(replJobWait(held, NULL), ==, 0);
    g_assert_cmpint(replJobDo(failed, REPL_VERB_CANCEL, NULL), ==, 0);
    replQueueStop(queue);
    g_assert_null(replQueueFind(queue, "held"));
    g_assert_null(replQueueFind(queue, "failed"));
}

/* Records of an earlier life come back in any state. */
static void
testRestored(void)
{
    static const ReplJobState after[] = {
        [REPL_JOB_PLANNED] = REPL_JOB_PLANNED,      [REPL_JOB_QUEUED] = REPL_JOB_COMPLETED,
        [REPL_JOB_RUNNING] = REPL_JOB_COMPLETED,    [REPL_JOB_VERIFYING] = REPL_JOB_COMPLETED,
        [REPL_JOB_PUBLISHING] = REPL_JOB_COMPLETED, [REPL_JOB_PAUSED] = REPL_JOB_PAUSED,
        [REPL_JOB_COMPLETED] = REPL_JOB_COMPLETED,  [REPL_JOB_FAILED] = REPL_JOB_FAILED,
        [REPL_JOB_CANCELLED] = REPL_JOB_CANCELLED,
    };
    int state;

    for (state = 0; state < REPL_JOB_STATE_LAST; state++) {
        g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
        g_autoptr(ReplJobInfo) record = replJobInfoNew("j");
        Fake *fake;
        g_autoptr(ReplJob) job = fakeJobNew("j", "a", &fake);

        record->state = state;
        replJobRestore(job, record);
        g_assert_cmpint(replQueueSubmit(queue, job, FALSE, NULL), ==, 0);
        if (after[state] == REPL_JOB_COMPLETED)
            g_assert_cmpint(replJobWait(job, NULL), ==, 0);
        g_assert_cmpint(replJobState(job), ==, after[state]);
        if (state == REPL_JOB_COMPLETED || state == REPL_JOB_CANCELLED)
            fakeAssert(fake, "", "");
        if (state == REPL_JOB_PAUSED)
            g_assert_cmpint(replJobDo(job, REPL_VERB_RESUME, NULL), ==, 0);
        if (state == REPL_JOB_FAILED)
            g_assert_cmpint(replJobDo(job, REPL_VERB_RETRY, NULL), ==, 0);
        if (state == REPL_JOB_PAUSED || state == REPL_JOB_FAILED)
            g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    }
}

/* --- hooks and waiters --- */

static void
noteInhibit(gboolean on, void *opaque)
{
    g_string_append_c(opaque, on ? '+' : '-');
}

static void
testInhibit(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    ReplQueueHooks hooks = {noteInhibit, log};
    g_autoptr(ReplQueue) queue = replQueueNew(1, &hooks);
    g_autoptr(ReplJob) planned = fakeJobNew("planned", "a", NULL);
    Fake *one;
    g_autoptr(ReplJob) a = NULL;
    g_autoptr(ReplJob) b = NULL;
    g_autoptr(ReplJob) c = NULL;

    g_assert_cmpint(replQueueSubmit(queue, planned, FALSE, NULL), ==, 0);
    g_assert_cmpstr(log->str, ==, "");
    a = fakeSubmit(queue, "a", "a", &one, FAKE_RUN);
    fakeAwait(one);
    g_assert_cmpstr(log->str, ==, "+");
    b = fakeSubmit(queue, "b", "a", NULL, FAKE_NONE);
    g_assert_cmpint(replJobDo(b, REPL_VERB_PAUSE, NULL), ==, 0);
    g_assert_cmpstr(log->str, ==, "+");
    g_assert_cmpint(replJobDo(a, REPL_VERB_PAUSE, NULL), ==, 0);
    g_assert_cmpstr(log->str, ==, "+-");
    g_assert_cmpint(replJobDo(b, REPL_VERB_RESUME, NULL), ==, 0);
    g_assert_cmpint(replJobWait(b, NULL), ==, 0);
    fakeOpen(one);
    replQueueHold(queue, "held");
    c = fakeSubmit(queue, "c", "held", NULL, FAKE_NONE);
    g_assert_true(g_str_has_suffix(log->str, "+"));
    replQueueStop(queue); /* what waits holds up no shutdown */
    g_assert_cmpint(replJobState(c), ==, REPL_JOB_QUEUED);
    g_assert_true(g_regex_match_simple("^(\\+-){2,3}$", log->str, 0, 0));
}

static void
testWaiters(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replQueueEnterWait(queue, 2, NULL), ==, 0);
    g_assert_cmpint(replQueueEnterWait(queue, 2, NULL), ==, 0);
    g_assert_cmpint(replQueueEnterWait(queue, 2, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_RESOURCE_BUSY);
    g_assert_nonnull(strstr(err->message, "async='yes'"));
    replQueueLeaveWait(queue);
    g_assert_cmpint(replQueueEnterWait(queue, 2, NULL), ==, 0);
    replQueueLeaveWait(queue);
    replQueueLeaveWait(queue);
    replQueueLeaveWait(queue); /* one too many does not count below none */
    g_assert_cmpint(replQueueEnterWait(queue, 0, NULL), ==, -1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(fakeLog);
    g_test_add_func("/queue/fair", testFair);
    g_test_add_func("/queue/places-move", testPlacesMove);
    g_test_add_func("/queue/max-running", testMaxRunning);
    g_test_add_func("/queue/pause-gives-turn", testPauseGivesSlot);
    g_test_add_func("/queue/set-max-running", testSetMaxRunning);
    g_test_add_func("/queue/hold", testHold);
    g_test_add_func("/queue/table", testTable);
    g_test_add_func("/queue/restored", testRestored);
    g_test_add_func("/queue/inhibit", testInhibit);
    g_test_add_func("/queue/waiters", testWaiters);
    return g_test_run();
}
