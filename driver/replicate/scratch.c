/*
 * scratch.c: files of this host for conversions whose source or target is elsewhere
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "copy/files.h"
#include "region/home.h"
#include "service/service.h"

/* File systems without O_TMPFILE get a name for a moment; what a crash leaves there goes with the next sweep. */
static int
replScratchNamed(int dirFd, const char *jobId)
{
    /* The number behind those that layers can have. */
    g_autofree char *name = g_strdup_printf("%s.%u", jobId, REPL_JOB_LAYERS_MAX - 1);
    int fd = openat(dirFd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0)
        unlinkat(dirFd, name, 0);
    return fd;
}

int
replScratchFile(const unsigned char *targetUuid, const char *jobId, GError **err)
{
    g_autoptr(ReplStaging) home = replHomeOfUuid(targetUuid, TRUE, err);
    int dirFd, fd;

    if (!home)
        return -1;
    dirFd = replStagingFd(home, REPL_STAGING_PARTIAL);
    fd = openat(dirFd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
        fd = replScratchNamed(dirFd, jobId);
    if (fd < 0)
        replErrorSetSystem(err, errno, _("Cannot make a temporary file for job '%s'"), jobId);
    return fd;
}

/* Progress is counted where the layer is converted. */
static ReplCopyWatch
replScratchWatch(const ReplCopyWatch *watch)
{
    return (ReplCopyWatch){.admit = watch->admit, .opaque = watch->opaque};
}

static int
replScratchFetch(ReplPrepared *prepared, guint layer, int fd, const ReplCopyWatch *watch, GError **err)
{
    const ReplCopyWatch quiet = replScratchWatch(watch);
    const ReplCopyJob copy = {.watch = &quiet, .size_bytes = prepared->facts->layers[layer].size_bytes};
    g_autoptr(ReplReader) reader = replSourceOpenLayer(prepared->source, layer, err);
    g_autoptr(ReplWriter) writer = reader ? replFileWriterNew(fd, NULL, err) : NULL;

    return writer && replCopyRun(reader, writer, &copy, err) == 0 ? 0 : -1;
}

/* Brings all layers; *fds has @count descriptors, -1 where it did not come to it. */
static int
replScratchFetchAll(const unsigned char *targetUuid, const char *jobId, ReplPrepared *prepared,
                    const ReplCopyWatch *watch, int *fds, guint count, GError **err)
{
    guint i;

    for (i = 0; i < count; i++) {
        if ((fds[i] = replScratchFile(targetUuid, jobId, err)) < 0 ||
            replScratchFetch(prepared, i, fds[i], watch, err) < 0)
            return -1;
    }
    return 0;
}

static ReplChain *
replScratchChainOf(const ReplSourceFacts *facts, const int *fds, GError **err)
{
    g_autoptr(ReplPoolDir) pool = replPoolDirElsewhere(facts->poolUuid, facts->pool);
    g_autofree ReplChainFile *files = g_new0(ReplChainFile, facts->layerCount);
    guint i;

    for (i = 0; i < facts->layerCount; i++)
        files[i] = (ReplChainFile){.volume = facts->layers[i].volume,
                                   .format = facts->layers[i].format,
                                   .fd = fds[i],
                                   .isBase = i + 1 == facts->layerCount || replSourceIsTop(facts, i + 1)};
    return replChainOfFiles(pool, files, facts->layerCount, err);
}

const ReplChain *
replScratchChain(const unsigned char *targetUuid, const char *jobId, ReplPrepared *prepared,
                 const ReplCopyWatch *watch, GError **err)
{
    const ReplConvertLimits limits = replServiceConvertLimits();
    const ReplChain *own = replSourceChain(prepared->source);
    guint count = prepared->facts->layerCount, i;
    g_autofree int *fds = NULL;

    if (own || prepared->scratch)
        return own ? own : prepared->scratch;
    fds = g_new(int, count);
    for (i = 0; i < count; i++)
        fds[i] = -1;
    if (replScratchFetchAll(targetUuid, jobId, prepared, watch, fds, count, err) < 0) {
        for (i = 0; i < count; i++)
            replFdClose(fds[i]);
        return NULL;
    }
    prepared->scratch = replScratchChainOf(prepared->facts, fds, err);
    if (prepared->scratch && replConvertLook(prepared->scratch, &limits, err) < 0)
        g_clear_pointer(&prepared->scratch, replChainFree);
    return prepared->scratch;
}

int
replScratchSend(int fd, ReplWriter *writer, const ReplCopyWatch *watch, GError **err)
{
    const ReplCopyWatch quiet = replScratchWatch(watch);
    g_autoptr(ReplReader) reader = replFileReaderNew(fd, NULL, err);
    ReplCopyJob copy = {.watch = &quiet};
    struct stat st;

    if (!reader)
        return -1;
    if (fstat(fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at a temporary file"));
        return -1;
    }
    copy.size_bytes = st.st_size;
    return replCopyRun(reader, writer, &copy, err);
}
