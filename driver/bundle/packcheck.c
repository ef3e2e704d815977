/*
 * packcheck.c: a finished part of a bundle is synced and told of while the next one is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "bundle/packcheck.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread.h"

int
replPackCut(const ReplBundlePack *pack, guint64 end_bytes, GError **err)
{
    if (ftruncate(pack->fd, end_bytes) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot write the bundle of '%s'"), pack->bundle->volume);
    return -1;
}

int
replPackSync(const ReplBundlePack *pack, GError **err)
{
    if (fdatasync(pack->fd) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot write the bundle of '%s'"), pack->bundle->volume);
    return -1;
}

static gpointer
replPackCheckRun(gpointer opaque)
{
    ReplPackCheck *check = opaque;
    const ReplCopyWatch *watch = check->pack->watch;

    if (replPackSync(check->pack, &check->error) == 0)
        watch->checkpoint(watch->opaque, check->end_bytes, &check->error);
    return NULL;
}

int
replPackCheckBegin(ReplPackCheck *check, guint64 end_bytes, GError **err)
{
    if (!check->pack->watch->checkpoint)
        return 0;
    if (replPackCheckEnd(check, err) < 0 || replPackCut(check->pack, end_bytes, err) < 0)
        return -1;
    check->end_bytes = end_bytes;
    if ((check->thread = replThreadNew("repl-check", replPackCheckRun, check, NULL)))
        return 0;
    /* There are too many threads: this one does it. */
    replPackCheckRun(check);
    return replPackCheckEnd(check, err);
}

int
replPackCheckEnd(ReplPackCheck *check, GError **err)
{
    g_clear_pointer(&check->thread, g_thread_join);
    if (!check->error)
        return 0;
    g_propagate_error(err, g_steal_pointer(&check->error));
    return -1;
}
