/*
 * test_job_end.c: a queue that is stopped, two hundred jobs, and that nothing of them is left behind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/resource.h>

#include "fake_job.h"

static guint
countThreads(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
    guint count = 0;

    while (g_dir_read_name(dir))
        count++;
    return count;
}

/* Threads that are joined may be in /proc a moment longer. */
static void
assertThreads(guint want)
{
    int i;

    for (i = 0; i < 1000 && countThreads() > want; i++)
        g_usleep(1000);
    g_assert_cmpuint(countThreads(), <=, want);
}

/* --- shutdown --- */

static gpointer
waitInThread(gpointer opaque)
{
    GError *err = NULL;

    g_assert_cmpint(replJobWait(opaque, &err), ==, -1);
    return err;
}

static void
testStop(void)
{
    guint threads = countThreads();
    g_autoptr(ReplQueue) queue = replQueueNew(3, NULL);
    g_autoptr(GError) err = NULL, seen = NULL;
    Fake *run, *limited, *paused, *waiting;
    g_autoptr(ReplJob) a = fakeSubmit(queue, "a", "x", &run, FAKE_RUN);
    g_autoptr(ReplJob) b = fakeJobNew("b", "x", &limited);
    g_autoptr(ReplJob) c = fakeSubmit(queue, "c", "x", &paused, FAKE_RUN);
    g_autoptr(ReplJob) d = NULL, late = fakeJobNew("late", "x", NULL);
    gint64 begin_us;
    GThread *waiter;

    g_assert_cmpint(replJobSetBandwidth(b, 1, NULL), ==, 0);
    g_assert_cmpint(replQueueSubmit(queue, b, TRUE, NULL), ==, 0);
    replQueueHold(queue, "held");
    d = fakeSubmit(queue, "d", "held", &waiting, FAKE_NONE);
    fakeAwait(run);
    fakeAwait(paused);
    while (replJobState(b) != REPL_JOB_RUNNING)
        g_usleep(500);
    g_assert_cmpint(replJobDo(c, REPL_VERB_PAUSE, NULL), ==, 0);
    waiter = g_thread_new("waiter", waitInThread, a);

    begin_us = g_get_monotonic_time();
    replQueueStop(queue);
    g_assert_cmpint(g_get_monotonic_time() - begin_us, <, G_USEC_PER_SEC);
    seen = g_thread_join(waiter);
    g_assert_error(seen, REPL_ERROR, VIR_ERR_OPERATION_ABORTED);
    assertThreads(threads);
    fakeAssert(run, "prac", "QRQ");
    fakeAssert(limited, NULL, "PQRQ"); /* the bandwidth was recorded first */
    fakeAssert(paused, "prac", "QRS");
    fakeAssert(waiting, "", "Q");
    g_assert_true(replJobIsInterrupted(a));

    g_assert_cmpint(replQueueSubmit(queue, late, TRUE, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_cmpint(replJobWait(d, NULL), ==, -1);
    replQueueStop(queue);
}

/* What is about to commit commits. */
static gpointer
openLater(gpointer opaque)
{
    g_usleep(30000);
    fakeOpen(opaque);
    return NULL;
}

static void
testStopPublishing(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    Fake *fake;
    g_autoptr(ReplJob) job = fakeJobNew("a", "x", &fake);
    GThread *thread;

    fake->blockAt = FAKE_PUBLISH;
    fake->deaf = TRUE;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    fakeAwait(fake);
    thread = g_thread_new("opener", openLater, fake);
    replQueueStop(queue);
    g_thread_join(thread);
    fakeAssert(fake, "prvuc", "QRVUC");
}

/* --- nothing is left --- */

static void
testManyJobs(void)
{
    guint threads = countThreads();
    g_autoptr(ReplQueue) queue = replQueueNew(4, NULL);
    g_autoptr(GPtrArray) list = NULL;
    guint i;

    for (i = 0; i < 200; i++) {
        g_autofree char *id = g_strdup_printf("%08u", i);
        g_autoptr(ReplJob) job = fakeSubmit(queue, id, i % 2 ? "a" : "b", NULL, FAKE_NONE);

        if (i % 10 == 9)
            g_assert_cmpint(replJobWait(job, NULL), ==, 0);
    }
    do {
        g_clear_pointer(&list, g_ptr_array_unref);
        list = replQueueList(queue);
        if (list->len > 0)
            replJobWait(list->pdata[0], NULL);
    } while (list->len > 0);
    assertThreads(threads);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
/* No address space for the stack of another thread: jobs fail with a reason, however long the line.
 */
static void
starve(void)
{
    g_autoptr(ReplQueue) queue = replQueueNew(1, NULL);
    g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    g_autofree char *statm = NULL;
    struct rlimit limit, old;
    guint64 size_bytes;
    guint i;

    replQueueHold(queue, "a");
    for (i = 0; i < 300; i++) {
        g_autofree char *id = g_strdup_printf("%08u", i);

        g_ptr_array_add(jobs, fakeSubmit(queue, id, "a", NULL, FAKE_NONE));
    }
    g_assert_true(g_file_get_contents("/proc/self/statm", &statm, NULL, NULL));
    size_bytes = g_ascii_strtoull(statm, NULL, 10) * 4096;
    g_assert_cmpint(getrlimit(RLIMIT_AS, &old), ==, 0);
    limit = old;
    limit.rlim_cur = size_bytes + 3 * 1024 * 1024; /* a thread wants 8 MiB */
    g_assert_cmpint(setrlimit(RLIMIT_AS, &limit), ==, 0);
    replQueueRelease(queue, "a");
    for (i = 0; i < jobs->len; i++) {
        g_autoptr(GError) err = NULL;

        g_assert_cmpint(replJobWait(jobs->pdata[i], &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_FAILED);
    }
    fakeAssert(replJobOpaque(jobs->pdata[0]), "ac", "QF");
    g_assert_cmpint(setrlimit(RLIMIT_AS, &old), ==, 0);
    g_assert_cmpint(replJobDo(jobs->pdata[7], REPL_VERB_RETRY, NULL), ==, 0);
    g_assert_cmpint(replJobWait(jobs->pdata[7], NULL), ==, 0);
}

static const char *program;

/* In a process of its own: limits and stacks that libc keeps for reuse are those of the process. */
static void
testNoThread(void)
{
    const char *const argv[] = {program, "--starve", NULL};
    g_autoptr(GError) err = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, &err);
    g_assert_no_error(err);
    g_assert_true(g_spawn_check_wait_status(status, NULL));
}
#endif

/* --- everybody at once --- */

typedef struct {
    GPtrArray *jobs;
    guint seed;
} Pest;

static gpointer
pester(gpointer opaque)
{
    Pest *pest = opaque;
    g_autoptr(GRand) rand = g_rand_new_with_seed(pest->seed);
    guint i;

    for (i = 0; i < 1500; i++) {
        ReplJob *job = pest->jobs->pdata[g_rand_int_range(rand, 0, pest->jobs->len)];
        int what = g_rand_int_range(rand, 0, 100);
        g_autoptr(ReplJobInfo) info = replJobInfo(job);

        if (what < 30)
            replJobDo(job, REPL_VERB_PAUSE, NULL);
        else if (what < 75)
            replJobDo(job, REPL_VERB_RESUME, NULL);
        else if (what < 90)
            replJobDo(job, REPL_VERB_RETRY, NULL);
        else if (what < 92)
            replJobDo(job, REPL_VERB_CANCEL, NULL);
        else
            replJobSetBandwidth(job, what % 2 ? 0 : 50000000, NULL);
        g_assert_cmpuint(info->processed_bytes, <=, info->total_bytes);
        if (i % 8 == 0)
            g_usleep(200); /* lets the jobs come along */
    }
    return NULL;
}

/* Each attempt is whole: p then r v u as far as it came, one of commit or abort, and c. */
static void
assertWhole(ReplJob *job)
{
    Fake *fake = replJobOpaque(job);

    g_assert_true(g_regex_match_simple("^(prvuc|p?r?v?u?[aA]c)*$", fake->calls->str, 0, 0));
    if (replJobState(job) == REPL_JOB_CANCELLED)
        g_assert_true(g_str_has_suffix(fake->calls->str, "Ac"));
    if (replJobState(job) == REPL_JOB_COMPLETED)
        g_assert_true(g_str_has_suffix(fake->calls->str, "prvuc"));
}

static void
stress(gboolean stopEarly)
{
    guint threads = countThreads();
    g_autoptr(ReplQueue) queue = replQueueNew(3, NULL);
    g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func((GDestroyNotify)replJobUnref);
    Pest pests[3];
    GThread *handles[3];
    guint i;

    for (i = 0; i < 40; i++) {
        g_autofree char *id = g_strdup_printf("%08u", i);
        Fake *fake;
        ReplJob *job = fakeJobNew(id, i % 3 ? "a" : "b", &fake);

        fake->failAt = i % 5 == 0 ? FAKE_VERIFY : i % 7 == 0 ? FAKE_RUN : FAKE_NONE;
        fake->pace_us = 300;
        g_ptr_array_add(jobs, job);
        g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    }
    for (i = 0; i < G_N_ELEMENTS(pests); i++) {
        pests[i] = (Pest){jobs, i + 1};
        handles[i] = g_thread_new("pest", pester, &pests[i]);
    }
    if (stopEarly)
        replQueueStop(queue);
    for (i = 0; i < G_N_ELEMENTS(pests); i++)
        g_thread_join(handles[i]);
    for (i = 0; i < jobs->len && !stopEarly; i++) {
        replJobDo(jobs->pdata[i], REPL_VERB_RESUME, NULL);
        replJobWait(jobs->pdata[i], NULL);
    }
    replQueueStop(queue);
    for (i = 0; i < jobs->len; i++) {
        g_assert_false(replJobStateIsActive(replJobState(jobs->pdata[i])));
        assertWhole(jobs->pdata[i]);
    }
    assertThreads(threads);
}

static void
testStress(void)
{
    stress(FALSE);
}

static void
testStressStop(void)
{
    stress(TRUE);
}

static gpointer
nothing(gpointer opaque)
{
    return opaque;
}

int
main(int argc, char **argv)
{
    replLogSetSink(fakeLog);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    program = argv[0];
    if (argc == 2 && g_str_equal(argv[1], "--starve")) {
        starve();
        return 0;
    }
#endif
    /* With the first thread ThreadSanitizer starts one of its own, which must not be counted as left behind. Not before
     * starve(), which wants no stack that libc could use again. */
    g_thread_join(g_thread_new("first", nothing, NULL));
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/queue/stop", testStop);
    g_test_add_func("/queue/stop-publishing", testStopPublishing);
    g_test_add_func("/queue/many-jobs", testManyJobs);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    g_test_add_func("/queue/no-thread", testNoThread);
#endif
    g_test_add_func("/queue/stress", testStress);
    g_test_add_func("/queue/stress-stop", testStressStop);
    return g_test_run();
}
