/*
 * test_job.c: a job: contract of the ops, and all verbs in all states
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <signal.h>

#include "fake_job.h"

/* --- the contract --- */

static void
testLife(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(2, NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplJobInfo) info = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

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
        g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

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
    g_autoptr(ReplJob) empty = replJobNew(FAKE_ID, "north", &none, NULL, 0);
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GError) err = NULL;
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);

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
    g_autoptr(ReplJob) job = fakeJobNew(FAKE_ID, "north", &fake);
    gboolean allowed = replJobVerbAllowed(state, verb);

    if (state == REPL_JOB_CANCELLED)
        g_assert_cmpint(replJobDo(job, REPL_VERB_CANCEL, NULL), ==, 0);
    else
        bringTo(queue, job, fake, state);
    fakeMend(fake);
    g_assert_cmpint(replJobDo(job, verb, &err), ==, allowed ? 0 : -1);
    if (!allowed) {
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(err->message, FAKE_ID));
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

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(fakeLog);
    g_test_add_func("/job/life", testLife);
    g_test_add_func("/job/failures", testFailures);
    g_test_add_func("/job/bare", testBare);
    g_test_add_func("/job/stuck", testStuck);
    g_test_add_func("/job/thread", testThread);
    g_test_add_func("/job/verbs", testVerbs);
    return g_test_run();
}
