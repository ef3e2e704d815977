/*
 * fake_job.h: a job for tests: its ops write down what is called and do as they are told
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <string.h>

#include "job/queue.h"
#include "base/lock.h"
#include "base/log.h"

#define FAKE_ID "a3c0c3f2-0000-4000-8000-000000000001"

typedef enum {
    FAKE_NONE = 0,
    FAKE_PREPARE = 'p',
    FAKE_RUN = 'r',
    FAKE_VERIFY = 'v',
    FAKE_PUBLISH = 'u',
    FAKE_ABORT_KEEP = 'a',
    FAKE_ABORT_DROP = 'A',
    FAKE_CLEAN = 'c',
} FakeCall;

typedef struct {
    /* fixed before the job is submitted */
    FakeCall blockAt; /* waits there until it is opened, or the job is to stop */
    FakeCall failAt;  /* fails there until it is mended */
    gboolean deaf;    /* does not ask whether it is to stop while it waits */
    guint blocks;     /* what run moves */
    guint64 block_bytes;
    guint pace_us; /* time a block takes */
    void (*inRun)(ReplJob *job);
    GString *starts; /* of a test: the first letter of the id is added as run begins */

    ReplLock monitor;

    /* guarded by monitor */
    GString *calls; /* FakeCalls */
    GString
        *states; /* first letters of the recorded states, u for publishing, s for paused, x for cancelled */
    gboolean arrived, open, mended;
    gboolean stuck;    /* cannot be undone */
    ReplJobState told; /* by ended */
    gboolean recorded;
    ReplJobState last; /* recorded */
    guint64 lastBandwidth;
} Fake;

static inline char
fakeLetter(ReplJobState state)
{
    return "PQRVUSCFX"[state];
}

static inline void
fakeNote(Fake *fake, char call)
{
    REPL_GUARD(&fake->monitor);

    g_string_append_c(fake->calls, call);
}

static inline int
fakeBlock(ReplJob *job, Fake *fake, GError **err)
{
    g_autoptr(ReplLocked) lock G_GNUC_UNUSED = replLockTake(&fake->monitor);

    fake->arrived = TRUE;
    replLockWake(&fake->monitor);
    while (!fake->open) {
        int rc;

        replLockDrop(&fake->monitor);
        rc = fake->deaf ? 0 : replJobCheck(job, err);
        replLockTake(&fake->monitor);
        if (rc < 0)
            return -1;
        replLockWaitUntil(&fake->monitor, g_get_monotonic_time() + 2000);
    }
    return 0;
}

static inline int
fakePhase(ReplJob *job, Fake *fake, FakeCall call, GError **err)
{
    gboolean fail;

    fakeNote(fake, call);
    if (fake->blockAt == call && fakeBlock(job, fake, err) < 0)
        return -1;
    replLockTake(&fake->monitor);
    fail = fake->failAt == call && !fake->mended;
    replLockDrop(&fake->monitor);
    if (!fail)
        return 0;
    replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, "no luck in '%c'", call);
    return -1;
}

static int
fakePrepare(ReplJob *job, void *opaque, GError **err)
{
    Fake *fake = opaque;
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)replStepFree);

    g_ptr_array_add(steps, replStepNew("base", "base", REPL_STEP_REUSE, 0));
    g_ptr_array_add(steps, replStepNew("web", "web", REPL_STEP_COPY, fake->blocks * fake->block_bytes));
    replJobSetSteps(job, steps, 4711);
    replJobSetProcessed(job, 0);
    return fakePhase(job, fake, FAKE_PREPARE, err);
}

static int
fakeRun(ReplJob *job, void *opaque, GError **err)
{
    Fake *fake = opaque;
    guint i;

    if (fake->inRun)
        fake->inRun(job);
    if (fake->starts)
        g_string_append_c(fake->starts, replJobId(job)[0]); /* tests with it run one at a time */
    if (fakePhase(job, fake, FAKE_RUN, err) < 0)
        return -1;
    replJobSetStepState(job, 1, REPL_STEP_RUNNING);
    for (i = 0; i < fake->blocks; i++) {
        if (replJobAdmit(job, fake->block_bytes, err) < 0)
            return -1;
        if (fake->pace_us)
            g_usleep(fake->pace_us);
        replJobAdvance(job, fake->block_bytes);
    }
    replJobSetStepState(job, 1, REPL_STEP_DONE);
    return 0;
}

static int
fakeVerify(ReplJob *job, void *opaque, GError **err)
{
    return fakePhase(job, opaque, FAKE_VERIFY, err);
}

static int
fakePublish(ReplJob *job, void *opaque, GError **err)
{
    return fakePhase(job, opaque, FAKE_PUBLISH, err);
}

static int
fakeAbort(ReplJob *job, void *opaque, const GError *why, gboolean keepPartials, GError **err)
{
    Fake *fake = opaque;
    gboolean stuck;

    g_assert_nonnull(why);
    g_assert_cmpint(replJobState(job), !=, REPL_JOB_COMPLETED);
    fakeNote(opaque, keepPartials ? FAKE_ABORT_KEEP : FAKE_ABORT_DROP);
    if (keepPartials && ((Fake *)opaque)->blockAt == FAKE_ABORT_KEEP)
        fakeBlock(job, opaque, NULL);
    replLockTake(&fake->monitor);
    stuck = fake->stuck && !keepPartials;
    replLockDrop(&fake->monitor);
    if (stuck)
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, "it sticks");
    return stuck ? -1 : 0;
}

static void
fakeClean(ReplJob *job, void *opaque)
{
    fakeNote(opaque, FAKE_CLEAN);
    /* Nobody sees the end before all is let go of. */
    g_assert_cmpint(replJobState(job), !=, REPL_JOB_COMPLETED);
    g_assert_cmpint(replJobState(job), !=, REPL_JOB_CANCELLED);
    if (((Fake *)opaque)->blockAt == FAKE_CLEAN)
        fakeBlock(job, opaque, NULL);
}

static void
fakeRecord(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    Fake *fake = opaque;

    REPL_GUARD(&fake->monitor);
    g_assert_cmpstr(info->id, ==, replJobId(job));
    /* Records come one at a time and in order: each is a legal move from the one before. */
    if (replJobStateIsEnded(info->state) && fake->last != info->state)
        g_assert_cmpint(replJobState(job), !=, info->state);
    if (fake->recorded && fake->last != info->state)
        g_assert_true(replJobMayMove(fake->last, info->state));
    fake->recorded = TRUE;
    fake->last = info->state;
    g_string_append_c(fake->states, fakeLetter(info->state));
    fake->lastBandwidth = info->bandwidth_bytesPerSec;
}

static void
fakeEnded(ReplJob *job, const ReplJobInfo *info, void *opaque)
{
    Fake *fake = opaque;

    g_assert_cmpint(replJobState(job), ==, info->state);
    REPL_GUARD(&fake->monitor);
    g_assert_cmpint(fake->last, ==, info->state);
    fake->told = info->state;
}

static char *
fakeDescribe(ReplJob *job, void *opaque)
{
    return g_strdup("a fake");
}

static void
fakeFree(void *opaque)
{
    Fake *fake = opaque;

    g_string_free(fake->calls, TRUE);
    g_string_free(fake->states, TRUE);
    replLockClear(&fake->monitor);
    g_free(fake);
}

static const ReplJobOps fakeOps = {
    .prepare = fakePrepare,
    .run = fakeRun,
    .verify = fakeVerify,
    .publish = fakePublish,
    .abort = fakeAbort,
    .clean = fakeClean,
    .record = fakeRecord,
    .ended = fakeEnded,
    .describe = fakeDescribe,
    .release = fakeFree,
};

/* The job owns the fake. */
static inline ReplJob *
fakeJobNew(const char *id, const char *lane, Fake **fake)
{
    Fake *own = g_new0(Fake, 1);

    replLockInit(&own->monitor);
    own->calls = g_string_new(NULL);
    own->states = g_string_new(NULL);
    own->blocks = 4;
    own->block_bytes = 1024;
    if (fake)
        *fake = own;
    return replJobNew(id, lane, &fakeOps, own, 0);
}

/* Waits until the job is where it is told to block. */
static inline void
fakeAwait(Fake *fake)
{
    REPL_GUARD(&fake->monitor);

    while (!fake->arrived)
        replLockWait(&fake->monitor);
}

static inline void
fakeOpen(Fake *fake)
{
    REPL_GUARD(&fake->monitor);

    fake->open = TRUE;
    replLockWake(&fake->monitor);
}

static inline void
fakeMend(Fake *fake)
{
    REPL_GUARD(&fake->monitor);

    fake->mended = TRUE;
}

static inline void
fakeAssert(Fake *fake, const char *calls, const char *states)
{
    REPL_GUARD(&fake->monitor);

    if (calls)
        g_assert_cmpstr(fake->calls->str, ==, calls);
    if (states)
        g_assert_cmpstr(fake->states->str, ==, states);
}

/* A job that is fake all through, submitted; it blocks at @blockAt. */
static inline ReplJob *
fakeSubmit(ReplQueue *queue, const char *id, const char *lane, Fake **fake, FakeCall blockAt)
{
    Fake *own;
    ReplJob *job = fakeJobNew(id, lane, &own);

    own->blockAt = blockAt;
    if (fake)
        *fake = own;
    g_assert_cmpint(replQueueSubmit(queue, job, TRUE, NULL), ==, 0);
    return job;
}

static inline void
fakeAwaitState(ReplJob *job, ReplJobState state)
{
    gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (replJobState(job) != state) {
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(500);
    }
}

/* The log is not looked at. */
static inline void
fakeLog(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
    g_assert_cmpuint(strlen(message), >, 0);
}
