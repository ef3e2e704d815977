/*
 * jobtext.c: jobs and requests as groups of a key file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/jobtext.h"

#include "base/words.h"

#define REPL_STEPS_MAX 512

/* virErrorNumber has about 110 now; a newer libvirt on another host may have more. */
#define REPL_ERROR_CODE_MAX 100000

/* Sizes and offsets of files are off_t. */
#define REPL_BYTES_MAX G_MAXINT64

/* The words of the XML. */
static const char *const replSnapshotsWords[] = {"keep", "flatten"};
static const char *const replEncryptionWords[] = {"keep", "none", "default", "target"};
static const char *const replRekeyWords[] = {"full", "slot"};

static int
replSnapshotsFromString(const char *str)
{
    return replWordValue(replSnapshotsWords, G_N_ELEMENTS(replSnapshotsWords), str);
}

static int
replEncryptionFromString(const char *str)
{
    return replWordValue(replEncryptionWords, G_N_ELEMENTS(replEncryptionWords), str);
}

static int
replRekeyFromString(const char *str)
{
    return replWordValue(replRekeyWords, G_N_ELEMENTS(replRekeyWords), str);
}

static void
replStepToText(GKeyFile *keys, guint index, const ReplStep *step)
{
    g_autofree char *group = g_strdup_printf("step %u", index);

    replTextPut(keys, group, "layer", step->layer);
    replTextPut(keys, group, "volume", step->volume);
    replTextPut(keys, group, "action", replStepActionToString(step->action));
    replTextPut(keys, group, "state", replStepStateToString(step->state));
    g_key_file_set_uint64(keys, group, "bytes", step->bytes);
    g_key_file_set_uint64(keys, group, "snapshots-lost", step->snapshotsLost);
    g_key_file_set_uint64(keys, group, "bitmaps-lost", step->bitmapsLost);
    replTextPut(keys, group, "below", step->below);
}

static ReplStep *
replStepFromText(ReplTextReader *reader, guint index)
{
    g_autofree char *group = g_strdup_printf("step %u", index);
    ReplStep *step = g_new0(ReplStep, 1);

    step->layer = replTextName(reader, group, "layer");
    step->volume = replTextName(reader, group, "volume");
    step->action = replTextWord(reader, group, "action", replStepActionFromString, REPL_STEP_COPY);
    step->state = replTextWord(reader, group, "state", replStepStateFromString, REPL_STEP_WAITING);
    step->bytes = replTextUint(reader, group, "bytes", REPL_BYTES_MAX);
    step->snapshotsLost = replTextUint(reader, group, "snapshots-lost", G_MAXUINT32);
    step->bitmapsLost = replTextUint(reader, group, "bitmaps-lost", G_MAXUINT32);
    step->below = replTextName(reader, group, "below");
    return step;
}

void
replJobInfoToText(GKeyFile *keys, const ReplJobInfo *info)
{
    guint i;

    replTextPut(keys, "job", "id", info->id);
    replTextPut(keys, "job", "state", replJobStateToString(info->state));
    g_key_file_set_uint64(keys, "job", "processed", info->processed_bytes);
    g_key_file_set_uint64(keys, "job", "total", info->total_bytes);
    g_key_file_set_uint64(keys, "job", "rate", info->rate_bytesPerSec);
    g_key_file_set_int64(keys, "job", "eta", info->eta_s);
    g_key_file_set_uint64(keys, "job", "position", info->position);
    replTextPut(keys, "job", "without", info->without);
    g_key_file_set_int64(keys, "job", "started", info->started_s);
    g_key_file_set_int64(keys, "job", "ended", info->ended_s);
    g_key_file_set_uint64(keys, "job", "bandwidth", info->bandwidth_bytesPerSec);
    g_key_file_set_uint64(keys, "job", "peak-space", info->peakSpace_bytes);
    g_key_file_set_integer(keys, "job", "error-code", info->errorCode);
    replTextPut(keys, "job", "error", info->error);
    g_key_file_set_uint64(keys, "job", "steps", info->steps->len);
    for (i = 0; i < info->steps->len; i++)
        replStepToText(keys, i, g_ptr_array_index(info->steps, i));
}

ReplJobInfo *
replJobInfoFromText(ReplTextReader *reader)
{
    ReplJobInfo *info;
    guint steps;
    guint i;

    if (!g_key_file_has_group(reader->keys, "job"))
        return NULL;
    info = replJobInfoNew(NULL);
    info->id = replTextNeed(reader, replTextUuid(reader, "job", "id"), "job", "id");
    info->state = replTextWord(reader, "job", "state", replJobStateFromString, REPL_JOB_FAILED);
    info->processed_bytes = replTextUint(reader, "job", "processed", REPL_BYTES_MAX);
    info->total_bytes = replTextUint(reader, "job", "total", REPL_BYTES_MAX);
    info->rate_bytesPerSec = replTextUint(reader, "job", "rate", G_MAXUINT64);
    info->eta_s = replTextInt(reader, "job", "eta", -1, G_MAXINT64, -1);
    info->position = replTextUint(reader, "job", "position", G_MAXUINT);
    info->without = replTextString(reader, "job", "without");
    info->started_s = replTextInt(reader, "job", "started", 0, G_MAXINT64, 0);
    info->ended_s = replTextInt(reader, "job", "ended", 0, G_MAXINT64, 0);
    info->bandwidth_bytesPerSec = replTextUint(reader, "job", "bandwidth", G_MAXUINT64);
    info->peakSpace_bytes = replTextUint(reader, "job", "peak-space", REPL_BYTES_MAX);
    info->errorCode = replTextInt(reader, "job", "error-code", 0, REPL_ERROR_CODE_MAX, 0);
    info->error = replTextString(reader, "job", "error");
    steps = replTextUint(reader, "job", "steps", REPL_STEPS_MAX);
    for (i = 0; i < steps; i++)
        g_ptr_array_add(info->steps, replStepFromText(reader, i));
    return info;
}

static void
replHavesToText(GKeyFile *keys, const GPtrArray *haves)
{
    guint i;

    g_key_file_set_uint64(keys, "request", "haves", haves->len);
    for (i = 0; i < haves->len; i++) {
        g_autofree char *group = g_strdup_printf("have %u", i);
        const ReplHave *have = g_ptr_array_index(haves, i);

        replTextPut(keys, group, "pool", have->pool);
        replTextPut(keys, group, "volume", have->volume);
    }
}

static void
replHavesFromText(ReplTextReader *r, GPtrArray *haves)
{
    guint n = replTextUint(r, "request", "haves", REPL_HAVE_MAX);
    guint i;

    for (i = 0; i < n && !r->fault; i++) {
        g_autofree char *group = g_strdup_printf("have %u", i);
        ReplHave *have = replHaveNew(NULL, NULL);

        g_ptr_array_add(haves, have);
        have->pool = replTextNeed(r, replTextString(r, group, "pool"), group, "pool");
        have->volume = replTextNeed(r, replTextName(r, group, "volume"), group, "volume");
    }
}

void
replRequestToText(GKeyFile *keys, const ReplRequest *req)
{
    static const char group[] = "request";

    replTextPut(keys, group, "name", req->name);
    replTextPut(keys, group, "format", req->format);
    g_key_file_set_boolean(keys, group, "async", req->async);
    g_key_file_set_boolean(keys, group, "start", req->start);
    replTextPut(keys, group, "snapshots",
                replWord(replSnapshotsWords, G_N_ELEMENTS(replSnapshotsWords), req->snapshots));
    replTextPut(keys, group, "encryption",
                replWord(replEncryptionWords, G_N_ELEMENTS(replEncryptionWords), req->encryption));
    replTextPut(keys, group, "rekey", replWord(replRekeyWords, G_N_ELEMENTS(replRekeyWords), req->rekey));
    g_key_file_set_boolean(keys, group, "fast-create", req->fastCreate);
    g_key_file_set_boolean(keys, group, "verify", req->verify);
    replTextPut(keys, group, "bundle", replBundleModeToString(req->bundle));
    replTextPut(keys, group, "source-is", replSourceIsToString(req->sourceIs));
    replTextPut(keys, group, "image", req->image);
    replHavesToText(keys, req->have);
    replTextPut(keys, group, "token", req->token);
    replTextPut(keys, group, "description", req->description);
    g_key_file_set_uint64(keys, group, "bandwidth", req->bandwidth_bytesPerSec);
    replTextPut(keys, group, "secret-uuid", req->secret.uuid);
    replTextPut(keys, group, "secret-usage", req->secret.usage);
    replTextPut(keys, group, "cipher-name", req->cipherName);
    g_key_file_set_uint64(keys, group, "cipher-size", req->cipherSize_bits);
    replTextPut(keys, group, "cipher-mode", req->cipherMode);
    replTextPut(keys, group, "cipher-hash", req->cipherHash);
    replTextPut(keys, group, "ivgen-name", req->ivgenName);
    replTextPut(keys, group, "ivgen-hash", req->ivgenHash);
}

static char *
replRequestWishes(const ReplRequest *req)
{
    static const char *const others[] = {"async", "start", "token", "bandwidth", "source-is", NULL};
    g_autoptr(GKeyFile) keys = g_key_file_new();
    guint i;

    replRequestToText(keys, req);
    for (i = 0; others[i]; i++)
        g_key_file_remove_key(keys, "request", others[i], NULL);
    return g_key_file_to_data(keys, NULL, NULL);
}

gboolean
replRequestIsSame(const ReplRequest *a, const ReplRequest *b)
{
    g_autofree char *asked = replRequestWishes(a);
    g_autofree char *other = replRequestWishes(b);

    return g_str_equal(asked, other) && (a->sourceIs == b->sourceIs || a->sourceIs == REPL_SOURCE_AS_FOUND ||
                                         b->sourceIs == REPL_SOURCE_AS_FOUND);
}

ReplRequest *
replRequestFromText(ReplTextReader *r)
{
    static const char group[] = "request";
    ReplRequest *req;

    if (!g_key_file_has_group(r->keys, group))
        return NULL;
    req = replRequestNew();
    req->name = replTextName(r, group, "name");
    req->format = replTextString(r, group, "format");
    req->async = replTextFlag(r, group, "async");
    req->start = replTextFlag(r, group, "start");
    req->snapshots = replTextWord(r, group, "snapshots", replSnapshotsFromString, REPL_SNAPSHOTS_KEEP);
    req->encryption = replTextWord(r, group, "encryption", replEncryptionFromString, REPL_ENCRYPTION_KEEP);
    req->rekey = replTextWord(r, group, "rekey", replRekeyFromString, REPL_REKEY_FULL);
    req->fastCreate = replTextFlag(r, group, "fast-create");
    req->verify = replTextFlag(r, group, "verify");
    req->bundle = replTextWord(r, group, "bundle", replBundleModeFromString, REPL_BUNDLE_NONE);
    req->sourceIs = replTextWord(r, group, "source-is", replSourceIsFromString, REPL_SOURCE_AS_FOUND);
    req->image = replTextUuid(r, group, "image");
    replHavesFromText(r, req->have);
    req->token = replTextString(r, group, "token");
    req->description = replTextString(r, group, "description");
    req->bandwidth_bytesPerSec = replTextUint(r, group, "bandwidth", G_MAXUINT64);
    /* as the client wrote it: libvirt takes UUIDs in several forms */
    req->secret.uuid = replTextString(r, group, "secret-uuid");
    req->secret.usage = replTextString(r, group, "secret-usage");
    req->cipherName = replTextString(r, group, "cipher-name");
    req->cipherSize_bits = replTextUint(r, group, "cipher-size", 65536);
    req->cipherMode = replTextString(r, group, "cipher-mode");
    req->cipherHash = replTextString(r, group, "cipher-hash");
    req->ivgenName = replTextString(r, group, "ivgen-name");
    req->ivgenHash = replTextString(r, group, "ivgen-hash");
    return req;
}

void
replIdentityToText(GKeyFile *keys, const char *group, const ReplFileIdentity *identity)
{
    g_key_file_set_uint64(keys, group, "dev", identity->dev);
    g_key_file_set_uint64(keys, group, "ino", identity->ino);
    g_key_file_set_uint64(keys, group, "size", identity->size_bytes);
    g_key_file_set_int64(keys, group, "mtime-ns", identity->mtime_ns);
    g_key_file_set_int64(keys, group, "ctime-ns", identity->ctime_ns);
}

void
replIdentityFromText(ReplTextReader *reader, const char *group, ReplFileIdentity *identity)
{
    identity->dev = replTextUint(reader, group, "dev", G_MAXUINT64);
    identity->ino = replTextUint(reader, group, "ino", G_MAXUINT64);
    identity->size_bytes = replTextUint(reader, group, "size", REPL_BYTES_MAX);
    identity->mtime_ns = replTextInt(reader, group, "mtime-ns", G_MININT64, G_MAXINT64, 0);
    identity->ctime_ns = replTextInt(reader, group, "ctime-ns", G_MININT64, G_MAXINT64, 0);
}
