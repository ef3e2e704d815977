/*
 * placeholder.c: empty volumes that hold names in a pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/placeholder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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
int
replPlaceholderMake(const ReplRegion *target, const char *volume, const struct stat *like, GError **err)
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

/* Through the stock driver, which knows whether somebody reads the volume now. */
static int
replPlaceholderDelete(const ReplRegion *target, const char *name)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    g_autoptr(ReplPool) pool =
        conn ? replBelowUuid(target->uuid)->storagePoolLookupByUUID(conn, target->uuid) : NULL;
    g_autoptr(ReplVol) vol = pool ? replBelowPool(pool)->storageVolLookupByName(pool, name) : NULL;

    if (vol)
        return replBelowVol(vol)->storageVolDelete(vol, 0);
    /* Not in libvirt's list (a refresh may have come in between). */
    virResetLastError();
    return unlinkat(target->dir->dirFd, name, 0) < 0 && errno != ENOENT ? -1 : 0;
}

void
replPlaceholderRemove(const ReplRegion *target, const char *name, gboolean whatever)
{
    struct stat st;

    if (!target->dir || fstatat(target->dir->dirFd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (!S_ISREG(st.st_mode) || (!whatever && st.st_size > 0)) {
        replWarn("Volume '%s' of pool '%s' is not the placeholder that was left there; it stays", name,
                 target->name);
        return;
    }
    if (replPlaceholderDelete(target, name) < 0) {
        replWarn("The placeholder '%s' in pool '%s' cannot be removed: %s", name, target->name,
                 virGetLastErrorMessage());
        virResetLastError();
    }
}
