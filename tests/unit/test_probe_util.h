/*
 * test_probe_util.h: pools with files made by qemu-img for the tests of driver/probe
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "probe/chain.h"
#include "test_qcow2_util.h"

/* Pools in directories of the scratch directory: a and b in region "north", c in "south". */
typedef struct {
    ReplPoolSet *set;
    const ReplPoolDir *a, *b, *c;
} TestPools;

static const ReplPoolDir *
testPool(ReplPoolSet *set, const char *name, const char *dir, const char *region)
{
    g_autofree char *path = testPath(dir);
    g_autoptr(ReplLabel) label = replLabelNew(region, "default");
    g_autoptr(GError) err = NULL;
    ReplPoolDir *pool = replPoolDirNew(name, name, path, label, &err);

    g_assert_no_error(err);
    replPoolSetAdd(set, pool);
    return pool;
}

/* Empty pools in a new scratch directory, which every command runs in. */
static void
testPoolsUp(TestPools *t, gconstpointer unused)
{
    testDirMake();
    testRun("mkdir a b c out a/.replication");
    t->set = replPoolSetNew();
    t->a = testPool(t->set, "a", "a", "north");
    t->b = testPool(t->set, "b", "b", "north");
    t->c = testPool(t->set, "c", "c", "south");
}

static void
testPoolsDown(TestPools *t, gconstpointer unused)
{
    replPoolSetFree(t->set);
    testRun("rm -rf a b c out link");
    testDirRemove();
}

/* An image of three layers in pool a: top.qcow2, mid.qcow2, base.raw. */
static G_GNUC_UNUSED void
testMakeChain(void)
{
    testRun("cd a && qemu-img create -q -f raw base.raw 8M && "
            "qemu-io -f raw -c 'write -q -P 1 0 1M' base.raw && "
            "qemu-img create -q -f qcow2 -b base.raw -F raw mid.qcow2 && "
            "qemu-io -f qcow2 -c 'write -q -P 2 1M 1M' mid.qcow2 && "
            "qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 top.qcow2 && "
            "qemu-io -f qcow2 -c 'write -q -P 3 2M 1M' top.qcow2");
}

/* "pool/volume pool/volume ..." */
static G_GNUC_UNUSED char *
testShowChain(const ReplChain *chain)
{
    GString *text = g_string_new(NULL);
    guint i;

    for (i = 0; i < chain->layers->len; i++)
        g_string_append_printf(text, "%s%s/%s", i ? " " : "", replChainLayer(chain, i)->pool->name,
                               replChainLayer(chain, i)->volume);
    return g_string_free(text, FALSE);
}

#define testAdd(path, fn) g_test_add(path, TestPools, NULL, testPoolsUp, fn, testPoolsDown)
