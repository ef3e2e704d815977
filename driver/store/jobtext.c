/*
 * jobtext.c: jobs and requests as groups of a key file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/jobtext.h"

#define REPL_STEPS_MAX 512

/* virErrorNumber has about 110 now; a newer libvirt on another host may have more. */
#define REPL_ERROR_CODE_MAX 100000

/* Numbers in requests: sizes of keys in bits. */
#define REPL_NUMBER_MAX 65536

/* Sizes and offsets of files are off_t. */
#define REPL_BYTES_MAX G_MAXINT64

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
    g_key_file_set_uint64(keys, "job", "wire", info->wire_bytes);
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
    info->wire_bytes = replTextUint(reader, "job", "wire", REPL_BYTES_MAX);
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

static void
replFieldToText(GKeyFile *keys, const ReplRequest *req, const ReplRequestField *field)
{
    gconstpointer value = replRequestValue(req, field);

    switch (field->kind) {
    case REPL_FIELD_STRING:
    case REPL_FIELD_NAME:
    case REPL_FIELD_UUID:
        replTextPut(keys, "request", field->key, *(char *const *)value);
        break;
    case REPL_FIELD_FLAG:
        g_key_file_set_boolean(keys, "request", field->key, *(const gboolean *)value);
        break;
    case REPL_FIELD_WORD:
        replTextPut(keys, "request", field->key, field->toString(*(const int *)value));
        break;
    case REPL_FIELD_NUMBER:
        g_key_file_set_uint64(keys, "request", field->key, *(const guint *)value);
        break;
    case REPL_FIELD_BIG:
        g_key_file_set_uint64(keys, "request", field->key, *(const guint64 *)value);
        break;
    case REPL_FIELD_HAVES:
        replHavesToText(keys, *(GPtrArray *const *)value);
        break;
    }
}

static void
replFieldFromText(ReplTextReader *r, ReplRequest *req, const ReplRequestField *field)
{
    gpointer value = G_STRUCT_MEMBER_P(req, field->offset);

    switch (field->kind) {
    case REPL_FIELD_STRING:
        *(char **)value = replTextString(r, "request", field->key);
        break;
    case REPL_FIELD_NAME:
        *(char **)value = replTextName(r, "request", field->key);
        break;
    case REPL_FIELD_UUID:
        *(char **)value = replTextUuid(r, "request", field->key);
        break;
    case REPL_FIELD_FLAG:
        *(gboolean *)value = replTextFlag(r, "request", field->key);
        break;
    case REPL_FIELD_WORD:
        *(int *)value = replTextWord(r, "request", field->key, field->fromString, 0);
        break;
    case REPL_FIELD_NUMBER:
        *(guint *)value = replTextUint(r, "request", field->key, REPL_NUMBER_MAX);
        break;
    case REPL_FIELD_BIG:
        *(guint64 *)value = replTextUint(r, "request", field->key, G_MAXUINT64);
        break;
    case REPL_FIELD_HAVES:
        replHavesFromText(r, *(GPtrArray **)value);
        break;
    }
}

void
replRequestToText(GKeyFile *keys, const ReplRequest *req)
{
    guint i;

    for (i = 0; i < replRequestFieldCount; i++)
        replFieldToText(keys, req, &replRequestFields[i]);
}

static char *
replRequestWishes(const ReplRequest *req)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    guint i;

    for (i = 0; i < replRequestFieldCount; i++) {
        if (replRequestFields[i].same == REPL_SAME_EQUAL)
            replFieldToText(keys, req, &replRequestFields[i]);
    }
    return g_key_file_to_data(keys, NULL, NULL);
}

gboolean
replRequestIsSame(const ReplRequest *a, const ReplRequest *b)
{
    g_autofree char *asked = replRequestWishes(a);
    g_autofree char *other = replRequestWishes(b);
    guint i;

    for (i = 0; i < replRequestFieldCount; i++) {
        const int *x = replRequestValue(a, &replRequestFields[i]);
        const int *y = replRequestValue(b, &replRequestFields[i]);

        if (replRequestFields[i].same == REPL_SAME_OR_UNSAID && *x != *y && *x != 0 && *y != 0)
            return FALSE;
    }
    return g_str_equal(asked, other);
}

ReplRequest *
replRequestFromText(ReplTextReader *r)
{
    ReplRequest *req;
    guint i;

    if (!g_key_file_has_group(r->keys, "request"))
        return NULL;
    req = replRequestNew();
    for (i = 0; i < replRequestFieldCount; i++)
        replFieldFromText(r, req, &replRequestFields[i]);
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
