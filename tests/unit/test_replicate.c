/*
 * test_replicate.c: one replication from its start to its end, two clients at one job, and two jobs, on endpoints in
 * memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "region/home.h"
#include "replications.h"

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

/* Opens and plans a job, takes its name and hands over what it has prepared, as a submission does; queued. */
static void
beginPrepared(Test *test, gboolean async)
{
    const ReplPresentLook quick = {0};
    ReplReplication *made = replication(test, record(test, async));
    ReplPrepared *prepared = replPrepareNew(made);
    g_autoptr(ReplImage) image = replHoldingImage(made->holding);

    g_assert_cmpint(replPrepareOpen(made, prepared, NULL), ==, 0);
    g_assert_cmpint(replPreparePlan(made, prepared, &quick, NULL), ==, 0);
    g_assert_cmpint(replTargetAccept(prepared->target, NULL, made->replica, "", image, NULL), ==, 0);
    replPreparedHandOver(made, prepared);
    enqueue(test, replServiceQueue(), made);
}

/* An attempt goes on with what the submission has opened and planned, and does neither again. */
static void
testHandedOver(void)
{
    Test test;

    setup(&test, three);
    beginPrepared(&test, FALSE);
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
    Test test;

    setup(&test, three);
    replQueueHold(replServiceQueue(), test.target);
    beginPrepared(&test, TRUE);
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

static void
addTests(void)
{
    g_test_add_func("/replicate/whole", testWhole);
    g_test_add_func("/replicate/reuse", testReuse);
    g_test_add_func("/replicate/handed-over", testHandedOver);
    g_test_add_func("/replicate/settled", testSettled);
    g_test_add_func("/replicate/convert", testConvert);
    g_test_add_func("/replicate/two/starts", testTwoStarts);
    g_test_add_func("/replicate/two/start-and-cancel", testStartAndCancel);
    g_test_add_func("/replicate/shared", testShared);
    g_test_add_func("/replicate/holding", testHolding);
    g_test_add_func("/replicate/saved-in-order", testSavedInOrder);
}

int
main(int argc, char **argv)
{
    return replicateRun(argc, argv, addTests);
}
