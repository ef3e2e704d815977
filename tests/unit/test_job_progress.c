/*
 * test_job_progress.c: a job: what it shows of its progress, and its limits
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake_job.h"

#define MiB (1024 * 1024)

/* --- progress --- */

static void
setTotal(ReplJob *job, guint64 total_bytes)
{
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);

    g_ptr_array_add(steps, replStepNew("l", "l", REPL_STEP_COPY, total_bytes));
    replJobSetSteps(job, steps, 0);
}

static void
assertShows(ReplJob *job, guint64 processed_bytes, guint percent)
{
    g_autoptr(ReplJobInfo) info = replJobInfo(job);

    g_assert_cmpuint(info->processed_bytes, ==, processed_bytes);
    g_assert_cmpuint(replJobInfoProgress(info), ==, percent);
}

static void
testProgress(void)
{
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", NULL);

    assertShows(job, 0, 0);
    setTotal(job, 1000);
    replJobAdvance(job, 290);
    assertShows(job, 290, 29);
    replJobSetProcessed(job, 100); /* an attempt that has to do some again */
    assertShows(job, 290, 29);
    replJobAdvance(job, 180);
    assertShows(job, 290, 29);
    replJobAdvance(job, 20);
    assertShows(job, 300, 30);
    setTotal(job, 2000); /* a new plan with more to do */
    assertShows(job, 600, 30);
    setTotal(job, 200); /* and one with less */
    replJobAdvance(job, 5);
    assertShows(job, 200, 99);
    replJobAdvance(job, G_MAXUINT64);
    setTotal(job, 300);
    assertShows(job, 300, 99);
}

static void
testProgressEveryTotal(void)
{
    guint total, done;

    for (total = 1; total < 230; total += 7) {
        g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", NULL);
        guint last = 0;

        for (done = 0; done < total; done++) {
            g_autoptr(ReplJobInfo) info = NULL;

            setTotal(job, total + done % 5);
            replJobAdvance(job, 1);
            info = replJobInfo(job);
            g_assert_cmpuint(replJobInfoProgress(info), >=, last);
            g_assert_cmpuint(info->processed_bytes, <=, info->total_bytes);
            last = replJobInfoProgress(info);
        }
    }
}

static void
testRestore(void)
{
    int state;

    for (state = 0; state < REPL_JOB_STATE_LAST; state++) {
        g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", NULL);
        g_autoptr(ReplJobInfo) record = replJobInfoNew("somebody else");
        g_autoptr(ReplJobInfo) info = NULL;

        record->state = state;
        record->total_bytes = 100;
        record->processed_bytes = 40;
        record->bandwidth_bytesPerSec = 7;
        record->position = 3;
        g_ptr_array_add(record->steps, replStepNew("l", "l", REPL_STEP_COPY, 100));
        ((ReplStep *)record->steps->pdata[0])->state = REPL_STEP_RUNNING;
        replJobRestore(job, record);
        info = replJobInfo(job);
        g_assert_cmpint(info->state, ==, replJobStateIsActive(state) ? REPL_JOB_QUEUED : state);
        g_assert_cmpstr(info->id, ==, FAKE_ID);
        g_assert_cmpuint(info->processed_bytes, ==, state == REPL_JOB_COMPLETED ? 100 : 40);
        g_assert_cmpuint(info->bandwidth_bytesPerSec, ==, 7);
        g_assert_cmpuint(info->position, ==, 0);
        g_assert_cmpint(((ReplStep *)info->steps->pdata[0])->state, ==, REPL_STEP_WAITING);
    }
}

/* --- limits --- */

/* Two seconds in real time; the bounds leave room for a busy machine, precision is tested with a
 * clock of its own in test_job_state.c. */
static void
testLimitReal(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    gint64 begin_us = g_get_monotonic_time();
    double took_s;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blocks = 32;
    fake->block_bytes = MiB;
    g_assert_cmpint(replJobSetBandwidth(job, 16 * MiB, NULL), ==, 0);
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    took_s = (double)(g_get_monotonic_time() - begin_us) / G_USEC_PER_SEC;
    g_test_message("32 MiB at 16 MiB/s took %.3f s", took_s);
    g_assert_cmpfloat(took_s, >, 1.8);
    g_assert_cmpfloat(took_s, <, 20);
}

static void
testLimitChanges(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    replQueueSetBandwidth(queue, 1);
    g_assert_cmpint(replJobSetBandwidth(job, 1, NULL), ==, 0);
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    g_assert_false(replJobWaitFor(job, 50));
    g_assert_cmpint(replJobSetBandwidth(job, 0, NULL), ==, 0);
    g_assert_false(replJobWaitFor(job, 50));
    replQueueSetBandwidth(queue, 0);
    g_assert_true(replJobWaitFor(job, 10000));
    g_assert_cmpint(replJobState(job), ==, REPL_JOB_COMPLETED);
    g_assert_cmpuint(fake->lastBandwidth, ==, 0);
    g_assert_cmpint(replJobSetBandwidth(job, 5, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(fakeLog);
    g_test_add_func("/job/progress", testProgress);
    g_test_add_func("/job/progress/every-total", testProgressEveryTotal);
    g_test_add_func("/job/restore", testRestore);
    g_test_add_func("/job/limit/real", testLimitReal);
    g_test_add_func("/job/limit/changes", testLimitChanges);
    return g_test_run();
}
