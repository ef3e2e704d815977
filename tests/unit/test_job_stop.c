/*
 * test_job_stop.c: a job that is cancelled or paused
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake_job.h"

#define MiB (1024 * 1024)

/* --- cancel --- */

static void
assertCancels(ReplJob *job, Fake *fake, const char *calls)
{
    gint64 begin_us = g_get_monotonic_time();

    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_true(replJobWaitFor(job, 10000));
    g_assert_cmpint(g_get_monotonic_time() - begin_us, <, G_USEC_PER_SEC);
    g_assert_cmpint(replJobState(job), ==, REPL_JOB_CANCELLED);
    fakeAssert(fake, calls, NULL);
}

static void
testCancelLimited(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(2, NULL);
    Fake *own, *shared;
    g_autoptr(ReplJob) a = fakeJobNew(FAKE_ID, "north", &own);
    g_autoptr(ReplJob) b = fakeJobNew("b", "north", &shared);

    g_assert_cmpint(replJobSetBandwidth(a, 1, NULL), ==, 0);
    own->block_bytes = shared->block_bytes = MiB;
    g_assert_cmpint(replQueueSubmit(queue, a, TRUE, NULL), ==, 0);
    fakeAwaitState(a, REPL_JOB_RUNNING);
    g_usleep(20000);
    assertCancels(a, own, "prAc");

    replQueueSetBandwidth(queue, 1);
    g_assert_cmpint(replQueueSubmit(queue, b, TRUE, NULL), ==, 0);
    fakeAwaitState(b, REPL_JOB_RUNNING);
    g_usleep(20000);
    assertCancels(b, shared, "prAc");
}

static void
testCancelPaused(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blockAt = FAKE_RUN;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, NULL), ==, 0);
    g_usleep(10000); /* parks */
    assertCancels(job, fake, "prAc");
    fakeAssert(fake, NULL, "QRSX");
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, -1);
}

static void
testCancelQueuedAndFailed(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *queued, *failed;
    g_autoptr(ReplJob) a = fakeJobNew(FAKE_ID, "north", &queued);
    g_autoptr(ReplJob) b = fakeJobNew("b", "south", &failed);

    replQueueHold(queue, "north");
    g_assert_cmpint(replQueueSubmit(queue, a, TRUE, NULL), ==, 0);
    assertCancels(a, queued, "Ac");
    failed->failAt = FAKE_RUN;
    g_assert_cmpint(replQueueSubmit(queue, b, TRUE, NULL), ==, 0);
    g_assert_cmpint(replJobWait(b, NULL), ==, -1);
    assertCancels(b, failed, "pracAc");
    fakeAssert(failed, NULL, "QRFX");
}

/* A cancel that finds the op busy with something else works when the op comes back; a second is
 * no error, a pause is. */
static void
testCancelDeaf(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blockAt = FAKE_VERIFY;
    fake->deaf = TRUE;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_false(replJobWaitFor(job, 10));
    fakeOpen(fake);
    g_assert_cmpint(replJobWait(job, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    fakeAssert(fake, "prvAc", "QRVX");
}

static void
testPauseWhileCancelled(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blockAt = FAKE_RUN;
    fake->deaf = TRUE;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    fakeOpen(fake);
    g_assert_true(replJobWaitFor(job, 10000));
    g_assert_cmpint(replJobState(job), ==, REPL_JOB_CANCELLED);
}

/* A cancel that comes while a failure is being dealt with is obeyed after it; a pause is refused, and so is a
 * retry before the failure can be seen. */
static void
testLate(void)
{
    static const struct {
        FakeCall at;
        ReplVerb verb;
        const char *calls, *states;
    } cases[] = {
        {FAKE_ABORT_KEEP, REPL_VERB_CANCEL, "pracAc", "QRX"},
        {FAKE_ABORT_KEEP, REPL_VERB_PAUSE, "prac", "QRF"},
        {FAKE_CLEAN, REPL_VERB_CANCEL, "pracAc", "QRX"},
        {FAKE_CLEAN, REPL_VERB_RETRY, "prac", "QRF"},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
        Fake *fake;
        g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

        fake->failAt = FAKE_RUN;
        fake->blockAt = cases[i].at;
        fake->deaf = TRUE;
        g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
        fakeAwait(fake);
        g_assert_false(replJobWaitFor(job, 1)); /* has failed, but is not over */
        g_assert_cmpint(replJobDo(job, cases[i].verb, NULL), ==, cases[i].verb == REPL_VERB_CANCEL ? 0 : -1);
        fakeOpen(fake);
        g_assert_cmpint(replJobWait(job, NULL), ==, -1);
        fakeAssert(fake, cases[i].calls, cases[i].states);
    }
}

/* --- pause --- */

static void
testPauseRuns(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(ReplJobInfo) before = NULL, after = NULL, done = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blocks = 400;
    fake->pace_us = 500;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwaitState(job, REPL_JOB_RUNNING);
    g_usleep(20000);
    g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, NULL), ==, 0);
    g_usleep(50000); /* the block that is under way */
    before = replJobInfo(job);
    g_usleep(100000);
    after = replJobInfo(job);
    g_assert_cmpint(after->state, ==, REPL_JOB_PAUSED);
    g_assert_cmpuint(after->processed_bytes, ==, before->processed_bytes);
    g_assert_cmpuint(after->rate_bytesPerSec, ==, 0);
    g_assert_cmpint(after->eta_s, ==, -1);
    g_assert_cmpint(replJobDo(job, REPL_VERB_RESUME, NULL), ==, 0);
    g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    done = replJobInfo(job);
    g_assert_cmpuint(done->processed_bytes, ==, 400 * 1024);
    fakeAssert(fake, "prvuc", "QRSQRVUC");
}

/* What does not ask may come to its end under a pause: it is not verified before the resume. */
static void
testPauseDeaf(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blockAt = FAKE_RUN;
    fake->deaf = TRUE;
    fake->blocks = 0;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, NULL), ==, 0);
    g_assert_cmpint(replJobState(job), ==, REPL_JOB_PAUSED);
    fakeOpen(fake);
    g_assert_false(replJobWaitFor(job, 50));
    fakeAssert(fake, "pr", "QRS");
    g_assert_cmpint(replJobDo(job, REPL_VERB_RESUME, NULL), ==, 0);
    g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    fakeAssert(fake, "prvuc", "QRSQRVUC");
}

static void
testPauseFails(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

    fake->blockAt = fake->failAt = FAKE_RUN;
    fake->deaf = TRUE;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, NULL), ==, 0);
    fakeOpen(fake);
    g_assert_cmpint(replJobWait(job, NULL), ==, -1);
    fakeAssert(fake, "prac", "QRSF");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(fakeLog);
    g_test_add_func("/job/cancel/limited", testCancelLimited);
    g_test_add_func("/job/cancel/paused", testCancelPaused);
    g_test_add_func("/job/cancel/queued-and-failed", testCancelQueuedAndFailed);
    g_test_add_func("/job/cancel/deaf", testCancelDeaf);
    g_test_add_func("/job/cancel/no-pause", testPauseWhileCancelled);
    g_test_add_func("/job/late", testLate);
    g_test_add_func("/job/pause/runs", testPauseRuns);
    g_test_add_func("/job/pause/deaf", testPauseDeaf);
    g_test_add_func("/job/pause/fails", testPauseFails);
    return g_test_run();
}
