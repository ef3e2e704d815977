/*
 * home.c: where the record of a job lives
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "region/home.h"

#include <errno.h>
#include <fcntl.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "virt/access.h"
#include "virt/below.h"

static char *replHomePath; /* set once at start */

/* Kept open from the first use on: the records that were read are kept in it. */
static ReplLock replHomeLock = REPL_LOCK_INIT;
static ReplStaging *replHomeStaging; /* guarded by the lock */

void
replHomeStart(const char *path)
{
    if (!replHomePath)
        replHomePath = g_strdup(path);
}

/* Called with the lock held. */
static ReplStaging *
replHomeOpen(gboolean create, GError **err)
{
    g_auto(ReplFd) dir = -1;

    if (create && g_mkdir_with_parents(replHomePath, 0700) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make the folder of replication jobs '%s'"), replHomePath);
        return NULL;
    }
    dir = open(replHomePath, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT && !create)
        return NULL;
    if (dir < 0) {
        replErrorSetSystem(err, errno, _("Cannot open the folder of replication jobs '%s'"), replHomePath);
        return NULL;
    }
    return replStagingOpen(dir, create, err);
}

ReplStaging *
replHomeOwn(gboolean create, GError **err)
{
    REPL_GUARD(&replHomeLock);

    if (!replHomeStaging && !(replHomeStaging = replHomeOpen(create, err)))
        return NULL;
    return replStagingRef(replHomeStaging);
}

ReplStaging *
replHomeOf(const ReplRegion *region, gboolean create, GError **err)
{
    if (replBelowUuid(region->uuid) != &replNext)
        return replHomeOwn(create, err);
    return replRegionStaging(region, create, err);
}

ReplStaging *
replHomeOfUuid(const unsigned char *uuid, gboolean create, GError **err)
{
    g_autoptr(ReplRegion) region = NULL;
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (replBelowUuid(uuid) != &replNext)
        return replHomeOwn(create, err);
    if ((region = replRegionOfUuid(uuid)))
        return replRegionStaging(region, create, err);
    replUuidFormat(uuid, uuidstr);
    replErrorSet(err, VIR_ERR_NO_STORAGE_POOL, _("There is no region pool with UUID '%s' any more"), uuidstr);
    return NULL;
}
