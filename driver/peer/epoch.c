/*
 * epoch.c: numbers of sessions, which only grow
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "peer/ident.h"

#define REPL_EPOCH_FILE "epoch"
#define REPL_EPOCH_MAX (G_GUINT64_CONSTANT(1) << 31)

static struct {
    ReplLock lock; /* guards start and count */
    guint64 start;
    guint64 count;
    char *hostId; /* fixed once it is set */
} replEpoch = {.lock = REPL_LOCK_INIT};

int
replEpochStart(const char *folder, GError **err)
{
    g_auto(ReplFd) dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autofree char *text = NULL;
    g_autofree char *next = NULL;
    g_autoptr(GError) missing = NULL;
    guint64 last = 0;

    if (dir < 0) {
        replErrorSetSystem(err, errno, _("Cannot open '%s'"), folder);
        return -1;
    }
    if ((text = replReadLimited(dir, REPL_EPOCH_FILE, 32, NULL, &missing))) {
        g_strchomp(text);
        if (!g_ascii_string_to_unsigned(text, 10, 1, REPL_EPOCH_MAX, &last, NULL)) {
            replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                         _("The file '%s/%s' is damaged: remove it when no job is under way"), folder,
                         REPL_EPOCH_FILE);
            return -1;
        }
    } else if (missing->code != VIR_ERR_NO_STORAGE_VOL) {
        g_propagate_error(err, g_steal_pointer(&missing));
        return -1;
    }
    next = g_strdup_printf("%" G_GUINT64_FORMAT "\n", last + 1);
    if (replWriteDurable(dir, REPL_EPOCH_FILE, next, strlen(next), err) < 0)
        return -1;
    replEpoch.hostId = replIdent(folder);
    REPL_GUARD(&replEpoch.lock);
    replEpoch.start = (last + 1) << 32;
    return 0;
}

const char *
replEpochHostId(void)
{
    return replEpoch.hostId;
}

guint64
replEpochNext(void)
{
    REPL_GUARD(&replEpoch.lock);

    return replEpoch.start == 0 ? 0 : replEpoch.start + ++replEpoch.count;
}
