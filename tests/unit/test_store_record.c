/*
 * test_store_record.c: the records of images: written, changed and read, also by several threads and hosts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "imagerecords.h"

static void
assertIdentity(const ReplFileIdentity *a, const ReplFileIdentity *b)
{
    g_assert_true(replFileIdentityEqual(a, b));
    g_assert_cmpuint(a->dev, ==, b->dev);
}

static void
assertJob(const ReplJobInfo *a, const ReplJobInfo *b)
{
    const ReplStep *x = g_ptr_array_index(a->steps, 0);
    const ReplStep *y = g_ptr_array_index(b->steps, 0);

    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpint(a->state, ==, b->state);
    g_assert_cmpuint(a->processed_bytes, ==, b->processed_bytes);
    g_assert_cmpuint(a->total_bytes, ==, b->total_bytes);
    g_assert_cmpuint(a->rate_bytesPerSec, ==, b->rate_bytesPerSec);
    g_assert_cmpint(a->eta_s, ==, b->eta_s);
    g_assert_cmpuint(a->position, ==, b->position);
    g_assert_cmpint(a->started_s, ==, b->started_s);
    g_assert_cmpint(a->ended_s, ==, b->ended_s);
    g_assert_cmpuint(a->bandwidth_bytesPerSec, ==, b->bandwidth_bytesPerSec);
    g_assert_cmpuint(a->peakSpace_bytes, ==, b->peakSpace_bytes);
    g_assert_cmpint(a->errorCode, ==, b->errorCode);
    g_assert_cmpstr(a->error, ==, b->error);
    g_assert_cmpuint(a->steps->len, ==, b->steps->len);
    g_assert_cmpstr(x->layer, ==, y->layer);
    g_assert_cmpstr(x->volume, ==, y->volume);
    g_assert_cmpint(x->action, ==, y->action);
    g_assert_cmpint(x->state, ==, y->state);
    g_assert_cmpuint(x->bytes, ==, y->bytes);
}

static void
assertImage(const ReplImage *a, const ReplImage *b)
{
    guint i;

    g_assert_cmpstr(a->id, ==, b->id);
    g_assert_cmpint(a->status, ==, b->status);
    g_assert_cmpint(a->type, ==, b->type);
    g_assert_cmpint(a->typeIsSet, ==, b->typeIsSet);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->description, ==, b->description);
    g_assert_cmpstr(a->project, ==, b->project);
    g_assert_cmpint(a->fastCreate, ==, b->fastCreate);
    g_assert_cmpstr(a->secret, ==, b->secret);
    g_assert_cmpstr(a->source.region, ==, b->source.region);
    g_assert_cmpstr(a->source.id, ==, b->source.id);
    g_assert_cmpstr(a->source.pool, ==, b->source.pool);
    g_assert_cmpstr(a->source.volume, ==, b->source.volume);
    g_assert_cmpuint(a->shares->len, ==, b->shares->len);
    for (i = 0; i < a->shares->len; i++) {
        const ReplShare *x = g_ptr_array_index(a->shares, i);
        const ReplShare *y = g_ptr_array_index(b->shares, i);

        g_assert_cmpstr(x->project, ==, y->project);
        g_assert_cmpint(x->state, ==, y->state);
    }
    g_assert_cmpuint(a->conversions->len, ==, b->conversions->len);
    for (i = 0; i < a->conversions->len; i++) {
        const ReplConversion *x = g_ptr_array_index(a->conversions, i);
        const ReplConversion *y = g_ptr_array_index(b->conversions, i);

        g_assert_cmpint(x->when_s, ==, y->when_s);
        g_assert_cmpstr(x->action, ==, y->action);
        g_assert_cmpstr(x->by, ==, y->by);
        g_assert_cmpstr(x->fromSecret, ==, y->fromSecret);
        g_assert_cmpstr(x->toSecret, ==, y->toSecret);
    }
    g_assert_cmpint(a->hasOrigin, ==, b->hasOrigin);
    g_assert_cmpstr(a->originPool, ==, b->originPool);
    assertIdentity(&a->origin, &b->origin);
    assertIdentity(&a->self, &b->self);
    g_assert_true(!a->job == !b->job);
    if (a->job)
        assertJob(a->job, b->job);
}

static void
testRoundTrip(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplImage) full = imageFull();
    g_autoptr(ReplImage) bare = replImageNew(ID2);
    g_autoptr(ReplStaging) other = NULL;
    int i;

    g_assert_null(load(pool->staging, "a"));
    g_assert_cmpint(replRecordSave(pool->staging, "a", full, NULL), ==, 0);
    g_assert_cmpint(replRecordSave(pool->staging, "b", bare, NULL), ==, 0);
    other = replStagingOpen(pool->fd, FALSE, NULL); /* as after a restart */
    for (i = 0; i < 2; i++) {
        g_autoptr(ReplImage) a = load(i ? other : pool->staging, "a");
        g_autoptr(ReplImage) b = load(i ? other : pool->staging, "b");

        assertImage(a, full);
        assertImage(b, bare);
    }
    g_assert_cmpint(replRecordDropGone(pool->staging, pool->fd, "a", NULL), ==, 0);
    g_assert_cmpint(replRecordDropGone(pool->staging, pool->fd, "a", NULL), ==, 0);
    g_assert_null(load(pool->staging, "a"));
    g_assert_null(load(other, "a"));
    g_assert_cmpint(logWarnings, ==, 0);
}

static void
assertThere(Pool *pool, const char *volume)
{
    g_autoptr(ReplImage) image = load(pool->staging, volume);

    g_assert_nonnull(image);
}

/* Of a volume that is there, or is another image by now, the record stays. */
static void
testDropIf(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplImage) image = replImageNew(ID2);

    g_assert_cmpint(replRecordSave(pool->staging, "a", image, NULL), ==, 0);
    g_assert_cmpint(mkdirat(pool->fd, "a", 0700), ==, 0);
    g_assert_cmpint(replRecordDropGone(pool->staging, pool->fd, "a", NULL), ==, 0);
    assertThere(pool, "a");
    g_assert_cmpint(unlinkat(pool->fd, "a", AT_REMOVEDIR), ==, 0);
    g_assert_cmpint(replRecordDropId(pool->staging, "a", ID, NULL), ==, 0);
    assertThere(pool, "a");
    g_assert_cmpint(replRecordDropId(pool->staging, "a", ID2, NULL), ==, 0);
    g_assert_null(load(pool->staging, "a"));
    g_assert_cmpint(replRecordDropGone(pool->staging, pool->fd, "a", NULL), ==, 0);
    g_assert_cmpint(replRecordDropId(pool->staging, "a", ID2, NULL), ==, 0);
}

static void
testNames(Pool *pool, gconstpointer data)
{
    g_autofree char *longest = g_strnfill(255, 'x');
    const char *names[] = {longest, ".hidden", "a.new", "a.bad", "100% \"x\"", "\xe6\x98\xa0.qcow2",
                           "a b",   "A B"};
    g_autoptr(GPtrArray) listed = NULL;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(names); i++)
        save(pool->staging, names[i], names[i]);
    listed = replRecordList(pool->staging, NULL);
    g_assert_cmpuint(listed->len, ==, G_N_ELEMENTS(names));
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(ReplImage) image = load(pool->staging, names[i]);

        g_assert_cmpstr(image->description, ==, names[i]);
        g_assert_true(g_ptr_array_find_with_equal_func(listed, names[i], g_str_equal, NULL));
    }
}

static void
refused(ReplStaging *staging, const char *volume, const ReplImage *image)
{
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(replRecordSave(staging, volume, image, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
}

static void
testRefused(Pool *pool, gconstpointer data)
{
    static const char *const names[] = {"", ".", "..", "a/b", "a\nb", "a\xff"};
    g_autofree char *tooLong = g_strnfill(256, 'x');
    g_autofree char *huge = g_strnfill(REPL_TEXT_STRING_MAX_bytes + 1, 'x');
    g_autoptr(ReplImage) image = replImageNew(ID);
    g_autoptr(ReplImage) got = NULL;
    guint i;

    save(pool->staging, "v", "old");
    for (i = 0; i < G_N_ELEMENTS(names); i++)
        refused(pool->staging, names[i], image);
    refused(pool->staging, tooLong, image);
    image->description = g_strdup("\xff\xfe");
    refused(pool->staging, "v", image);
    g_free(image->description);
    image->description = g_steal_pointer(&huge);
    refused(pool->staging, "v", image);
    g_clear_pointer(&image->description, g_free);
    image->source.id = g_strdup("no uuid");
    refused(pool->staging, "v", image);
    g_clear_pointer(&image->source.id, g_free);
    image->status = 77;
    refused(pool->staging, "v", image);
    image->status = REPL_IMAGE_AVAILABLE;
    for (i = 0; i < 1001; i++)
        g_ptr_array_add(image->shares, replShareNew("p", REPL_SHARE_OFFERED));
    refused(pool->staging, "v", image);
    g_ptr_array_set_size(image->shares, 1000);
    g_assert_cmpint(replRecordSave(pool->staging, "w", image, NULL), ==, 0);
    g_free(image->id);
    image->id = NULL;
    refused(pool->staging, "v", image);

    got = load(pool->staging, "v");
    g_assert_cmpstr(got->description, ==, "old");
}

/* Another host changes records: seen at once, although sizes, and often inodes and times, are the
 * same. */
static void
testTwoHosts(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplStaging) other = replStagingOpen(pool->fd, FALSE, NULL);
    char description[16];
    guint i;

    for (i = 0; i < 300; i++) {
        g_autoptr(ReplImage) image = NULL;

        g_snprintf(description, sizeof(description), "%08u", i);
        save(i % 2 ? pool->staging : other, "v", description);
        image = load(i % 3 ? pool->staging : other, "v");
        g_assert_cmpstr(image->description, ==, description);
    }
    g_assert_cmpint(replRecordDropGone(other, pool->fd, "v", NULL), ==, 0);
    g_assert_null(load(pool->staging, "v"));
}

/* Bytes that this process has read from files so far. */
static guint64
bytesRead(void)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/self/io", &text, NULL, NULL));
    return g_ascii_strtoull(strstr(text, "rchar: ") + strlen("rchar: "), NULL, 10);
}

/* A record whose last change is over a second ago is read once. */
static void
testCacheServes(Pool *pool, gconstpointer data)
{
    g_autoptr(ReplImage) kept = NULL;
    gint64 start_us;
    guint64 before;
    guint i;

    save(pool->staging, "v", "x");
    g_usleep(1200000);
    kept = load(pool->staging, "v");
    before = bytesRead();
    start_us = g_get_monotonic_time();
    for (i = 0; i < 10000; i++) {
        g_autoptr(ReplImage) image = load(pool->staging, "v");

        g_assert_cmpstr(image->description, ==, "x");
    }
    g_test_message("%.1f us for each load", (g_get_monotonic_time() - start_us) / 10000.0);
    g_assert_cmpuint(bytesRead() - before, <, 4096);
    g_assert_cmpstr(kept->description, ==, "x"); /* copies: freeing one harms nobody */
}

static gboolean
countUp(ReplImage **image, void *opaque, GError **err)
{
    guint64 count = 0;

    if (!*image)
        *image = replImageNew(ID);
    else
        count = g_ascii_strtoull((*image)->description, NULL, 10);
    g_free((*image)->description);
    (*image)->description = g_strdup_printf("%" G_GUINT64_FORMAT, count + 1);
    return TRUE;
}

static gpointer
updater(gpointer opaque)
{
    guint i;

    for (i = 0; i < 50; i++)
        g_assert_cmpint(replRecordUpdate(opaque, "v", countUp, NULL, NULL), ==, 0);
    return NULL;
}

static gpointer
reader(gpointer opaque)
{
    guint64 last = 0;
    guint i;

    for (i = 0; i < 2000; i++) {
        g_autoptr(ReplImage) image = load(opaque, "v");
        guint64 now = image ? g_ascii_strtoull(image->description, NULL, 10) : 0;

        g_assert_cmpuint(now, >=, last);
        last = now;
    }
    return NULL;
}

static void
testThreads(Pool *pool, gconstpointer data)
{
    GThread *threads[6];
    g_autoptr(ReplImage) image = NULL;
    g_autoptr(ReplStaging) other = replStagingOpen(pool->fd, FALSE, NULL);
    guint i;

    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("t", i < 3 ? updater : reader, i < 5 ? pool->staging : other);
    for (i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    image = load(pool->staging, "v");
    g_assert_cmpstr(image->description, ==, "150");
    g_assert_cmpint(logWarnings, ==, 0);
}

static gboolean
refuseChange(ReplImage **image, void *opaque, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_DENIED, "no");
    return FALSE;
}

static gboolean
dropIt(ReplImage **image, void *opaque, GError **err)
{
    g_clear_pointer(image, replImageFree);
    return TRUE;
}

static void
testUpdate(Pool *pool, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplImage) image = NULL;

    save(pool->staging, "v", "7");
    g_assert_cmpint(replRecordUpdate(pool->staging, "v", refuseChange, NULL, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_DENIED);
    image = load(pool->staging, "v");
    g_assert_cmpstr(image->description, ==, "7");
    g_assert_cmpint(replRecordUpdate(pool->staging, "v", dropIt, NULL, NULL), ==, 0);
    g_assert_null(load(pool->staging, "v"));
    g_assert_cmpint(replRecordUpdate(pool->staging, "v", dropIt, NULL, NULL), ==, 0);
}

static void
testDerivedId(void)
{
    unsigned char pool[16];
    g_autofree char *id = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int i;

    for (i = 0; i < 16; i++)
        pool[i] = i;
    /* python3: d = bytearray(hashlib.sha1(bytes(range(16)) + struct.pack("<QQ", 42, 7) +
     * b"web.qcow2").digest()); d[6] = d[6] & 15 | 0x50; d[8] = d[8] & 63 | 0x80;
     * uuid.UUID(bytes=bytes(d[:16])) */
    id = replImageDerivedId(pool, "web.qcow2", 42, 7);
    g_assert_cmpstr(id, ==, "d27e9251-67a4-514f-9987-26e23b544245");
    g_assert_true(replIsUuid(id));
    g_hash_table_add(seen, g_strdup(id));
    g_assert_true(g_hash_table_add(seen, replImageDerivedId(pool, "web.qcow", 42, 7)));
    g_assert_true(g_hash_table_add(seen, replImageDerivedId(pool, "web.qcow2", 43, 7)));
    g_assert_true(g_hash_table_add(seen, replImageDerivedId(pool, "web.qcow2", 42, 8)));
    pool[0] = 1;
    g_assert_true(g_hash_table_add(seen, replImageDerivedId(pool, "web.qcow2", 42, 7)));
    g_assert_false(g_hash_table_add(seen, replImageDerivedId(pool, "web.qcow2", 42, 7)));
}

#define ADD(name, func) g_test_add("/store/record/" name, Pool, NULL, poolSetUp, func, poolTearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    replLogSetSink(logSink);
    ADD("round-trip", testRoundTrip);
    ADD("drop-if", testDropIf);
    ADD("names", testNames);
    ADD("refused", testRefused);
    ADD("two-hosts", testTwoHosts);
    ADD("cache-serves", testCacheServes);
    ADD("threads", testThreads);
    ADD("update", testUpdate);
    g_test_add_func("/store/record/derived-id", testDerivedId);
    return g_test_run();
}
