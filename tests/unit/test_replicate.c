/*
 * test_replicate.c: one replication from its start to its end, with every operation of both ends failing once, stalling
 * once and being interrupted once, on endpoints in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib/gstdio.h>
#include <stdlib.h>

#include "fake_virt.h"
#include "mem_endpoint.h"
#include "region/home.h"
#include "replicate/life.h"
#include "replicate/prepare.h"
#include "replicate/undo.h"
#include "service/claims.h"
#include "service/makers.h"
#include "service/service.h"

#define KIB G_GUINT64_CONSTANT(1024)
#define MIB (1024 * KIB)

/* A loaded machine is slow. */
#define WAIT_ms 60000

static char *testDir;

typedef struct {
    MemWorld *world;
    const char *source, *target; /* UUIDs of pools */
    ReplJob *job;
    char *id;
} Test;

static void
setup(Test *test, const guint64 *sizes)
{
    static guint count;
    g_autofree char *from = g_strdup_printf("from%u", ++count);
    g_autofree char *to = g_strdup_printf("to%u", count);

    *test = (Test){.source = fakeVirtPool(from, "here", REPL_PROJECT_DEFAULT),
                   .target = fakeVirtPool(to, "there", REPL_PROJECT_DEFAULT)};
    test->world = memWorldNew(test->source, test->target, sizes);
    memWorldUse(test->world);
}

static void
letGo(Test *test)
{
    g_clear_pointer(&test->job, replJobUnref);
    g_clear_pointer(&test->id, g_free);
}

static void
teardown(Test *test)
{
    letGo(test);
    memWorldUse(NULL);
    memWorldFree(test->world);
}

static ReplJobRecord *
record(const Test *test, gboolean async)
{
    g_autofree char *id = g_uuid_string_random();
    ReplJobRecord *made = replJobRecordNew(id);

    made->sourcePool = g_strdup("from");
    made->sourcePoolUuid = g_strdup(test->source);
    made->sourceRegion = g_strdup("here");
    made->sourceVolume = g_strdup(test->world->sourceVolume);
    made->targetRegion = g_strdup("there");
    made->targetPoolUuid = g_strdup(test->target);
    made->targetPool = g_strdup("there"); /* so it is asked for */
    made->volume = g_strdup("replica");
    made->imageId = g_uuid_string_random();
    made->request = replRequestNew();
    made->request->name = g_strdup("replica");
    made->request->start = TRUE;
    made->request->async = async;
    return made;
}

static ReplReplication *
replication(const Test *test, ReplJobRecord *of)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    ReplImage *image = replImageNew(of->imageId);

    g_assert_true(replUuidParse(test->target, uuid));
    image->status = REPL_IMAGE_PENDING;
    return replReplicationNew(uuid, of, image, FALSE);
}

static void
enqueue(Test *test, ReplQueue *queue, ReplReplication *made)
{
    g_autoptr(GError) err = NULL;

    test->id = g_strdup(made->id);
    test->job = replReplicationToJob(made);
    replQueueSubmit(queue, test->job, TRUE, &err);
    g_assert_no_error(err);
}

/* A job whose replica's name is taken, as a submission leaves it; queued. */
static void
beginWith(Test *test, ReplQueue *queue, ReplJobRecord *of)
{
    ReplReplication *made = replication(test, of);
    g_autoptr(ReplTarget) target = replEndpointTarget(made->journal, made->holding);
    g_autoptr(ReplImage) image = replHoldingImage(made->holding);
    g_autoptr(GError) err = NULL;

    replJournalSave(made->journal, &err);
    g_assert_no_error(err);
    replTargetAccept(target, NULL, made->replica, "", image, &err);
    g_assert_no_error(err);
    g_clear_pointer(&target, replTargetFree);
    enqueue(test, queue, made);
}

static void
beginIn(Test *test, ReplQueue *queue, gboolean async)
{
    beginWith(test, queue, record(test, async));
}

static void
begin(Test *test, gboolean async)
{
    beginIn(test, replServiceQueue(), async);
}

static void
waitEnd(Test *test, ReplJobState state)
{
    g_autoptr(ReplJobInfo) info = NULL;

    g_assert_true(replJobWaitFor(test->job, WAIT_ms));
    info = replJobInfo(test->job);
    if (info->state != state)
        g_test_message("%s: %s", replJobStateToString(info->state), info->error ? info->error : "");
    g_assert_cmpstr(replJobStateToString(info->state), ==, replJobStateToString(state));
}

/* Nothing of the job stands in anybody's way. */
static void
checkFree(const Test *test)
{
    g_auto(GStrv) from = replPinsPoolJobs(replServicePins(), test->source);
    g_auto(GStrv) to = replPinsPoolJobs(replServicePins(), test->target);

    g_assert_null(from[0]);
    g_assert_null(to[0]);
}

static void
act(Test *test, ReplVerb verb)
{
    g_autoptr(GError) err = NULL;

    replJobDo(test->job, verb, &err);
    g_assert_no_error(err);
}

static void
checkDone(Test *test)
{
    waitEnd(test, REPL_JOB_COMPLETED);
    memWorldCheckReplica(test->world, "replica");
    checkFree(test);
    g_assert_false(replMakersHas(test->job));
}

static void
checkCancelled(Test *test, guint volumes)
{
    waitEnd(test, REPL_JOB_CANCELLED);
    memWorldCheckNothing(test->world, volumes);
    checkFree(test);
    g_assert_false(replMakersHas(test->job));
}

static const guint64 three[] = {300 * KIB, 2 * MIB, 5 * MIB, 0};

/* --- without faults --- */

static void
testWhole(void)
{
    Test test;

    setup(&test, three);
    begin(&test, FALSE);
    checkDone(&test);
    g_assert_cmpint(test.world->holds, ==, 1);
    g_assert_cmpint(test.world->plans, ==, 2); /* the plan, and the quota before publishing */
    teardown(&test);
}

/* What the target has is not written again. */
static void
testReuse(void)
{
    Test test;

    setup(&test, three);
    g_hash_table_insert(test.world->volumes, g_strdup("layer2.qcow2"),
                        g_bytes_ref(g_ptr_array_index(test.world->layers, 2)));
    begin(&test, FALSE);
    checkDone(&test);
    g_assert_cmpint(test.world->moved_bytes, ==, 300 * KIB + 2 * MIB);
    teardown(&test);
}

/* An attempt goes on with what the submission has opened and planned, and does neither again. */
static void
testHandedOver(void)
{
    const ReplPresentLook quick = {0};
    ReplReplication *made;
    ReplPrepared *prepared;
    Test test;

    setup(&test, three);
    made = replication(&test, record(&test, FALSE));
    prepared = replPrepareNew(made);
    g_assert_cmpint(replPrepareOpen(made, prepared, NULL), ==, 0);
    g_assert_cmpint(replPreparePlan(made, prepared, &quick, NULL), ==, 0);
    {
        g_autoptr(ReplImage) image = replHoldingImage(made->holding);

        g_assert_cmpint(replTargetAccept(prepared->target, NULL, made->replica, "", image, NULL), ==, 0);
    }
    replPreparedHandOver(made, prepared);
    enqueue(&test, replServiceQueue(), made);
    /* As a submission does: the job has a turn, whether its thread has begun or not. */
    replReplicationSettle(test.job);
    checkDone(&test);
    g_assert_cmpint(test.world->holds, ==, 1);
    g_assert_cmpint(test.world->plans, ==, 2);
    teardown(&test);
}

/* While it waits in the queue it holds nothing, and opens anew when its turn comes. */
static void
testSettled(void)
{
    const ReplPresentLook quick = {0};
    ReplReplication *made;
    ReplPrepared *prepared;
    Test test;

    setup(&test, three);
    replQueueHold(replServiceQueue(), test.target);
    made = replication(&test, record(&test, TRUE));
    prepared = replPrepareNew(made);
    g_assert_cmpint(replPrepareOpen(made, prepared, NULL), ==, 0);
    g_assert_cmpint(replPreparePlan(made, prepared, &quick, NULL), ==, 0);
    {
        g_autoptr(ReplImage) image = replHoldingImage(made->holding);

        g_assert_cmpint(replTargetAccept(prepared->target, NULL, made->replica, "", image, NULL), ==, 0);
    }
    replPreparedHandOver(made, prepared);
    enqueue(&test, replServiceQueue(), made);
    replReplicationSettle(test.job);
    g_assert_cmpint(test.world->open, ==, 0);
    replQueueRelease(replServiceQueue(), test.target);
    checkDone(&test);
    g_assert_cmpint(test.world->holds, ==, 2);
    teardown(&test);
}

/* Neither end is on this host: the layer is brought here, converted, and carried on. */
static void
testConvert(void)
{
    static const guint64 one[] = {3 * MIB, 0};
    g_autofree char *raw = g_build_filename(testDir, "source.raw", NULL);
    g_autofree char *qcow2 = g_build_filename(testDir, "replica.qcow2", NULL);
    g_autofree char *compare = g_strdup_printf("qemu-img compare -q -f raw -F qcow2 '%s' '%s'", raw, qcow2);
    ReplJobRecord *of;
    GBytes *bytes;
    Test test;

    setup(&test, one);
    test.world->raw = TRUE;
    of = record(&test, FALSE);
    of->request->format = g_strdup("qcow2");
    beginWith(&test, replServiceQueue(), of);
    waitEnd(&test, REPL_JOB_COMPLETED);
    g_assert_cmpint(test.world->open, ==, 0);
    bytes = g_hash_table_lookup(test.world->volumes, "replica");
    g_assert_true(g_file_set_contents(qcow2, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), NULL));
    bytes = g_ptr_array_index(test.world->layers, 0);
    g_assert_true(g_file_set_contents(raw, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), NULL));
    g_assert_cmpint(system(compare), ==, 0);
    teardown(&test);
}

/* --- two clients --- */

typedef struct {
    ReplJob *job;
    ReplVerb verb;
    gint *done; /* atomic: calls that were not refused */
} Client;

static gpointer
client(gpointer opaque)
{
    const Client *c = opaque;
    int rc = 0;

    if (c->verb == REPL_VERB_START)
        rc = replReplicationCheckStart(c->job, NULL);
    if (rc == 0 && replJobDo(c->job, c->verb, NULL) == 0)
        g_atomic_int_inc(c->done);
    if (c->verb == REPL_VERB_START)
        replReplicationSettle(c->job);
    return NULL;
}

/* A planned job, as a submission with start='no' leaves it. */
static void
beginPlanned(Test *test)
{
    const ReplPresentLook quick = {0};
    ReplJobRecord *of = record(test, TRUE);
    ReplReplication *made = replication(test, of);
    g_autoptr(ReplPrepared) prepared = replPrepareNew(made);
    g_autoptr(ReplImage) image = replHoldingImage(made->holding);
    guint i;

    of->request->start = FALSE;
    g_assert_cmpint(replPrepareOpen(made, prepared, NULL), ==, 0);
    g_assert_cmpint(replPreparePlan(made, prepared, &quick, NULL), ==, 0);
    for (i = 0; i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = replPreparedStep(prepared, i);
        const ReplPlanLayer *from = replPreparedLayer(prepared, step);
        ReplJobLayer *layer = replJobLayerNew(from->volume, from->poolUuid, step->volume, step->action);

        layer->source = from->identity;
        g_ptr_array_add(of->layers, layer);
    }
    g_assert_cmpint(replTargetAccept(prepared->target, NULL, made->replica, "", image, NULL), ==, 0);
    g_clear_pointer(&prepared, replPreparedFree);
    test->id = g_strdup(made->id);
    test->job = replReplicationToJob(made);
    g_assert_cmpint(replQueueSubmit(replServiceQueue(), test->job, FALSE, NULL), ==, 0);
}

/* Two clients at once on one planned job: both start it, or one starts and the other cancels it. */
static void
twoClients(ReplVerb second)
{
    Test test;
    guint i;

    for (i = 0; i < 30; i++) {
        gint done = 0;
        g_autoptr(ReplJobInfo) info = NULL;
        Client clients[2];
        GThread *threads[2];
        guint k;

        setup(&test, three);
        beginPlanned(&test);
        clients[0] = (Client){test.job, REPL_VERB_START, &done};
        clients[1] = (Client){test.job, second, &done};
        for (k = 0; k < 2; k++)
            threads[k] = g_thread_new("client", client, &clients[k]);
        for (k = 0; k < 2; k++)
            g_thread_join(threads[k]);
        g_assert_cmpint(done, >=, 1);
        g_assert_true(replJobWaitFor(test.job, WAIT_ms));
        info = replJobInfo(test.job);
        if (info->state == REPL_JOB_CANCELLED)
            memWorldCheckNothing(test.world, 0);
        else
            checkDone(&test);
        teardown(&test);
    }
}

static void
testTwoStarts(void)
{
    twoClients(REPL_VERB_START);
}

static void
testStartAndCancel(void)
{
    twoClients(REPL_VERB_CANCEL);
}

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

/* --- two jobs --- */

/* The second one finds what the first one brings, instead of making it again beside it. */
static void
testShared(void)
{
    g_autoptr(ReplJob) first = NULL;
    g_autofree char *firstId = NULL;
    ReplJobRecord *second;
    ReplReplication *made;
    guint64 alone;
    Test test;

    setup(&test, three);
    memWorldFault(test.world, "reader.pread", 3, MEM_STALL);
    begin(&test, TRUE);
    g_assert_true(memWorldStalled(test.world));
    first = g_steal_pointer(&test.job);
    firstId = g_steal_pointer(&test.id);

    /* The same layers into the same pool, for another region's sake of its name. */
    second = record(&test, TRUE);
    g_free(second->volume);
    second->volume = g_strdup("other");
    g_free(second->request->name);
    second->request->name = g_strdup("other");
    g_free(second->targetRegion);
    second->targetRegion = g_strdup("elsewhere");
    made = replication(&test, second);
    {
        g_autoptr(ReplTarget) target = replEndpointTarget(made->journal, made->holding);
        g_autoptr(ReplImage) image = replHoldingImage(made->holding);

        g_assert_cmpint(replTargetAccept(target, NULL, made->replica, "", image, NULL), ==, 0);
    }
    enqueue(&test, replServiceQueue(), made);
    while (replJobState(test.job) != REPL_JOB_QUEUED && replJobState(test.job) != REPL_JOB_FAILED)
        g_usleep(1000);
    memWorldBack(test.world);
    waitEnd(&test, REPL_JOB_COMPLETED);
    g_assert_true(replJobWaitFor(first, WAIT_ms)); /* it may end after the second one */
    g_assert_cmpint(replJobState(first), ==, REPL_JOB_COMPLETED);
    alone = 300 * KIB + 2 * MIB + 5 * MIB;
    g_assert_cmpint(test.world->moved_bytes, ==, alone + 300 * KIB);
    checkFree(&test);
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

/* What an image's record says that is replaced under a job's feet is kept. */
static void
renameTo(ReplImage *image, const void *opaque)
{
    g_free(image->name);
    image->name = g_strdup(opaque);
}

static void
testHolding(void)
{
    g_autoptr(ReplHolding) holding = NULL;
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(ReplJob) maker = NULL;
    g_autoptr(ReplJob) any = NULL;
    Test test;

    setup(&test, three);
    memWorldFault(test.world, "target.verify", 1, MEM_STALL);
    begin(&test, TRUE);
    g_assert_true(memWorldStalled(test.world));
    maker = replMakersFind(test.target, "replica", &holding);
    g_assert_true(maker == test.job);
    any = replMakersFindAny(test.target, "replica");
    g_assert_true(any == test.job);
    g_assert_null(replMakersFind(test.target, "nothing", NULL));
    g_assert_cmpint(replHoldingCapacity(holding), ==, 1024 * 1024);
    g_assert_cmpint(replHoldingAdds(holding).snapshots, ==, 2);
    replHoldingChangeImage(holding, renameTo, "another name");
    memWorldBack(test.world);
    checkDone(&test);
    image = replHoldingImage(holding);
    g_assert_cmpstr(image->name, ==, "another name");
    teardown(&test);
}

static gpointer
saveNext(gpointer opaque)
{
    ReplJournal *journal = opaque;
    g_autoptr(GError) err = NULL;

    replLockTake(&journal->lock);
    journal->record->created_s++;
    replLockDrop(&journal->lock);
    replJournalSave(journal, &err);
    g_assert_no_error(err);
    return NULL;
}

/* A client pauses the job while the job notes what it is about to make: the newer of the two records stays. */
static void
testSavedInOrder(void)
{
    const guint64 sizes[] = {MIB, 0};
    g_autoptr(ReplStaging) home = NULL;
    ReplReplication *made;
    Test test;
    guint i;

    setup(&test, sizes);
    made = replication(&test, record(&test, TRUE));
    home = replHomeOfUuid(made->journal->targetUuid, TRUE, NULL);
    g_assert_nonnull(home);
    for (i = 0; i < 80; i++) {
        g_autoptr(ReplJobRecord) saved = NULL;
        GThread *other = g_thread_new("other", saveNext, made->journal);

        saveNext(made->journal);
        g_thread_join(other);
        saved = replJobRecordLoad(home, made->id, NULL);
        g_assert_cmpint(saved->created_s, ==, made->journal->record->created_s);
    }
    g_assert_cmpint(replJobRecordDrop(home, made->id, NULL), ==, 0);
    replReplicationFree(made);
    teardown(&test);
}

int
main(int argc, char **argv)
{
    g_autofree char *etc = NULL;
    g_autofree char *config = NULL;
    g_autofree char *remove = NULL;
    int rc;

    g_test_init(&argc, &argv, NULL);
    testDir = g_dir_make_tmp("repl-replicate-XXXXXX", NULL);
    etc = g_build_filename(testDir, "etc", NULL);
    config = g_build_filename(etc, "storage-replication.conf", NULL);
    g_assert_cmpint(g_mkdir(etc, 0700), ==, 0);
    g_assert_true(g_file_set_contents(config, "checkpoint_mib = 1\n", -1, NULL));
    fakeVirtStart(testDir);
    g_test_add_func("/replicate/whole", testWhole);
    g_test_add_func("/replicate/reuse", testReuse);
    g_test_add_func("/replicate/handed-over", testHandedOver);
    g_test_add_func("/replicate/settled", testSettled);
    g_test_add_func("/replicate/convert", testConvert);
    g_test_add_func("/replicate/two/starts", testTwoStarts);
    g_test_add_func("/replicate/two/start-and-cancel", testStartAndCancel);
    g_test_add_func("/replicate/fail/retry", testFailRetry);
    g_test_add_func("/replicate/gone/retry", testGoneRetry);
    g_test_add_func("/replicate/short/retry", testShortRetry);
    g_test_add_func("/replicate/fail/cancel", testFailCancel);
    g_test_add_func("/replicate/fail/waiting", testFailWaiting);
    g_test_add_func("/replicate/stall/cancel", testStallCancel);
    g_test_add_func("/replicate/undo-fails", testUndoFails);
    g_test_add_func("/replicate/source-changes", testSourceChanges);
    g_test_add_func("/replicate/shared", testShared);
    g_test_add_func("/replicate/holding", testHolding);
    g_test_add_func("/replicate/interrupted", testInterrupted);
    g_test_add_func("/replicate/saved-in-order", testSavedInOrder);
    rc = g_test_run();
    replServiceStop();
    remove = g_strdup_printf("rm -rf '%s'", testDir);
    g_assert_cmpint(system(remove), ==, 0);
    return rc;
}
