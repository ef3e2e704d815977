/*
 * test_probe_foreign.c: chains of formats that are only read to be converted stay confined
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_probe_util.h"

#include "probe/cache.h"

typedef struct {
    const char *name;
    const char *make;
    const char *chain; /* NULL: refused with */
    int code;
    const char *part;
} Row;

#define TWO(format)                                                                                          \
    "cd a && qemu-img create -q -f " format " b 4M && qemu-img create -q -f " format " -b b -F " format " t"
/* Writes what printf makes of @bytes at @offset of a/t. */
#define PATCH(offset, bytes) " && printf '" bytes "' | dd of=t bs=1 seek=" offset " conv=notrunc status=none"

static const Row rows[] = {
    {"qcow", TWO("qcow"), "a/t a/b", 0, NULL},
    {"qed", TWO("qed"), "a/t a/b", 0, NULL},
    {"vmdk", TWO("vmdk"), "a/t a/b", 0, NULL},
    {"vmdk-three",
     "cd a && qemu-img create -q -f vmdk c 4M && qemu-img create -q -f vmdk -b c -F vmdk b && "
     "qemu-img create -q -f vmdk -b b -F vmdk t",
     "a/t a/b a/c", 0, NULL},
    {"qed-raw-that-looks-like-qed",
     "cd a && qemu-img create -q -f qed -u -b /etc/passwd -F raw b 4M && qemu-img create -q -f qed -b b -F "
     "raw t",
     "a/t a/b", 0, NULL},
    {"qed-on-raw", "cd a && truncate -s 4M b && qemu-img create -q -f qed -b b -F raw t", "a/t a/b", 0, NULL},
    {"qcow-on-qcow2",
     "cd a && qemu-img create -q -f qcow2 b 4M && qemu-img create -q -f qcow -b b -F qcow2 t", "a/t a/b", 0,
     NULL},
    {"other-pool",
     "cd a && qemu-img create -q -f qed ../b/b 4M && qemu-img create -q -f qed -b ../b/b -F qed t", "a/t b/b",
     0, NULL},

    {"qed-three",
     "cd a && qemu-img create -q -f qed c 4M && qemu-img create -q -f qed -b c -F qed b && "
     "qemu-img create -q -f qed -b b -F qed t",
     NULL, VIR_ERR_OPERATION_INVALID, "looks like 'qed' but may be raw; convert the volume to qcow2 first"},
    {"guessed-other", "cd a && qemu-img create -q -f vdi b 4M && qemu-img create -q -f qcow -b b -F vdi t",
     NULL, VIR_ERR_OPERATION_INVALID, "looks like 'vdi'"},
    {"qcow-outside", "cd a && qemu-img create -q -f qcow -u -b /etc/passwd -F raw t 1M", NULL,
     VIR_ERR_OPERATION_INVALID, "'/etc/passwd' of volume 't' in storage pool 'a' is outside of"},
    {"qed-outside", "cd a && qemu-img create -q -f qed -u -b ../out/x -F raw t 1M", NULL,
     VIR_ERR_OPERATION_INVALID, "is outside of"},
    {"vmdk-outside",
     "cd out && qemu-img create -q -f vmdk b 4M && cd ../a && qemu-img create -q -f vmdk -b ../out/b -F vmdk "
     "t",
     NULL, VIR_ERR_OPERATION_INVALID, "is outside of"},
    {"vmdk-protocol", TWO("vmdk") " && sed -i 's/Hint=\"b\"/Hint=\"nbd:x\"/' t", NULL, VIR_ERR_NO_SUPPORT,
     "'nbd:x'"},
    {"vmdk-itself", TWO("vmdk") " && sed -i 's/Hint=\"b\"/Hint=\"t\"/' t", NULL, VIR_ERR_OPERATION_INVALID,
     "is a loop"},
    {"vmdk-no-end", TWO("vmdk") " && sed -i 's/Hint=\"b\"/Hint=/' t", NULL, VIR_ERR_OPERATION_INVALID,
     "The vmdk header of volume 't' is malformed"},
    {"vmdk-files", "cd a && qemu-img create -q -f vmdk -o subformat=monolithicFlat t 4M", NULL,
     VIR_ERR_NO_SUPPORT, "its data lies in other files"},
    {"vmdk-two-gb", "cd a && qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentSparse t 4M", NULL,
     VIR_ERR_NO_SUPPORT, "its data lies in other files"},
    {"vmdk-hidden-descriptor",
     "cd a && qemu-img create -q -f vmdk t 4M" PATCH("12", "\\0\\0\\0\\0\\0\\0\\0\\0"), NULL,
     VIR_ERR_NO_SUPPORT, "its data lies in other files"},
    {"vmdk-huge",
     "cd a && qemu-img create -q -f vmdk t 4M" PATCH("12", "\\377\\377\\377\\377\\377\\377\\377\\377"), NULL,
     VIR_ERR_OPERATION_INVALID, "malformed"},
    {"vdi-difference", "cd a && qemu-img create -q -f vdi t 4M" PATCH("76", "\\4"), NULL, VIR_ERR_NO_SUPPORT,
     "only the differences"},
    {"vdi-linked", "cd a && qemu-img create -q -f vdi t 4M" PATCH("424", "x"), NULL, VIR_ERR_NO_SUPPORT,
     "only the differences"},
    {"vpc-difference", "cd a && qemu-img create -q -f vpc t 4M" PATCH("63", "\\4"), NULL, VIR_ERR_NO_SUPPORT,
     "only the differences"},
    {"qcow-encrypted", "cd a && qemu-img create -q -f qcow t 4M" PATCH("39", "\\1"), NULL, VIR_ERR_NO_SUPPORT,
     "it is encrypted"},
    {"qcow-long-name", TWO("qcow") PATCH("16", "\\0\\1\\0\\0"), NULL, VIR_ERR_OPERATION_INVALID, "malformed"},
    {"qcow-name-behind-end", TWO("qcow") PATCH("8", "\\0\\1\\0\\0"), NULL, VIR_ERR_OPERATION_INVALID,
     "malformed"},
    {"qcow-name-nowhere", TWO("qcow") PATCH("8", "\\377"), NULL, VIR_ERR_OPERATION_INVALID, "malformed"},
    {"qed-long-name", TWO("qed") PATCH("60", "\\377\\377"), NULL, VIR_ERR_OPERATION_INVALID, "malformed"},
    {"qed-short", "cd a && printf 'QED\\0' > t", "a/t", 0, NULL},
    {"vmdk-short", "cd a && printf 'KDMV' > t", NULL, VIR_ERR_NO_SUPPORT, "other files"},
};

static void
testRow(TestPools *t, gconstpointer opaque)
{
    const Row *row = opaque;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplChain) chain = NULL;
    g_autofree char *text = NULL;

    testRun("%s", row->make);
    chain = replChainOpen(t->set, t->a, "t", &err);
    if (row->chain) {
        g_assert_no_error(err);
        text = testShowChain(chain);
        g_assert_cmpstr(text, ==, row->chain);
        return;
    }
    g_assert_null(chain);
    g_assert_error(err, REPL_ERROR, row->code);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, row->part));
}

static void
testSizes(TestPools *t, gconstpointer unused)
{
    static const char *const formats[] = {"qcow", "qed", "vmdk", "vdi"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(ReplChain) chain = NULL;

        testRun("qemu-img create -q -f %s a/t 5M", formats[i]);
        chain = replChainOpen(t->set, t->a, "t", NULL);
        g_assert_cmpuint(replChainLayer(chain, 0)->virtualSize_bytes, ==, 5 << 20);
    }
}

/* Whoever asks what a volume needs gets to know it of these, too. */
static void
testHead(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplHead) head = NULL;
    g_auto(ReplFd) fd = -1;

    testRun(TWO("vmdk"));
    fd = testOpen("a/t", O_RDONLY);
    head = replHeadRead(fd, "t", NULL);
    g_assert_cmpstr(head->backing, ==, "b");
    g_assert_cmpstr(head->backingFormat, ==, "vmdk");
    g_assert_cmpuint(head->virtualSize_bytes, ==, 4 << 20);
    g_assert_false(head->malformed);
}

int
main(int argc, char **argv)
{
    guint i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/probe-foreign/%s", rows[i].name);

        g_test_add(path, TestPools, &rows[i], testPoolsUp, testRow, testPoolsDown);
    }
    testAdd("/probe-foreign/sizes", testSizes);
    testAdd("/probe-foreign/head", testHead);
    return g_test_run();
}
