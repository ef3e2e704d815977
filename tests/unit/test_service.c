/*
 * test_service.c: what jobs claim, what they hold, and who makes what
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>

#include "fake_virt.h"
#include "service/claims.h"
#include "service/makers.h"
#include "service/overdue.h"
#include "service/service.h"

#define POOL "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

static const ReplJobOps noOps;

static ReplJob *
newJob(const char *id)
{
    return replJobNew(id, "north", &noOps, NULL, 0);
}

static GPtrArray *
layers(const char *first, const char *second)
{
    GPtrArray *made = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(made, replClaimsLayer("source", first));
    if (second)
        g_ptr_array_add(made, replClaimsLayer("source", second));
    return made;
}

/* All or nothing, by target; whoever has them may take more; dropped ones are free. */
static void
testClaims(void)
{
    g_autoptr(ReplJob) a = newJob("a");
    g_autoptr(ReplJob) b = newJob("b");
    g_autoptr(GPtrArray) base = layers("base", NULL);
    g_autoptr(GPtrArray) both = layers("top", "base");
    g_autoptr(GPtrArray) top = layers("top", NULL);
    guint64 era, before = replClaimsEra(POOL);

    g_assert_true(replClaimsTake(a, POOL, base, &era));
    g_assert_cmpint(era, ==, before);
    g_assert_cmpint(replClaimsEra(POOL), !=, before);
    g_assert_true(replClaimsTake(a, POOL, both, &era));
    g_assert_false(replClaimsTake(b, POOL, both, &era));
    g_assert_false(replClaimsTake(b, POOL, top, &era));
    g_assert_true(replClaimsTake(b, OTHER, both, &era));
    before = replClaimsEra(POOL);
    replClaimsDrop(a, POOL);
    g_assert_cmpint(replClaimsEra(POOL), !=, before);
    g_assert_true(replClaimsTake(b, POOL, both, &era));
    replClaimsDrop(b, POOL);
    replClaimsDrop(b, POOL); /* nothing to drop is no error */
}

/* What changes nothing in a pool leaves its number alone. */
static void
testEra(void)
{
    g_autoptr(ReplJob) a = newJob("a");
    g_autoptr(ReplJob) b = newJob("b");
    g_autoptr(GPtrArray) base = layers("base", NULL);
    guint64 era, before;

    g_assert_true(replClaimsTake(a, POOL, base, &era));
    before = replClaimsEra(POOL);
    g_assert_false(replClaimsTake(b, POOL, base, &era));
    replClaimsDrop(b, POOL);
    g_assert_cmpint(replClaimsEra(POOL), ==, before);
    replClaimsDrop(a, POOL);
}

static void
testHoldingUsage(void)
{
    const ReplAmounts adds = {.images = 1, .snapshots = 2, .bytes = 1000};
    g_autoptr(ReplHolding) holding = replHoldingNew("replica", replImageNew("id"));
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    ReplAmounts usage = {.images = 10, .snapshots = 5, .bytes = 100};

    g_ptr_array_add(names, g_strdup("base"));
    replHoldingSetPlan(holding, 77, &adds);
    g_assert_cmpint(replHoldingCapacity(holding), ==, 77);
    replHoldingCorrectUsage(holding, TRUE, &usage);
    g_assert_cmpint(usage.images, ==, 10); /* nothing is listed yet */
    g_assert_cmpint(usage.bytes, ==, 100);
    replHoldingSetNames(holding, TRUE, names);
    replHoldingCorrectUsage(holding, FALSE, &usage);
    g_assert_cmpint(usage.images, ==, 9); /* a placeholder of a layer is no image */
    g_assert_cmpint(usage.bytes, ==, 100);
    replHoldingCorrectUsage(holding, TRUE, &usage);
    g_assert_cmpint(usage.snapshots, ==, 7);
    g_assert_cmpint(usage.bytes, ==, 1100);
    g_assert_true(replHoldingMakes(holding, "replica"));
    g_assert_true(replHoldingMakes(holding, "base"));
    g_assert_false(replHoldingMakes(holding, "bas"));
}

static void
testMakers(void)
{
    g_autoptr(ReplJob) a = newJob("a");
    g_autoptr(ReplJob) b = newJob("b");
    g_autoptr(ReplHolding) first = replHoldingNew("web", replImageNew("id"));
    g_autoptr(ReplHolding) second = replHoldingNew("web", replImageNew("id"));
    g_autoptr(ReplHolding) found = NULL;
    g_autoptr(ReplJob) job = NULL;
    ReplJob *before;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(names, g_strdup("base"));
    replHoldingSetNames(first, TRUE, names);
    g_assert_null(replMakersAdd(POOL, "web", a, first));
    job = replMakersFindAny(POOL, "base");
    g_assert_true(job == a);
    g_assert_null(replMakersFindAny(OTHER, "base"));
    g_assert_null(replMakersFind(POOL, "base", NULL)); /* not a replica */
    before = replMakersAdd(POOL, "web", b, second);    /* a later job of the name */
    g_assert_true(before == a);
    g_clear_pointer(&before, replJobUnref);
    g_assert_false(replMakersHas(a));
    replMakersRemove(POOL, "web", a); /* does not take its successor out */
    g_assert_true(replMakersHas(b));
    replJobUnref(g_steal_pointer(&job));
    job = replMakersFind(POOL, "web", &found);
    g_assert_true(job == b && found == second);
    replMakersRemove(POOL, "web", b);
    g_assert_false(replMakersHas(b));
}

/* The last word on a job counts, until nothing is to be done any more. */
static void
testOverdue(void)
{
    g_autoptr(GPtrArray) list = NULL;
    ReplJobRecord *record = replJobRecordNew("a");

    replOverdueAdd(POOL, record);
    replOverdueAdd(OTHER, replJobRecordNew("b"));
    record = replJobRecordNew("a");
    record->refused = TRUE;
    replOverdueAdd(POOL, record);
    g_assert_true(replOverdueHas("a"));
    list = replOverdueList(POOL);
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_true(((const ReplJobRecord *)g_ptr_array_index(list, 0))->refused);
    replOverdueForget("a");
    replOverdueForget("a"); /* nothing to forget is no error */
    replOverdueForget("b");
    g_assert_false(replOverdueHas("a"));
}

int
main(int argc, char **argv)
{
    g_autofree char *dir = NULL;
    g_autofree char *remove = NULL;
    int rc;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("repl-service-XXXXXX", NULL);
    fakeVirtStart(dir);
    g_test_add_func("/service/claims", testClaims);
    g_test_add_func("/service/era", testEra);
    g_test_add_func("/service/holding/usage", testHoldingUsage);
    g_test_add_func("/service/makers", testMakers);
    g_test_add_func("/service/overdue", testOverdue);
    rc = g_test_run();
    replServiceStop();
    remove = g_strdup_printf("rm -rf '%s'", dir);
    g_assert_cmpint(system(remove), ==, 0);
    return rc;
}
