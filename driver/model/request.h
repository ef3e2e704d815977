/*
 * request.h: what a client asks for: <replication:replicate> and <replication:update>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"

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

/* <secret type='passphrase' uuid= or usage=>: exactly one of the two is set. */
typedef struct {
    char *uuid;
    char *usage;
} ReplSecretRef;

/* A vol-create-from with <replication:replicate>. */
typedef struct {
    char *name;   /* <name>, NULL when absent */
    char *format; /* <target><format type=>, NULL when absent */
    gboolean async;
    gboolean start;
    ReplSnapshotsMode snapshots;
    ReplEncryptionMode encryption;
    ReplRekeyMode rekey;
    gboolean fastCreate;
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
    REPL_VERB_NONE,
    REPL_VERB_START,
    REPL_VERB_CANCEL,
    REPL_VERB_RETRY,
    REPL_VERB_PAUSE,
    REPL_VERB_RESUME,
} ReplVerb;

/* A vol-create with <replication:update>: NULL, -1 and NONE mean "leave as it is". */
typedef struct {
    char *volume; /* <name> of the existing volume */
    char *name;
    char *description;
    ReplImageType type; /* REPL_IMAGE_TYPE_UNKNOWN: leave */
    ReplShare *share;   /* NULL: leave */
    ReplVerb verb;
    gint64 bandwidth_bytesPerSec; /* of the job; -1: leave, 0: no limit */
} ReplUpdate;

ReplRequest *
replRequestCopy(const ReplRequest *req);

void
replRequestFree(ReplRequest *req);

void
replUpdateFree(ReplUpdate *update);

/* "start", "cancel", ... <-> verb; -1 (REPL_VERB_NONE for NULL) when unknown. */
const char *
replVerbToString(ReplVerb verb);

int
replVerbFromString(const char *str);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplRequest, replRequestFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplUpdate, replUpdateFree)
