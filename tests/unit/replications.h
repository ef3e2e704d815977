/*
 * replications.h: replications between endpoints in memory, for the tests of replicate/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib/gstdio.h>
#include <stdlib.h>

#include "fake_virt.h"
#include "mem_endpoint.h"
#include "replicate/life.h"
#include "replicate/prepare.h"
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

static inline void
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

static inline void
letGo(Test *test)
{
    g_clear_pointer(&test->job, replJobUnref);
    g_clear_pointer(&test->id, g_free);
}

static inline void
teardown(Test *test)
{
    letGo(test);
    memWorldUse(NULL);
    memWorldFree(test->world);
}

static inline ReplJobRecord *
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

static inline ReplReplication *
replication(const Test *test, ReplJobRecord *of)
{
    unsigned char uuid[VIR_UUID_BUFLEN];
    ReplImage *image = replImageNew(of->imageId);

    g_assert_true(replUuidParse(test->target, uuid));
    image->status = REPL_IMAGE_PENDING;
    return replReplicationNew(uuid, of, image, FALSE);
}

static inline void
enqueue(Test *test, ReplQueue *queue, ReplReplication *made)
{
    g_autoptr(GError) err = NULL;

    test->id = g_strdup(made->id);
    test->job = replReplicationToJob(made);
    replQueueSubmit(queue, test->job, TRUE, &err);
    g_assert_no_error(err);
}

/* A job whose replica's name is taken, as a submission leaves it; queued. */
static inline void
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

static inline void
beginIn(Test *test, ReplQueue *queue, gboolean async)
{
    beginWith(test, queue, record(test, async));
}

static inline void
begin(Test *test, gboolean async)
{
    beginIn(test, replServiceQueue(), async);
}

static inline void
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
static inline void
checkFree(const Test *test)
{
    g_auto(GStrv) from = replPinsPoolJobs(replServicePins(), test->source);
    g_auto(GStrv) to = replPinsPoolJobs(replServicePins(), test->target);

    g_assert_null(from[0]);
    g_assert_null(to[0]);
}

static inline void
act(Test *test, ReplVerb verb)
{
    g_autoptr(GError) err = NULL;

    replJobDo(test->job, verb, &err);
    g_assert_no_error(err);
}

static inline void
checkDone(Test *test)
{
    waitEnd(test, REPL_JOB_COMPLETED);
    memWorldCheckReplica(test->world, "replica");
    checkFree(test);
    g_assert_false(replMakersHas(test->job));
}

static inline void
checkCancelled(Test *test, guint volumes)
{
    waitEnd(test, REPL_JOB_CANCELLED);
    memWorldCheckNothing(test->world, volumes);
    checkFree(test);
    g_assert_false(replMakersHas(test->job));
}

static const guint64 three[] = {300 * KIB, 2 * MIB, 5 * MIB, 0};

/* Runs the tests that @add adds, in a daemon of their own. */
static inline int
replicateRun(int argc, char **argv, void (*add)(void))
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
    add();
    rc = g_test_run();
    replServiceStop();
    remove = g_strdup_printf("rm -rf '%s'", testDir);
    g_assert_cmpint(system(remove), ==, 0);
    return rc;
}
