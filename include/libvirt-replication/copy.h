/*
 * copy.h: replicating images, planning it, and bundles
 *
 * Included by libvirt-replication.h; see there for threads, memory and errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LIBVIRT_REPLICATION_COPY_H
#define LIBVIRT_REPLICATION_COPY_H

#ifndef LIBVIRT_REPLICATION_H
#error "Include <libvirt-replication/libvirt-replication.h> instead"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Parameters of all functions of this file. An unknown one, or one of another type, is VIR_ERR_INVALID_ARG. */
#define VIRT_REPLICATION_COPY_NAME "name"               /* string: volume name. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_DESCRIPTION "description" /* string. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_FORMAT "format"           /* string: "qcow2" or "raw". Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_SNAPSHOTS "snapshots"     /* string: keep, flatten. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_ENCRYPTION "encryption"   /* string: keep, none, default. Since: 1.0.0 */
/* string: UUID or usage name of the secret to encrypt with; excludes "encryption". Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_KEY "key"
#define VIRT_REPLICATION_COPY_REKEY "rekey"             /* string: full, slot. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_FAST_CREATE "fast-create" /* boolean. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_BANDWIDTH "bandwidth"     /* ullong: bytes per second. Since: 1.0.0 */
/* string: the same token returns the same replica. Given to several pairs, each gets one of its own, made of
 * the token, the image's id and the target pool's UUID. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_TOKEN "token"
/* uint: how many images virtReplicationCopyMany() takes, VIRT_REPLICATION_MAX_IMAGES if absent. Since: 1.0.0 */
#define VIRT_REPLICATION_COPY_MAX_IMAGES "max-images"

/** How many images are replicated by one call unless asked otherwise. Since: 1.0.0 */
#define VIRT_REPLICATION_MAX_IMAGES 5

/**
 * virtReplicationCopyFlags:
 *
 * Since: 1.0.0
 */
typedef enum {
    VIRT_REPLICATION_COPY_ASYNC = 1 << 0, /* return at once, the replica is pending */
    VIRT_REPLICATION_COPY_PLAN = 1 << 1   /* only plan; virtReplicationJobStart() executes it */
} virtReplicationCopyFlags;

/**
 * virtReplicationCopy:
 * @source: the image
 * @target: the pool that gets the replica
 * @params: VIRT_REPLICATION_COPY_…
 * @nparams: how many
 * @flags: virtReplicationCopyFlags
 *
 * Replicates one image. Without flags it returns when the replica is available.
 *
 * Returns the replica's volume, to be freed with virStorageVolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationCopy(virStorageVolPtr source, virStoragePoolPtr target, virTypedParameterPtr params,
                    int nparams, unsigned int flags);

/**
 * virtReplicationCopyByID:
 * @id: id of an image that the caller may read, or that is shared with the project of @target
 * @target: the pool that gets the replica
 * @params: VIRT_REPLICATION_COPY_…
 * @nparams: how many
 * @flags: virtReplicationCopyFlags
 *
 * Returns the replica's volume, to be freed with virStorageVolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationCopyByID(const char *id, virStoragePoolPtr target, virTypedParameterPtr params, int nparams,
                        unsigned int flags);

/**
 * virtReplicationResult:
 *
 * What became of one pair of image and target.
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationResult virtReplicationResult;
struct _virtReplicationResult {
    virStorageVolPtr source;
    virStoragePoolPtr target;
    virStorageVolPtr replica; /* NULL: refused, `error` says why */
    virErrorPtr error;
};

/**
 * virtReplicationCopyMany:
 * @sources: the images
 * @nsources: how many
 * @targets: the pools that each image is replicated to
 * @ntargets: how many
 * @params: VIRT_REPLICATION_COPY_…; a name is possible for one image only
 * @nparams: how many
 * @flags: virtReplicationCopyFlags; a job is made for each pair, so that ASYNC is implied unless PLAN is set
 * @results: place for an array of @nsources * @ntargets results, targets of the first image first
 *
 * Makes a job for each pair of image and target. A pair that is refused changes nothing for the others.
 *
 * Returns how many pairs were refused, or -1 when nothing was tried (VIR_ERR_INVALID_ARG: too many images).
 * Free the results with virtReplicationResultsFree().
 *
 * Since: 1.0.0
 */
int
virtReplicationCopyMany(virStorageVolPtr *sources, size_t nsources, virStoragePoolPtr *targets,
                        size_t ntargets, virTypedParameterPtr params, int nparams, unsigned int flags,
                        virtReplicationResult **results);

/**
 * virtReplicationResultsFree:
 * @results: what virtReplicationCopyMany() returned, or NULL
 * @nresults: how many
 *
 * Since: 1.0.0
 */
void
virtReplicationResultsFree(virtReplicationResult *results, size_t nresults);

/**
 * virtReplicationExport:
 * @source: the image
 * @target: any pool of files; it need not be a region
 * @name: volume name of the bundle
 * @have: what the destination has already: inventories of its images, or bundles that it got; or NULL
 * @nhave: how many
 * @flags: virtReplicationCopyFlags
 *
 * Writes an image with all its layers into one file, to be carried to where no connection goes.
 *
 * Returns the bundle's volume, to be freed with virStorageVolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationExport(virStorageVolPtr source, virStoragePoolPtr target, const char *name,
                      virStorageVolPtr *have, size_t nhave, unsigned int flags);

/**
 * virtReplicationExportInventory:
 * @image: an image of the destination
 * @target: any pool of files
 * @name: volume name of the inventory
 * @flags: virtReplicationCopyFlags
 *
 * Writes what a destination has of an image, without its data, so that an export can leave that out.
 *
 * Returns the inventory's volume, to be freed with virStorageVolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationExportInventory(virStorageVolPtr image, virStoragePoolPtr target, const char *name,
                               unsigned int flags);

/**
 * virtReplicationImport:
 * @bundle: a volume that holds a bundle
 * @target: the region pool that gets the image
 * @params: VIRT_REPLICATION_COPY_…
 * @nparams: how many
 * @flags: virtReplicationCopyFlags
 *
 * Returns the image's volume, to be freed with virStorageVolFree(), or NULL on error.
 *
 * Since: 1.0.0
 */
virStorageVolPtr
virtReplicationImport(virStorageVolPtr bundle, virStoragePoolPtr target, virTypedParameterPtr params,
                      int nparams, unsigned int flags);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_REPLICATION_COPY_H */
