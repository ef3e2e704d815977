/*
 * test_luks_convert.c: layers of every kind, plain -> LUKS -> other key -> plain; qemu-img is the judge
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_luks_util.h"

static void
testKind(gconstpointer opaque)
{
    const TestKind *k = opaque;
    g_autofree char *name = testMakeKind(k);

    testCircle(name);
    if (g_str_equal(k->name, "ref1"))
        return;
    testRun("qemu-img snapshot -c s1 %s && qemu-io -c 'write -q -P 0x61 10k 100k' -c 'write -q -P 9 3M 5k' "
            "%s && qemu-img snapshot -c s2 %s && qemu-io -c 'write -q -P 0x62 3500k 500k' %s",
            name, name, name, name);
    if (!strstr(k->options, "0.10"))
        testRun("qemu-img bitmap --add --enable %s b1 && qemu-io -c 'write -q 2M 64k' %s", name, name);
    testCircle(name);
}

int
main(int argc, char **argv)
{
    gsize i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    for (i = 0; i < G_N_ELEMENTS(testKinds); i++) {
        g_autofree char *path = g_strdup_printf("/luks/convert/%s", testKinds[i].name);

        g_test_add_data_func(path, &testKinds[i], testKind);
    }
    ret = g_test_run();
    testDirRemove();
    return ret;
}
