/*
 * test_job.c: a job: contract of the ops, verbs, cancel, pause, limits, progress
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <signal.h>

#include "base/log.h"
#include "fake_job.h"

#define ID "a3c0c3f2-0000-4000-8000-000000000001"
#define MiB (1024 * 1024)

static void
quiet(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
    g_assert_cmpuint(strlen(message), >, 0);
}

static void
awaitState(ReplJob *job, ReplJobState state)
{
    gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (replJobState(job) != state) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(500);
    }
}

/* --- the contract --- */

static void
testLife(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(2, NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplJobInfo) info = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, &err), ==, 0);
    g_assert_cmpint(replJobWait(job, &err), ==, 0);
    g_assert_no_error(err);
    fakeAssert(fake, "prvuc", "QRVUC");
    info = replJobInfo(job);
    g_assert_cmpuint(replJobInfoProgress(info), ==, 100);
    g_assert_cmpuint(info->processed_bytes, ==, 4096);
    g_assert_cmpuint(info->peakSpace_bytes, ==, 4711);
    g_assert_cmpuint(info->steps->len, ==, 2);
    g_assert_cmpint(info->started_s, >, 0);
    g_assert_cmpint(info->ended_s, >=, info->started_s);
    g_assert_null(info->error);
    g_assert_cmpint(((ReplStep *)info->steps->pdata[1])->state, ==, REPL_STEP_DONE);
}

/* Whatever phase fails: abort once, clean once and last; a retry is a whole new attempt. */
static void
testFailures(void)
{
    static const struct {
        FakeCall at;
        const char *calls, *states, *again;
    } cases[] = {
        {FAKE_PREPARE, "pac", "QRF", "pacprvuc"},
        {FAKE_RUN, "prac", "QRF", "pracprvuc"},
        {FAKE_VERIFY, "prvac", "QRVF", "prvacprvuc"},
        {FAKE_PUBLISH, "prvuac", "QRVUF", "prvuacprvuc"},
    };
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
        g_autoptr(GError) err = NULL;
        g_autoptr(ReplJobInfo) info = NULL;
        g_autofree char *states = g_strconcat(cases[i].states, "QRVUC", NULL);
        Fake *fake;
        g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

        fake->failAt = cases[i].at;
        g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
        g_assert_cmpint(replJobWait(job, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_NO_STORAGE_POOL);
        info = replJobInfo(job);
        g_assert_cmpstr(info->error, ==, err->message);
        g_assert_cmpint(info->errorCode, ==, VIR_ERR_NO_STORAGE_POOL);
        fakeAssert(fake, cases[i].calls, cases[i].states);

        fakeMend(fake);
        g_assert_cmpint(replJobDo(job, REPL_VERB_RETRY, NULL), ==, 0);
        g_assert_cmpint(replJobWait(job, NULL), ==, 0);
        fakeAssert(fake, cases[i].again, states);
        g_clear_pointer(&info, replJobInfoFree);
        info = replJobInfo(job);
        g_assert_null(info->error);
    }
}

/* A job of no queue: cancelled before it ran, and ops that are not there. */
static void
testBare(void)
{
    static const ReplJobOps none;
    g_autoptr(ReplJob) empty = replJobNew(ID, "north", &none, NULL, 0);
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_cmpint(replJobWait(job, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    fakeAssert(fake, "Ac", "X");

    g_assert_cmpint(replQueueSubmit(queue, empty, TRUE, NULL), ==, 0);
    g_assert_cmpint(replJobWait(empty, NULL), ==, 0);
}

/* What cannot be undone has not been cancelled: the call says so, and it can be tried again. */
static void
testStuck(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(GError) again = NULL;
    g_autoptr(ReplJobInfo) info = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

    g_assert_cmpint(replQueueSubmit(queue, job, FALSE, NULL), ==, 0);
    fake->stuck = TRUE;
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, &err), ==, -1);
    g_assert_cmpstr(err->message, ==, "it sticks");
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, &again), ==, -1);
    info = replJobInfo(job);
    g_assert_cmpint(info->state, ==, REPL_JOB_FAILED);
    g_assert_cmpstr(info->error, ==, "it sticks");
    fakeAssert(fake, "AcAc", "FF");

    replLockTake(&fake->monitor);
    fake->stuck = FALSE;
    replLockDrop(&fake->monitor);
    g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    g_assert_cmpint(replJobState(job), ==, REPL_JOB_CANCELLED);
    g_assert_cmpint(fake->told, ==, REPL_JOB_CANCELLED);
    fakeAssert(fake, "AcAcAc", "FFX");
}

static void
inspectThread(ReplJob *job)
{
    g_autofree char *name = NULL;
    sigset_t blocked;
    int signum;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    for (signum = 1; signum < 32; signum++) {
        if (signum != SIGKILL && signum != SIGSTOP)
            g_assert_true(sigismember(&blocked, signum));
    }
    g_assert_true(g_file_get_contents("/proc/thread-self/comm", &name, NULL, NULL));
    g_assert_cmpstr(g_strchomp(name), ==, "repl-a3c0c3f2");
}

static void
testThread(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    sigset_t before, after;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    fake->inRun = inspectThread;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    g_assert_cmpint(sigismember(&before, SIGTERM), ==, sigismember(&after, SIGTERM));
}

/* --- all verbs in all states, on live jobs --- */

static void
bringTo(ReplQueue *queue, ReplJob *job, Fake *fake, ReplJobState state)
{
    static const FakeCall blocks[REPL_JOB_STATE_LAST] = {
        [REPL_JOB_RUNNING] = FAKE_RUN,
        [REPL_JOB_VERIFYING] = FAKE_VERIFY,
        [REPL_JOB_PUBLISHING] = FAKE_PUBLISH,
        [REPL_JOB_PAUSED] = FAKE_RUN,
    };

    fake->blockAt = blocks[state];
    fake->failAt = state == REPL_JOB_FAILED ? FAKE_RUN : FAKE_NONE;
    if (state == REPL_JOB_QUEUED)
        replQueueHold(queue, "north");
    g_assert_cmpint(replQueueSubmit(queue, job, state != REPL_JOB_PLANNED, NULL), ==, 0);
    if (fake->blockAt)
        fakeAwait(fake);
    if (state == REPL_JOB_PAUSED)
        g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, NULL), ==, 0);
    if (replJobStateIsEnded(state))
        replJobWait(job, NULL);
    g_assert_cmpint(replJobState(job), ==, state);
}

static void
tryVerb(ReplJobState state, ReplVerb verb)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);
    gboolean allowed = replJobVerbAllowed(state, verb);

    if (state == REPL_JOB_CANCELLED)
        g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    else
        bringTo(queue, job, fake, state);
    fakeMend(fake);
    g_assert_cmpint(replJobDo(job, verb, &err), ==, allowed ? 0 : -1);
    if (!allowed) {
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(err->message, ID));
        g_assert_nonnull(strstr(err->message, replJobStateToString(state)));
        g_assert_nonnull(strstr(err->message, replVerbToString(verb)));
        g_assert_cmpint(replJobState(job), ==, state);
    } else if (verb == REPL_VERB_CANCEL) {
        g_assert_true(replJobWaitFor(job, 1000));
        g_assert_cmpint(replJobState(job), ==, REPL_JOB_CANCELLED);
    } else if (verb == REPL_VERB_PAUSE) {
        g_assert_cmpint(replJobState(job), ==, REPL_JOB_PAUSED);
    } else {
        fakeOpen(fake);
        replQueueRelease(queue, "north");
        g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    }
    fakeOpen(fake);
}

static void
testVerbs(void)
{
    int state, verb;

    for (state = 0; state < REPL_JOB_STATE_LAST; state++) {
        for (verb = REPL_VERB_START; verb <= REPL_VERB_RESUME; verb++)
            tryVerb(state, verb);
    }
}

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
    g_autoptr(ReplJob) a = fakeJobNew(ID, "north", &own);
    g_autoptr(ReplJob) b = fakeJobNew("b", "north", &shared);

    g_assert_cmpint(replJobSetBandwidth(a, 1, NULL), ==, 0);
    own->block_bytes = shared->block_bytes = MiB;
    g_assert_cmpint(replQueueSubmit(queue, a, TRUE, NULL), ==, 0);
    awaitState(a, REPL_JOB_RUNNING);
    g_usleep(20000);
    assertCancels(a, own, "prAc");

    replQueueSetBandwidth(queue, 1);
    g_assert_cmpint(replQueueSubmit(queue, b, TRUE, NULL), ==, 0);
    awaitState(b, REPL_JOB_RUNNING);
    g_usleep(20000);
    assertCancels(b, shared, "prAc");
}

static void
testCancelPaused(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
    g_autoptr(ReplJob) a = fakeJobNew(ID, "north", &queued);
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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
        g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

    fake->blocks = 400;
    fake->pace_us = 500;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    awaitState(job, REPL_JOB_RUNNING);
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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

    fake->blockAt = fake->failAt = FAKE_RUN;
    fake->deaf = TRUE;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    g_assert_cmpint(replJobDo(job, REPL_VERB_PAUSE, NULL), ==, 0);
    fakeOpen(fake);
    g_assert_cmpint(replJobWait(job, NULL), ==, -1);
    fakeAssert(fake, "prac", "QRSF");
}

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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", NULL);

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
        g_autoptr(ReplJob) job = fakeJobNew(ID, "north", NULL);
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
        g_autoptr(ReplJob) job = fakeJobNew(ID, "north", NULL);
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
        g_assert_cmpstr(info->id, ==, ID);
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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(ID, "north", &fake);

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
    replLogSetSink(quiet);
    g_test_add_func("/job/life", testLife);
    g_test_add_func("/job/failures", testFailures);
    g_test_add_func("/job/bare", testBare);
    g_test_add_func("/job/stuck", testStuck);
    g_test_add_func("/job/thread", testThread);
    g_test_add_func("/job/verbs", testVerbs);
    g_test_add_func("/job/cancel/limited", testCancelLimited);
    g_test_add_func("/job/cancel/paused", testCancelPaused);
    g_test_add_func("/job/cancel/queued-and-failed", testCancelQueuedAndFailed);
    g_test_add_func("/job/cancel/deaf", testCancelDeaf);
    g_test_add_func("/job/cancel/no-pause", testPauseWhileCancelled);
    g_test_add_func("/job/late", testLate);
    g_test_add_func("/job/pause/runs", testPauseRuns);
    g_test_add_func("/job/pause/deaf", testPauseDeaf);
    g_test_add_func("/job/pause/fails", testPauseFails);
    g_test_add_func("/job/progress", testProgress);
    g_test_add_func("/job/progress/every-total", testProgressEveryTotal);
    g_test_add_func("/job/restore", testRestore);
    g_test_add_func("/job/limit/real", testLimitReal);
    g_test_add_func("/job/limit/changes", testLimitChanges);
    return g_test_run();
}
