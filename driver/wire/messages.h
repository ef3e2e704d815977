/*
 * messages.h: the payloads of frames
 *
 * In:    structures; out: payloads, and the other way round, every field bounded and checked.
 * Owner: a decoded structure owns its texts and lists; Clear frees them.
 * Lock:  none.
 *
 * A replWireRead… function returns 0, or -1 with @err set (VIR_ERR_RPC) and nothing to free.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/image.h"
#include "qcow2/format.h"
#include "wire/frame.h"

typedef enum {
    REPL_WIRE_PULL = 1, /* the daemon that was called holds the source */
    REPL_WIRE_PUSH = 2, /* it makes the replica */
} ReplWirePurpose;

/* HELLO */
typedef struct {
    guint16 versionMin;
    guint16 versionMax;
    ReplWirePurpose purpose;
    char *job;     /* UUID */
    guint64 epoch; /* grows with each session of a job, on stable storage */
    char *hostId;  /* of the client's daemon, a UUID */
    char *host;    /* its name, for people */
    char *request; /* of a push: the volume XML with <replication:replicate>; else NULL */
} ReplWireHello;

void
replWireHelloClear(ReplWireHello *hello);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplWireHello, replWireHelloClear)

GByteArray *
replWireHelloBytes(const ReplWireHello *hello);
int
replWireHelloRead(const GByteArray *payload, ReplWireHello *hello, GError **err);

/* The version that both ends speak, or 0. */
guint16
replWireVersionPick(const ReplWireHello *hello);

/* WELCOME */
typedef struct {
    guint16 version;
    char *hostId;
    char *host;
} ReplWireWelcome;

void
replWireWelcomeClear(ReplWireWelcome *welcome);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplWireWelcome, replWireWelcomeClear)

GByteArray *
replWireWelcomeBytes(const ReplWireWelcome *welcome);
int
replWireWelcomeRead(const GByteArray *payload, ReplWireWelcome *welcome, GError **err);

/* ERROR: a virErrorNumber and a sentence. */
GByteArray *
replWireErrorBytes(const GError *error);

/* Sets @err to what @payload tells: always. */
void
replWireErrorRead(const GByteArray *payload, GError **err);

/* CHAIN: what a plan has to know of a source. */
typedef struct {
    char *volume;
    char *pool; /* name */
    char *poolUuid;
    ReplFileIdentity identity;
    ReplFormat format;
    ReplFormat backingFormat; /* as its header names it; REPL_FORMAT_RAW where nothing is below */
    gboolean encrypted;
    gboolean compressed;
    guint32 snapshotCount;
    guint32 bitmapCount;
    guint64 allocated_bytes;
    guint64 virtualSize_bytes;
    guint64 luksOffset; /* of a LUKS header in the file; length 0: none */
    guint64 luksLength;
    char *secretUsage;     /* of the key that opens it, NULL: none known */
    char *onDemand;        /* it is made when MAKE asks for it, by this action; NULL: it is there */
    guint32 lostSnapshots; /* by that */
    guint32 lostBitmaps;
    gboolean exact; /* another encryption of it can be written without loss: not by qemu-img alone */
} ReplWireLayer;

/* A data disk of a full machine. */
typedef struct {
    guint32 first;    /* number of its first layer, which is the volume of that name */
    ReplImage *image; /* as that of the chain */
} ReplWireDisk;

typedef struct {
    char *pool; /* name, UUID, region and project of the image's pool */
    char *poolUuid;
    char *region;
    char *project;     /* NULL: none */
    ReplImage *image;  /* id, status, type, name, description, fastCreate, members; the rest empty */
    GPtrArray *layers; /* of ReplWireLayer, the image first; behind it those of each data disk */
    GPtrArray *disks;  /* of ReplWireDisk, in the order of their layers; none: the image is no full machine */
} ReplWireChain;

void
replWireLayerFree(ReplWireLayer *layer);
void
replWireChainFree(ReplWireChain *chain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplWireLayer, replWireLayerFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplWireChain, replWireChainFree)

/* An empty chain. */
ReplWireChain *
replWireChainNew(void);

/* Adds a data disk whose layers follow. @image: taken over. */
void
replWireChainAddDisk(ReplWireChain *chain, guint32 first, ReplImage *image);

GByteArray *
replWireChainBytes(const ReplWireChain *chain);
ReplWireChain *
replWireChainRead(const GByteArray *payload, GError **err);

/* RUNS, READ, DIGESTS, KEY and MAKE: a range of a layer. RUNS starts at @offset_bytes and has no length; DIGESTS counts blocks in
 * @length_bytes; KEY and MAKE are about the layer, offset and length are 0. */
typedef struct {
    guint32 layer;
    guint64 offset_bytes;
    guint32 length_bytes;
} ReplWireRange;

GByteArray *
replWireRangeBytes(const ReplWireRange *range);
int
replWireRangeRead(const GByteArray *payload, ReplWireRange *range, GError **err);

/* RUN_LIST: data from an offset on, ascending. @end_bytes: what lies between the last run and this is a hole; G_MAXUINT64:
 * up to the end of the file. */
typedef struct {
    guint64 offset_bytes;
    guint64 length_bytes;
} ReplWireRun;

GByteArray *
replWireRunsBytes(const GArray *runs, guint64 end_bytes);
GArray *
replWireRunsRead(const GByteArray *payload, guint64 *end_bytes, GError **err);

/* DATA: the range, the XXH3-128 of its bytes as the source's read gave them, and the bytes. */
#define REPL_WIRE_DATA_HEAD_BYTES 32u

/* A payload with room for @range's bytes behind REPL_WIRE_DATA_HEAD_BYTES: read into it, then seal it. */
GByteArray *
replWireDataNew(const ReplWireRange *range);
void
replWireDataSeal(GByteArray *payload);

/* Checks the sum; *bytes lie in @payload, range->length_bytes of them. */
int
replWireDataRead(const GByteArray *payload, ReplWireRange *range, const guint8 **bytes, GError **err);

/* DIGEST_LIST: SHA-256 of blocks in order; all zeros for a block that is a hole. */
GByteArray *
replWireDigestsBytes(const guint8 *digests, guint count);

/* Borrowed from @payload. */
const guint8 *
replWireDigestsRead(const GByteArray *payload, guint *count, GError **err);

/* KEY_HEADER: a LUKS header that opens with the key that the layer gets: as much of it as is needed to open it, and its size. */
GByteArray *
replWireKeyBytes(const GByteArray *header, guint64 header_bytes);

/* The bytes that it begins with, the caller's; NULL with @err set. */
GByteArray *
replWireKeyRead(const GByteArray *payload, guint64 *header_bytes, GError **err);

/* MADE: the layer is there now. */
typedef struct {
    guint64 making; /* another one for each time that it is made */
    guint64 size_bytes;
} ReplWireMade;

GByteArray *
replWireMadeBytes(const ReplWireMade *made);
int
replWireMadeRead(const GByteArray *payload, ReplWireMade *made, GError **err);

/* STATUS: how far the maker's job is. */
typedef struct {
    char *volume;         /* the replica's name, NULL: not settled yet */
    ReplJobInfo *info;    /* state, amounts, steps, error */
    guint64 stable_bytes; /* of the image's data: written, and on stable storage */
    gboolean over;        /* the job will say nothing more */
} ReplWireStatus;

void
replWireStatusClear(ReplWireStatus *status);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplWireStatus, replWireStatusClear)

GByteArray *
replWireStatusBytes(const ReplWireStatus *status);
int
replWireStatusRead(const GByteArray *payload, ReplWireStatus *status, GError **err);

/* CONTROL: what the holder's user wants of the maker's job. */
typedef enum {
    REPL_WIRE_CANCEL = 1,
    REPL_WIRE_PAUSE = 2,
    REPL_WIRE_RESUME = 3,
    REPL_WIRE_BANDWIDTH = 4, /* value: bytes a second, 0: no limit */
    REPL_WIRE_START = 5,
    REPL_WIRE_RETRY = 6,
} ReplWireVerb;

GByteArray *
replWireControlBytes(ReplWireVerb verb, guint64 value);
int
replWireControlRead(const GByteArray *payload, ReplWireVerb *verb, guint64 *value, GError **err);
