/*
 * uploads.c: marks of uploads that have begun and not ended well, in the staging folder
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "store/files.h"

#define UPLOADS_FOLDER "uploads"

/* HASH.INODE, by which a volume's file is known here. */
static char *
uploadsFile(const char *volume, guint64 ino)
{
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, volume, -1);

    return g_strdup_printf("%s.%" G_GUINT64_FORMAT, hash, ino);
}

/* The same of a mark. */
static char *
uploadsFileOf(const char *mark)
{
    const char *point = strchr(mark, '.');

    return point ? g_strndup(mark, point + 1 - mark + strcspn(point + 1, ".")) : g_strdup(mark);
}

/* Whether the mark is of @file, or of whatever file has its name; *part is what its upload was to write. */
static gboolean
uploadsIsOf(const char *mark, const char *file, ReplUploadPart *part)
{
    gsize hash = strcspn(file, ".");
    gsize len = strlen(file);

    if (!g_str_has_prefix(mark, file) || mark[len] != '.') {
        len = hash + strlen(".0");
        if (strncmp(mark, file, hash) || !g_str_has_prefix(mark + hash, ".0."))
            return FALSE;
    }
    return sscanf(mark + len + 1, "%" SCNu64 ".%" SCNu64, &part->offset_bytes, &part->length_bytes) == 2;
}

static gboolean
uploadsCovers(const ReplUploadPart *all, const ReplUploadPart *part)
{
    if (part->offset_bytes < all->offset_bytes)
        return FALSE;
    if (all->length_bytes == 0)
        return TRUE;
    return part->length_bytes != 0 && part->offset_bytes - all->offset_bytes <= all->length_bytes &&
           part->length_bytes <= all->length_bytes - (part->offset_bytes - all->offset_bytes);
}

/* -1 without @err when it is not there and not to be made. */
static int
uploadsFolder(ReplStaging *staging, gboolean create, GError **err)
{
    int top = replStagingFd(staging, REPL_STAGING_TOP);
    int fd;

    if (create && mkdirat(top, UPLOADS_FOLDER, 0700) < 0 && errno != EEXIST) {
        replErrorSetSystem(err, errno, _("Cannot make the staging folder '%s'"), UPLOADS_FOLDER);
        return -1;
    }
    fd = openat(top, UPLOADS_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (create || errno != ENOENT))
        replErrorSetSystem(err, errno, _("Cannot open the staging folder '%s'"), UPLOADS_FOLDER);
    return fd;
}

char *
replUploadMark(ReplStaging *staging, const char *volume, guint64 ino, const ReplUploadPart *part,
               ReplFd *held, GError **err)
{
    g_auto(ReplFd) dir = uploadsFolder(staging, TRUE, err);
    g_autofree char *file = uploadsFile(volume, ino);
    g_autofree char *mark = g_strdup_printf("%s.%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ".%08x", file,
                                            part->offset_bytes, part->length_bytes, g_random_int());

    if (dir < 0)
        return NULL;
    *held = openat(dir, mark, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*held < 0 || fsync(dir) < 0 || fsync(replStagingFd(staging, REPL_STAGING_TOP)) < 0) {
        replErrorSetSystem(err, errno, _("Cannot note the upload to volume '%s'"), volume);
        return NULL;
    }
    (void)replFileLock(*held);
    return g_steal_pointer(&mark);
}

/* Whether an upload holds it now. */
static gboolean
uploadsIsHeld(int dir, const char *mark)
{
    g_auto(ReplFd) fd = openat(dir, mark, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && replFileLock(fd) == 0;
}

void
replUploadDone(ReplStaging *staging, const char *mark, const ReplUploadPart *part)
{
    g_auto(ReplFd) dir = uploadsFolder(staging, FALSE, NULL);
    g_autoptr(GPtrArray) marks = dir >= 0 ? replDirList(dir, NULL, NULL) : NULL;
    g_autofree char *file = uploadsFileOf(mark);
    ReplUploadPart other;
    guint i;

    if (dir < 0)
        return;
    (void)unlinkat(dir, mark, 0);
    for (i = 0; marks && i < marks->len; i++) {
        const char *name = g_ptr_array_index(marks, i);

        if (uploadsIsOf(name, file, &other) && uploadsCovers(part, &other) && !uploadsIsHeld(dir, name))
            (void)unlinkat(dir, name, 0);
    }
}

void
replUploadDrop(ReplStaging *staging, const char *mark)
{
    g_auto(ReplFd) dir = uploadsFolder(staging, FALSE, NULL);

    if (dir >= 0)
        (void)unlinkat(dir, mark, 0);
}

void
replUploadForget(ReplStaging *staging, const char *volume)
{
    g_autoptr(GPtrArray) marks = replUploadMarks(staging, NULL);
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, volume, -1);
    guint i;

    for (i = 0; marks && i < marks->len; i++) {
        if (g_str_has_prefix(g_ptr_array_index(marks, i), hash))
            replUploadDrop(staging, g_ptr_array_index(marks, i));
    }
}

GPtrArray *
replUploadMarks(ReplStaging *staging, GError **err)
{
    g_auto(ReplFd) dir = uploadsFolder(staging, FALSE, err);
    g_autoptr(GPtrArray) marks = dir >= 0 ? replDirList(dir, NULL, err) : NULL;

    return marks && marks->len > 0 ? g_steal_pointer(&marks) : NULL;
}

gboolean
replUploadIsMarked(const GPtrArray *marks, const char *volume, guint64 ino)
{
    g_autofree char *file = NULL;
    ReplUploadPart part;
    guint i;

    for (i = 0; marks && i < marks->len; i++) {
        if (!file)
            file = uploadsFile(volume, ino);
        if (uploadsIsOf(g_ptr_array_index(marks, i), file, &part))
            return TRUE;
    }
    return FALSE;
}

void
replUploadSweep(ReplStaging *staging, int poolDirFd)
{
    g_autoptr(GPtrArray) marks = replUploadMarks(staging, NULL);
    g_autoptr(GPtrArray) volumes = marks ? replDirList(poolDirFd, NULL, NULL) : NULL;
    g_autoptr(GHashTable) there = NULL;
    g_auto(ReplFd) dir = -1;
    guint i;

    if (!volumes)
        return;
    there = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (i = 0; i < volumes->len; i++) {
        struct stat st;

        if (fstatat(poolDirFd, g_ptr_array_index(volumes, i), &st, AT_SYMLINK_NOFOLLOW) == 0) {
            g_hash_table_add(there, uploadsFile(g_ptr_array_index(volumes, i), st.st_ino));
            g_hash_table_add(there, uploadsFile(g_ptr_array_index(volumes, i), 0));
        } else if (errno != ENOENT) {
            return; /* better a mark too many */
        }
    }
    dir = uploadsFolder(staging, FALSE, NULL);
    for (i = 0; dir >= 0 && i < marks->len; i++) {
        const char *mark = g_ptr_array_index(marks, i);
        g_autofree char *file = uploadsFileOf(mark);

        if (!g_hash_table_contains(there, file) && !uploadsIsHeld(dir, mark))
            (void)unlinkat(dir, mark, 0);
    }
}
