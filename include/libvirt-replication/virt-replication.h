/*
 * virt-replication.h: names of the image replication extension of libvirt's storage pools and volumes
 *
 * Everything goes through libvirt's own API and this XML; there is nothing that must be linked with. An
 * application finds here the names of elements, attributes and values, so that it need not spell them
 * itself. (libvirt-replication.h has a library that does the writing and reading.)
 *
 *   - A storage pool is a region pool when the <metadata> of its XML has a VIRT_REPLICATION_ELEMENT_REGION.
 *   - virStorageVolCreateXMLFrom() with a VIRT_REPLICATION_ELEMENT_REPLICATE replicates the source volume
 *     into the pool; the pool, and the source's, must be region pools.
 *   - virStorageVolCreateXML() with the name of an existing volume and a VIRT_REPLICATION_ELEMENT_UPDATE
 *     changes an image or steers its job.
 *   - virStorageVolGetXMLDesc() of a volume of a region pool shows a VIRT_REPLICATION_ELEMENT_IMAGE.
 *
 * Elements live in the namespace VIRT_REPLICATION_NAMESPACE, attributes in none. Numbers are decimal,
 * amounts are bytes unless said otherwise, times are seconds since 1970. A reader must ignore elements
 * and attributes that it does not know: later versions add some. The schemas that are installed beside
 * this header are the exact shape.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef VIRT_REPLICATION_H
#define VIRT_REPLICATION_H

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The version of this header, major * 1000000 + minor * 1000 + micro. */
#define VIRT_REPLICATION_VERSION_NUMBER 1000000

/** The namespace of all elements. Since: 1.0.0 */
#define VIRT_REPLICATION_NAMESPACE "urn:libvirt-replication:1.0"

/** The prefix that the module writes; a reader must go by the namespace. Since: 1.0.0 */
#define VIRT_REPLICATION_PREFIX "replication"

/** The project of a region pool that names none. Since: 1.0.0 */
#define VIRT_REPLICATION_PROJECT_DEFAULT "default"

/** The folder in a region pool's target that holds records and partial files. Not a volume, never listed.
 * Since: 1.0.0 */
#define VIRT_REPLICATION_STAGING_FOLDER ".replication"

/** Usage name of the libvirt secret that VIRT_REPLICATION_ENCRYPTION_DEFAULT uses, unless it is
 * configured otherwise. Since: 1.0.0 */
#define VIRT_REPLICATION_DEFAULT_KEY "ims/default"

/** A secret whose value is this and 64 hexadecimal digits counts as 256 random bits: unlike a passphrase, it needs
 * no slow key derivation. Since: 1.0.0 */
#define VIRT_REPLICATION_KEY_RANDOM "repl-random-"

/*
 * Elements. In the <metadata> of a pool: region, with quota and (only put out) usage. In that of a volume:
 * replicate, update (both only read) or image (only put out, ignored when it is read).
 */
#define VIRT_REPLICATION_ELEMENT_REGION "region"           /* in <pool><metadata>. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_QUOTA "quota"             /* in region. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_USAGE "usage"             /* in region, job. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_REPLICATE "replicate"     /* in <volume><metadata>. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_UPDATE "update"           /* in <volume><metadata>. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_IMAGE "image"             /* in <volume><metadata>. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_NAME "name"               /* in image, update. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_DESCRIPTION "description" /* in image, update, replicate. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_REASON "reason"           /* in image. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_TYPE "type"               /* in update. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_SOURCE "source"           /* in image. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_SNAPSHOTS "snapshots"     /* in image. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_SNAPSHOT "snapshot"       /* in snapshots. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_ENCRYPTION "encryption"   /* in image. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_CONVERSION "conversion"   /* in encryption. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_BANDWIDTH "bandwidth"     /* in replicate, update. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_JOB "job"                 /* in image, update. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_STEP "step"               /* in job. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_ERROR "error"             /* in job. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_PEER "peer"               /* in region. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_SHARE "share"             /* in image, update. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_MEMBERS "members"         /* in image, update. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_MEMBER "member"           /* in members. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_HAVE "have"               /* in replicate. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_COUNTS "counts"           /* in region. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_LOAN "loan"               /* in region. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_SHARED "shared"           /* in region. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_IMAGES "images"           /* in region. Since: 1.0.0 */

/** A flag of virStoragePoolGetXMLDesc(): list the pool's images, too. Since: 1.0.0 */
#define VIRT_REPLICATION_POOL_XML_IMAGES (1u << 20)

/** The flag with the number of a part, as VIRT_REPLICATION_IMAGES_NEXT says it. Since: 1.0.0 */
#define VIRT_REPLICATION_POOL_XML_IMAGES_PART(part)                                                          \
    (VIRT_REPLICATION_POOL_XML_IMAGES | ((unsigned int)(part) << 21))

/** A key for virStorageVolLookupByKey(): this prefix and an image's id. Since: 1.0.0 */
#define VIRT_REPLICATION_KEY_PREFIX "replication:image/"

/** Type of a pool whose volumes are on another host. Since: 1.0.0 */
#define VIRT_REPLICATION_POOL_TYPE_REGION "region"

/* Attributes of VIRT_REPLICATION_ELEMENT_REGION */
#define VIRT_REPLICATION_REGION_NAME "name"       /* Since: 1.0.0 */
#define VIRT_REPLICATION_REGION_PROJECT "project" /* Since: 1.0.0 */

/* Attributes of quota and usage: volumes that no other one needs as backing, volumes that some other one
 * needs, and allocated bytes. */
#define VIRT_REPLICATION_AMOUNT_IMAGES "images"       /* Since: 1.0.0 */
#define VIRT_REPLICATION_AMOUNT_SNAPSHOTS "snapshots" /* Since: 1.0.0 */
#define VIRT_REPLICATION_AMOUNT_BYTES "bytes"         /* Since: 1.0.0 */

/* Attributes of VIRT_REPLICATION_ELEMENT_REPLICATE; the first value of each is the default. */
#define VIRT_REPLICATION_REQUEST_ASYNC "async"             /* no, yes. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_START "start"             /* yes, no. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_SNAPSHOTS "snapshots"     /* keep, flatten. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_ENCRYPTION "encryption"   /* keep, none, default, target. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_REKEY "rekey"             /* full, slot. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_FAST_CREATE "fast-create" /* no, yes. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_TOKEN "token"             /* the client's own. Since: 1.0.0 */

#define VIRT_REPLICATION_REQUEST_IMAGE "image"   /* UUID of the source image. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_BUNDLE "bundle" /* no, yes, inventory, import. Since: 1.0.0 */
#define VIRT_REPLICATION_REQUEST_VERIFY "verify" /* no, yes. Since: 1.0.0 */

#define VIRT_REPLICATION_BUNDLE_INVENTORY "inventory"
#define VIRT_REPLICATION_BUNDLE_IMPORT "import"

/* Attributes of VIRT_REPLICATION_ELEMENT_HAVE and _MEMBER */
#define VIRT_REPLICATION_HAVE_POOL "pool"       /* Since: 1.0.0 */
#define VIRT_REPLICATION_HAVE_VOLUME "volume"   /* Since: 1.0.0 */
#define VIRT_REPLICATION_MEMBER_VOLUME "volume" /* Since: 1.0.0 */

/* Attributes of VIRT_REPLICATION_ELEMENT_SHARE; the image of an answer. */
#define VIRT_REPLICATION_SHARE_PROJECT "project" /* Since: 1.0.0 */
#define VIRT_REPLICATION_SHARE_IMAGE "image"     /* Since: 1.0.0 */
#define VIRT_REPLICATION_SHARE_STATE "state"     /* Since: 1.0.0 */

#define VIRT_REPLICATION_SHARE_OFFERED "offered"   /* by the owner. Since: 1.0.0 */
#define VIRT_REPLICATION_SHARE_REVOKED "revoked"   /* by the owner. Since: 1.0.0 */
#define VIRT_REPLICATION_SHARE_ACCEPTED "accepted" /* by the other project. Since: 1.0.0 */
#define VIRT_REPLICATION_SHARE_REJECTED "rejected" /* by the other project. Since: 1.0.0 */

/* Attributes of VIRT_REPLICATION_ELEMENT_COUNTS */
#define VIRT_REPLICATION_COUNTS_JOBS "jobs"     /* Since: 1.0.0 */
#define VIRT_REPLICATION_COUNTS_SHARED "shared" /* Since: 1.0.0 */

/* Attributes of VIRT_REPLICATION_ELEMENT_IMAGES, and what an image in it has beside those of an
 * image */
#define VIRT_REPLICATION_IMAGES_COUNT "count"     /* of all parts. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_NEXT "next"       /* the next part; absent: the last. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_VOLUME "volume"   /* Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_NAME "name"       /* the display name. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_LAYER "layer"     /* yes: some other one needs it. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_BYTES "bytes"     /* allocated. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_BACKING "backing" /* volume that it needs; absent: none. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGES_SOURCE "source"   /* id of what it was copied from. Since: 1.0.0 */

#define VIRT_REPLICATION_YES "yes"
#define VIRT_REPLICATION_NO "no"
#define VIRT_REPLICATION_SNAPSHOTS_KEEP "keep"
#define VIRT_REPLICATION_SNAPSHOTS_FLATTEN "flatten"
#define VIRT_REPLICATION_ENCRYPTION_KEEP "keep"
#define VIRT_REPLICATION_ENCRYPTION_NONE "none"
#define VIRT_REPLICATION_ENCRYPTION_DEFAULT "default"
#define VIRT_REPLICATION_ENCRYPTION_TARGET "target"
#define VIRT_REPLICATION_REKEY_FULL "full"
#define VIRT_REPLICATION_REKEY_SLOT "slot"

/* Attributes of VIRT_REPLICATION_ELEMENT_IMAGE */
#define VIRT_REPLICATION_IMAGE_ID "id"                   /* a UUID that never changes. Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGE_STATUS "status"           /* Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGE_TYPE "type"               /* Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGE_VISIBILITY "visibility"   /* Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGE_PROJECT "project"         /* Since: 1.0.0 */
#define VIRT_REPLICATION_IMAGE_FAST_CREATE "fast-create" /* Since: 1.0.0 */

#define VIRT_REPLICATION_STATUS_AVAILABLE "available"
#define VIRT_REPLICATION_STATUS_PENDING "pending"
#define VIRT_REPLICATION_STATUS_ERROR "error"

#define VIRT_REPLICATION_TYPE_SYSTEM_DISK "system-disk"
#define VIRT_REPLICATION_TYPE_DATA_DISK "data-disk"
#define VIRT_REPLICATION_TYPE_ISO "iso"
#define VIRT_REPLICATION_TYPE_FULL_MACHINE "full-machine"

/* Attribute of VIRT_REPLICATION_ELEMENT_ENCRYPTION: usage name of the secret. Since: 1.0.0 */
#define VIRT_REPLICATION_ENCRYPTION_USAGE "usage"

/* Attributes of VIRT_REPLICATION_ELEMENT_PEER */
#define VIRT_REPLICATION_PEER_URI "uri"            /* Since: 1.0.0 */
#define VIRT_REPLICATION_PEER_STATE "state"        /* connected, connecting, away. Since: 1.0.0 */
#define VIRT_REPLICATION_PEER_SINCE "since"        /* Since: 1.0.0 */
#define VIRT_REPLICATION_PEER_ERROR "error"        /* Since: 1.0.0 */
#define VIRT_REPLICATION_PEER_LIBVIRT "libvirt"    /* its version there, 9.0.0. Since: 1.0.0 */
#define VIRT_REPLICATION_PEER_WIRE "wire"          /* versions, separated by blanks. Since: 1.0.0 */
#define VIRT_REPLICATION_PEER_SERVES "serve-hosts" /* yes, no. Since: 1.0.0 */

/* The last verification of an image, VIRT_REPLICATION_ELEMENT_VERIFIED, and where it found damage. */
#define VIRT_REPLICATION_ELEMENT_VERIFIED "verified" /* in image. Since: 1.0.0 */
#define VIRT_REPLICATION_ELEMENT_DAMAGE "damage"     /* in verified. Since: 1.0.0 */
#define VIRT_REPLICATION_VERIFIED_WHEN "when"        /* Since: 1.0.0 */
#define VIRT_REPLICATION_VERIFIED_STATE "state"      /* Since: 1.0.0 */
#define VIRT_REPLICATION_VERIFIED_DIGESTS "digests"  /* Since: 1.0.0 */
#define VIRT_REPLICATION_VERIFIED_BLOCKS "blocks"    /* damaged ones, of 64 KiB. Since: 1.0.0 */
#define VIRT_REPLICATION_DAMAGE_VOLUME "volume"      /* Since: 1.0.0 */
#define VIRT_REPLICATION_DAMAGE_OFFSET "offset"      /* in the volume's file. Since: 1.0.0 */
#define VIRT_REPLICATION_DAMAGE_BYTES "bytes"        /* Since: 1.0.0 */

#define VIRT_REPLICATION_VERIFIED_GOOD "good"
#define VIRT_REPLICATION_VERIFIED_CHANGED "changed" /* written to since its digests were made */
#define VIRT_REPLICATION_VERIFIED_DAMAGED "damaged"
#define VIRT_REPLICATION_DIGESTS_KEPT "kept" /* of an earlier verification or replication */
#define VIRT_REPLICATION_DIGESTS_MADE "made" /* by this one: nothing is known of the time before */

/* Attributes of VIRT_REPLICATION_ELEMENT_CONVERSION */
#define VIRT_REPLICATION_CONVERSION_TIME "time"     /* UNIX time. Since: 1.0.0 */
#define VIRT_REPLICATION_CONVERSION_BY "by"         /* user name, absent when not known. Since: 1.0.0 */
#define VIRT_REPLICATION_CONVERSION_ACTION "action" /* Since: 1.0.0 */
#define VIRT_REPLICATION_CONVERSION_FROM "from"     /* UUID of a secret, absent: plain. Since: 1.0.0 */
#define VIRT_REPLICATION_CONVERSION_TO "to"         /* the same. Since: 1.0.0 */

#define VIRT_REPLICATION_CONVERSION_ENCRYPT "encrypt"
#define VIRT_REPLICATION_CONVERSION_DECRYPT "decrypt"
#define VIRT_REPLICATION_CONVERSION_REKEY "rekey"
#define VIRT_REPLICATION_CONVERSION_REKEY_SLOT "rekey-slot"
#define VIRT_REPLICATION_CONVERSION_CONVERT "convert"

/* Attributes of VIRT_REPLICATION_ELEMENT_SOURCE */
#define VIRT_REPLICATION_SOURCE_REGION "region" /* Since: 1.0.0 */
#define VIRT_REPLICATION_SOURCE_ID "id"         /* Since: 1.0.0 */
#define VIRT_REPLICATION_SOURCE_POOL "pool"     /* Since: 1.0.0 */
#define VIRT_REPLICATION_SOURCE_VOLUME "volume" /* Since: 1.0.0 */

/* Attributes of VIRT_REPLICATION_ELEMENT_JOB */
#define VIRT_REPLICATION_JOB_ID "id"                 /* a UUID, also in the daemon's log. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_STATE "state"           /* Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_PROGRESS "progress"     /* whole percent, never goes back. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_PROCESSED "processed"   /* bytes. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_TOTAL "total"           /* bytes. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_REMAINING "remaining"   /* bytes. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_WIRE "wire"             /* bytes that went over networks. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_RATE "rate"             /* bytes per second. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_ETA "eta"               /* seconds; absent: unknown. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_LINK_RATE "link-rate"   /* bytes per second. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_POSITION "position"     /* in the queue, 1 is next. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_WITHOUT "without"       /* what a peer cannot do. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_BANDWIDTH "bandwidth"   /* bytes per second; absent: no limit. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_PEAK_SPACE "peak-space" /* bytes needed in the target. Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_STARTED "started"       /* Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_ENDED "ended"           /* Since: 1.0.0 */
#define VIRT_REPLICATION_JOB_ACTION "action"         /* of update's job. Since: 1.0.0 */

#define VIRT_REPLICATION_ACTION_START "start"
#define VIRT_REPLICATION_ACTION_CANCEL "cancel"
#define VIRT_REPLICATION_ACTION_RETRY "retry"
#define VIRT_REPLICATION_ACTION_PAUSE "pause"
#define VIRT_REPLICATION_ACTION_RESUME "resume"
#define VIRT_REPLICATION_ACTION_VERIFY                                                                       \
    "verify" /* read the image and hold it against its digests  \
                                                 */
#define VIRT_REPLICATION_ACTION_HEAL                                                                         \
    "heal" /* fetch what is damaged from where the image came from or went to */

/* Attributes of VIRT_REPLICATION_ELEMENT_STEP */
#define VIRT_REPLICATION_STEP_LAYER "layer"   /* volume in the source pool. Since: 1.0.0 */
#define VIRT_REPLICATION_STEP_VOLUME "volume" /* volume in the target pool. Since: 1.0.0 */
#define VIRT_REPLICATION_STEP_ACTION "action" /* Since: 1.0.0 */
#define VIRT_REPLICATION_STEP_BYTES "bytes"   /* data to move. Since: 1.0.0 */
/* Internal snapshots that the converted layer will not have; absent when it keeps all. Since: 1.0.0 */
#define VIRT_REPLICATION_STEP_SNAPSHOTS_LOST "snapshots-lost"
/* Persistent dirty bitmaps, the same. Since: 1.0.0 */
#define VIRT_REPLICATION_STEP_BITMAPS_LOST "bitmaps-lost"
#define VIRT_REPLICATION_STEP_STATE "state" /* Since: 1.0.0 */

#define VIRT_REPLICATION_STEP_COPY "copy"
#define VIRT_REPLICATION_STEP_CLONE "clone"
#define VIRT_REPLICATION_STEP_REUSE "reuse"
#define VIRT_REPLICATION_STEP_CONVERT "convert"
#define VIRT_REPLICATION_STEP_WAITING "waiting"
#define VIRT_REPLICATION_STEP_RUNNING "running"
#define VIRT_REPLICATION_STEP_DONE "done"
#define VIRT_REPLICATION_STEP_FAILED "failed"

/**
 * virtReplicationJobState:
 *
 * The life of a job: planned (asked for with start='no'), queued, running, verifying, publishing, then
 * completed, failed or cancelled; paused and waiting aside.
 *
 * Since: 1.0.0
 */
typedef enum {
    VIRT_REPLICATION_JOB_PLANNED = 0,    /* "planned": waits for the action start */
    VIRT_REPLICATION_JOB_QUEUED = 1,     /* "queued": waits for its turn or for a pool */
    VIRT_REPLICATION_JOB_RUNNING = 2,    /* "running": copies */
    VIRT_REPLICATION_JOB_VERIFYING = 3,  /* "verifying": proves what was written */
    VIRT_REPLICATION_JOB_PUBLISHING = 4, /* "publishing": puts the volumes in place; cannot be cancelled */
    VIRT_REPLICATION_JOB_PAUSED = 5,     /* "paused": waits for the action resume */
    VIRT_REPLICATION_JOB_COMPLETED = 6,  /* "completed" */
    VIRT_REPLICATION_JOB_FAILED = 7,     /* "failed": the error says why; can be retried or deleted */
    VIRT_REPLICATION_JOB_CANCELLED = 8,  /* "cancelled" */
    VIRT_REPLICATION_JOB_WAITING = 9     /* "waiting": for a peer that is away */
} virtReplicationJobState;

/**
 * virtReplicationJobStateFromString:
 * @str: the value of VIRT_REPLICATION_JOB_STATE, or NULL
 *
 * Returns a virtReplicationJobState, or -1 for a word that this header does not know.
 *
 * Since: 1.0.0
 */
static inline int
virtReplicationJobStateFromString(const char *str)
{
    static const char *const words[] = {"planned", "queued",    "running", "verifying", "publishing",
                                        "paused",  "completed", "failed",  "cancelled", "waiting"};
    int state;

    for (state = 0; str && state < (int)(sizeof(words) / sizeof(words[0])); state++) {
        if (strcmp(str, words[state]) == 0)
            return state;
    }
    return -1;
}

/**
 * virtReplicationJobStateIsEnded:
 * @state: a virtReplicationJobState
 *
 * Returns 1 when nothing happens any more unless somebody asks (completed, failed, cancelled), else 0.
 *
 * Since: 1.0.0
 */
static inline int
virtReplicationJobStateIsEnded(int state)
{
    return state >= VIRT_REPLICATION_JOB_COMPLETED && state <= VIRT_REPLICATION_JOB_CANCELLED;
}

#ifdef __cplusplus
}
#endif

#endif /* VIRT_REPLICATION_H */
