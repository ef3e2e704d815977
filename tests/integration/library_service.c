/*
 * library_service.c: labels, keys, sharing, jobs and bundles by the C library, against a real daemon
 *
 *     library_service URI SECRETS_URI SOURCE_POOL TARGET_POOL TEAM_POOL PLAIN_POOL
 *
 * SECRETS_URI is a connection that has keys, which one to storage alone has not. TEAM_POOL is of project "books" and in the
 * source's region, PLAIN_POOL has no label; the images are one.qcow2 and two.qcow2 of the source pool. Prints a line for each thing that was tried; the first that is not as documented ends it with status 1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <libvirt-replication/libvirt-replication.h>
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

/* The call fails, and the library's error is of this code. */
#define EXPECT_ERROR(what, wanted)                                                                           \
    do {                                                                                                     \
        EXPECT(what);                                                                                        \
        EXPECT(virtReplicationGetLastError()->code == (wanted));                                             \
    } while (0)

static virConnectPtr conn, secrets;
static virStoragePoolPtr source, target, team, plain;
static virStorageVolPtr one, two;

static void
noOutput(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

static virStoragePoolPtr
pool(const char *name)
{
    virStoragePoolPtr found = virStoragePoolLookupByName(conn, name);

    EXPECT(found != NULL);
    return found;
}

static void
finish(virStorageVolPtr vol)
{
    EXPECT(vol != NULL);
    EXPECT(virtReplicationJobWait(&vol, 1, NULL, NULL, 300000) == 0);
}

/* A copy of one.qcow2 with one parameter, in the target pool. */
static virStorageVolPtr
copyWith(const char *name, const char *param, const char *value, unsigned int flags)
{
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;
    virStorageVolPtr made;

    EXPECT(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_NAME, name) == 0);
    if (param)
        EXPECT(virTypedParamsAddString(&params, &count, &max, param, value) == 0);
    made = virtReplicationCopy(one, target, params, count, flags);
    virTypedParamsFree(params, count);
    return made;
}

static void
setBandwidth(virStorageVolPtr vol, unsigned long long rate)
{
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;

    EXPECT(virTypedParamsAddULLong(&params, &count, &max, VIRT_REPLICATION_UPDATE_BANDWIDTH, rate) == 0);
    EXPECT(virtReplicationImageUpdate(vol, params, count, 0) == 0);
    virTypedParamsFree(params, count);
}

static int
setQuota(virStoragePoolPtr of, const char *region, const char *what, long long most)
{
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;
    int ret;

    EXPECT(virTypedParamsAddLLong(&params, &count, &max, what, most) == 0);
    ret = virtReplicationRegionSetLabel(of, region, params, count, 0);
    virTypedParamsFree(params, count);
    return ret;
}

static int
countRegions(void)
{
    virtReplicationRegion **regions;
    int count = virtReplicationListRegions(conn, &regions, 0);
    int i;

    EXPECT(count > 0);
    for (i = 0; i < count; i++)
        virtReplicationRegionFree(regions[i]);
    free(regions);
    return count;
}

static void
tryLabels(void)
{
    int before = countRegions();
    virtReplicationRegion *region;
    virStoragePoolPtr far;

    EXPECT_ERROR(virtReplicationRegionGet(plain, 0) == NULL, VIR_ERR_OPERATION_INVALID);
    EXPECT(setQuota(plain, "cn-plain-1", VIRT_REPLICATION_LABEL_QUOTA_IMAGES, 5) == 0);
    EXPECT((region = virtReplicationRegionGet(plain, 0)) != NULL);
    EXPECT(strcmp(region->name, "cn-plain-1") == 0 && region->quota.images == 5 && region->active);
    virtReplicationRegionFree(region);
    EXPECT(countRegions() == before + 1);
    EXPECT(virtReplicationRegionRemoveLabel(plain) == 0);
    EXPECT(countRegions() == before);

    EXPECT((far = virtReplicationPeerAdd(conn, "library-far", "storage+tcp://127.0.0.1:1/system", "images",
                                         "cn-far-1", 0)) != NULL);
    EXPECT((region = virtReplicationRegionGet(far, 0)) != NULL);
    EXPECT(strcmp(region->poolType, "region") == 0 && !region->active);
    EXPECT(strcmp(region->peerURI, "storage+tcp://127.0.0.1:1/system") == 0);
    virtReplicationRegionFree(region);
    EXPECT(virStoragePoolUndefine(far) == 0);
    virStoragePoolFree(far);
    printf("labels\n");
}

static int
hasKey(const char *usage)
{
    virtReplicationKey **keys;
    int count = virtReplicationKeyList(secrets, &keys);
    int i, has = 0;

    EXPECT(count >= 0);
    for (i = 0; i < count; i++) {
        has += strcmp(keys[i]->usage, usage) == 0;
        virtReplicationKeyFree(keys[i]);
    }
    free(keys);
    return has;
}

static void
tryKeys(void)
{
    const unsigned char value[] = "a passphrase of the library";
    virtReplicationKey *key =
        virtReplicationKeyCreate(secrets, "ims/library", "of a test", value, sizeof(value) - 1, 0);
    virtReplicationKey *other = virtReplicationKeyCreate(secrets, "ims/library-other", NULL, NULL, 0, 0);
    virStorageVolPtr made;
    virtReplicationImage *image;

    EXPECT(key && other && hasKey("ims/library") && hasKey("ims/library-other"));
    EXPECT_ERROR(virtReplicationKeyCreate(secrets, "ims/library", NULL, NULL, 0, 0) == NULL,
                 VIR_ERR_OPERATION_INVALID);
    EXPECT((made = copyWith("secret.qcow2", VIRT_REPLICATION_COPY_KEY, "ims/library", 0)) != NULL);
    EXPECT((image = virtReplicationImageGet(made, 0)) && image->keyUsage &&
           strcmp(image->keyUsage, "ims/library") == 0);
    EXPECT(virtReplicationKeyBind(made, "ims/library-other") == -1); /* does not open it */
    EXPECT(virtReplicationKeyBind(made, key->uuid) == 0);
    EXPECT(virtReplicationShareOffer(made, "books") == -1); /* encrypted images are not shared */
    virtReplicationImageFree(image);
    virtReplicationKeyFree(key);
    virtReplicationKeyFree(other);
    virStorageVolFree(made);
    printf("keys\n");
}

/* The state of the image's offer as the team sees it, "" when there is none. */
static const char *
offerState(const char *id)
{
    static char state[32];
    virtReplicationRegion *region = virtReplicationRegionGet(team, 0);
    size_t i;

    EXPECT(region != NULL);
    state[0] = '\0';
    for (i = 0; i < region->noffers; i++) {
        if (strcmp(region->offers[i].image, id) == 0)
            snprintf(state, sizeof(state), "%s", region->offers[i].state);
    }
    virtReplicationRegionFree(region);
    return state;
}

static void
trySharing(void)
{
    virtReplicationImage *image = virtReplicationImageGet(one, 0);
    virStorageVolPtr made;

    EXPECT(image != NULL);
    EXPECT(virtReplicationShareAccept(team, image->id) == -1); /* not offered */
    EXPECT(virtReplicationShareOffer(one, "books") == 0 && strcmp(offerState(image->id), "offered") == 0);
    EXPECT(virtReplicationShareReject(team, image->id) == 0 && strcmp(offerState(image->id), "") == 0);
    EXPECT(virtReplicationShareOffer(one, "books") == 0);
    EXPECT(virtReplicationShareAccept(team, image->id) == 0 &&
           strcmp(offerState(image->id), "accepted") == 0);
    EXPECT((made = virtReplicationCopyByID(image->id, team, NULL, 0, 0)) != NULL);
    virtReplicationImageFree(image);
    EXPECT((image = virtReplicationImageGet(made, 0)) && strcmp(image->project, "books") == 0);
    virtReplicationImageFree(image);
    EXPECT(virtReplicationShareRevoke(one, "books") == 0);
    EXPECT((image = virtReplicationImageGet(one, 0)) && strcmp(offerState(image->id), "") == 0);
    EXPECT(virtReplicationCopyByID("00000000-0000-0000-0000-000000000000", team, NULL, 0, 0) == NULL);
    virtReplicationImageFree(image);
    virStorageVolFree(made);
    printf("sharing\n");
}

/* Planned, started, paused, found by its id, and let go on. */
static void
tryJob(void)
{
    virStorageVolPtr made = copyWith("steered.qcow2", NULL, NULL, VIRT_REPLICATION_COPY_PLAN);
    virStorageVolPtr found;
    virtReplicationJob *job;
    char word[16];

    EXPECT(made != NULL);
    setBandwidth(made, 1 << 20);
    EXPECT(virtReplicationJobStart(made) == 0 && virtReplicationJobPause(made) == 0);
    EXPECT((job = virtReplicationJobGet(made)) && job->state == VIRT_REPLICATION_JOB_PAUSED);
    EXPECT(!virtReplicationJobStateIsEnded(job->state));
    EXPECT(virtReplicationJobStateFromString(job->stateName) == job->state);
    EXPECT(virtReplicationJobStateFromString("resting") == -1);
    snprintf(word, sizeof(word), "%.8s", job->id);
    EXPECT((found = virtReplicationJobLookup(conn, word)) != NULL);
    EXPECT(strcmp(virStorageVolGetKey(found), virStorageVolGetKey(made)) == 0);
    EXPECT_ERROR(virtReplicationJobLookup(conn, "00000000") == NULL, VIR_ERR_NO_STORAGE_VOL);
    setBandwidth(made, 0);
    EXPECT(virtReplicationJobResume(found) == 0);
    finish(made);
    EXPECT(virtReplicationJobRetry(made) == -1); /* it has not failed */
    virtReplicationJobFree(job);
    virStorageVolFree(found);
    virStorageVolFree(made);
    printf("job\n");
}

/* The space that a job counts with is gone when it wants to publish; with more quota it is tried again. */
static void
tryRetry(void)
{
    virStorageVolPtr made = copyWith("again.qcow2", NULL, NULL, VIRT_REPLICATION_COPY_PLAN);
    virtReplicationJob *job;

    EXPECT(made != NULL);
    setBandwidth(made, 1 << 20);
    EXPECT(virtReplicationJobStart(made) == 0 && virtReplicationJobPause(made) == 0);
    EXPECT(setQuota(target, NULL, VIRT_REPLICATION_LABEL_QUOTA_BYTES, 4096) == 0);
    setBandwidth(made, 0);
    EXPECT(virtReplicationJobResume(made) == 0);
    EXPECT(virtReplicationJobWait(&made, 1, NULL, NULL, 300000) == 1);
    EXPECT((job = virtReplicationJobGet(made)) && job->state == VIRT_REPLICATION_JOB_FAILED);
    EXPECT(job->error && strstr(job->error, "quota"));
    virtReplicationJobFree(job);
    EXPECT(setQuota(target, NULL, VIRT_REPLICATION_LABEL_QUOTA_BYTES, -1) == 0);
    EXPECT(virtReplicationJobRetry(made) == 0);
    finish(made);
    virStorageVolFree(made);
    printf("retry\n");
}

static void
tryVerify(void)
{
    virStorageVolPtr made = virStorageVolLookupByName(target, "steered.qcow2");
    virtReplicationImage *image;

    EXPECT(made && virtReplicationVerify(made) == 0);
    finish(made);
    EXPECT((image = virtReplicationImageGet(made, 0)) && image->verified > 0);
    EXPECT(strcmp(image->verifiedState, "good") == 0);
    EXPECT(virtReplicationHeal(made) == 0); /* nothing is damaged, so that nothing is fetched */
    finish(made);
    virtReplicationImageFree(image);
    virStorageVolFree(made);
    printf("verify\n");
}

static void
tryBundles(void)
{
    virStorageVolPtr there = virStorageVolLookupByName(target, "steered.qcow2");
    virStorageVolPtr have, bundle, made;
    virTypedParameterPtr params = NULL;
    int count = 0, max = 0;

    EXPECT((have = virtReplicationExportInventory(there, plain, "have", 0)) != NULL);
    EXPECT((bundle = virtReplicationExport(two, plain, "two.bundle", &have, 1,
                                           VIRT_REPLICATION_COPY_ASYNC)) != NULL);
    finish(bundle);
    EXPECT(virTypedParamsAddString(&params, &count, &max, VIRT_REPLICATION_COPY_NAME, "got.qcow2") == 0);
    EXPECT((made = virtReplicationImport(bundle, target, params, count, 0)) != NULL);
    EXPECT(strcmp(virStorageVolGetName(made), "got.qcow2") == 0);
    EXPECT(virtReplicationImport(one, target, params, count, 0) == NULL); /* no bundle */
    virTypedParamsFree(params, count);
    virStorageVolFree(there);
    virStorageVolFree(have);
    virStorageVolFree(bundle);
    virStorageVolFree(made);
    printf("bundles\n");
}

static void
tryImages(void)
{
    virtReplicationImage **images;
    int count = virtReplicationListImages(conn, &images, 0);
    virStorageVolPtr vol;
    int i;

    EXPECT(count > 4);
    for (i = 0; i < count; i++) {
        EXPECT((vol = virtReplicationImageGetVolume(conn, images[i])) != NULL);
        EXPECT(strcmp(virStorageVolGetName(vol), images[i]->volume) == 0);
        virStorageVolFree(vol);
        virtReplicationImageFree(images[i]);
    }
    free(images);
    printf("images\n");
}

int
main(int argc, char **argv)
{
    EXPECT(argc == 7);
    virSetErrorFunc(NULL, noOutput);
    EXPECT((conn = virConnectOpen(argv[1])) != NULL);
    EXPECT((secrets = virConnectOpen(argv[2])) != NULL);
    source = pool(argv[3]);
    target = pool(argv[4]);
    team = pool(argv[5]);
    plain = pool(argv[6]);
    EXPECT((one = virStorageVolLookupByName(source, "one.qcow2")) != NULL);
    EXPECT((two = virStorageVolLookupByName(source, "two.qcow2")) != NULL);
    tryLabels();
    tryKeys();
    trySharing();
    tryJob();
    tryRetry();
    tryVerify();
    tryBundles();
    tryImages();
    virStorageVolFree(one);
    virStorageVolFree(two);
    virStoragePoolFree(source);
    virStoragePoolFree(target);
    virStoragePoolFree(team);
    virStoragePoolFree(plain);
    virConnectClose(secrets);
    virConnectClose(conn);
    return 0;
}
