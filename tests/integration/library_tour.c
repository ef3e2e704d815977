/*
 * library_tour.c: the C library against a real daemon, from several threads at once
 *
 *     library_tour URI SOURCE_POOL TARGET_POOL FULL_POOL
 *
 * Prints a line for each thing that was tried; the first that is not as documented ends it with status 1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libvirt-replication/libvirt-replication.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what)                                                                                         \
    do {                                                                                                     \
        if (!(what)) {                                                                                       \
            printf("%s:%d: %s is not so: %s\n", __FILE__, __LINE__, #what,                                   \
                   virtReplicationGetLastErrorMessage());                                                    \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static virConnectPtr conn;
static virStoragePoolPtr source, target, full;

static void
noOutput(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

static virStorageVolPtr
volume(virStoragePoolPtr pool, const char *name)
{
    virStorageVolPtr vol = virStorageVolLookupByName(pool, name);

    EXPECT(vol != NULL);
    return vol;
}

static int
count(size_t index, const virtReplicationJob *job, void *opaque)
{
    int *calls = opaque;

    EXPECT(index == 0 && job->state >= 0 && job->progress <= 100 && job->volume != NULL);
    return ++*calls > 1000;
}

static int
stop(size_t index, const virtReplicationJob *job, void *opaque)
{
    (void)index;
    (void)job;
    (void)opaque;
    return 1;
}

static void
tryCopies(void)
{
    virStorageVolPtr images[2] = {volume(source, "one.qcow2"), volume(source, "two.qcow2")};
    virStoragePoolPtr pools[2] = {target, full};
    virtReplicationResult *results = NULL;
    virStorageVolPtr replicas[2];
    int calls = 0;

    EXPECT(virtReplicationCopyMany(images, 2, pools, 2, NULL, 0, 0, &results) == 2);
    EXPECT(results[0].replica && !results[1].replica && results[2].replica && !results[3].replica);
    EXPECT(results[1].error->code == VIR_ERR_OPERATION_DENIED && strstr(results[1].error->message, "quota"));
    EXPECT(strcmp(virStorageVolGetName(results[2].source), "two.qcow2") == 0);
    replicas[0] = results[0].replica;
    replicas[1] = results[2].replica;
    EXPECT(virtReplicationJobWait(replicas, 2, NULL, NULL, 60000) == 0);
    EXPECT(virtReplicationJobWait(replicas, 1, count, &calls, -1) == 0 && calls == 1);
    virtReplicationResultsFree(results, 4);
    EXPECT(virtReplicationCopyMany(images, 2, pools, 0, NULL, 0, 0, &results) == -1);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_INVALID_ARG);
    virStorageVolFree(images[0]);
    virStorageVolFree(images[1]);
    printf("copies\n");
}

static void
tryLookups(void)
{
    virStorageVolPtr one = volume(source, "one.qcow2");
    virStorageVolPtr found;
    virtReplicationImage *image = virtReplicationImageGet(one, 0);
    char word[64];

    EXPECT(image && image->detailed && !image->isLayer && strcmp(image->volume, "one.qcow2") == 0);
    EXPECT((found = virtReplicationLookupByID(conn, image->id)) != NULL);
    EXPECT(strcmp(virStorageVolGetKey(found), virStorageVolGetKey(one)) == 0);
    virStorageVolFree(found);
    snprintf(word, sizeof(word), "%.10s", image->id);
    EXPECT((found = virtReplicationLookup(conn, word)) != NULL);
    virStorageVolFree(found);
    EXPECT(virtReplicationLookup(conn, "one.qcow2") == NULL);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_INVALID_ARG);
    EXPECT(virtReplicationLookupByID(conn, "00000000-0000-0000-0000-000000000000") == NULL);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_NO_STORAGE_VOL);
    EXPECT(virtReplicationLookupByID(conn, "one.qcow2") == NULL);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_INVALID_ARG);
    virtReplicationImageFree(image);
    virStorageVolFree(one);
    printf("lookups\n");
}

static void
tryPlan(void)
{
    virStorageVolPtr one = volume(source, "one.qcow2");
    virTypedParameterPtr params = NULL;
    virStorageVolPtr replica;
    virtReplicationJob *job;
    int nparams = 0, max = 0;

    EXPECT(virTypedParamsAddString(&params, &nparams, &max, VIRT_REPLICATION_COPY_NAME, "planned.qcow2") ==
           0);
    EXPECT((replica = virtReplicationCopy(one, target, params, nparams, VIRT_REPLICATION_COPY_PLAN)) != NULL);
    EXPECT((job = virtReplicationJobGet(replica)) != NULL);
    EXPECT(job->state == VIRT_REPLICATION_JOB_PLANNED && job->nsteps == 1 && job->usageAfter.images >= 1);
    EXPECT(virtReplicationJobWait(&replica, 1, NULL, NULL, 300) == -1);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_OPERATION_TIMEOUT);
    EXPECT(virtReplicationJobWait(&replica, 1, stop, NULL, -1) == -1);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_OPERATION_ABORTED);
    EXPECT(virtReplicationJobPause(replica) == -1);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_OPERATION_INVALID);
    EXPECT(virtReplicationJobCancel(replica) == 0);
    EXPECT(virtReplicationJobWait(&replica, 1, NULL, NULL, -1) == 1); /* gone: cancelled */
    virtReplicationJobFree(job);
    virStorageVolFree(replica);
    EXPECT(virtReplicationCopy(one, target, params, nparams, 1u << 30) == NULL);
    EXPECT(virtReplicationGetLastError()->code == VIR_ERR_INVALID_ARG);
    virTypedParamsFree(params, nparams);
    virStorageVolFree(one);
    printf("plan\n");
}

static void
tryUpdate(void)
{
    virStorageVolPtr one = volume(source, "one.qcow2");
    virTypedParameterPtr params = NULL;
    virtReplicationImage *image;
    int nparams = 0, max = 0;

    EXPECT(virTypedParamsAddString(&params, &nparams, &max, VIRT_REPLICATION_UPDATE_NAME, "Eins") == 0);
    EXPECT(virTypedParamsAddString(&params, &nparams, &max, VIRT_REPLICATION_UPDATE_TYPE, "iso") == 0);
    EXPECT(virtReplicationImageUpdate(one, params, nparams, 0) == 0);
    EXPECT((image = virtReplicationImageGet(one, 0)) != NULL);
    EXPECT(strcmp(image->name, "Eins") == 0 && strcmp(image->type, "iso") == 0);
    virtReplicationImageFree(image);
    virTypedParamsFree(params, nparams);
    virStorageVolFree(one);
    printf("update\n");
}

static const char *uri;

/* One of several that ask at once: half of them over one connection, the others over connections of their own. */
static void *
ask(void *opaque)
{
    const char *wrong = opaque;
    virConnectPtr own = strstr(wrong, "own") ? virConnectOpen(uri) : NULL;
    virConnectPtr mine = own ? own : conn;
    int i;

    for (i = 0; i < 20; i++) {
        virtReplicationImage **images = NULL;
        virtReplicationJob **jobs = NULL;
        int n = virtReplicationListImages(mine, &images, 0);
        int j;

        EXPECT(n >= 4);
        for (j = 0; j < n; j++)
            virtReplicationImageFree(images[j]);
        free(images);
        EXPECT((n = virtReplicationListJobs(mine, &jobs, 0)) >= 0);
        for (j = 0; j < n; j++)
            virtReplicationJobFree(jobs[j]);
        free(jobs);
        EXPECT(virtReplicationLookup(mine, wrong) == NULL);
        EXPECT(strstr(virtReplicationGetLastErrorMessage(), wrong) != NULL); /* ours, not another thread's */
    }
    if (own)
        virConnectClose(own);
    return NULL;
}

static void
tryThreads(void)
{
    static char words[8][16];
    pthread_t threads[8];
    int i;

    for (i = 0; i < 8; i++) {
        snprintf(words[i], sizeof(words[i]), "thread-%d-%s", i, i % 2 ? "own" : "one");
        EXPECT(pthread_create(&threads[i], NULL, ask, words[i]) == 0);
    }
    for (i = 0; i < 8; i++)
        EXPECT(pthread_join(threads[i], NULL) == 0);
    printf("threads\n");
}

int
main(int argc, char **argv)
{
    char *wire;

    EXPECT(argc == 5);
    virSetErrorFunc(NULL, noOutput);
    EXPECT(virtReplicationGetVersion() == VIRT_REPLICATION_VERSION_NUMBER);
    uri = argv[1];
    EXPECT((conn = virConnectOpen(uri)) != NULL);
    EXPECT((wire = virtReplicationGetModule(conn)) && *wire >= '1' && *wire <= '9');
    free(wire);
    EXPECT((source = virStoragePoolLookupByName(conn, argv[2])) != NULL);
    EXPECT((target = virStoragePoolLookupByName(conn, argv[3])) != NULL);
    EXPECT((full = virStoragePoolLookupByName(conn, argv[4])) != NULL);
    tryCopies();
    tryLookups();
    tryPlan();
    tryUpdate();
    tryThreads();
    virStoragePoolFree(source);
    virStoragePoolFree(target);
    virStoragePoolFree(full);
    virConnectClose(conn);
    return 0;
}
