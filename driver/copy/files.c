/*
 * files.c: regular files as readers and writers of a copy
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copy/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/amount.h"
#include "base/error.h"
#include "copy/clone.h"
#include "copy/file.h"
#include "copy/filedata.h"

static int
checkRegular(int fd, GError **err)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at the files of a copy"));
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A copy needs two different regular files"));
        return -1;
    }
    return 0;
}

/* --- reader --- */

typedef struct {
    ReplReader reader;
    ReplFile file;
    ReplFileData found;
} ReplFileReader;

static int
fileReaderData(ReplReader *reader, guint64 from_bytes, guint64 *offset_bytes, guint64 *length_bytes,
               GError **err)
{
    ReplFileReader *self = (ReplFileReader *)reader;

    return replFileDataNext(&self->found, from_bytes, offset_bytes, length_bytes, err);
}

static int
fileReaderPread(ReplReader *reader, guint8 *buf, gsize len, guint64 offset, GError **err)
{
    return replFileRead(&((ReplFileReader *)reader)->file, buf, len, offset, err);
}

static int
fileReaderFd(ReplReader *reader)
{
    return ((ReplFileReader *)reader)->file.fd;
}

static void
fileReaderFree(ReplReader *reader)
{
    replFileClose(&((ReplFileReader *)reader)->file);
    g_free(reader);
}

static const ReplReaderOps fileReaderOps = {
    .data = fileReaderData,
    .pread = fileReaderPread,
    .fd = fileReaderFd,
    .free = fileReaderFree,
};

ReplReader *
replFileReaderNew(int fd, const ReplFileTune *tune, GError **err)
{
    static const ReplFileTune none = {0};
    g_autoptr(ReplReader) reader = NULL;
    ReplFileReader *self;

    if (checkRegular(fd, err) < 0)
        return NULL;
    tune = tune ? tune : &none;
    self = g_new0(ReplFileReader, 1);
    reader = &self->reader;
    reader->ops = &fileReaderOps;
    replFileOpen(&self->file, fd, FALSE, !tune->noDirect);
    /* Our own description where there is one: the caller's file offset stays. */
    if (replFileDataInit(&self->found, self->file.direct >= 0 ? self->file.direct : fd, tune->noSeek, err) <
        0)
        return NULL;
    reader->inMemory = self->file.inMemory;
    reader->holeBlind = self->found.holeBlind;
    return g_steal_pointer(&reader);
}

/* --- writer --- */

typedef struct {
    ReplWriter writer;
    ReplFile file;
    gboolean mayReserve; /* only reserve reads and writes it, and is called by one thread at a time */
} ReplFileWriter;

static int
fileWriterResize(ReplWriter *writer, guint64 size_bytes, GError **err)
{
    g_autofree char *size = NULL;
    int errnum;

    if (ftruncate(((ReplFileWriter *)writer)->file.fd, size_bytes) == 0)
        return 0;
    errnum = errno;
    size = replAmount(size_bytes);
    replErrorSetSystem(err, errnum, _("Cannot give the copy's target its size of %s"), size);
    return -1;
}

static int
fileWriterPwrite(ReplWriter *writer, const guint8 *buf, gsize len, guint64 offset, GError **err)
{
    return replFileWrite(&((ReplFileWriter *)writer)->file, buf, len, offset, err);
}

static int
fileWriterFlush(ReplWriter *writer, gboolean last, GError **err)
{
    int fd = ((ReplFileWriter *)writer)->file.fd;

    if ((last ? fsync(fd) : fdatasync(fd)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot sync the copy's target"));
        return -1;
    }
    /* Drop from the page cache what had to go through it: it is not going to be read soon. */
    if (last)
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

/* In a range without blocks there is nothing to do, and file systems are quick to see that. */
static int
fileWriterZero(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    return replFileZero(&((ReplFileWriter *)writer)->file, offset_bytes, length_bytes, err);
}

/* Many file systems let several writers into one file only where it has blocks already, and lay it out in one run
 * when they are told ahead. */
static int
fileWriterReserve(ReplWriter *writer, guint64 offset_bytes, guint64 length_bytes, GError **err)
{
    ReplFileWriter *self = (ReplFileWriter *)writer;
    int rc;

    if (!self->mayReserve)
        return 0;
    do {
        rc = fallocate(self->file.fd, FALLOC_FL_KEEP_SIZE, offset_bytes, length_bytes);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0 && (errno == ENOSPC || errno == EDQUOT)) {
        int errnum = errno;
        g_autofree char *length = replAmount(length_bytes);

        replErrorSetSystem(
            err, errnum, _("There is no space for the copy: cannot allocate %s at offset %llu of its target"),
            length, (unsigned long long)offset_bytes);
        return -1;
    }
    self->mayReserve = rc == 0;
    return 0;
}

static int
fileWriterClone(ReplWriter *writer, ReplReader *reader, GError **err)
{
    int from = replReaderFd(reader);

    return from < 0 ? 0 : replCopyClone(from, ((ReplFileWriter *)writer)->file.fd, err);
}

static int
fileWriterFd(ReplWriter *writer)
{
    return ((ReplFileWriter *)writer)->file.fd;
}

static void
fileWriterFree(ReplWriter *writer)
{
    replFileClose(&((ReplFileWriter *)writer)->file);
    g_free(writer);
}

static const ReplWriterOps fileWriterOps = {
    .resize = fileWriterResize,
    .pwrite = fileWriterPwrite,
    .flush = fileWriterFlush,
    .zero = fileWriterZero,
    .reserve = fileWriterReserve,
    .clone = fileWriterClone,
    .fd = fileWriterFd,
    .free = fileWriterFree,
};

ReplWriter *
replFileWriterNew(int fd, const ReplFileTune *tune, GError **err)
{
    ReplFileWriter *self;

    if (checkRegular(fd, err) < 0)
        return NULL;
    self = g_new0(ReplFileWriter, 1);
    self->writer.ops = &fileWriterOps;
    replFileOpen(&self->file, fd, TRUE, !(tune && tune->noDirect));
    self->writer.inMemory = self->file.inMemory;
    self->mayReserve = !(tune && tune->noReserve) && !self->file.inMemory;
    return &self->writer;
}
