/*
 * image.h: one image of the replication library: what it is, finding, changing and sharing it
 *
 * Included by libvirt-replication.h; see there for threads, memory and errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LIBVIRT_REPLICATION_IMAGE_H
#define LIBVIRT_REPLICATION_IMAGE_H

#ifndef LIBVIRT_REPLICATION_H
#error "Include <libvirt-replication/libvirt-replication.h> instead"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * virtReplicationAmount:
 *
 * A quota, or what is used of it. -1: no limit, or not known.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationAmount virtReplicationAmount;
struct _virtReplicationAmount {
    long long images;    /* volumes that no other one needs as backing */
    long long snapshots; /* volumes that some other one needs */
    long long bytes;     /* allocated bytes of both */
};

/**
 * virtReplicationStep:
 *
 * What a job does, or did, for one layer of an image.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationStep virtReplicationStep;
struct _virtReplicationStep {
    char *layer;                /* volume in the source pool */
    char *volume;               /* volume in the target pool */
    char *action;               /* VIRT_REPLICATION_STEP_COPY, … */
    char *state;                /* VIRT_REPLICATION_STEP_WAITING, … */
    unsigned long long bytes;   /* to move for this step */
    unsigned int snapshotsLost; /* internal snapshots that the result will not have */
    unsigned int bitmapsLost;   /* the same of persistent dirty bitmaps */
};

/**
 * virtReplicationJob:
 *
 * A job: the work of making one replica, or its plan.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationJob virtReplicationJob;
struct _virtReplicationJob {
    char *id;
    char *pool;                   /* where the replica is */
    char *region;                 /* region of that pool, or NULL */
    char *volume;                 /* the replica */
    int state;                    /* virtReplicationJobState, -1: a word that this version does not know */
    char *stateName;              /* the word itself */
    char *peer;                   /* that a waiting job waits for, or NULL */
    char *error;                  /* why it failed, or NULL */
    unsigned int progress;        /* percent, never goes back */
    unsigned int position;        /* in the queue, 1 is next; 0: not queued */
    unsigned long long processed; /* bytes */
    unsigned long long total;     /* bytes */
    unsigned long long remaining; /* bytes */
    unsigned long long wire;      /* bytes that went over networks, both directions */
    unsigned long long rate;      /* bytes per second */
    unsigned long long linkRate;  /* bytes per second that the link was seen to carry, 0: not known */
    unsigned long long bandwidth; /* limit in bytes per second, 0: none */
    unsigned long long peakSpace; /* bytes that the job needs in the target pool */
    long long eta;                /* seconds, -1: not known */
    long long started;            /* UNIX time, 0: not yet */
    long long ended;              /* UNIX time, 0: not yet */
    virtReplicationAmount usageAfter; /* of the target pool, once the job is done; only in plans */
    size_t nsteps;                    /* 0 in lists: only virtReplicationImageGet() knows the steps */
    virtReplicationStep *steps;
};

/**
 * virtReplicationShare:
 *
 * A project that an image is shared with.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationShare virtReplicationShare;
struct _virtReplicationShare {
    char *project;
    char *state; /* VIRT_REPLICATION_SHARE_OFFERED, … */
};

/**
 * virtReplicationImage:
 *
 * A volume of a region: an image, or a layer that images need. Members down to `bytes` are there in lists
 * as well; those below only when `detailed` is 1.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationImage virtReplicationImage;
struct _virtReplicationImage {
    char *id;
    char *name;     /* as people see it */
    char *volume;   /* of libvirt */
    char *pool;     /* of libvirt */
    char *poolUUID; /* of libvirt */
    char *region;
    char *project;
    char *status;             /* VIRT_REPLICATION_STATUS_AVAILABLE, … */
    char *type;               /* VIRT_REPLICATION_TYPE_SYSTEM_DISK, …, or NULL while nobody has looked */
    int isLayer;              /* 1: another volume needs it as backing */
    unsigned long long bytes; /* allocated */
    char *backing;            /* volume that it needs, or NULL: none, or not known in a list */
    char *sourceID;           /* image that it was copied from, or NULL: none, or not known in a list */

    int detailed;
    unsigned long long capacity; /* virtual size in bytes */
    char *format;
    char *description;
    char *visibility;
    int fastCreate;
    char *sourceRegion;
    char *sourcePool;
    char *sourceVolume;
    size_t nsnapshots;
    char **snapshots; /* volumes of the layers below, nearest first */
    char *keyUUID;    /* secret that opens it, or NULL: plain */
    char *keyUsage;   /* its usage name, by which other hosts find theirs; NULL: not known */
    size_t nshares;
    virtReplicationShare *shares;
    size_t nmembers;
    char **members;                   /* volumes of the other disks of a full machine */
    virtReplicationJob *job;          /* the newest, also after its end; NULL: none */
    long long verified;               /* UNIX time of the last verification, 0: never */
    char *verifiedState;              /* what it found: "good", "changed", "damaged"; NULL: never */
    unsigned long long damagedBlocks; /* of 64 KiB */
};

/**
 * virtReplicationImageGet:
 * @vol: a volume of a region pool
 * @flags: none yet, always pass 0
 *
 * Reads all that is known of an image.
 *
 * Returns the image, to be freed with virtReplicationImageFree(), or NULL on error: VIR_ERR_OPERATION_INVALID
 * when the volume's pool is no region.
 *
 * Since: 1.0.0
 */
virtReplicationImage *
virtReplicationImageGet(virStorageVolPtr vol, unsigned int flags);

/**
 * virtReplicationImageFree:
 * @image: an image or NULL
 *
 * Since: 1.0.0
 */
void
virtReplicationImageFree(virtReplicationImage *image);

/**
 * virtReplicationImageGetVolume:
 * @conn: the connection that the image is from
 * @image: an image of a list
 *
 * Returns the image's volume, to be freed with virStorageVolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationImageGetVolume(virConnectPtr conn, const virtReplicationImage *image);

/**
 * virtReplicationLookupByID:
 * @conn: a connection
 * @id: an image's id, a UUID
 *
 * Finds an image in any region of the connection, active pools only.
 *
 * Returns its volume, or NULL on error: VIR_ERR_NO_STORAGE_VOL when there is none.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationLookupByID(virConnectPtr conn, const char *id);

/**
 * virtReplicationLookup:
 * @conn: a connection
 * @name: what a person calls an image: its id, the beginning of its id (at least 4 characters), its
 *        name or volume name, either with the region in front ("cn-north-1:web"), or "pool/volume"
 *
 * Finds the one image that is meant. A layer is found by id and by "pool/volume" only.
 *
 * Returns its volume, or NULL on error: VIR_ERR_NO_STORAGE_VOL when there is none (the message names the
 * nearest right word), VIR_ERR_INVALID_ARG when there are several (the message lists them).
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationLookup(virConnectPtr conn, const char *name);

/* Parameters of virtReplicationImageUpdate(). */
#define VIRT_REPLICATION_UPDATE_NAME "name"               /* string. Since: 1.0.0 */
#define VIRT_REPLICATION_UPDATE_DESCRIPTION "description" /* string. Since: 1.0.0 */
#define VIRT_REPLICATION_UPDATE_TYPE "type"               /* string. Since: 1.0.0 */
/* string, once for each disk of a full machine but the first: the whole list anew. Since: 1.0.0 */
#define VIRT_REPLICATION_UPDATE_MEMBER "member"
#define VIRT_REPLICATION_UPDATE_BANDWIDTH                                                                    \
    "bandwidth" /* ullong, bytes per second, 0: no limit. Since: 1.0.0 */

/**
 * virtReplicationImageUpdate:
 * @vol: a volume of a region pool
 * @params: what to change; the rest stays as it is
 * @nparams: how many
 * @flags: none yet, always pass 0
 *
 * Changes what is recorded of an image, all of it or, on error, nothing. The bandwidth is that of its job.
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationImageUpdate(virStorageVolPtr vol, virTypedParameterPtr params, int nparams,
                           unsigned int flags);

/**
 * virtReplicationShareOffer:
 * @vol: an image of the caller's project
 * @project: the project that may copy it
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationShareOffer(virStorageVolPtr vol, const char *project);

/**
 * virtReplicationShareRevoke:
 * @vol: an image that is shared
 * @project: the project that may no longer copy it; copies that it made stay
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationShareRevoke(virStorageVolPtr vol, const char *project);

/**
 * virtReplicationShareAccept:
 * @pool: a pool of the project that an image is offered to, in the image's region
 * @id: the image's id
 *
 * From then on virtReplicationCopyByID() can copy the image into pools of the project.
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationShareAccept(virStoragePoolPtr pool, const char *id);

/**
 * virtReplicationShareReject:
 * @pool: a pool of the project that an image is offered to, in the image's region
 * @id: the image's id
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationShareReject(virStoragePoolPtr pool, const char *id);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_REPLICATION_IMAGE_H */
