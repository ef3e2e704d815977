/*
 * request.h: what a client asks for: <replication:replicate> and <replication:update>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"

/* Inventories in one request. */
#define REPL_HAVE_MAX 64

typedef enum {
    REPL_SNAPSHOTS_KEEP,
    REPL_SNAPSHOTS_FLATTEN,
} ReplSnapshotsMode;

typedef enum {
    REPL_ENCRYPTION_KEEP,
    REPL_ENCRYPTION_NONE,
    REPL_ENCRYPTION_DEFAULT, /* the configured default key */
    REPL_ENCRYPTION_TARGET,  /* as <target><encryption> says */
} ReplEncryptionMode;

typedef enum {
    REPL_REKEY_FULL,
    REPL_REKEY_SLOT,
} ReplRekeyMode;

/* What a request writes: an image, or a bundle of it, or only the list of what a region has. */
typedef enum {
    REPL_BUNDLE_NONE,
    REPL_BUNDLE_YES,
    REPL_BUNDLE_INVENTORY,
} ReplBundleMode;

/* What the source of a request is. Whoever owns a raw disk writes its first bytes, so a request may say it. */
typedef enum {
    REPL_SOURCE_AS_FOUND, /* a bundle if its first bytes are those of one */
    REPL_SOURCE_IS_BUNDLE,
    REPL_SOURCE_IS_IMAGE,
} ReplSourceIs;

/* <replication:have pool= volume=/>: an inventory that a destination wrote. */
typedef struct {
    char *pool;
    char *volume;
} ReplHave;

/* <secret type='passphrase' uuid= or usage=>: exactly one of the two is set, or none. */
typedef struct {
    char *uuid;
    char *usage;
} ReplSecretRef;

/* A vol-create-from with <replication:replicate>. Each field stands in replRequestFields, too. */
typedef struct {
    char *name;   /* <name>, NULL when absent */
    char *format; /* <target><format type=>, NULL when absent */
    gboolean async;
    gboolean start;
    ReplSnapshotsMode snapshots;
    ReplEncryptionMode encryption;
    ReplRekeyMode rekey;
    gboolean fastCreate;
    gboolean verify; /* read back what was written */
    ReplBundleMode bundle;
    ReplSourceIs sourceIs;         /* of a job: settled when it was asked for */
    char *image;                   /* UUID of the source image, of a vol-create; NULL when absent */
    GPtrArray *have;               /* of ReplHave, never NULL */
    char *token;                   /* NULL when absent */
    char *description;             /* NULL when absent */
    guint64 bandwidth_bytesPerSec; /* 0: no limit of its own */
    ReplSecretRef secret;          /* of <target><encryption>, both NULL when absent */
    char *cipherName;              /* <cipher name=>, with size, mode, hash; NULL: default */
    guint cipherSize_bits;
    char *cipherMode;
    char *cipherHash;
    char *ivgenName;
    char *ivgenHash;
} ReplRequest;

typedef enum {
    REPL_FIELD_STRING, /* char *, owned, NULL when absent; so are the next two */
    REPL_FIELD_NAME,   /* of a volume */
    REPL_FIELD_UUID,
    REPL_FIELD_FLAG,   /* gboolean */
    REPL_FIELD_WORD,   /* an enumeration */
    REPL_FIELD_NUMBER, /* guint */
    REPL_FIELD_BIG,    /* guint64 */
    REPL_FIELD_HAVES,
} ReplFieldKind;

/* Whether two requests are the same one as far as a field goes. */
typedef enum {
    REPL_SAME_EQUAL,
    REPL_SAME_ALWAYS, /* it says how the job is run (at once, waited for, how fast), or is the client's own word for it */
    REPL_SAME_OR_UNSAID, /* equal, or one of them does not say it: a word, 0 is not said */
} ReplFieldSame;

/* A field of a request. A request is copied, freed, kept on record and compared with another one by the table of its
 * fields, so that none of these can forget one. */
typedef struct {
    const char *key; /* on record */
    ReplFieldKind kind;
    gsize offset, size;
    ReplFieldSame same;
    /* Of REPL_FIELD_WORD. */
    const char *(*toString)(int value);
    int (*fromString)(const char *str);
} ReplRequestField;

extern const ReplRequestField replRequestFields[];
extern const guint replRequestFieldCount;

static inline gconstpointer
replRequestValue(const ReplRequest *req, const ReplRequestField *field)
{
    return (const char *)req + field->offset;
}

typedef enum {
    REPL_VERB_NONE,
    REPL_VERB_START,
    REPL_VERB_CANCEL,
    REPL_VERB_RETRY,
    REPL_VERB_PAUSE,
    REPL_VERB_RESUME,
    REPL_VERB_VERIFY,
    REPL_VERB_HEAL,
} ReplVerb;

/* A vol-create with <replication:update>: NULL, -1 and NONE mean "leave as it is". */
typedef struct {
    char *volume; /* <name> of the existing volume; NULL may be only where shareImage is set */
    char *name;
    char *description;
    ReplImageType type; /* REPL_IMAGE_TYPE_UNKNOWN: leave */
    ReplShare *share;   /* NULL: leave; its project is NULL where the answer names none */
    char *shareImage;   /* UUID of the image that an answer (accepted, rejected) is about; NULL: the
                           owner's offer */
    ReplSecretRef
        secret;         /* of <target><encryption>: what opens the volume from now on; both NULL: as it is */
    GPtrArray *members; /* of char *, NULL: leave; empty: none any more */
    ReplVerb verb;
    gint64 bandwidth_bytesPerSec; /* of the job; -1: leave, 0: no limit */
} ReplUpdate;

/* A request with nothing said; free it with replRequestFree. */
ReplRequest *
replRequestNew(void);

ReplRequest *
replRequestCopy(const ReplRequest *req);

void
replRequestFree(ReplRequest *req);

void
replUpdateFree(ReplUpdate *update);

ReplHave *
replHaveNew(const char *pool, const char *volume);

void
replHaveFree(ReplHave *have);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplHave, replHaveFree)

/* The words of the XML <-> their values; -1 for an unknown word. */
const char *
replBundleModeToString(int mode);
int
replBundleModeFromString(const char *str);
const char *
replSourceIsToString(int is);
int
replSourceIsFromString(const char *str);
const char *
replSnapshotsToString(int mode);
int
replSnapshotsFromString(const char *str);
const char *
replEncryptionToString(int mode);
int
replEncryptionFromString(const char *str);
const char *
replRekeyToString(int mode);
int
replRekeyFromString(const char *str);

/* "start", "cancel", ... <-> verb; -1 (REPL_VERB_NONE for NULL) when unknown. */
const char *
replVerbToString(ReplVerb verb);

int
replVerbFromString(const char *str);

/* Whether it asks for the image to be verified or healed. */
static inline gboolean
replVerbIsCheck(ReplVerb verb)
{
    return verb == REPL_VERB_VERIFY || verb == REPL_VERB_HEAL;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplRequest, replRequestFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplUpdate, replUpdateFree)
