/*
 * kind.c: whether a peer has the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/kind.h"

#include "base/error.h"
#include "peer/remote.h"

int
replPeerHasModule(const ReplPeerPoolEntry *entry, GError **err)
{
    g_autoptr(ReplRemoteCall) call = NULL;

    if (!entry->active) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"),
                     entry->pool->def->name);
        return -1;
    }
    call = replRemoteCallNew(entry, NULL, replRemoteActNothing);
    if (replPeerCallQuick(entry->pool->peer, &call->call, err) < 0)
        return -1;
    return call->call.link->wireVersions != NULL;
}
