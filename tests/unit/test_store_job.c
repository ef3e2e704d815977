/*
 * test_store_job.c: the records of jobs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "storefiles.h"

#include "store/jobrecord.h"

#define ID "2b2bd8c5-2a4d-4b8e-9f3a-0123456789ab"
#define ID2 "9c9ce1f0-1111-4222-8333-444455556666"
#define FILE_OF(id) ".replication/jobs/" id

static int
jobsFd(Pool *pool)
{
    return replStagingFd(pool->staging, REPL_STAGING_JOBS);
}

static ReplRequest *
requestFull(void)
{
    ReplRequest *req = replRequestNew();

    req->name = g_strdup("new name.qcow2");
    req->format = g_strdup("qcow2");
    req->async = TRUE;
    req->start = TRUE;
    req->snapshots = REPL_SNAPSHOTS_FLATTEN;
    req->encryption = REPL_ENCRYPTION_TARGET;
    req->rekey = REPL_REKEY_SLOT;
    req->fastCreate = TRUE;
    req->token = g_strdup("tok\nen");
    req->description = g_strdup("  d  ");
    req->bandwidth_bytesPerSec = G_MAXUINT64;
    req->secret.usage = g_strdup("ims/web");
    req->cipherName = g_strdup("aes");
    req->cipherSize_bits = 256;
    req->cipherMode = g_strdup("xts");
    req->cipherHash = g_strdup("sha256");
    req->ivgenName = g_strdup("plain64");
    req->ivgenHash = g_strdup("sha1");
    return req;
}

static ReplJobRecord *
recordFull(const char *id, guint layers)
{
    ReplJobRecord *record = replJobRecordNew(id);
    guint i;

    record->token = g_strdup("tok\nen");
    record->requester = g_strdup("alice@EXAMPLE.COM");
    record->sourcePool = g_strdup("beijing");
    record->sourcePoolUuid = g_strdup(ID2);
    record->sourceRegion = g_strdup("cn-north-1");
    record->sourceIsHere = TRUE;
    record->sourceVolume = g_strdup("web.qcow2");
    record->sourceId = g_strdup(ID2);
    record->targetRegion = g_strdup("cn-east-2");
    record->volume = g_strdup("new name.qcow2");
    record->imageId = g_strdup(ID);
    record->request = requestFull();
    record->info->state = REPL_JOB_RUNNING;
    record->info->total_bytes = 1 << 30;
    record->created_s = 1700000000;
    record->holdsPlaceholder = TRUE;
    record->refused = TRUE;
    record->sequence = G_MAXUINT64;
    for (i = 0; i < layers; i++) {
        g_autofree char *name = g_strdup_printf("layer %u", i);
        ReplJobLayer *layer = replJobLayerNew(name, ID2, name, i % 4);

        layer->placeholder = i % 2;
        layer->published = i % 3 == 0;
        layer->done = i % 5 == 0;
        layer->source = (ReplFileIdentity){1, i, 3, -4, 5};
        layer->checkpoint_bytes = (guint64)i << 25;
        layer->ino = i;
        layer->born_ns = i ? G_MAXINT64 - i : 0;
        layer->holder = G_MAXUINT64 - i;
        layer->holderBorn_ns = i ? G_MAXINT64 - i : 0;
        g_ptr_array_add(record->layers, layer);
        g_ptr_array_add(record->info->steps, replStepNew(name, name, i % 4, i));
    }
    for (i = 0; i < REPL_MEMBERS_MAX; i++) {
        g_autofree char *name = g_strdup_printf("disk %u", i);
        ReplJobMember *member = replJobMemberNew(name, ID2, name, ID);

        member->capacity_bytes = G_MAXUINT64 - i;
        member->format = g_strdup("qcow2");
        g_ptr_array_add(record->members, member);
    }
    return record;
}

static void
save(Pool *pool, const ReplJobRecord *record)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replJobRecordSave(pool->staging, record, &err), ==, 0);
    g_assert_no_error(err);
}

static ReplJobRecord *
load(ReplStaging *staging, const char *id)
{
    g_autoptr(GError) err = NULL;
    ReplJobRecord *record = replJobRecordLoad(staging, id, &err);

    g_assert_no_error(err);
    return record;
}

static void
assertRequest(const ReplRequest *a, const ReplRequest *b)
{
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->format, ==, b->format);
    g_assert_cmpint(a->async, ==, b->async);
    g_assert_cmpint(a->start, ==, b->start);
    g_assert_cmpint(a->snapshots, ==, b->snapshots);
    g_assert_cmpint(a->encryption, ==, b->encryption);
    g_assert_cmpint(a->rekey, ==, b->rekey);
    g_assert_cmpint(a->fastCreate, ==, b->fastCreate);
    g_assert_cmpstr(a->token, ==, b->token);
    g_assert_cmpstr(a->description, ==, b->description);
    g_assert_cmpuint(a->bandwidth_bytesPerSec, ==, b->bandwidth_bytesPerSec);
    g_assert_cmpstr(a->secret.uuid, ==, b->secret.uuid);
    g_assert_cmpstr(a->secret.usage, ==, b->secret.usage);
    g_assert_cmpstr(a->cipherName, ==, b->cipherName);
    g_assert_cmpuint(a->cipherSize_bits, ==, b->cipherSize_bits);
    g_assert_cmpstr(a->cipherMode, ==, b->cipherMode);
    g_assert_cmpstr(a->cipherHash, ==, b->cipherHash);
    g_assert_cmpstr(a->ivgenName, ==, b->ivgenName);
    g_assert_cmpstr(a->ivgenHash, ==, b->ivgenHash);
}

static void
assertRecord(const ReplJobRecord *a, const ReplJobRecord *b)
{
    guint i;

    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpstr(a->requester, ==, b->requester);
    g_assert_cmpstr(a->token, ==, b->token);
    g_assert_cmpstr(a->sourcePool, ==, b->sourcePool);
    g_assert_cmpstr(a->sourcePoolUuid, ==, b->sourcePoolUuid);
    g_assert_cmpstr(a->sourceRegion, ==, b->sourceRegion);
    g_assert_cmpint(a->sourceIsHere, ==, b->sourceIsHere);
    g_assert_cmpstr(a->sourceVolume, ==, b->sourceVolume);
    g_assert_cmpstr(a->sourceId, ==, b->sourceId);
    g_assert_cmpstr(a->targetRegion, ==, b->targetRegion);
    g_assert_cmpstr(a->volume, ==, b->volume);
    g_assert_cmpstr(a->imageId, ==, b->imageId);
    g_assert_cmpint(a->created_s, ==, b->created_s);
    g_assert_cmpint(a->holdsPlaceholder, ==, b->holdsPlaceholder);
    g_assert_cmpint(a->refused, ==, b->refused);
    g_assert_cmpuint(a->sequence, ==, b->sequence);
    g_assert_cmpint(a->info->state, ==, b->info->state);
    g_assert_cmpuint(a->info->steps->len, ==, b->info->steps->len);
    g_assert_cmpuint(a->layers->len, ==, b->layers->len);
    for (i = 0; i < a->layers->len; i++) {
        const ReplJobLayer *x = g_ptr_array_index(a->layers, i);
        const ReplJobLayer *y = g_ptr_array_index(b->layers, i);

        g_assert_cmpstr(x->sourceVolume, ==, y->sourceVolume);
        g_assert_cmpstr(x->sourcePoolUuid, ==, y->sourcePoolUuid);
        g_assert_cmpstr(x->volume, ==, y->volume);
        g_assert_cmpint(x->action, ==, y->action);
        g_assert_cmpint(x->placeholder, ==, y->placeholder);
        g_assert_cmpint(x->published, ==, y->published);
        g_assert_cmpint(x->done, ==, y->done);
        g_assert_true(replFileIdentityEqual(&x->source, &y->source));
        g_assert_cmpuint(x->checkpoint_bytes, ==, y->checkpoint_bytes);
        g_assert_cmpuint(x->ino, ==, y->ino);
        g_assert_cmpint(x->born_ns, ==, y->born_ns);
        g_assert_cmpuint(x->holder, ==, y->holder);
        g_assert_cmpint(x->holderBorn_ns, ==, y->holderBorn_ns);
    }
    g_assert_cmpuint(a->members->len, ==, b->members->len);
    for (i = 0; i < a->members->len; i++) {
        const ReplJobMember *x = g_ptr_array_index(a->members, i);
        const ReplJobMember *y = g_ptr_array_index(b->members, i);

        g_assert_cmpstr(x->sourceVolume, ==, y->sourceVolume);
        g_assert_cmpstr(x->sourceId, ==, y->sourceId);
        g_assert_cmpstr(x->volume, ==, y->volume);
        g_assert_cmpstr(x->imageId, ==, y->imageId);
        g_assert_cmpuint(x->capacity_bytes, ==, y->capacity_bytes);
        g_assert_cmpstr(x->format, ==, y->format);
    }
    assertRequest(a->request, b->request);
}

static void
testRoundTrip(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplJobRecord) full = recordFull(ID, REPL_JOB_LAYERS_MAX);
    g_autoptr(ReplJobRecord) copy = replJobRecordCopy(full);
    g_autoptr(ReplJobRecord) bare = replJobRecordNew(ID2);
    g_autoptr(ReplJobRecord) got = NULL;
    g_autoptr(ReplJobRecord) gotBare = NULL;
    g_autoptr(ReplStaging) other = replStagingOpen(pool->fd, FALSE, NULL);

    assertRecord(copy, full);
    g_assert_null(load(pool->staging, ID));
    g_assert_null(load(pool->staging, "../" ID));
    save(pool, full);
    bare->volume = g_strdup("v");
    save(pool, bare);
    got = load(other, ID);
    assertRecord(got, full);
    gotBare = load(other, ID2);
    g_assert_null(gotBare->request);
    g_assert_null(gotBare->token);
    g_assert_cmpint(replJobRecordDrop(pool->staging, ID, NULL), ==, 0);
    g_assert_cmpint(replJobRecordDrop(pool->staging, ID, NULL), ==, 0);
    g_assert_null(load(other, ID));
}

static void
refused(Pool *pool, const ReplJobRecord *record)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replJobRecordSave(pool->staging, record, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
}

static void
testRefused(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplJobRecord) layers = recordFull(ID, REPL_JOB_LAYERS_MAX + 1);
    g_autoptr(ReplJobRecord) name = recordFull(ID, 1);
    g_autoptr(ReplJobRecord) id = recordFull("../../etc/passwd", 1);
    g_autoptr(ReplJobRecord) info = recordFull(ID, 1);
    g_autoptr(ReplJobRecord) volume = replJobRecordNew(ID);
    ReplJobLayer *layer = g_ptr_array_index(name->layers, 0);

    g_ptr_array_set_size(layers->info->steps, 0);
    refused(pool, layers);
    g_free(layer->volume);
    layer->volume = g_strdup("../v");
    refused(pool, name);
    refused(pool, id);
    g_free(info->info->id);
    info->info->id = g_strdup(ID2);
    refused(pool, info);
    refused(pool, volume);
    g_assert_null(load(pool->staging, ID));
}

typedef struct {
    const char *group;
    const char *key;
    const char *value;
} Change;

static void
setKey(GKeyFile *keys, gconstpointer opaque)
{
    const Change *change = opaque;

    if (change->value)
        g_key_file_set_value(keys, change->group, change->key, change->value);
    else
        g_key_file_remove_key(keys, change->group, change->key, NULL);
}

static void
testWrongValues(Pool *pool, gconstpointer data)
{
    static const Change changes[] = {
        {"replication", "id", ID2},
        {"replication", "id", NULL},
        {"replication", "volume", NULL},
        {"replication", "volume", "a/b"},
        {"replication", "layers", "201"},
        {"replication", "layers", "3"},
        {"replication", "layers", "18446744073709551616"},
        {"replication", "created", "-1"},
        {"replication", "image-id", "nonsense"},
        {"replication", "holds-placeholder", "maybe"},
        {"layer 0", "volume", ".."},
        {"layer 0", "source-volume", NULL},
        {"layer 1", "action", NULL},
        {"layer 1", "action", "steal"},
        {"layer 1", "checkpoint", "-1"},
        {"layer 1", "source-pool", "x"},
        {"request", "rekey", "half"},
        {"request", "cipher-size", "65537"},
        {"job", "state", NULL},
        {"job", "state", "lost"},
        {"job", "id", ID2},
    };
    g_autoptr(ReplJobRecord) full = recordFull(ID, 2);
    guint i;

    for (i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_autoptr(GPtrArray) all = NULL;
        guint unread = 1;

        save(pool, full);
        textChange(jobsFd(pool), ID, "job", setKey, &changes[i], 0);
        logReset();
        all = replJobRecordList(pool->staging, &unread, NULL);
        g_test_message("%s %s", changes[i].group, changes[i].key);
        g_assert_cmpuint(all->len, ==, 0);
        g_assert_cmpuint(unread, ==, 0);
        g_assert_cmpint(logWarnings, ==, 1);
        g_assert_false(fileExists(pool->fd, FILE_OF(ID)));
        g_assert_true(fileExists(pool->fd, FILE_OF(ID) ".bad"));
    }
}

static void
testTruncated(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplJobRecord) full = recordFull(ID, 1);
    g_autofree char *good = NULL;
    gsize len;
    gsize i;

    save(pool, full);
    good = fileRead(jobsFd(pool), ID, &len);
    for (i = 0; i < len; i += 7) {
        fileWrite(jobsFd(pool), ID, good, i);
        g_assert_null(load(pool->staging, ID));
        g_assert_false(fileExists(pool->fd, FILE_OF(ID)));
    }
}

static char *
idNumber(guint n)
{
    return g_strdup_printf("00000000-0000-4000-8000-%012u", n);
}

static void
saveNumber(Pool *pool, guint n, const char *token, ReplJobState state, gboolean holds)
{
    g_autofree char *id = idNumber(n);
    g_autoptr(ReplJobRecord) record = replJobRecordNew(id);

    record->volume = g_strdup("v");
    record->token = g_strdup(token);
    record->created_s = n / 2; /* pairs of the same second */
    record->sequence = n;
    record->info->state = state;
    record->info->ended_s = replJobStateIsEnded(state) ? 1000 + n / 2 : 0;
    record->holdsPlaceholder = holds;
    save(pool, record);
}

static void
testListAndToken(Pool *pool, gconstpointer data)
{
    static const guint order[] = {5, 2, 7, 0, 1, 6, 4, 3};
    g_autoptr(GPtrArray) all = NULL;
    g_autoptr(ReplJobRecord) found = NULL;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(order); i++)
        saveNumber(pool, order[i], order[i] % 3 ? NULL : "same", REPL_JOB_COMPLETED, FALSE);
    fileWrite(jobsFd(pool), "strange", "x", 1);
    fileWrite(jobsFd(pool), ID ".0123456789abcdef.new", "x", 1);
    all = replJobRecordList(pool->staging, NULL, NULL);
    g_assert_cmpuint(all->len, ==, 8);
    for (i = 0; i < all->len; i++)
        g_assert_cmpuint(((ReplJobRecord *)g_ptr_array_index(all, i))->sequence, ==, i);
    found = replJobRecordFindToken(pool->staging, "same", NULL);
    g_assert_cmpuint(found->sequence, ==, 6);
    g_assert_null(replJobRecordFindToken(pool->staging, "other", NULL));
}

static void
testPrune(Pool *pool, gconstpointer data)
{
    static const ReplJobState ends[] = {REPL_JOB_COMPLETED, REPL_JOB_FAILED, REPL_JOB_CANCELLED};
    g_autoptr(GPtrArray) all = NULL;
    guint i;

    for (i = 0; i < 10; i++)
        saveNumber(pool, i, NULL, ends[i % 3], FALSE);
    saveNumber(pool, 10, NULL, REPL_JOB_FAILED, TRUE);
    saveNumber(pool, 11, NULL, REPL_JOB_PAUSED, FALSE);
    g_assert_cmpint(replJobRecordPrune(pool->staging, 4, NULL), ==, 0);
    all = replJobRecordList(pool->staging, NULL, NULL);
    g_assert_cmpuint(all->len, ==, 6); /* 6 7 8 9, and the two that must stay */
    g_assert_cmpuint(((ReplJobRecord *)g_ptr_array_index(all, 0))->sequence, ==, 6);
}

static void
testPrunePlain(Pool *pool, gconstpointer data)
{
    g_autoptr(GPtrArray) all = NULL;
    guint i;

    saveNumber(pool, 0, "t", REPL_JOB_COMPLETED, FALSE);
    for (i = 1; i <= REPL_JOB_PLAIN_KEPT + 2; i++)
        saveNumber(pool, i, NULL, REPL_JOB_COMPLETED, FALSE);
    all = replJobRecordList(pool->staging, NULL, NULL);
    g_assert_cmpuint(all->len, ==, REPL_JOB_PLAIN_KEPT + 1); /* the one with the token is the oldest */
    g_assert_cmpuint(((ReplJobRecord *)g_ptr_array_index(all, 0))->sequence, ==, 0);
    g_assert_cmpuint(((ReplJobRecord *)g_ptr_array_index(all, 1))->sequence, ==, 3);
}

static void
testPruneAtSave(Pool *pool, gconstpointer data)
{
    g_autofree char *first = idNumber(0);
    g_autofree char *second = idNumber(1);
    guint i;

    saveNumber(pool, 0, "t0", REPL_JOB_COMPLETED, FALSE);
    for (i = 1; i < REPL_JOB_ENDED_KEPT; i++) { /* made quickly: without a sync each */
        g_autoptr(GKeyFile) keys = g_key_file_new();
        g_autofree char *id = idNumber(i);
        g_autofree char *data2 = NULL;
        gsize len;

        replTextPut(keys, "replication", "id", id);
        replTextPut(keys, "replication", "volume", "v");
        replTextPut(keys, "replication", "token", id);
        g_key_file_set_uint64(keys, "replication", "sequence", i);
        replTextPut(keys, "job", "id", id);
        replTextPut(keys, "job", "state", "completed");
        g_key_file_set_int64(keys, "job", "ended", 1000 + i / 2);
        data2 = replTextSeal(keys, "job", 1 << 20, &len, NULL);
        fileWrite(jobsFd(pool), id, data2, len);
    }
    g_assert_true(fileExists(jobsFd(pool), first));
    saveNumber(pool, REPL_JOB_ENDED_KEPT, NULL, REPL_JOB_RUNNING, FALSE);
    g_assert_true(fileExists(jobsFd(pool), first));
    saveNumber(pool, REPL_JOB_ENDED_KEPT, "t", REPL_JOB_COMPLETED, FALSE);
    g_assert_false(fileExists(jobsFd(pool), first));
    g_assert_true(fileExists(jobsFd(pool), second));
    {
        gint64 start_us = g_get_monotonic_time();
        g_autoptr(ReplJobRecord) found = replJobRecordFindToken(pool->staging, "t", NULL);

        g_test_message("token found among 1000 jobs in %" G_GINT64_FORMAT " us",
                       g_get_monotonic_time() - start_us);
        g_assert_cmpuint(found->sequence, ==, REPL_JOB_ENDED_KEPT);
    }
}

static void
testRemoveRefused(Pool *pool, gconstpointer data)
{
    static const ReplJobState states[] = {REPL_JOB_PLANNED,   REPL_JOB_QUEUED,     REPL_JOB_RUNNING,
                                          REPL_JOB_VERIFYING, REPL_JOB_PUBLISHING, REPL_JOB_PAUSED};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        g_autoptr(GError) err = NULL;
        g_autofree char *id = idNumber(1);

        saveNumber(pool, 1, NULL, states[i], FALSE);
        g_assert_cmpint(replStagingRemove(pool->fd, &err), ==, -1);
        g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(err->message, id));
        g_assert_true(fileExists(jobsFd(pool), id));
    }
    saveNumber(pool, 1, NULL, REPL_JOB_CANCELLED, FALSE);
    g_assert_cmpint(replStagingRemove(pool->fd, NULL), ==, 0);
}

/* A layer's files are known by number and birth: another file may get the number of one that is gone. */
static void
testLayerFiles(Pool *pool, gconstpointer data)
{
    g_autofree char *path = g_build_filename(pool->path, "web", NULL);
    char name[] = "web";
    ReplJobLayer layer = {.volume = name};
    struct stat st;

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_true(replJobLayerIsHeldBy(&layer, pool->fd, st.st_ino)); /* nothing is noted */
    g_assert_false(replJobLayerIsPlacedAs(&layer, pool->fd, st.st_ino));
    layer.holder = layer.ino = st.st_ino;
    g_assert_true(replJobLayerIsHeldBy(&layer, pool->fd, st.st_ino));
    g_assert_true(replJobLayerIsPlacedAs(&layer, pool->fd, st.st_ino));
    g_assert_false(replJobLayerIsHeldBy(&layer, pool->fd, st.st_ino + 1));
    g_assert_false(replJobLayerIsPlacedAs(&layer, pool->fd, st.st_ino + 1));
    layer.holderBorn_ns = layer.born_ns = replFileBorn_ns(pool->fd, "web");
    g_assert_true(replJobLayerIsHeldBy(&layer, pool->fd, st.st_ino));
    g_assert_true(replJobLayerIsPlacedAs(&layer, pool->fd, st.st_ino));
    layer.holderBorn_ns = layer.born_ns = 1;
    g_assert_false(replJobLayerIsHeldBy(&layer, pool->fd, st.st_ino));
    g_assert_false(replJobLayerIsPlacedAs(&layer, pool->fd, st.st_ino));
}

/* A newer daemon on another host wrote it: perhaps it is running. */
static void
testRemoveRefusedUnread(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplJobRecord) record = recordFull(ID, 1);
    g_autoptr(GPtrArray) all = NULL;
    g_autoptr(GError) err = NULL;
    guint unread;

    record->info->state = REPL_JOB_COMPLETED;
    save(pool, record);
    textChange(jobsFd(pool), ID, "job", NULL, NULL, REPL_TEXT_VERSION + 1);
    all = replJobRecordList(pool->staging, &unread, NULL);
    g_assert_cmpuint(all->len, ==, 0);
    g_assert_cmpuint(unread, ==, 1);
    g_assert_cmpint(replStagingRemove(pool->fd, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_true(fileExists(pool->fd, FILE_OF(ID)));
}

#define ADD(name, func) g_test_add("/store/job/" name, Pool, NULL, poolSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("round-trip", testRoundTrip);
    ADD("refused", testRefused);
    ADD("wrong-values", testWrongValues);
    ADD("truncated", testTruncated);
    ADD("list-and-token", testListAndToken);
    ADD("prune", testPrune);
    ADD("prune-plain", testPrunePlain);
    ADD("prune-at-save", testPruneAtSave);
    ADD("remove-refused", testRemoveRefused);
    ADD("remove-refused-unread", testRemoveRefusedUnread);
    ADD("layer-files", testLayerFiles);
    return g_test_run();
}
