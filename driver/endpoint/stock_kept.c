/*
 * stock_kept.c: what this host keeps of a layer that is written on a host without the module
 *
 * Its first block, which makes an image of it, and the digest of the rest: in a file of the job in this host's own home.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "endpoint/stocktargetpriv.h"
#include "store/partial.h"

int
replStockKeep(ReplStockTarget *target, guint number, const ReplStockWritten *written, GError **err)
{
    const char *job = target->journal->record->id;
    gboolean existed;
    g_auto(ReplFd) fd = replPartialOpen(target->home, job, number, &existed, err);

    if (fd < 0)
        return -1;
    if (ftruncate(fd, 0) == 0 && replPwriteFull(fd, written, sizeof(*written), 0) == 0 && fsync(fd) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot write a file of job '%s'"), job);
    return -1;
}

int
replStockKept(ReplStockTarget *target, guint number, ReplStockWritten *written, GError **err)
{
    const char *job = target->journal->record->id;
    gboolean existed;
    g_auto(ReplFd) fd = replPartialOpen(target->home, job, number, &existed, err);

    if (fd < 0)
        return -1;
    if (replPreadFull(fd, written, sizeof(*written), 0) == (gssize)sizeof(*written))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("A file of job '%s' is not there any more"), job);
    return -1;
}
