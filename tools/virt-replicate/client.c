/*
 * client.c: messages and exit statuses
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

int
replClientError(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    fflush(stdout);
    fprintf(stderr, _("error: %s\n"), text);
    return REPL_EXIT_FAILED;
}

/* What to do next, for errors that everybody meets. NULL: the message says it all. */
static const char *
replClientHint(const virError *error)
{
    switch (error->code) {
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_SYSTEM_ERROR:
    case VIR_ERR_RPC:
        return _("Is libvirtd or virtstoraged running? --connect URI names another one.");
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_ACCESS_DENIED:
        return _("The user that runs this has no right to do it: see the access control of libvirt.");
    case VIR_ERR_OPERATION_DENIED:
        return _("The connection is read-only, a quota is used up (see 'virt-replicate regions'), or another "
                 "host does "
                 "not allow it ('virt-replicate peer test' tries the way there).");
    case VIR_ERR_NO_STORAGE_POOL:
        return _("'virt-replicate regions' lists the pools that are regions, 'virsh pool-list "
                 "--all' all pools.");
    case VIR_ERR_STORAGE_VOL_EXIST:
        return _("--name gives the replica another name.");
    case VIR_ERR_NO_SECRET:
        return _("'virt-replicate keys' lists the keys, 'virt-replicate keys create NAME' makes one.");
    case VIR_ERR_NO_STORAGE_VOL:
        return _("'virt-replicate images' lists what there is.");
    default:
        return NULL;
    }
}

int
replClientFailWith(const char *what, const virError *error)
{
    const char *message = error && error->message ? error->message : _("no error");
    const char *hint = error ? replClientHint(error) : NULL;

    if (what)
        replClientError("%s: %s", what, message);
    else
        replClientError("%s", message);
    if (hint)
        fprintf(stderr, "%s\n", hint);
    return REPL_EXIT_FAILED;
}

int
replClientFail(void)
{
    return replClientFailWith(NULL, virtReplicationGetLastError());
}

void
replClientSay(const ReplClient *client, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (client->quiet || client->json)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    printf("%s\n", text);
}

/* Without it nothing would be an error: stock libvirt drops what it does not know of a pool, and lists no regions. What else
 * goes wrong here the command itself will meet. */
bool
replClientHasModule(const ReplClient *client)
{
    char *wire = virtReplicationGetModule(client->conn);

    if (!wire && virtReplicationGetLastError()->code == VIR_ERR_NO_SUPPORT) {
        replClientFail();
        fputs(_("It is in the package libvirt-daemon-driver-storage-replication; libvirtd, or virtstoraged, "
                "has to be "
                "started again then. 'man libvirt-storage-replication' says more.\n"),
              stderr);
        return false;
    }
    free(wire);
    return true;
}

int
replClientExit(size_t failed, size_t all)
{
    if (failed == 0)
        return REPL_EXIT_DONE;
    return failed < all ? REPL_EXIT_PARTLY : REPL_EXIT_FAILED;
}

virConnectPtr
replClientSecrets(ReplClient *client)
{
    g_autofree char *uri = NULL;
    g_autofree char *other = NULL;

    if (client->secrets)
        return client->secrets;
    if (virConnectNumOfSecrets(client->conn) >= 0 || virGetLastErrorCode() != VIR_ERR_NO_SUPPORT) {
        virConnectRef(client->conn);
        return client->secrets = client->conn;
    }
    if ((uri = virConnectGetURI(client->conn)) && g_str_has_prefix(uri, "storage")) {
        other = g_strconcat("secret", uri + strlen("storage"), NULL);
        client->secrets =
            virConnectOpenAuth(other, virConnectAuthPtrDefault, client->readonly ? VIR_CONNECT_RO : 0);
    }
    if (!client->secrets)
        replClientFailWith(NULL, virGetLastError());
    return client->secrets;
}
