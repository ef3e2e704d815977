/*
 * image.h: the record of an image: what <replication:image> shows and what is kept for our own use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/jobinfo.h"
#include "model/verified.h"

typedef enum {
    REPL_IMAGE_AVAILABLE,
    REPL_IMAGE_PENDING,
    REPL_IMAGE_ERROR,
} ReplImageStatus;

typedef enum {
    REPL_IMAGE_TYPE_UNKNOWN,
    REPL_IMAGE_TYPE_SYSTEM_DISK,
    REPL_IMAGE_TYPE_DATA_DISK,
    REPL_IMAGE_TYPE_ISO,
    REPL_IMAGE_TYPE_FULL_MACHINE,
} ReplImageType;

typedef enum {
    REPL_SHARE_OFFERED,
    REPL_SHARE_ACCEPTED,
    REPL_SHARE_REJECTED,
    REPL_SHARE_REVOKED,
} ReplShareState;

/* Volumes of a full machine beside its system disk. */
#define REPL_MEMBERS_MAX 64

typedef struct {
    char *project;
    ReplShareState state;
} ReplShare;

/* Where a replica came from; all NULL for an image that is not a replica. */
typedef struct {
    char *region;
    char *id;
    char *pool;
    char *volume;
} ReplImageSource;

/* A file's identity at the time its content was known: equal identities mean equal bytes. */
typedef struct {
    guint64 dev; /* not compared: device numbers change over a reboot */
    guint64 ino;
    guint64 size_bytes;
    gint64 mtime_ns;
    gint64 ctime_ns;
} ReplFileIdentity;

/* What a conversion did, oldest first in the record. */
typedef struct {
    gint64 when_s;    /* UNIX time */
    char *by;         /* user name of who asked for it, NULL: not known */
    char *action;     /* "encrypt", "decrypt", "rekey", "rekey-slot", "convert" */
    char *fromSecret; /* UUID, NULL: none */
    char *toSecret;
} ReplConversion;

typedef struct {
    char *id; /* UUID, never changes */
    ReplImageStatus status;
    char
        *reason; /* why it is not available, as it is shown; NULL: it is, or the job says so. In no record. */
    ReplImageType type;
    gboolean typeIsSet; /* by a user: not looked for again */
    char *name;         /* display name, NULL: the volume's */
    char *description;  /* NULL: none */
    char *project;      /* NULL: the pool's */
    gboolean fastCreate;
    ReplImageSource source;
    GPtrArray *shares;  /* of ReplShare */
    GPtrArray *members; /* of char *: volumes of the pool, the data disks of a full machine */
    /* Of a data disk that came with its full machine: the system disk's volume and id. Until that is in place, and the
     * job that makes both is on record, this one is not available. NULL: it stands for itself. */
    char *setVolume;
    char *setId;
    ReplJobInfo *job;       /* the last one, NULL: none */
    char *secret;           /* UUID of the libvirt secret that opens this layer, NULL: none known */
    char *secretUsage;      /* its usage, by which it is found when it was defined anew; NULL: not known */
    GPtrArray *conversions; /* of ReplConversion */
    ReplVerified *verified; /* NULL: never */

    /* For layers that came by replication: the source file as it was copied, and this file as it
     * was published (its ctime is 0: noted before the rename). While both still match, source and replica have the
     * same content. */
    gboolean hasOrigin;
    char *originPool; /* UUID of the source's pool */
    ReplFileIdentity origin;
    ReplFileIdentity self;
} ReplImage;

ReplImage *
replImageNew(const char *id);

ReplImage *
replImageCopy(const ReplImage *image);

void
replImageFree(ReplImage *image);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplImage, replImageFree)

ReplShare *
replShareNew(const char *project, ReplShareState state);

void
replShareFree(ReplShare *share);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplShare, replShareFree)

/* A copy of a list of volume names. */
GPtrArray *
replMembersCopy(const GPtrArray *members);

void
replConversionFree(ReplConversion *conv);

/* The words of the XML; the From functions return -1 for an unknown one. REPL_IMAGE_TYPE_UNKNOWN
 * has no word. */
const char *
replImageStatusToString(ReplImageStatus status);
int
replImageStatusFromString(const char *str);
const char *
replImageTypeToString(ReplImageType type);
int
replImageTypeFromString(const char *str);
const char *
replShareStateToString(ReplShareState state);
int
replShareStateFromString(const char *str);

/* Whether a and b are the same file with the same content as far as its inode tells. */
gboolean
replFileIdentityEqual(const ReplFileIdentity *a, const ReplFileIdentity *b);

/* The same for what was noted before the file was renamed, which moves its ctime: 0 there fits any. */
gboolean
replFileIdentityFits(const ReplFileIdentity *noted, const ReplFileIdentity *now);
