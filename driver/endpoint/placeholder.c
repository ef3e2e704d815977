/*
 * placeholder.c: empty volumes that hold names in a pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/placeholder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "image/writes.h"
#include "virt/access.h"
#include "virt/below.h"
#include "virt/report.h"

static char *
replPlaceholderXml(const char *volume, const struct stat *like)
{
    return g_markup_printf_escaped("<volume><name>%s</name><capacity unit='bytes'>0</capacity>"
                                   "<allocation unit='bytes'>0</allocation>"
                                   "<target><format type='raw'/><permissions><mode>0%o</mode>"
                                   "<owner>%u</owner><group>%u</group></permissions></target></volume>",
                                   volume, (unsigned int)(like->st_mode & 07777), like->st_uid, like->st_gid);
}

/* Through the stock driver, its checks and its list of volumes. Whether the requester may make the
 * layers was asked on his own connection, when he made the request: access rules name the driver of
 * a connection. */
static int
replPlaceholderCreate(const ReplRegion *target, const char *volume, const struct stat *like, GError **err)
{
    g_autofree char *xml = replPlaceholderXml(volume, like);
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(ReplPool) pool =
        conn ? replBelowUuid(target->uuid)->storagePoolLookupByUUID(conn, target->uuid) : NULL;
    g_autoptr(ReplVol) vol = pool ? replBelowPool(pool)->storageVolCreateXML(pool, xml, 0) : NULL;

    if (vol)
        return 0;
    replTakeError(err);
    return -1;
}

int
replPlaceholderMake(const ReplRegion *target, const char *volume, const struct stat *like, GError **err)
{
    g_autoptr(GError) why = NULL;

    if (replPlaceholderCreate(target, volume, like, &why) == 0)
        return 0;
    if (g_error_matches(why, REPL_ERROR, VIR_ERR_STORAGE_VOL_EXIST) &&
        replPlaceholderUnlist(target, volume, NULL) > 0)
        return replPlaceholderCreate(target, volume, like, err);
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

/* Whether an entry of stock's list has no file. While a call makes the volume it has none either. */
static gboolean
replPlaceholderIsMissing(const ReplRegion *target, const char *volume)
{
    struct stat st;

    return !replWritesIs(target, volume) &&
           fstatat(target->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Deletes a volume through the stock driver, which knows whether a client reads it now. @missing: only if it has
 * no file; looked at after the entry, which keeps other clients from making a volume of the name. Returns 1, 0
 * when it is not in stock's list (or not missing), or -1 with @err set. */
static int
replPlaceholderDeleteListed(const ReplRegion *target, const char *name, gboolean missing, GError **err)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(ReplPool) pool =
        conn ? replBelowUuid(target->uuid)->storagePoolLookupByUUID(conn, target->uuid) : NULL;
    g_autoptr(ReplVol) vol = pool ? replBelowPool(pool)->storageVolLookupByName(pool, name) : NULL;

    if (!vol) {
        virResetLastError();
        return 0;
    }
    if (missing && !replPlaceholderIsMissing(target, name))
        return 0;
    if (replBelowVol(vol)->storageVolDelete(vol, 0) == 0)
        return 1;
    /* A call of stock's own is still making it. */
    if (missing && virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID) {
        virResetLastError();
        return 0;
    }
    replTakeError(err);
    return -1;
}

int
replPlaceholderUnlist(const ReplRegion *target, const char *volume, GError **err)
{
    struct stat st;

    if (fstatat(target->dir->dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return 0;
    return replPlaceholderDeleteListed(target, volume, TRUE, err);
}

static int
replPlaceholderDelete(const ReplRegion *target, const char *name, GError **err)
{
    int rc = replPlaceholderDeleteListed(target, name, FALSE, err);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    /* Not in libvirt's list (a refresh may have come in between). */
    if (unlinkat(target->dir->dirFd, name, 0) == 0 || errno == ENOENT)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot remove volume '%s' of pool '%s'"), name, target->name);
    return -1;
}

int
replPlaceholderRemove(const ReplRegion *target, const char *name, gboolean whatever, GError **err)
{
    struct stat st;

    if (fstatat(target->dir->dirFd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return replPlaceholderUnlist(target, name, err) < 0 ? -1 : 0;
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s' of pool '%s'"), name, target->name);
        return -1;
    }
    if (S_ISREG(st.st_mode) && (whatever || st.st_size == 0))
        return replPlaceholderDelete(target, name, err);
    replWarn("Volume '%s' of pool '%s' is not the placeholder that was left there; it stays", name,
             target->name);
    return 0;
}
