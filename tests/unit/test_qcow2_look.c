/*
 * test_qcow2_look.c: what kind of image a disk is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_qcow2_util.h"

#include "qcow2/look.h"

static guint8 disk[REPL_LOOK_BYTES];

static void
testSignature(void)
{
    memset(disk, 0, sizeof(disk));
    disk[510] = 0x55;
    disk[511] = 0xaa;
}

static void
testPartition(int number, guint8 status, guint8 type)
{
    disk[446 + 16 * number] = status;
    disk[446 + 16 * number + 4] = type;
}

static void
testGpt(gsize sector, const char *guid, guint8 attributes)
{
    testSignature();
    testPartition(0, 0, 0xee);
    memcpy(disk + sector, "EFI PART", 8);
    disk[sector + 72] = 2;
    disk[sector + 80] = 128;
    disk[sector + 84] = 128;
    memcpy(disk + 2 * sector + 3 * 128, guid, 16);
    disk[2 * sector + 3 * 128 + 48] = attributes;
}

static void
testMbr(void)
{
    memset(disk, 0, sizeof(disk));
    g_assert_cmpint(replLookAtDisk(disk, 0), ==, REPL_IMAGE_TYPE_DATA_DISK);
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
    disk[0] = 0xeb; /* code, but nothing would boot it */
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
    testSignature();
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
    testPartition(0, 0, 0x83);
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
    disk[0] = 0xeb;
    g_assert_cmpint(replLookAtDisk(disk, 512), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
    g_assert_cmpint(replLookAtDisk(disk, 511), ==, REPL_IMAGE_TYPE_DATA_DISK);
    testSignature();
    testPartition(2, 0x80, 0x83);
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
    testSignature();
    testPartition(1, 0, 0xef);
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
}

static void
testGpts(void)
{
    static const char esp[] = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
    static const char linuxData[] = "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4";
    gsize sector;

    for (sector = 512; sector <= 4096; sector += 4096 - 512) {
        testGpt(sector, esp, 0);
        g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
        testGpt(sector, "Hah!IdontNeedEFI", 0);
        g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
        testGpt(sector, linuxData, 4);
        g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
        testGpt(sector, linuxData, 0);
        g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
        disk[0] = 0xeb; /* some partitioners write a stub into the protective MBR */
        g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
        /* Hostile numbers stay inside the buffer (the sanitizer watches). */
        memset(disk + sector + 72, 0xff, 16);
        g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_DATA_DISK);
        testGpt(sector, esp, 0);
        g_assert_cmpint(replLookAtDisk(disk, 2 * sector), ==, REPL_IMAGE_TYPE_DATA_DISK);
    }
}

static void
testIso(void)
{
    testSignature();
    testPartition(0, 0x80, 0x17);
    memcpy(disk + 0x8001, "CD001", 5);
    g_assert_cmpint(replLookAtDisk(disk, sizeof(disk)), ==, REPL_IMAGE_TYPE_ISO);
    g_assert_cmpint(replLookAtDisk(disk, 0x8005), ==, REPL_IMAGE_TYPE_SYSTEM_DISK);
}

/* Disks made by the programs that make disks. */
static void
testReal(gconstpointer opaque)
{
    static const struct {
        const char *tool;
        const char *cmd;
        ReplImageType type;
    } reals[] = {
        {"mkfs.ext4", "mkfs.ext4 -q -F disk", REPL_IMAGE_TYPE_DATA_DISK},
        {"mkfs.xfs", "truncate -s 400M disk && mkfs.xfs -q -f disk", REPL_IMAGE_TYPE_DATA_DISK},
        {"mkfs.vfat", "mkfs.vfat disk", REPL_IMAGE_TYPE_DATA_DISK},
        {"sfdisk", "echo ',,83' | sfdisk -q disk", REPL_IMAGE_TYPE_DATA_DISK},
        {"sfdisk", "echo ',,83,*' | sfdisk -q disk", REPL_IMAGE_TYPE_SYSTEM_DISK},
        {"sfdisk", "printf 'label: gpt\\n,,L\\n' | sfdisk -q disk", REPL_IMAGE_TYPE_DATA_DISK},
        {"sfdisk", "printf 'label: gpt\\n,10M,U\\n,,L\\n' | sfdisk -q disk", REPL_IMAGE_TYPE_SYSTEM_DISK},
        {"parted", "parted -s disk mklabel msdos mkpart primary 1MiB 100%", REPL_IMAGE_TYPE_DATA_DISK},
        {"parted", "parted -s disk mklabel gpt mkpart data 1MiB 100%", REPL_IMAGE_TYPE_DATA_DISK},
        {"genisoimage", "mkdir -p d && genisoimage -quiet -o disk d && rmdir d", REPL_IMAGE_TYPE_ISO},
        /* It writes nothing when there is nothing to write. */
        {"xorriso", "mkdir -p d && touch d/x && xorriso -as mkisofs -quiet -o disk d && rm -r d",
         REPL_IMAGE_TYPE_ISO},
    };
    gsize i;
    int tried = 0;

    (void)opaque;
    for (i = 0; i < G_N_ELEMENTS(reals); i++) {
        g_auto(ReplFd) fd = -1;
        ssize_t n;

        if (testTry("PATH=$PATH:/usr/sbin:/sbin command -v %s", reals[i].tool) != 0)
            continue;
        testRun("rm -f disk; truncate -s 64M disk; PATH=$PATH:/usr/sbin:/sbin; %s", reals[i].cmd);
        fd = testOpen("disk", O_RDONLY);
        n = replPreadFull(fd, disk, sizeof(disk), 0);
        g_assert_cmpint(n, >, 0);
        if (replLookAtDisk(disk, n) != reals[i].type)
            g_error("'%s' was taken for type %d", reals[i].cmd, replLookAtDisk(disk, n));
        tried++;
    }
    if (tried == 0)
        g_test_skip("no program here makes disks");
}

int
main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    testDirMake();
    g_test_add_func("/qcow2/look/mbr", testMbr);
    g_test_add_func("/qcow2/look/gpt", testGpts);
    g_test_add_func("/qcow2/look/iso", testIso);
    g_test_add_data_func("/qcow2/look/real", NULL, testReal);
    ret = g_test_run();
    testDirRemove();
    return ret;
}
