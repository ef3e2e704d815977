/*
 * region.h: pools that are regions, what is in them, and their labels
 *
 * Included by libvirt-replication.h; see there for threads, memory and errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LIBVIRT_REPLICATION_REGION_H
#define LIBVIRT_REPLICATION_REGION_H

#ifndef LIBVIRT_REPLICATION_H
#error "Include <libvirt-replication/libvirt-replication.h> instead"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * virtReplicationOffer:
 *
 * An image of another project that is offered to, or accepted by, the project of a region pool.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationOffer virtReplicationOffer;
struct _virtReplicationOffer {
    char *image; /* its id */
    char *name;
    char *project; /* that it belongs to */
    char *region;
    char *state; /* VIRT_REPLICATION_SHARE_OFFERED, … */
};

/**
 * virtReplicationRegion:
 *
 * A storage pool with a region label. Several pools may have one region.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationRegion virtReplicationRegion;
struct _virtReplicationRegion {
    char *name; /* of the region */
    char *pool; /* of libvirt */
    char *poolUUID;
    char *poolType; /* "dir", …; "region": it is on another host */
    char *project;
    int active;
    char *peerURI;     /* of a pool on another host, or NULL */
    char *peerState;   /* "connected", "connecting" or "away" */
    char *peerSince;   /* UNIX time of that state */
    char *peerError;   /* why it is away */
    char *peerLibvirt; /* version of libvirt there, "9.0.0"; NULL: it is not known, or away */
    char *peerWire; /* versions of the wire format of the module there; NULL: there is none, or it is away */
    int peerServes; /* 1: images are replicated to and from that host: it says serve_hosts = 1 */
    virtReplicationAmount quota;
    virtReplicationAmount usage;
    unsigned long long capacity;  /* of the pool, in bytes */
    unsigned long long available; /* of the pool, in bytes */
    size_t njobs;
    virtReplicationJob **jobs; /* that have not ended, or have failed */
    size_t noffers;
    virtReplicationOffer *offers;
    int listed; /* 1: `images` are all that there are */
    size_t nimages;
    virtReplicationImage **images; /* and layers */
    char *listError;               /* why `listed` is 0 although images were asked for */
};

/**
 * virtReplicationListFlags:
 *
 * Since: 1.0.0
 */
typedef enum {
    VIRT_REPLICATION_LIST_IMAGES = 1 << 0,   /* with images and layers */
    VIRT_REPLICATION_LIST_DETAILED = 1 << 1, /* images in detail: asks for each volume's XML, as many calls */
    VIRT_REPLICATION_LIST_INACTIVE = 1 << 2  /* with pools that are not active */
} virtReplicationListFlags;

/**
 * virtReplicationListRegions:
 * @conn: a connection
 * @regions: place for an array of regions that ends with NULL
 * @flags: virtReplicationListFlags
 *
 * All region pools, sorted by region and pool. One call for each pool answers all but DETAILED; a module that
 * does not know that call yet is asked for its volumes one by one. A pool that cannot be listed (its peer
 * is away) is there with `listed` 0 and `listError`.
 *
 * Returns how many there are, or -1 on error. Free each with virtReplicationRegionFree(), the array with free().
 *
 * Since: 1.0.0
 */
int
virtReplicationListRegions(virConnectPtr conn, virtReplicationRegion ***regions, unsigned int flags);

/**
 * virtReplicationRegionGet:
 * @pool: a pool
 * @flags: virtReplicationListFlags
 *
 * Returns the region, to be freed with virtReplicationRegionFree(), or NULL on error: VIR_ERR_OPERATION_INVALID
 * when the pool has no label.
 *
 * Since: 1.0.0
 */
virtReplicationRegion *
virtReplicationRegionGet(virStoragePoolPtr pool, unsigned int flags);

/**
 * virtReplicationRegionFree:
 * @region: a region or NULL
 *
 * Since: 1.0.0
 */
void
virtReplicationRegionFree(virtReplicationRegion *region);

/**
 * virtReplicationListImages:
 * @conn: a connection
 * @images: place for an array of images that ends with NULL
 * @flags: virtReplicationListFlags; IMAGES is implied
 *
 * All images and layers of all active region pools.
 *
 * Returns how many there are, or -1 on error. Free each with virtReplicationImageFree(), the array with free().
 *
 * Since: 1.0.0
 */
int
virtReplicationListImages(virConnectPtr conn, virtReplicationImage ***images, unsigned int flags);

/**
 * virtReplicationListJobs:
 * @conn: a connection
 * @jobs: place for an array of jobs that ends with NULL
 * @flags: virtReplicationListFlags; with IMAGES the newest job of each image is listed, ended or not, and with
 *         DETAILED their steps, too
 *
 * Returns how many there are, or -1 on error. Free each with virtReplicationJobFree(), the array with free().
 *
 * Since: 1.0.0
 */
int
virtReplicationListJobs(virConnectPtr conn, virtReplicationJob ***jobs, unsigned int flags);

/* Parameters of virtReplicationRegionSetLabel(). What is absent stays as it is, in a new label it is not set. */
#define VIRT_REPLICATION_LABEL_PROJECT "project"                 /* string. Since: 1.0.0 */
#define VIRT_REPLICATION_LABEL_QUOTA_IMAGES "quota-images"       /* llong, -1: no limit. Since: 1.0.0 */
#define VIRT_REPLICATION_LABEL_QUOTA_SNAPSHOTS "quota-snapshots" /* llong, -1: no limit. Since: 1.0.0 */
#define VIRT_REPLICATION_LABEL_QUOTA_BYTES "quota-bytes"         /* llong, -1: no limit. Since: 1.0.0 */

/**
 * virtReplicationRegionSetLabel:
 * @pool: a persistent pool
 * @region: the region's name; NULL: the one that it has
 * @params: project and quota
 * @nparams: how many
 * @flags: none yet, always pass 0
 *
 * Makes a pool a region, or changes its label. All else in the pool's definition stays.
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationRegionSetLabel(virStoragePoolPtr pool, const char *region, virTypedParameterPtr params,
                              int nparams, unsigned int flags);

/**
 * virtReplicationRegionRemoveLabel:
 * @pool: a persistent pool
 *
 * Makes a region an ordinary pool again. Its volumes stay.
 *
 * Returns 0, or -1 on error: VIR_ERR_OPERATION_INVALID while a job uses the pool.
 *
 * Since: 1.0.0
 */
int
virtReplicationRegionRemoveLabel(virStoragePoolPtr pool);

/**
 * virtReplicationGetModule:
 * @conn: a connection
 *
 * Whether the daemon of @conn has the module, by what it announces in its pool capabilities.
 *
 * Returns the versions of the wire format that it speaks with other hosts, separated by blanks, to be freed with free();
 * or NULL on error: VIR_ERR_NO_SUPPORT when there is no module.
 *
 * Since: 1.0.0
 */
char *
virtReplicationGetModule(virConnectPtr conn);

/**
 * virtReplicationPeerAdd:
 * @conn: a connection
 * @name: name of the pool to make
 * @uri: connection URI of the other host, as the daemon of @conn sees it
 * @pool: the pool's name there
 * @region: label, or NULL: the one that the pool has there
 * @flags: none yet, always pass 0
 *
 * Defines a pool whose volumes are those of a pool on another host.
 *
 * Returns the pool, to be freed with virStoragePoolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStoragePoolPtr
virtReplicationPeerAdd(virConnectPtr conn, const char *name, const char *uri, const char *pool,
                       const char *region, unsigned int flags);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_REPLICATION_REGION_H */
