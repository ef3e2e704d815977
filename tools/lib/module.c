/*
 * module.c: whether a connection's daemon has the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "libpriv.h"
#include "node.h"

/* The versions that <replication:daemon> announces; NULL: it is not there. */
static char *
replModuleRead(xmlNodePtr root)
{
    xmlNodePtr pool, daemon = NULL, wire;
    GString *versions;

    for (pool = replNodeStock(root, "pool"); pool && !daemon; pool = replNodeNext(pool))
        daemon = replNodeOurs(pool, "daemon");
    if (!daemon)
        return NULL;
    versions = g_string_new(NULL);
    for (wire = replNodeOurs(daemon, "wire"); wire; wire = replNodeNext(wire)) {
        g_autofree char *version = replNodeAttr(wire, "version");

        g_string_append_printf(versions, "%s%s", versions->len ? " " : "", version ? version : "");
    }
    return g_string_free(versions, FALSE);
}

char *
virtReplicationGetModule(virConnectPtr conn)
{
    g_autofree char *xml = NULL;
    g_autofree char *versions = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr root;

    replErrorReset();
    if (!(xml = virConnectGetStoragePoolCapabilities(conn, 0))) {
        replErrorFromLibvirt();
        return NULL;
    }
    if (!(doc = replNodeParse(xml)))
        return NULL;
    root = replNodeRoot(doc, "storagepoolCapabilities");
    if (!root || !(versions = replModuleRead(root))) {
        replError(VIR_ERR_NO_SUPPORT,
                  _("The libvirt daemon of this connection has no module for replication"));
        return NULL;
    }
    return strdup(versions);
}
