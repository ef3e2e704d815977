/*
 * backing.c: what a backing name in an image's header leads to
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/backing.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"

gboolean
replBackingHasProtocol(const char *name)
{
    return name[strcspn(name, ":/")] == ':';
}

char *
replBackingReference(const char *volume)
{
    return replBackingHasProtocol(volume) ? g_strdup_printf("./%s", volume) : g_strdup(volume);
}

/* The pool of the directory @dir, seen from @pool; NULL when it is no pool's. */
static const ReplPoolDir *
replBackingFindDir(const ReplPoolSet *set, const ReplPoolDir *pool, const char *dir)
{
    struct stat st;

    if (!*dir)
        return pool;
    if (fstatat(pool->dirFd, dir, &st, AT_NO_AUTOMOUNT) < 0 || !S_ISDIR(st.st_mode))
        return NULL;
    return replPoolSetFindDir(set, pool, st.st_dev, st.st_ino);
}

const ReplPoolDir *
replBackingResolve(const ReplPoolSet *set, const ReplPoolDir *pool, const char *layer, const char *backing,
                   char **volume, GError **err)
{
    g_autofree char *shown = replPrintable(backing);
    g_autofree char *dir = NULL;
    const char *slash = strrchr(backing, '/');
    const char *entry = slash ? slash + 1 : backing;
    const ReplPoolDir *found;

    if (replBackingHasProtocol(backing)) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("The backing name '%s' of volume '%s' in storage pool '%s' is not a file of "
                       "a storage pool, which is not supported"),
                     shown, layer, pool->name);
        return NULL;
    }
    /* The slash itself stays: "/name" is in "/". */
    dir = g_strndup(backing, entry - backing);
    found = replBackingFindDir(set, pool, dir);
    if (!found) {
        /* The same answer when the directory does not exist, so that a backing name cannot be used to search the file system. */
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The backing file '%s' of volume '%s' in storage pool '%s' is outside of the "
                       "pools of its region"),
                     shown, layer, pool->name);
        return NULL;
    }
    if (found != pool && !replPoolDirSameRegion(found, pool)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The backing file '%s' of volume '%s' is in storage pool '%s', which is not "
                       "in the region of storage pool '%s'"),
                     shown, layer, found->name, pool->name);
        return NULL;
    }
    /* An image's layers must belong to the image's own project: the right to read the image is the right to read all of them. */
    if (found != pool && !replPoolDirSameProject(found, pool)) {
        replErrorSet(
            err, VIR_ERR_OPERATION_INVALID,
            _("The backing file '%s' of volume '%s' is in a storage pool that does not belong to project "
              "'%s' as storage pool '%s' does"),
            shown, layer, pool->label->project, pool->name);
        return NULL;
    }
    if (!replIsVolumeName(entry)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("The backing file '%s' of volume '%s' in storage pool '%s' is not a volume"), shown,
                     layer, pool->name);
        return NULL;
    }
    *volume = g_strdup(entry);
    return found;
}
