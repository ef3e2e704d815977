/*
 * file.c: one file of a copy, read and written past the page cache where that helps and works
 *
 * Cached data is read from the cache: that costs no disk at all. Everything else goes with
 * O_DIRECT, which needs a sixth of the CPU time and leaves the host's cache to its guests. O_DIRECT
 * belongs to an open file description, so we open one of our own behind the caller's descriptor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"

#define ALIGN REPL_DIRECT_ALIGN_BYTES
#define RESIDENCY_BYTES (8u << 20)      /* looked at at once: 2048 pages */
#define WRITEBACK_MIN_BYTES (64u << 10) /* less is left for the kernel to gather */

/* Each direct write into a hole waits for the one before on ext4: many small ones are twice as fast
 * through the page cache, which gathers them. */
#define DIRECT_WRITE_MIN_BYTES (128u << 10)

/* A file system in memory takes O_DIRECT (since Linux 6.6) and copies all the same. */
static gboolean
replFileIsMemory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

void
replFileOpen(ReplFile *file, int fd, gboolean writable, gboolean tryDirect)
{
    char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

    *file = (ReplFile){.fd = fd, .direct = -1};
    file->inMemory = replFileIsMemory(fd);
    if (!tryDirect || file->inMemory)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    file->direct = open(path, (writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC | O_NOCTTY);
    file->useDirect = file->direct >= 0;
}

void
replFileClose(ReplFile *file)
{
    replFdClose(replFdSteal(&file->direct));
}

static gboolean
isAligned(const void *buf, guint64 offset)
{
    return ((guintptr)buf | offset) % ALIGN == 0;
}

/* Whether nearly all of the range lies in the page cache. Not RWF_NOWAIT: a miss starts read-ahead
 * on many kernels, which is what we want to avoid. */
static gboolean
isCached(int fd, gsize len, guint64 offset)
{
    unsigned char vec[RESIDENCY_BYTES / ALIGN];
    gsize page_bytes = sysconf(_SC_PAGESIZE);
    guint64 first = offset - offset % page_bytes;
    gsize span = MIN(len + (offset - first), RESIDENCY_BYTES);
    gsize pages = (span + page_bytes - 1) / page_bytes;
    gsize resident = 0;
    void *map = mmap(NULL, span, PROT_READ, MAP_SHARED, fd, first);

    if (map == MAP_FAILED)
        return FALSE;
    if (mincore(map, span, vec) == 0) {
        for (gsize i = 0; i < pages; i++)
            resident += vec[i] & 1;
    }
    munmap(map, span);
    return resident > 0 && resident >= pages - pages / 8;
}

/* Reads as much as O_DIRECT will; 0..len, or -1 with errno set for an error of the disk. */
static gssize
readDirect(ReplFile *file, guint8 *buf, gsize len, guint64 offset)
{
    gsize done = 0;

    while (done < len && g_atomic_int_get(&file->useDirect) && isAligned(buf + done, offset + done)) {
        gsize want = (len - done + ALIGN - 1) / ALIGN * ALIGN; /* the last block may reach beyond */
        gssize n = pread(file->direct, buf + done, want, offset + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) {
            g_atomic_int_set(&file->useDirect, 0);
            break;
        }
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += n;
    }
    return MIN(done, len);
}

int
replFileRead(ReplFile *file, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    gboolean cached = file->inMemory || isCached(file->fd, len, offset);
    gssize done = 0;
    gssize rest = 0;

    if (!cached)
        done = readDirect(file, buf, len, offset);
    if (done >= 0 && (gsize)done < len) {
        rest = replPreadFull(file->fd, buf + done, len - done, offset + done);
        if (!cached) /* they came for us alone */
            posix_fadvise(file->fd, offset + done, len - done, POSIX_FADV_DONTNEED);
    }
    if (done < 0 || rest < 0) {
        replErrorSetSystem(err, errno, _("Cannot read %zu bytes at offset %llu of the copy's source"), len,
                           (unsigned long long)offset);
        return -1;
    }
    if ((gsize)(done + rest) < len) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                     _("The copy's source ends at offset %llu, before the %llu bytes that were "
                       "expected: it was changed during the copy"),
                     (unsigned long long)offset + done + rest, (unsigned long long)offset + len);
        return -1;
    }
    return 0;
}

static int
writeBuffered(ReplFile *file, const guint8 *buf, gsize len, guint64 offset)
{
    if (replPwriteFull(file->fd, buf, len, offset) < 0)
        return -1;
    /* Starts writing back, so that the sync at the end finds little to do. A hint: may fail. */
    if (len >= WRITEBACK_MIN_BYTES)
        sync_file_range(file->fd, offset, len, SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* Writes as much as O_DIRECT will of an aligned range; 0..len, or -1 with errno set. */
static gssize
writeDirect(ReplFile *file, const guint8 *buf, gsize len, guint64 offset)
{
    gsize done = 0;

    while (done < len && g_atomic_int_get(&file->useDirect) && isAligned(buf + done, offset + done)) {
        gssize n = pwrite(file->direct, buf + done, len - done, offset + done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) {
            g_atomic_int_set(&file->useDirect, 0);
            break;
        }
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += n;
    }
    return done;
}

/* Head and tail of a range that is not aligned go through the page cache, the rest past it. */
static int
writeAll(ReplFile *file, const guint8 *buf, gsize len, guint64 offset)
{
    gsize head = MIN((ALIGN - offset % ALIGN) % ALIGN, len);
    gsize body = (len - head) / ALIGN * ALIGN;
    gssize done;

    if (head > 0 && writeBuffered(file, buf, head, offset) < 0)
        return -1;
    done = body < DIRECT_WRITE_MIN_BYTES ? 0 : writeDirect(file, buf + head, body, offset + head);
    if (done < 0)
        return -1;
    done += head;
    if ((gsize)done < len && writeBuffered(file, buf + done, len - done, offset + done) < 0)
        return -1;
    return 0;
}

static int
writeFail(gsize len, guint64 offset, GError **err)
{
    if (errno == ENOSPC || errno == EDQUOT)
        replErrorSetSystem(err, errno,
                           _("There is no space for the copy: cannot write %zu bytes at "
                             "offset %llu of its target"),
                           len, (unsigned long long)offset);
    else
        replErrorSetSystem(err, errno, _("Cannot write %zu bytes at offset %llu of the copy's target"), len,
                           (unsigned long long)offset);
    return -1;
}

int
replFileWrite(ReplFile *file, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    return writeAll(file, buf, len, offset) < 0 ? writeFail(len, offset, err) : 0;
}

int
replFileZero(ReplFile *file, guint64 offset, guint64 len, GError **err)
{
    static const guint8 zeros[64u << 10];
    int rc;

    do {
        rc = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len);
    } while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return writeFail(len, offset, err);
    while (len > 0) {
        gsize n = MIN(len, sizeof(zeros));

        if (writeBuffered(file, zeros, n, offset) < 0)
            return writeFail(n, offset, err);
        offset += n;
        len -= n;
    }
    return 0;
}
