/*
 * test_policy.c: policies: reading them, who gets what from where, and what may go
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policyplan.h"
#include "tree.h"

#define DAY (24 * 3600)

static ReplPolicy *
testParse(const char *text)
{
    g_autoptr(GError) error = NULL;
    ReplPolicy *policy = replPolicyParse(text, strlen(text), &error);

    g_assert_no_error(error);
    return policy;
}

static void
testRead(void)
{
    g_autoptr(ReplPolicy) policy =
        testParse("[policy]\nbandwidth=22:00-06:00 100MiB/s; 12:00-13:00\nfan-out=2\n"
                  "[distance]\na b=10\n[rule x]\nfrom=a\nregions=b; c*\nimages=web-*\n"
                  "families=db\ntypes=system-disk\nversions=3\nencryption=ims/web\ndelete=yes\n");
    ReplPolicyRule *rule = g_ptr_array_index(policy->rules, 0);
    guint64 rate = 1;

    g_assert_cmpuint(policy->fanout, ==, 2);
    g_assert_cmpstr(rule->name, ==, "x");
    g_assert_cmpuint(rule->versions, ==, 3);
    g_assert_true(rule->deletes);
    g_assert_cmpstr(rule->encryption, ==, "ims/web");
    g_assert_true(replPolicyWants(rule, "b"));
    g_assert_true(replPolicyWants(rule, "cde"));
    g_assert_false(replPolicyWants(rule, "a"));
    g_assert_true(replPolicyMatches(rule, "web-1", "system-disk"));
    g_assert_true(replPolicyMatches(rule, "db_v7.qcow2", "system-disk"));
    g_assert_false(replPolicyMatches(rule, "db_v7.qcow2", "iso"));
    g_assert_false(replPolicyMatches(rule, "dbx-7", "system-disk"));
    g_assert_cmpfloat(*(double *)g_hash_table_lookup(policy->distance, "b a"), ==, 10);
    g_assert_true(replPolicyOpenAt(policy, 23 * 60, &rate));
    g_assert_cmpuint(rate, ==, 100 << 20);
    g_assert_true(replPolicyOpenAt(policy, 0, &rate));
    g_assert_true(replPolicyOpenAt(policy, 12 * 60 + 30, &rate));
    g_assert_cmpuint(rate, ==, 0);
    g_assert_false(replPolicyOpenAt(policy, 6 * 60, &rate));
    g_assert_false(replPolicyOpenAt(policy, 13 * 60, &rate));
}

static void
testBad(void)
{
    static const char *const bad[][2] = {
        {"", "[rule NAME]"},
        {"[rule x]\nfrom=a\nregions=b\n", "needs"},
        {"[rule x]\nfrom=a\nimages=*\n", "needs"},
        {"[rule x]\nfrom=a\nregions=b\nimages=*\nversions=0\n", "versions"},
        {"[rule x]\nfrom=a\nregions=b\nimages=*\ndelete=maybe\n", "delete"},
        {"[rule x]\nfrom=a\nregions=b\nimages=*\nimage=y\n", "'image'"},
        {"[rules]\n[rule x]\nfrom=a\nregions=b\nimages=*\n", "[rules]"},
        {"[policy]\nbandwidth=25:00-06:00\n[rule x]\nfrom=a\nregions=b\nimages=*\n", "bandwidth"},
        {"[policy]\nbandwidth=fast\n[rule x]\nfrom=a\nregions=b\nimages=*\n", "bandwidth"},
        {"[distance]\na=1\n[rule x]\nfrom=a\nregions=b\nimages=*\n", "distance"},
        {"[distance]\na b=-1\n[rule x]\nfrom=a\nregions=b\nimages=*\n", "distance"},
        {"no key file", "key"},
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(replPolicyParse(bad[i][0], strlen(bad[i][0]), &error));
        g_assert_nonnull(strstr(error->message, bad[i][1]));
    }
}

/* Only a plain file of the caller that nobody else may write is read. */
static void
testOwner(void)
{
    static const char text[] = "[rule x]\nfrom=a\nregions=b\nimages=*\n";
    g_autofree char *dir = g_dir_make_tmp("policy-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "p", NULL);
    ReplPolicy *policy;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(g_chmod(path, 0644), ==, 0);
    policy = replPolicyLoad(path, &error);
    g_assert_no_error(error);
    replPolicyFree(policy);
    g_assert_cmpint(g_chmod(path, 0664), ==, 0);
    g_assert_null(replPolicyLoad(path, &error));
    g_clear_error(&error);
    g_assert_cmpint(g_chmod(path, 0646), ==, 0);
    g_assert_null(replPolicyLoad(path, &error));
    g_clear_error(&error);
    g_assert_null(replPolicyLoad(dir, &error));
    g_clear_error(&error);
    if (geteuid() == 0) {
        g_assert_cmpint(g_chmod(path, 0644), ==, 0);
        g_assert_cmpint(chown(path, 1, 1), ==, 0);
        g_assert_null(replPolicyLoad(path, &error));
        g_assert_nonnull(strstr(error->message, "belongs to user 1"));
        g_clear_error(&error);
    }
    g_unlink(path);
    g_rmdir(dir);
}

static void
testFamilies(void)
{
    static const char *const cases[][3] = {
        {"web-1.2.qcow2", "web", "1.2.qcow2"},
        {"web_v3", "web", "v3"},
        {"web", "web", ""},
        {"a-b-10", "a-b", "10"},
        {"-1", "-1", ""},
        {"web.qcow2", "web.qcow2", ""},
        {"debian-12-web-3", "debian", "12-web-3"},
        {"", "", ""},
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *version;
        g_autofree char *family = replPolicyFamily(cases[i][0], &version);

        g_assert_cmpstr(family, ==, cases[i][1]);
        g_assert_cmpstr(version, ==, cases[i][2]);
    }
}

/* ---- a world: regions and images in a few words */

typedef struct {
    GPtrArray *regions; /* ends with NULL */
} TestWorld;

static TestWorld
testWorld(const char *names)
{
    g_auto(GStrv) list = g_strsplit(names, " ", -1);
    TestWorld world = {g_ptr_array_new()};
    guint i;

    for (i = 0; list[i]; i++) {
        virtReplicationRegion *region = g_new0(virtReplicationRegion, 1);

        region->name = g_strdup(list[i]);
        region->pool = g_strdup_printf("pool-%s", list[i]);
        region->poolUUID = g_strdup_printf("uuid-%s", list[i]);
        region->project = g_strdup("default");
        region->active = region->listed = 1;
        region->images = g_new0(virtReplicationImage *, 100);
        g_ptr_array_add(world.regions, region);
    }
    g_ptr_array_add(world.regions, NULL);
    return world;
}

static virtReplicationRegion *
testRegion(TestWorld *world, const char *name)
{
    guint i;

    for (i = 0; strcmp(((virtReplicationRegion *)g_ptr_array_index(world->regions, i))->name, name) != 0; i++)
        ;
    return g_ptr_array_index(world->regions, i);
}

static virtReplicationImage *
testImage(TestWorld *world, const char *region, const char *name, const char *id, const char *source)
{
    virtReplicationRegion *place = testRegion(world, region);
    virtReplicationImage *image = g_new0(virtReplicationImage, 1);

    image->id = g_strdup(id);
    image->name = g_strdup(name);
    image->volume = g_strdup(name);
    image->region = g_strdup(region);
    image->project = g_strdup("default");
    image->status = g_strdup("available");
    image->sourceID = g_strdup(source);
    place->images[place->nimages++] = image;
    return image;
}

static void
testRemove(TestWorld *world, const char *region, const char *id)
{
    virtReplicationRegion *place = testRegion(world, region);
    size_t i;

    for (i = 0; strcmp(place->images[i]->id, id) != 0; i++)
        ;
    virtReplicationImageFree(place->images[i]);
    place->images[i] = place->images[--place->nimages];
    place->images[place->nimages] = NULL;
}

static void
testWorldFree(TestWorld *world)
{
    guint i;

    for (i = 0; i + 1 < world->regions->len; i++)
        virtReplicationRegionFree(g_ptr_array_index(world->regions, i));
    g_ptr_array_free(world->regions, TRUE);
}

static ReplSyncState *
testState(void)
{
    return replSyncStateRead("/nonexistent/state", NULL);
}

static ReplPolicyPlan *
testMake(const ReplPolicy *policy, TestWorld *world, ReplSyncState *state, gint64 now, int allow)
{
    return replPolicyPlanMake(policy, (virtReplicationRegion *const *)world->regions->pdata, state, now,
                              allow);
}

static const ReplWish *
testWish(const ReplPolicyPlan *plan, const char *origin, const char *region)
{
    guint i;

    for (i = 0; i < plan->wishes->len; i++) {
        const ReplWish *wish = &g_array_index(plan->wishes, ReplWish, i);

        if (strcmp(wish->origin->id, origin) == 0 && strcmp(wish->region, region) == 0)
            return wish;
    }
    return NULL;
}

static void
testWishes(void)
{
    g_autoptr(ReplPolicy) policy = testParse("[rule x]\nfrom=a\nregions=*;nowhere\nimages=web*\n");
    g_autoptr(ReplSyncState) state = testState();
    TestWorld world = testWorld("a b c d e");
    ReplPolicyPlan *plan;

    testImage(&world, "a", "web", "1", NULL);
    testImage(&world, "a", "other", "2", NULL);
    testImage(&world, "a", "web-layer", "3", NULL)->isLayer = 1;
    testImage(&world, "b", "web", "11", "1");
    testImage(&world, "c", "web", "12", "11"); /* by way of b */
    testImage(&world, "d", "web", "99", NULL); /* not ours */
    testRegion(&world, "e")->listed = 0;
    plan = testMake(policy, &world, state, 1000, -1);
    g_assert_cmpuint(plan->wishes->len, ==, 5);
    g_assert_cmpint(testWish(plan, "1", "b")->state, ==, REPL_WISH_THERE);
    g_assert_cmpint(testWish(plan, "1", "c")->state, ==, REPL_WISH_THERE);
    g_assert_cmpint(testWish(plan, "1", "d")->state, ==, REPL_WISH_TAKEN);
    g_assert_cmpint(testWish(plan, "1", "e")->state, ==, REPL_WISH_AWAY);
    g_assert_cmpint(testWish(plan, "1", "nowhere")->state, ==, REPL_WISH_AWAY);
    replPolicyPlanFree(plan);

    /* b's replica goes: what c has is remembered to be of the same origin; and b has to get it again. */
    testRemove(&world, "b", "11");
    plan = testMake(policy, &world, state, 2000, -1);
    g_assert_cmpint(testWish(plan, "1", "b")->state, ==, REPL_WISH_MISSING);
    g_assert_cmpint(testWish(plan, "1", "c")->state, ==, REPL_WISH_THERE);
    replPolicyPlanFree(plan);
    testWorldFree(&world);
}

static void
testStates(void)
{
    g_autoptr(ReplPolicy) policy = testParse("[rule x]\nfrom=a\nregions=b;c\nimages=web\n");
    g_autoptr(ReplSyncState) state = testState();
    TestWorld world = testWorld("a b c");
    ReplPolicyPlan *plan;
    virtReplicationImage *image;

    testImage(&world, "a", "web", "1", NULL);
    image = testImage(&world, "b", "web", "11", "1");
    g_free(image->status);
    image->status = g_strdup("pending");
    image = testImage(&world, "c", "web", "12", "1");
    g_free(image->status);
    image->status = g_strdup("error");
    plan = testMake(policy, &world, state, 1000, -1);
    g_assert_cmpint(testWish(plan, "1", "b")->state, ==, REPL_WISH_COMING);
    g_assert_cmpint(testWish(plan, "1", "c")->state, ==, REPL_WISH_FAILED);
    g_assert_cmpint(replSyncStatePair(state, "1", "b", false)->wanted, ==, 1000);
    g_assert_cmpint(replSyncStatePair(state, "1", "b", false)->done, ==, 0);
    replPolicyPlanFree(plan);
    testWorldFree(&world);
}

static void
testVersions(void)
{
    g_autoptr(ReplPolicy) policy =
        testParse("[rule x]\nfrom=a\nregions=b\nfamilies=web;db\nversions=2\ndelete=yes\n");
    g_autoptr(ReplSyncState) state = testState();
    TestWorld world = testWorld("a b");
    ReplPolicyPlan *plan;
    guint i;

    testImage(&world, "a", "web-9", "1", NULL);
    testImage(&world, "a", "web-10", "2", NULL);
    testImage(&world, "a", "db-1", "4", NULL);
    for (i = 0; i < 2; i++)
        testImage(&world, "b", i ? "web-10" : "web-9", i ? "12" : "11", i ? "2" : "1");
    plan = testMake(policy, &world, state, 1000, 5);
    g_assert_cmpuint(plan->wishes->len, ==, 3);
    g_assert_cmpuint(plan->gone->len, ==, 0);
    replPolicyPlanFree(plan);

    testImage(&world, "a", "web-11", "3", NULL);
    plan = testMake(policy, &world, state, 1001, 5);
    g_assert_null(testWish(plan, "1", "b"));
    g_assert_nonnull(testWish(plan, "3", "b"));
    g_assert_cmpuint(plan->gone->len, ==, 1);
    g_assert_cmpstr(g_array_index(plan->gone, ReplGone, 0).replica->id, ==, "11");
    g_assert_true(g_array_index(plan->gone, ReplGone, 0).allowed);
    g_assert_true(g_array_index(plan->gone, ReplGone, 0).old);
    replPolicyPlanFree(plan);
    testWorldFree(&world);
}

/* How many replicas may go now. */
static guint
testGone(const ReplPolicy *policy, TestWorld *world, ReplSyncState *state, gint64 now, int allow,
         guint *allowed)
{
    g_autoptr(ReplPolicyPlan) plan = testMake(policy, world, state, now, allow);
    guint i;

    *allowed = 0;
    for (i = 0; i < plan->gone->len; i++) {
        g_assert_cmpint(g_array_index(plan->gone, ReplGone, i).allowed, ==,
                        g_array_index(plan->gone, ReplGone, i).why == NULL);
        *allowed += g_array_index(plan->gone, ReplGone, i).allowed;
    }
    return plan->gone->len;
}

static void
testDeletes(void)
{
    g_autoptr(ReplPolicy) policy = testParse("[rule x]\nfrom=a\nregions=b\nimages=web*\ndelete=yes\n");
    g_autoptr(ReplPolicy) keeps = testParse("[rule x]\nfrom=a\nregions=b\nimages=web*\n");
    g_autoptr(ReplSyncState) state = testState();
    g_autoptr(ReplSyncState) fresh = testState();
    TestWorld world = testWorld("a b");
    virtReplicationRegion *a = testRegion(&world, "a");
    guint allowed, i;

    for (i = 0; i < 20; i++) {
        g_autofree char *name = g_strdup_printf("web%u", i);
        g_autofree char *id = g_strdup_printf("o%u", i);
        g_autofree char *replica = g_strdup_printf("r%u", i);

        testImage(&world, "a", name, id, NULL);
        testImage(&world, "b", name, replica, id);
    }
    g_assert_cmpuint(testGone(policy, &world, state, 1000, -1, &allowed), ==, 0);
    for (i = 0; i < 5; i++) {
        g_autofree char *id = g_strdup_printf("o%u", i);

        testRemove(&world, "a", id);
    }
    /* Seen missing for the first time. */
    g_assert_cmpuint(testGone(policy, &world, state, 2000, -1, &allowed), ==, 5);
    g_assert_cmpuint(allowed, ==, 0);
    /* Not yet for 24 hours. */
    testGone(policy, &world, state, 2000 + DAY - 1, 100, &allowed);
    g_assert_cmpuint(allowed, ==, 0);
    /* At most 10 % of 20, or as many as the user says. */
    testGone(policy, &world, state, 2000 + DAY, -1, &allowed);
    g_assert_cmpuint(allowed, ==, 2);
    testGone(policy, &world, state, 2000 + DAY, 4, &allowed);
    g_assert_cmpuint(allowed, ==, 4);
    testGone(policy, &world, state, 2000 + DAY, 0, &allowed);
    g_assert_cmpuint(allowed, ==, 0);
    /* The source's region was not listed whole in this run. */
    a->listed = 0;
    testGone(policy, &world, state, 2000 + 3 * DAY, 100, &allowed);
    g_assert_cmpuint(allowed, ==, 0);
    a->listed = 1;
    a->active = 0;
    testGone(policy, &world, state, 2000 + 3 * DAY, 100, &allowed);
    g_assert_cmpuint(allowed, ==, 0);
    a->active = 1;
    /* A policy that does not say delete; a state that knows nothing of these replicas. */
    g_assert_cmpuint(testGone(keeps, &world, state, 2000 + 3 * DAY, 100, &allowed), ==, 0);
    g_assert_cmpuint(testGone(policy, &world, fresh, 2000 + 3 * DAY, 100, &allowed), ==, 0);
    testWorldFree(&world);
}

/* A peer that is away for days must never cascade, and a source that comes back is missing no more. */
static void
testAwayNeverCascades(void)
{
    g_autoptr(ReplPolicy) policy = testParse("[rule x]\nfrom=a\nregions=b\nimages=web*\ndelete=yes\n");
    g_autoptr(ReplSyncState) state = testState();
    TestWorld world = testWorld("a b");
    virtReplicationRegion *a = testRegion(&world, "a");
    guint allowed, day;

    testImage(&world, "a", "web", "1", NULL);
    testImage(&world, "b", "web", "11", "1");
    testGone(policy, &world, state, 1000, -1, &allowed);
    testRemove(&world, "a", "1");
    a->listed = 0; /* away: nothing is in its list */
    for (day = 1; day < 10; day++) {
        g_assert_cmpuint(testGone(policy, &world, state, 1000 + day * DAY, 100, &allowed), ==, 1);
        g_assert_cmpuint(allowed, ==, 0);
    }
    /* Back, but with an empty list for a moment: the 24 hours begin only now. */
    a->listed = 1;
    testGone(policy, &world, state, 1000 + 10 * DAY, 100, &allowed);
    g_assert_cmpuint(allowed, ==, 0);
    testImage(&world, "a", "web", "1", NULL);
    g_assert_cmpuint(testGone(policy, &world, state, 1000 + 12 * DAY, 100, &allowed), ==, 0);
    testRemove(&world, "a", "1");
    testGone(policy, &world, state, 1000 + 13 * DAY, 100, &allowed);
    g_assert_cmpuint(allowed, ==, 0);
    testWorldFree(&world);
}

static void
testStateFile(void)
{
    g_autofree char *dir = g_dir_make_tmp("state-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "deep", "s.state", NULL);
    g_autofree char *lock = g_strconcat(path, ".lock", NULL);
    g_autofree char *deep = g_path_get_dirname(path);
    g_autoptr(ReplSyncState) one = replSyncStateRead(path, NULL);
    g_autoptr(ReplSyncState) two = replSyncStateRead(path, NULL);
    g_autoptr(ReplSyncState) read = NULL;
    ReplSyncPair *pair = replSyncStatePair(one, "1", "b", true);
    gint64 when = 77;
    double rate = 1.5e6;

    pair->name = g_strdup("web");
    pair->replica = g_strdup("11");
    pair->done = 5;
    g_hash_table_insert(one->missing, g_strdup("9"), g_memdup2(&when, sizeof(when)));
    g_hash_table_insert(one->rates, g_strdup("a b"), g_memdup2(&rate, sizeof(rate)));
    g_assert_true(replSyncStateSave(one, NULL));
    /* Another run that began before takes over what this one has finished. */
    replSyncStatePair(two, "1", "b", true)->name = g_strdup("web");
    g_assert_true(replSyncStateSave(two, NULL));
    read = replSyncStateRead(path, NULL);
    pair = replSyncStatePair(read, "1", "b", false);
    g_assert_nonnull(pair);
    g_assert_cmpint(pair->done, ==, 5);
    g_assert_cmpstr(pair->replica, ==, "11");
    g_unlink(path);
    g_unlink(lock);
    g_rmdir(deep);
    g_rmdir(dir);
}

/* Regions on a line, as far from each other as their numbers. */
static double
testLine(guint from, guint to, void *opaque G_GNUC_UNUSED)
{
    return from < to ? to - from : from - to;
}

static void
testTree(void)
{
    ReplTreeNode nodes[6] = {{.has = true}, {.wanted = true}, {.wanted = true},
                             {.has = true}, {.wanted = true}, {.has = true, .busy = true}};
    GArray *edges = replTreeNext(nodes, 6, 3, testLine, NULL);

    g_assert_cmpuint(edges->len, ==, 2);
    g_assert_cmpuint(g_array_index(edges, ReplTreeEdge, 0).from, ==, 0);
    g_assert_cmpuint(g_array_index(edges, ReplTreeEdge, 0).to, ==, 1);
    g_assert_cmpuint(g_array_index(edges, ReplTreeEdge, 1).from, ==, 3);
    g_assert_cmpuint(g_array_index(edges, ReplTreeEdge, 1).to, ==, 2);
    g_assert_true(nodes[0].busy && nodes[0].children == 1 && !nodes[1].wanted && nodes[4].wanted);
    g_array_unref(edges);
    nodes[0].busy = nodes[3].busy = false;
    nodes[0].children = nodes[3].children = 3;
    edges = replTreeNext(nodes, 6, 3, testLine, NULL);
    g_assert_cmpuint(edges->len, ==, 0);
    g_array_unref(edges);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policy/read", testRead);
    g_test_add_func("/policy/bad", testBad);
    g_test_add_func("/policy/owner", testOwner);
    g_test_add_func("/policy/families", testFamilies);
    g_test_add_func("/policy/wishes", testWishes);
    g_test_add_func("/policy/states", testStates);
    g_test_add_func("/policy/versions", testVersions);
    g_test_add_func("/policy/deletes", testDeletes);
    g_test_add_func("/policy/away-never-cascades", testAwayNeverCascades);
    g_test_add_func("/policy/state-file", testStateFile);
    g_test_add_func("/policy/tree", testTree);
    return g_test_run();
}
