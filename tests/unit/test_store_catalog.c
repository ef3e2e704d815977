/*
 * test_store_catalog.c: images by id, and which ones are shared, as records come and go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "storefiles.h"
#include "store/record.h"
#include "store/recordfind.h"

#define ID1 "3b0f6b8e-6d7e-4d3f-9c37-3c8ef1f0a9d1"
#define ID2 "9a5c1c1e-2f43-4f0b-8c58-64a2f7a7d9f0"

static void
save(ReplStaging *staging, const char *volume, const char *id, const char *project)
{
    g_autoptr(ReplImage) image = replImageNew(id);
    g_autoptr(GError) err = NULL;

    if (project)
        g_ptr_array_add(image->shares, replShareNew(project, REPL_SHARE_OFFERED));
    replRecordSave(staging, volume, image, &err);
    g_assert_no_error(err);
}

static void
addShare(const char *volume, const char *id, const ReplShare *share, void *opaque)
{
    g_string_append_printf(opaque, "%s:%s ", volume, share->project);
    g_assert_cmpstr(id, ==, ID1);
}

static void
assertFound(ReplStaging *staging, const char *id, const char *volume)
{
    g_autofree char *found = replRecordFindId(staging, id);

    g_assert_cmpstr(found, ==, volume);
}

static void
assertShares(ReplStaging *staging, const char *expected)
{
    g_autoptr(GString) shares = g_string_new(NULL);

    replRecordEachShare(staging, addShare, shares);
    g_assert_cmpstr(shares->str, ==, expected);
}

/* Loaded first, then kept: and both say the same. */
static void
testFollows(Pool *pool, gconstpointer data)
{
    ReplStaging *staging = pool->staging;

    save(staging, "a", ID1, "p2");
    assertFound(staging, ID1, "a");
    assertFound(staging, ID2, NULL);
    assertShares(staging, "a:p2 ");
    save(staging, "b", ID2, NULL);
    assertFound(staging, ID2, "b");
    save(staging, "a", ID1, NULL);
    assertShares(staging, "");
    g_assert_cmpint(replRecordDropGone(staging, pool->fd, "a", NULL), ==, 0);
    assertFound(staging, ID1, NULL);
    /* A name may pass from one image to another, and an id to another name. */
    save(staging, "b", ID1, "p3");
    assertFound(staging, ID2, NULL);
    save(staging, "c", ID1, "p4");
    g_assert_cmpint(replRecordDropGone(staging, pool->fd, "b", NULL), ==, 0);
    assertFound(staging, ID1, "c");
    replRecordsReset(staging);
    assertFound(staging, ID1, "c");
    assertShares(staging, "c:p4 ");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/store/catalog/follows", Pool, NULL, poolSetUp, testFollows, poolTearDown);
    return g_test_run();
}
