/*
 * replicate.c: replicates an image to regions, with a plan first and a line of progress
 *
 *     cc replicate.c $(pkg-config --cflags --libs libvirt-replication) -o replicate
 *     ./replicate storage:///system web cn-east-2 cn-west-3
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libvirt-replication/libvirt-replication.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TARGETS 16

static void
noOutput(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

static int
fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, virtReplicationGetLastErrorMessage());
    return -1;
}

/* The pool of a region; the first one when there are several. */
static virStoragePoolPtr
findPool(virConnectPtr conn, const char *name)
{
    virtReplicationRegion **regions = NULL;
    virStoragePoolPtr pool = NULL;
    size_t i;

    if (virtReplicationListRegions(conn, &regions, 0) < 0)
        return NULL;
    for (i = 0; regions[i]; i++) {
        if (!pool && strcmp(regions[i]->name, name) == 0)
            pool = virStoragePoolLookupByName(conn, regions[i]->pool);
        virtReplicationRegionFree(regions[i]);
    }
    free(regions);
    return pool;
}

static void
showPlan(const virtReplicationResult *result)
{
    virtReplicationJob *job;

    printf("%s to %s: ", virStorageVolGetName(result->source), virStoragePoolGetName(result->target));
    if (!result->replica) {
        printf("refused: %s\n", result->error->message);
        return;
    }
    if ((job = virtReplicationJobGet(result->replica)))
        printf("%llu bytes in %zu layers\n", job->peakSpace, job->nsteps);
    virtReplicationJobFree(job);
}

static int
showProgress(size_t index, const virtReplicationJob *job, void *opaque)
{
    unsigned int *last = opaque;

    if (job->progress != last[index])
        printf("%s: %s, %u %%\n", job->region ? job->region : "?", job->stateName, job->progress);
    last[index] = job->progress;
    return 0;
}

static int
run(virConnectPtr conn, virStorageVolPtr image, virStoragePoolPtr *pools, size_t npools)
{
    virtReplicationResult *results = NULL;
    virStorageVolPtr replicas[MAX_TARGETS];
    unsigned int last[MAX_TARGETS] = {0};
    size_t i, count = 0;
    int left;

    (void)conn;
    if (virtReplicationCopyMany(&image, 1, pools, npools, NULL, 0, VIRT_REPLICATION_COPY_PLAN, &results) < 0)
        return fail("plan");
    for (i = 0; i < npools; i++) {
        showPlan(&results[i]);
        if (!results[i].replica)
            continue;
        if (virtReplicationJobStart(results[i].replica) < 0)
            fail("start");
        else
            replicas[count++] = results[i].replica;
    }
    left = virtReplicationJobWait(replicas, count, showProgress, last, -1);
    if (left < 0)
        fail("wait");
    virtReplicationResultsFree(results, npools);
    return left == 0 && count == npools ? 0 : -1;
}

int
main(int argc, char **argv)
{
    virConnectPtr conn;
    virStorageVolPtr image;
    virStoragePoolPtr pools[MAX_TARGETS];
    int i, count = 0, ret = -1;

    if (argc < 4 || argc > 3 + MAX_TARGETS) {
        fprintf(stderr, "usage: replicate URI IMAGE REGION...\n");
        return 2;
    }
    virSetErrorFunc(NULL, noOutput);
    if (!(conn = virConnectOpen(argv[1]))) {
        fprintf(stderr, "%s\n", virGetLastErrorMessage());
        return 1;
    }
    image = virtReplicationLookup(conn, argv[2]);
    if (!image)
        fail(argv[2]);
    for (i = 3; image && i < argc; i++) {
        if ((pools[count] = findPool(conn, argv[i])))
            count++;
        else
            fprintf(stderr, "%s: there is no such region\n", argv[i]);
    }
    if (image && count > 0)
        ret = run(conn, image, pools, (size_t)count);
    for (i = 0; i < count; i++)
        virStoragePoolFree(pools[i]);
    if (image)
        virStorageVolFree(image);
    virConnectClose(conn);
    return ret == 0 && count == argc - 3 ? 0 : 1;
}
