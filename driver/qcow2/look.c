/*
 * look.c: what kind of image it is, judged by the first bytes of the guest's disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qcow2/look.h"

#include <string.h>

#define REPL_MBR_BYTES 512
#define REPL_MBR_CODE_BYTES 440
#define REPL_MBR_TABLE 446

static guint32
replGetLe32(const guint8 *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (guint32)p[3] << 24;
}

static guint64
replGetLe64(const guint8 *p)
{
    return replGetLe32(p) | (guint64)replGetLe32(p + 4) << 32;
}

/* On disk, the first three fields of a GUID are little-endian. */
static const guint8 replGuidEfiSystem[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                             0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const char replGuidBiosBoot[] = "Hah!IdontNeedEFI";

/* Attribute bit 2: what syslinux' gptmbr boots. */
#define REPL_GPT_LEGACY_BOOTABLE 4U

/* Whether a GPT lies behind sector 0 of @sector bytes; *bootable: one of its partitions boots. */
static gboolean
replLookAtGpt(const guint8 *buf, gsize len, gsize sector, gboolean *bootable)
{
    const guint8 *gpt = buf + sector;
    guint64 lba;
    guint32 count, size, i;

    if (len < 2 * sector || memcmp(gpt, "EFI PART", 8) != 0)
        return FALSE;
    lba = replGetLe64(gpt + 72);
    count = MIN(replGetLe32(gpt + 80), 1024);
    size = replGetLe32(gpt + 84);
    *bootable = FALSE;
    if (lba > len / sector || size < 128 || size > 4096)
        return TRUE;
    for (i = 0; i < count && lba * sector + (guint64)(i + 1) * size <= len; i++) {
        const guint8 *entry = buf + lba * sector + (guint64)i * size;
        static const guint8 unused[16];

        if (memcmp(entry, unused, 16) == 0)
            continue;
        if (memcmp(entry, replGuidEfiSystem, 16) == 0 || memcmp(entry, replGuidBiosBoot, 16) == 0 ||
            (entry[48] & REPL_GPT_LEGACY_BOOTABLE))
            *bootable = TRUE;
    }
    return TRUE;
}

/* A file system that begins in sector 0 has its own boot sector where an MBR would be. */
static gboolean
replLookIsFileSystem(const guint8 *mbr)
{
    if (memcmp(mbr + 3, "NTFS    ", 8) == 0 || memcmp(mbr + 3, "EXFAT   ", 8) == 0)
        return TRUE;
    return memcmp(mbr + 54, "FAT12   ", 8) == 0 || memcmp(mbr + 54, "FAT16   ", 8) == 0 ||
           memcmp(mbr + 82, "FAT32   ", 8) == 0;
}

static gboolean
replLookBootsFromMbr(const guint8 *mbr)
{
    /* cli; mov $0x1000,%ax; mov %ax,%ss; mov $0xb000,%sp: how libparted's stub begins. */
    static const guint8 parted[] = {0xfa, 0xb8, 0x00, 0x10, 0x8e, 0xd0, 0xbc, 0x00, 0xb0};
    gsize i;

    for (i = 0; i < 4; i++) {
        const guint8 *entry = mbr + REPL_MBR_TABLE + 16 * i;

        if (entry[0] == 0x80 || entry[4] == 0xef)
            return TRUE;
    }
    if (memcmp(mbr, parted, sizeof(parted)) == 0)
        return FALSE;
    for (i = 0; i < REPL_MBR_CODE_BYTES; i++) {
        if (mbr[i])
            return TRUE;
    }
    return FALSE;
}

ReplImageType
replLookAtDisk(const guint8 *buf, gsize len)
{
    gboolean bootable = FALSE;

    if (len >= 0x8006 && memcmp(buf + 0x8001, "CD001", 5) == 0)
        return REPL_IMAGE_TYPE_ISO;
    if (replLookAtGpt(buf, len, 512, &bootable) || replLookAtGpt(buf, len, 4096, &bootable))
        return bootable ? REPL_IMAGE_TYPE_SYSTEM_DISK : REPL_IMAGE_TYPE_DATA_DISK;
    if (len < REPL_MBR_BYTES || buf[510] != 0x55 || buf[511] != 0xaa || replLookIsFileSystem(buf))
        return REPL_IMAGE_TYPE_DATA_DISK;
    return replLookBootsFromMbr(buf) ? REPL_IMAGE_TYPE_SYSTEM_DISK : REPL_IMAGE_TYPE_DATA_DISK;
}
