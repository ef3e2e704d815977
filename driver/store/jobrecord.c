/*
 * jobrecord.c: the records of jobs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/jobrecord.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "store/jobmember.h"
#include "store/jobtext.h"
#include "store/stagingpriv.h"

/* As many layers as there may be and as many steps, each with two names of 255 bytes, escaped, and some numbers. */
#define REPL_JOB_RECORD_MAX_bytes (16 * 1024 * 1024)

ReplJobRecord *
replJobRecordNew(const char *id)
{
    ReplJobRecord *record = g_new0(ReplJobRecord, 1);

    record->id = g_strdup(id);
    record->info = replJobInfoNew(id);
    record->layers = g_ptr_array_new_with_free_func((GDestroyNotify)replJobLayerFree);
    record->members = replJobMembersNew();
    return record;
}

static gpointer
replJobLayerCopy(gconstpointer src, gpointer opaque)
{
    const ReplJobLayer *layer = src;
    ReplJobLayer *copy = g_memdup2(layer, sizeof(*layer));

    copy->sourceVolume = g_strdup(layer->sourceVolume);
    copy->sourcePoolUuid = g_strdup(layer->sourcePoolUuid);
    copy->volume = g_strdup(layer->volume);
    return copy;
}

ReplJobRecord *
replJobRecordCopy(const ReplJobRecord *record)
{
    ReplJobRecord *copy = g_memdup2(record, sizeof(*record));

    copy->id = g_strdup(record->id);
    copy->token = g_strdup(record->token);
    copy->requester = g_strdup(record->requester);
    copy->sourcePool = g_strdup(record->sourcePool);
    copy->sourcePoolUuid = g_strdup(record->sourcePoolUuid);
    copy->sourceRegion = g_strdup(record->sourceRegion);
    copy->sourceVolume = g_strdup(record->sourceVolume);
    copy->sourceId = g_strdup(record->sourceId);
    copy->targetRegion = g_strdup(record->targetRegion);
    copy->targetPoolUuid = g_strdup(record->targetPoolUuid);
    copy->sourceIsHere = record->sourceIsHere;
    copy->targetPool = g_strdup(record->targetPool);
    copy->requestXml = g_strdup(record->requestXml);
    copy->volume = g_strdup(record->volume);
    copy->imageId = g_strdup(record->imageId);
    copy->capacity_bytes = record->capacity_bytes;
    copy->format = g_strdup(record->format);
    copy->request = record->request ? replRequestCopy(record->request) : NULL;
    copy->info = replJobInfoCopy(record->info);
    copy->layers = g_ptr_array_copy(record->layers, replJobLayerCopy, NULL);
    g_ptr_array_set_free_func(copy->layers, (GDestroyNotify)replJobLayerFree);
    copy->members = replJobMembersCopy(record->members);
    return copy;
}

void
replJobRecordFree(ReplJobRecord *record)
{
    if (!record)
        return;
    g_free(record->id);
    g_free(record->token);
    g_free(record->requester);
    g_free(record->sourcePool);
    g_free(record->sourcePoolUuid);
    g_free(record->sourceRegion);
    g_free(record->sourceVolume);
    g_free(record->sourceId);
    g_free(record->targetRegion);
    g_free(record->targetPoolUuid);
    g_free(record->targetPool);
    g_free(record->requestXml);
    g_free(record->volume);
    g_free(record->imageId);
    g_free(record->format);
    replRequestFree(record->request);
    replJobInfoFree(record->info);
    g_ptr_array_unref(record->layers);
    g_ptr_array_unref(record->members);
    g_free(record);
}

ReplJobLayer *
replJobLayerNew(const char *sourceVolume, const char *sourcePoolUuid, const char *volume,
                ReplStepAction action)
{
    ReplJobLayer *layer = g_new0(ReplJobLayer, 1);

    layer->sourceVolume = g_strdup(sourceVolume);
    layer->sourcePoolUuid = g_strdup(sourcePoolUuid);
    layer->volume = g_strdup(volume);
    layer->action = action;
    return layer;
}

void
replJobLayerFree(ReplJobLayer *layer)
{
    if (!layer)
        return;
    g_free(layer->sourceVolume);
    g_free(layer->sourcePoolUuid);
    g_free(layer->volume);
    g_free(layer);
}

static gboolean
replJobLayerIsFile(const ReplJobLayer *layer, int dirFd, guint64 ino, guint64 noted, gint64 born_ns)
{
    return ino == noted && (born_ns == 0 || replFileBorn_ns(dirFd, layer->volume) == born_ns);
}

gboolean
replJobLayerIsHeldBy(const ReplJobLayer *layer, int dirFd, guint64 ino)
{
    return layer->holder == 0 || replJobLayerIsFile(layer, dirFd, ino, layer->holder, layer->holderBorn_ns);
}

gboolean
replJobLayerIsPlacedAs(const ReplJobLayer *layer, int dirFd, guint64 ino)
{
    return layer->ino != 0 && replJobLayerIsFile(layer, dirFd, ino, layer->ino, layer->born_ns);
}

static void
replJobLayerToText(GKeyFile *keys, guint index, const ReplJobLayer *layer)
{
    g_autofree char *group = g_strdup_printf("layer %u", index);

    replTextPut(keys, group, "source-volume", layer->sourceVolume);
    replTextPut(keys, group, "source-pool", layer->sourcePoolUuid);
    replTextPut(keys, group, "volume", layer->volume);
    replTextPut(keys, group, "action", replStepActionToString(layer->action));
    g_key_file_set_boolean(keys, group, "placeholder", layer->placeholder);
    g_key_file_set_boolean(keys, group, "published", layer->published);
    g_key_file_set_boolean(keys, group, "done", layer->done);
    g_key_file_set_uint64(keys, group, "checkpoint", layer->checkpoint_bytes);
    g_key_file_set_uint64(keys, group, "partial", layer->partial);
    g_key_file_set_uint64(keys, group, "inode", layer->ino);
    if (layer->making)
        g_key_file_set_uint64(keys, group, "making", layer->making);
    if (layer->born_ns)
        g_key_file_set_int64(keys, group, "born", layer->born_ns);
    g_key_file_set_uint64(keys, group, "holder", layer->holder);
    if (layer->holderBorn_ns)
        g_key_file_set_int64(keys, group, "holder-born", layer->holderBorn_ns);
    replIdentityToText(keys, group, &layer->source);
}

static ReplJobLayer *
replJobLayerFromText(ReplTextReader *r, guint index)
{
    g_autofree char *group = g_strdup_printf("layer %u", index);
    ReplJobLayer *layer = replJobLayerNew(NULL, NULL, NULL, REPL_STEP_COPY);
    int action = replTextWord(r, group, "action", replStepActionFromString, -1);

    if (action < 0)
        replTextFault(r, group, "action", _("the value is missing"));
    layer->action = action;
    layer->sourceVolume = replTextNeed(r, replTextName(r, group, "source-volume"), group, "source-volume");
    layer->sourcePoolUuid = replTextUuid(r, group, "source-pool");
    layer->volume = replTextNeed(r, replTextName(r, group, "volume"), group, "volume");
    layer->placeholder = replTextFlag(r, group, "placeholder");
    layer->published = replTextFlag(r, group, "published");
    layer->done = replTextFlag(r, group, "done");
    layer->checkpoint_bytes = replTextUint(r, group, "checkpoint", G_MAXINT64);
    layer->partial = replTextUint(r, group, "partial", REPL_JOB_LAYERS_MAX - 1);
    layer->making = replTextUint(r, group, "making", G_MAXUINT64);
    layer->ino = replTextUint(r, group, "inode", G_MAXUINT64);
    layer->born_ns = replTextInt(r, group, "born", 0, G_MAXINT64, 0);
    layer->holder = replTextUint(r, group, "holder", G_MAXUINT64);
    layer->holderBorn_ns = replTextInt(r, group, "holder-born", 0, G_MAXINT64, 0);
    replIdentityFromText(r, group, &layer->source);
    return layer;
}

static GKeyFile *
replJobRecordToText(const ReplJobRecord *record)
{
    static const char group[] = "replication";
    GKeyFile *keys = g_key_file_new();
    guint i;

    replTextPut(keys, group, "id", record->id);
    replTextPut(keys, group, "token", record->token);
    replTextPut(keys, group, "requester", record->requester);
    replTextPut(keys, group, "source-pool", record->sourcePool);
    replTextPut(keys, group, "source-pool-uuid", record->sourcePoolUuid);
    replTextPut(keys, group, "source-region", record->sourceRegion);
    replTextPut(keys, group, "source-volume", record->sourceVolume);
    replTextPut(keys, group, "source-id", record->sourceId);
    replTextPut(keys, group, "target-region", record->targetRegion);
    replTextPut(keys, group, "target-pool-uuid", record->targetPoolUuid);
    g_key_file_set_boolean(keys, group, "source-is-here", record->sourceIsHere);
    replTextPut(keys, group, "target-pool", record->targetPool);
    replTextPut(keys, group, "request-xml", record->requestXml);
    replTextPut(keys, group, "volume", record->volume);
    replTextPut(keys, group, "image-id", record->imageId);
    g_key_file_set_uint64(keys, group, "capacity", record->capacity_bytes);
    replTextPut(keys, group, "format", record->format);
    replTextPut(keys, group, "check", record->check ? replVerbToString(record->check) : NULL);
    g_key_file_set_int64(keys, group, "created", record->created_s);
    g_key_file_set_boolean(keys, group, "holds-placeholder", record->holdsPlaceholder);
    g_key_file_set_boolean(keys, group, "refused", record->refused);
    g_key_file_set_uint64(keys, group, "sequence", record->sequence);
    g_key_file_set_uint64(keys, group, "layers", record->layers->len);
    for (i = 0; i < record->layers->len; i++)
        replJobLayerToText(keys, i, g_ptr_array_index(record->layers, i));
    replJobMembersToText(keys, record->members);
    if (record->request)
        replRequestToText(keys, record->request);
    replJobInfoToText(keys, record->info);
    return keys;
}

static void
replJobRecordFill(ReplTextReader *r, ReplJobRecord *record)
{
    static const char group[] = "replication";
    guint layers;
    guint i;

    record->id = replTextNeed(r, replTextUuid(r, group, "id"), group, "id");
    record->token = replTextString(r, group, "token");
    record->requester = replTextString(r, group, "requester");
    record->sourcePool = replTextString(r, group, "source-pool");
    record->sourcePoolUuid = replTextUuid(r, group, "source-pool-uuid");
    record->sourceRegion = replTextString(r, group, "source-region");
    record->sourceVolume = replTextName(r, group, "source-volume");
    record->sourceId = replTextUuid(r, group, "source-id");
    record->targetRegion = replTextString(r, group, "target-region");
    record->targetPoolUuid = replTextUuid(r, group, "target-pool-uuid");
    record->sourceIsHere = replTextFlag(r, group, "source-is-here");
    record->targetPool = replTextString(r, group, "target-pool");
    record->requestXml = replTextString(r, group, "request-xml");
    record->volume = replTextNeed(r, replTextName(r, group, "volume"), group, "volume");
    record->imageId = replTextUuid(r, group, "image-id");
    record->capacity_bytes = replTextUint(r, group, "capacity", G_MAXUINT64);
    record->format = replTextString(r, group, "format");
    record->check = replTextWord(r, group, "check", replVerbFromString, REPL_VERB_NONE);
    record->created_s = replTextInt(r, group, "created", 0, G_MAXINT64, 0);
    record->holdsPlaceholder = replTextFlag(r, group, "holds-placeholder");
    record->refused = replTextFlag(r, group, "refused");
    record->sequence = replTextUint(r, group, "sequence", G_MAXUINT64);
    layers = replTextUint(r, group, "layers", REPL_JOB_LAYERS_MAX);
    for (i = 0; i < layers && !r->fault; i++)
        g_ptr_array_add(record->layers, replJobLayerFromText(r, i));
    replJobMembersFromText(r, record->members);
    record->request = replRequestFromText(r);
    replJobInfoFree(record->info);
    record->info = replJobInfoFromText(r);
}

static gpointer
replJobRecordDecode(GKeyFile *keys, const char *file, GError **err)
{
    ReplTextReader reader = {.keys = keys};
    g_autoptr(ReplJobRecord) record = replJobRecordNew(NULL);

    replJobRecordFill(&reader, record);
    if (!record->info || !g_key_file_has_key(keys, "job", "state", NULL))
        replTextFault(&reader, "job", "state", _("the value is missing"));
    else if (g_strcmp0(record->id, file) || g_strcmp0(record->info->id, file))
        replTextFault(&reader, "job", "id", _("the file belongs to another job"));
    return replTextFinish(&reader, err) == 0 ? g_steal_pointer(&record) : NULL;
}

static gpointer
replJobRecordCopyAny(gconstpointer record)
{
    return replJobRecordCopy(record);
}

const ReplRecordKind replJobRecordKind = {
    .kind = "job",
    .max_bytes = REPL_JOB_RECORD_MAX_bytes,
    .isFile = replIsUuid,
    .decode = replJobRecordDecode,
    .copy = replJobRecordCopyAny,
    .free = (GDestroyNotify)replJobRecordFree,
};

int
replJobRecordSave(ReplStaging *staging, const ReplJobRecord *record, GError **err)
{
    g_autoptr(GKeyFile) keys = NULL;

    if (!replIsUuid(record->id)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("'%s' cannot be the id of a job"),
                     record->id ? record->id : "");
        return -1;
    }
    keys = replJobRecordToText(record);
    if (replRecordStorePut(staging->jobs, record->id, keys, err) < 0)
        return -1;
    if (replJobStateIsEnded(record->info->state))
        (void)replJobRecordPrune(staging, REPL_JOB_ENDED_KEPT, NULL);
    return 0;
}

ReplJobRecord *
replJobRecordLoad(ReplStaging *staging, const char *id, GError **err)
{
    return replIsUuid(id) ? replRecordStoreGet(staging->jobs, id, err) : NULL;
}

static gint
replJobRecordCompare(gconstpointer a, gconstpointer b)
{
    const ReplJobRecord *x = *(ReplJobRecord *const *)a;
    const ReplJobRecord *y = *(ReplJobRecord *const *)b;

    if (x->created_s != y->created_s)
        return x->created_s < y->created_s ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    return strcmp(x->id, y->id);
}

static gboolean
replJobRecordCollect(const char *file, gconstpointer record, void *records)
{
    g_ptr_array_add(records, replJobRecordCopy(record));
    return TRUE;
}

GPtrArray *
replJobRecordList(ReplStaging *staging, guint *unread, GError **err)
{
    g_autoptr(GPtrArray) records = g_ptr_array_new_with_free_func((GDestroyNotify)replJobRecordFree);

    if (replRecordStoreEach(staging->jobs, replJobRecordCollect, records, unread, err) < 0)
        return NULL;
    g_ptr_array_sort(records, replJobRecordCompare);
    return g_steal_pointer(&records);
}

int
replJobRecordDrop(ReplStaging *staging, const char *id, GError **err)
{
    return replIsUuid(id) ? replRecordStoreDrop(staging->jobs, id, err) : 0;
}

typedef struct {
    const char *token;
    ReplJobRecord *found;
} ReplJobTokenSearch;

static gboolean
replJobRecordHasToken(const char *file, gconstpointer opaque, void *to)
{
    const ReplJobRecord *record = opaque;
    ReplJobTokenSearch *search = to;

    if (g_strcmp0(record->token, search->token) ||
        (search->found && replJobRecordCompare(&search->found, &record) > 0))
        return TRUE;
    replJobRecordFree(search->found);
    search->found = replJobRecordCopy(record);
    return TRUE;
}

ReplJobRecord *
replJobRecordFindToken(ReplStaging *staging, const char *token, GError **err)
{
    ReplJobTokenSearch search = {.token = token};

    if (replRecordStoreEach(staging->jobs, replJobRecordHasToken, &search, NULL, err) < 0)
        g_clear_pointer(&search.found, replJobRecordFree);
    return search.found;
}

typedef struct {
    gint64 ended_s;
    guint64 sequence;
    gboolean plain; /* has no token */
    char id[37];
} ReplJobEnd;

static gboolean
replJobRecordCollectEnd(const char *file, gconstpointer opaque, void *ends)
{
    const ReplJobRecord *record = opaque;
    ReplJobEnd end = {
        .ended_s = record->info->ended_s, .sequence = record->sequence, .plain = record->token == NULL};

    /* The record is all that says whose placeholder it is. */
    if (replJobStateIsEnded(record->info->state) && !record->holdsPlaceholder) {
        g_strlcpy(end.id, record->id, sizeof(end.id));
        g_array_append_val((GArray *)ends, end);
    }
    return TRUE;
}

static gint
replJobEndCompareNewestFirst(gconstpointer a, gconstpointer b)
{
    const ReplJobEnd *x = a;
    const ReplJobEnd *y = b;

    if (x->ended_s != y->ended_s)
        return x->ended_s > y->ended_s ? -1 : 1;
    return x->sequence > y->sequence ? -1 : x->sequence < y->sequence;
}

int
replJobRecordPrune(ReplStaging *staging, guint keep, GError **err)
{
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(ReplJobEnd));
    guint plain = 0;
    guint i;

    if (replRecordStoreEach(staging->jobs, replJobRecordCollectEnd, ends, NULL, err) < 0)
        return -1;
    g_array_sort(ends, replJobEndCompareNewestFirst);
    for (i = 0; i < ends->len; i++) {
        const ReplJobEnd *end = &g_array_index(ends, ReplJobEnd, i);

        plain += end->plain;
        if ((i >= keep || (end->plain && plain > REPL_JOB_PLAIN_KEPT)) &&
            replRecordStoreDrop(staging->jobs, end->id, err) < 0)
            return -1;
    }
    return 0;
}

static gboolean
replJobRecordNoteUnfinished(const char *file, gconstpointer opaque, void *to)
{
    const ReplJobRecord *record = opaque;
    char **id = to;

    if (replJobStateIsEnded(record->info->state))
        return TRUE;
    *id = g_strdup(record->id);
    return FALSE;
}

int
replJobRecordsRefuseUnfinished(ReplStaging *staging, GError **err)
{
    g_autofree char *id = NULL;
    guint unread;

    if (replRecordStoreEach(staging->jobs, replJobRecordNoteUnfinished, &id, &unread, err) < 0)
        return -1;
    if (id) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The staging folder cannot be removed: job %s has not ended"), id);
        return -1;
    }
    if (unread) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The staging folder cannot be removed: %u records of jobs cannot be read"), unread);
        return -1;
    }
    return 0;
}
