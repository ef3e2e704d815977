/*
 * test_replicate_faults.c: one replication with every operation of both ends failing once, stalling once and being
 * interrupted once, on endpoints in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replications.h"

/* --- each operation --- */

/* @last: the highest number of the call that is tried; 0: the first only. */
typedef struct {
    const char *op;
    guint last;
    gboolean mayWait; /* for a peer */
} Operation;

static const Operation operations[] = {
    {"source.hold", 0, TRUE},      {"source.describe", 0, TRUE},    {"target.facts", 2, TRUE},
    {"target.present", 0, TRUE},   {"target.begin", 0, TRUE},       {"source.openLayer", 3, TRUE},
    {"target.openLayer", 3, TRUE}, {"reader.data", 2, TRUE},        {"reader.pread", 4, TRUE},
    {"writer.resize", 3, TRUE},    {"writer.pwrite", 4, TRUE},      {"writer.flush", 3, TRUE},
    {"target.note", 0, TRUE},      {"target.finishLayer", 3, TRUE}, {"source.unchanged", 0, TRUE},
    {"target.verify", 3, TRUE},    {"target.publish", 3, FALSE},
};

/* Checkpoints come after a MiB here (see main), so that every operation is called. */
static const guint64 noted[] = {300 * KIB, 24 * MIB, 0};

static const guint64 *
sizesFor(const Operation *operation)
{
    return g_str_equal(operation->op, "target.note") ? noted : three;
}

static void
checkFailed(Test *test)
{
    waitEnd(test, REPL_JOB_FAILED);
    g_assert_true(test->world->fired);
    g_assert_null(g_hash_table_lookup(test->world->volumes, "replica"));
    g_assert_cmpint(test->world->open, ==, 0);
    checkFree(test);
}

static void
eachCall(void (*run)(const Operation *operation, guint nth, MemFaultKind kind), MemFaultKind kind)
{
    guint i, nth;

    for (i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (kind == MEM_SHORT && !g_str_has_prefix(operations[i].op, "reader"))
            continue;
        if (kind == MEM_STALL && !operations[i].mayWait)
            continue;
        for (nth = 1; nth <= MAX(operations[i].last, 1); nth++) {
            g_test_message("%s, call %u", operations[i].op, nth);
            run(&operations[i], nth, kind);
        }
    }
}

/* Fails, and is all there after a retry. */
static void
runRetry(const Operation *operation, guint nth, MemFaultKind kind)
{
    Test test;

    setup(&test, sizesFor(operation));
    memWorldFault(test.world, operation->op, nth, kind);
    begin(&test, TRUE);
    checkFailed(&test);
    memWorldBack(test.world);
    act(&test, REPL_VERB_RETRY);
    checkDone(&test);
    teardown(&test);
}

/* Fails, and leaves nothing when it is cancelled. */
static void
runCancel(const Operation *operation, guint nth, MemFaultKind kind)
{
    Test test;

    setup(&test, sizesFor(operation));
    memWorldFault(test.world, operation->op, nth, kind);
    begin(&test, TRUE);
    checkFailed(&test);
    memWorldBack(test.world);
    act(&test, REPL_VERB_CANCEL);
    checkCancelled(&test, 0);
    teardown(&test);
}

/* A client that waits gets the error, and nothing is left. */
static void
runWaiting(const Operation *operation, guint nth, MemFaultKind kind)
{
    Test test;

    setup(&test, sizesFor(operation));
    memWorldFault(test.world, operation->op, nth, kind);
    begin(&test, FALSE);
    checkFailed(&test);
    memWorldCheckNothing(test.world, 0);
    g_assert_false(replMakersHas(test.job));
    teardown(&test);
}

/* Waits for something that does not come, and is cancelled there. */
static void
runStalled(const Operation *operation, guint nth, MemFaultKind kind)
{
    Test test;

    /* The second time is that of publishing, where nothing is cancelled any more. */
    if (nth == 2 && g_str_equal(operation->op, "target.facts"))
        return;
    setup(&test, sizesFor(operation));
    memWorldFault(test.world, operation->op, nth, kind);
    begin(&test, TRUE);
    g_assert_true(memWorldStalled(test.world));
    act(&test, REPL_VERB_CANCEL);
    checkCancelled(&test, 0);
    teardown(&test);
}

static void
testFailRetry(void)
{
    eachCall(runRetry, MEM_FAIL);
}

static void
testGoneRetry(void)
{
    eachCall(runRetry, MEM_GONE);
}

static void
testShortRetry(void)
{
    eachCall(runRetry, MEM_SHORT);
}

static void
testFailCancel(void)
{
    eachCall(runCancel, MEM_FAIL);
}

static void
testFailWaiting(void)
{
    eachCall(runWaiting, MEM_FAIL);
}

static void
testStallCancel(void)
{
    eachCall(runStalled, MEM_STALL);
}

/* --- what cannot be undone --- */

static void
testUndoFails(void)
{
    Test test;

    setup(&test, three);
    memWorldFault(test.world, "target.verify", 1, MEM_FAIL);
    begin(&test, TRUE);
    checkFailed(&test);
    memWorldFault(test.world, "target.undo", 1, MEM_FAIL);
    g_assert_cmpint(replJobDo(test.job, REPL_VERB_CANCEL, NULL), ==, -1);
    waitEnd(&test, REPL_JOB_FAILED);
    memWorldBack(test.world);
    act(&test, REPL_VERB_CANCEL);
    checkCancelled(&test, 0);
    teardown(&test);
}

static void
testSourceChanges(void)
{
    Test test;

    setup(&test, three);
    test.world->changed = TRUE;
    begin(&test, TRUE);
    waitEnd(&test, REPL_JOB_FAILED);
    g_assert_cmpint(g_hash_table_size(test.world->volumes), ==, 0);
    act(&test, REPL_VERB_CANCEL);
    checkCancelled(&test, 0);
    teardown(&test);
}

/* --- the daemon ends --- */

/* As stack/resume.c: from the record on disk, and what the target says. */
static void
resume(Test *test, const char *id)
{
    g_autoptr(ReplRegion) region = replRegionOfUuidString(test->target);
    g_autoptr(ReplStaging) home = replRegionStaging(region, FALSE, NULL);
    ReplJobRecord *loaded = replJobRecordLoad(home, id, NULL);
    ReplReplication *made;
    g_autoptr(ReplTarget) target = NULL;

    g_assert_nonnull(loaded);
    g_assert_cmpint(replPhaseOfRecord(loaded), !=, REPL_PHASE_ENDED);
    made = replication(test, loaded);
    made->resumed = TRUE;
    target = replEndpointTarget(made->journal, made->holding);
    g_assert_cmpint(replTargetLook(target, NULL), ==, REPL_TARGET_HELD);
    g_clear_pointer(&target, replTargetFree);
    test->job = replReplicationToJob(made);
    test->id = g_strdup(made->id);
    replJobRestore(test->job, loaded->info);
    g_assert_cmpint(replQueueSubmit(replServiceQueue(), test->job, FALSE, NULL), ==, 0);
}

/* The queue of the daemon that ends is one of the test's own. */
static void
interrupted(const char *op, guint nth, gboolean crash)
{
    ReplQueue *queue = replQueueNew(1, NULL);
    g_autofree char *id = NULL;
    guint64 before;
    Test test;

    setup(&test, noted);
    memWorldFault(test.world, op, nth, MEM_STALL);
    beginIn(&test, queue, TRUE);
    g_assert_true(memWorldStalled(test.world));
    replQueueStop(queue);
    id = g_steal_pointer(&test.id);
    g_assert_cmpint(replJobState(test.job), ==, REPL_JOB_QUEUED);
    letGo(&test);
    replQueueFree(queue);
    g_assert_cmpint(test.world->open, ==, 0);
    g_assert_null(g_hash_table_lookup(test.world->volumes, "replica"));
    memWorldBack(test.world);
    if (crash)
        memWorldCrash(test.world);
    before = test.world->moved_bytes;
    test.world->moved_bytes = 0;

    resume(&test, id);
    checkDone(&test);
    /* What was noted before is not moved again; blocks on their way and an interval of checkpoints may be. */
    g_assert_cmpint(before + test.world->moved_bytes, <=, 300 * KIB + 24 * MIB + 18 * MIB);
    teardown(&test);
}

static void
testInterrupted(void)
{
    guint i;

    for (i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (!operations[i].mayWait)
            continue;
        g_test_message("%s", operations[i].op);
        interrupted(operations[i].op, 1, FALSE);
        interrupted(operations[i].op, 1, TRUE);
    }
    interrupted("reader.pread", 9, TRUE);
    interrupted("writer.pwrite", 9, TRUE);
}

static void
addTests(void)
{
    g_test_add_func("/replicate/fail/retry", testFailRetry);
    g_test_add_func("/replicate/gone/retry", testGoneRetry);
    g_test_add_func("/replicate/short/retry", testShortRetry);
    g_test_add_func("/replicate/fail/cancel", testFailCancel);
    g_test_add_func("/replicate/fail/waiting", testFailWaiting);
    g_test_add_func("/replicate/stall/cancel", testStallCancel);
    g_test_add_func("/replicate/undo-fails", testUndoFails);
    g_test_add_func("/replicate/source-changes", testSourceChanges);
    g_test_add_func("/replicate/interrupted", testInterrupted);
}

int
main(int argc, char **argv)
{
    return replicateRun(argc, argv, addTests);
}
