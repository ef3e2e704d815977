/*
 * defs.c: definitions of pools of type region, on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/defs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "store/files.h"

#define REPL_DEFS_SUFFIX ".xml"
#define REPL_DEFS_MAX_bytes (256 * 1024)

/* What replWriteDurable() puts behind a name while it writes must fit, too. */
#define REPL_DEFS_NAME_MAX_bytes 230

typedef enum {
    REPL_DEFS_RUNNING,
    REPL_DEFS_PERSISTENT,
    REPL_DEFS_AUTOSTART,
    REPL_DEFS_KINDS,
} ReplDefsKind;

struct _ReplDefs {
    char *dirs[REPL_DEFS_KINDS];
    ReplFd fds[REPL_DEFS_KINDS]; /* -1: not opened yet */
};

ReplDefs *
replDefsNew(const char *persistentDir, const char *runningDir)
{
    ReplDefs *defs = g_new0(ReplDefs, 1);
    guint i;

    defs->dirs[REPL_DEFS_RUNNING] = g_strdup(runningDir);
    defs->dirs[REPL_DEFS_PERSISTENT] = g_strdup(persistentDir);
    defs->dirs[REPL_DEFS_AUTOSTART] = g_build_filename(persistentDir, "autostart", NULL);
    for (i = 0; i < REPL_DEFS_KINDS; i++)
        defs->fds[i] = -1;
    return defs;
}

void
replDefsFree(ReplDefs *defs)
{
    guint i;

    for (i = 0; defs && i < REPL_DEFS_KINDS; i++) {
        replFdClose(defs->fds[i]);
        g_free(defs->dirs[i]);
    }
    g_free(defs);
}

/* 1: open, 0: not there and not to be made, -1 with @err set. */
static int
replDefsOpen(ReplDefs *defs, ReplDefsKind kind, gboolean create, GError **err)
{
    if (defs->fds[kind] >= 0)
        return 1;
    if (create && g_mkdir_with_parents(defs->dirs[kind], 0700) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make the directory '%s'"), defs->dirs[kind]);
        return -1;
    }
    if ((defs->fds[kind] = open(defs->dirs[kind], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
        return 1;
    if (errno == ENOENT && !create)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot open the directory '%s'"), defs->dirs[kind]);
    return -1;
}

int
replDefsCheckName(const char *name, GError **err)
{
    if (replIsEntryName(name) && *name != '.' && strlen(name) <= REPL_DEFS_NAME_MAX_bytes)
        return 0;
    replErrorSet(err, VIR_ERR_INVALID_ARG,
                 _("'%s' cannot be the name of a pool of type 'region': at most %d bytes, no '/', no control "
                   "characters, "
                   "no dot in front"),
                 name, REPL_DEFS_NAME_MAX_bytes);
    return -1;
}

static char *
replDefsFile(const char *name)
{
    return g_strconcat(name, REPL_DEFS_SUFFIX, NULL);
}

static ReplRegionPool *
replDefsLoadOne(ReplDefs *defs, ReplDefsKind kind, const char *file)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *xml = replReadLimited(defs->fds[kind], file, REPL_DEFS_MAX_bytes, NULL, &err);
    g_autoptr(ReplRegionPool) pool = xml ? replRegionPoolParse(xml, &err) : NULL;
    g_autofree char *wanted = pool ? replDefsFile(pool->name) : NULL;

    if (pool && g_str_equal(wanted, file) && pool->uuid)
        return g_steal_pointer(&pool);
    replWarn("The definition '%s/%s' is skipped: %s", defs->dirs[kind], file,
             err ? err->message : "it has another name, or no UUID");
    return NULL;
}

GPtrArray *
replDefsLoad(ReplDefs *defs, gboolean persistent, GError **err)
{
    ReplDefsKind kind = persistent ? REPL_DEFS_PERSISTENT : REPL_DEFS_RUNNING;
    g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func((GDestroyNotify)replRegionPoolFree);
    g_autoptr(GPtrArray) names = NULL;
    int there = replDefsOpen(defs, kind, FALSE, err);
    guint i;

    if (there < 0 || (there && !(names = replDirList(defs->fds[kind], NULL, err))))
        return NULL;
    for (i = 0; names && i < names->len; i++) {
        const char *file = g_ptr_array_index(names, i);
        ReplRegionPool *pool;

        if (g_str_has_suffix(file, ".new"))
            (void)unlinkat(defs->fds[kind], file, 0); /* of a write that a crash has ended */
        else if (g_str_has_suffix(file, REPL_DEFS_SUFFIX) && (pool = replDefsLoadOne(defs, kind, file)))
            g_ptr_array_add(pools, pool);
    }
    return g_steal_pointer(&pools);
}

int
replDefsSave(ReplDefs *defs, gboolean persistent, const ReplRegionPool *pool, GError **err)
{
    ReplDefsKind kind = persistent ? REPL_DEFS_PERSISTENT : REPL_DEFS_RUNNING;
    g_autofree char *file = replDefsFile(pool->name);
    g_autofree char *xml = replRegionPoolFormat(pool, NULL);

    if (replDefsOpen(defs, kind, TRUE, err) < 0)
        return -1;
    return replWriteDurable(defs->fds[kind], file, xml, strlen(xml), err);
}

static int
replDefsUnlink(ReplDefs *defs, ReplDefsKind kind, const char *name, GError **err)
{
    g_autofree char *file = replDefsFile(name);
    int there = replDefsOpen(defs, kind, FALSE, err);

    if (there <= 0)
        return there;
    if (unlinkat(defs->fds[kind], file, 0) == 0 && fsync(defs->fds[kind]) == 0)
        return 0;
    if (errno == ENOENT)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot remove '%s/%s'"), defs->dirs[kind], file);
    return -1;
}

int
replDefsRemove(ReplDefs *defs, gboolean persistent, const char *name, GError **err)
{
    return replDefsUnlink(defs, persistent ? REPL_DEFS_PERSISTENT : REPL_DEFS_RUNNING, name, err);
}

int
replDefsSetAutostart(ReplDefs *defs, const char *name, gboolean on, GError **err)
{
    g_autofree char *file = replDefsFile(name);
    g_autofree char *target = g_strconcat("../", file, NULL);

    if (!on)
        return replDefsUnlink(defs, REPL_DEFS_AUTOSTART, name, err);
    if (replDefsOpen(defs, REPL_DEFS_AUTOSTART, TRUE, err) < 0)
        return -1;
    if ((symlinkat(target, defs->fds[REPL_DEFS_AUTOSTART], file) == 0 &&
         fsync(defs->fds[REPL_DEFS_AUTOSTART]) == 0) ||
        errno == EEXIST)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot make the link '%s/%s'"), defs->dirs[REPL_DEFS_AUTOSTART], file);
    return -1;
}

gboolean
replDefsAutostart(ReplDefs *defs, const char *name)
{
    g_autofree char *file = replDefsFile(name);
    struct stat st;

    return replDefsOpen(defs, REPL_DEFS_AUTOSTART, FALSE, NULL) == 1 &&
           fstatat(defs->fds[REPL_DEFS_AUTOSTART], file, &st, AT_SYMLINK_NOFOLLOW) == 0;
}
