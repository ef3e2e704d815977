/*
 * uri.c: which URIs the daemon opens as a peer
 *
 * Parsed by the function that libvirt itself parses URIs with, so that both see the same parts; the
 * query is compared as it stands, not parsed, since the only one that is let in has one spelling.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/uri.h"

#include <arpa/inet.h>
#include <libxml/uri.h>
#include <string.h>

#include "base/error.h"

#define REPL_PEER_URI_MAX_bytes 1024
#define REPL_PEER_HOST_MAX_bytes 255
#define REPL_PEER_NO_TTY "no_tty=1"

typedef xmlURI ReplXmlUri;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplXmlUri, xmlFreeURI)

/* The schemes that are let in. Without a transport libvirt takes TLS where there is a host. */
static const struct {
    const char *scheme;
    ReplPeerTransport transport;
    guint port;
} replPeerSchemes[] = {
    {"storage", REPL_PEER_TLS, 16514},     {"qemu", REPL_PEER_TLS, 16514},
    {"storage+tls", REPL_PEER_TLS, 16514}, {"qemu+tls", REPL_PEER_TLS, 16514},
    {"storage+tcp", REPL_PEER_TCP, 16509}, {"qemu+tcp", REPL_PEER_TCP, 16509},
    {"storage+ssh", REPL_PEER_SSH, 0},     {"qemu+ssh", REPL_PEER_SSH, 0},
    {"storage+unix", REPL_PEER_UNIX, 0},   {"qemu+unix", REPL_PEER_UNIX, 0},
};

void
replPeerUriFree(ReplPeerUri *uri)
{
    if (!uri)
        return;
    g_free(uri->text);
    g_free(uri->open);
    g_free(uri->host);
    g_free(uri);
}

ReplPeerUri *
replPeerUriCopy(const ReplPeerUri *uri)
{
    ReplPeerUri *copy = g_new0(ReplPeerUri, 1);

    copy->text = g_strdup(uri->text);
    copy->open = g_strdup(uri->open);
    copy->transport = uri->transport;
    copy->host = g_strdup(uri->host);
    copy->port = uri->port;
    return copy;
}

/* A name or an address, never anything that a program could take for an option. */
static gboolean
replPeerIsHost(const char *host)
{
    gsize len = strlen(host);

    if (len > REPL_PEER_HOST_MAX_bytes || !g_ascii_isalnum(*host))
        return FALSE;
    return strspn(host, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-_") == len;
}

static gboolean
replPeerIsIpv6(const char *host)
{
    struct in6_addr addr;

    return inet_pton(AF_INET6, host, &addr) == 1;
}

static gboolean
replPeerIsUser(const char *user)
{
    return (g_ascii_isalnum(*user) || *user == '_') &&
           strspn(user, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS ".-_") == strlen(user);
}

/* The host of a URI without the brackets; NULL when it is none. */
static char *
replPeerHost(const char *server)
{
    gsize len = strlen(server);
    g_autofree char *inner = NULL;

    if (*server != '[')
        return replPeerIsHost(server) ? g_strdup(server) : NULL;
    if (len < 3 || server[len - 1] != ']')
        return NULL;
    inner = g_strndup(server + 1, len - 2);
    return replPeerIsIpv6(inner) ? g_steal_pointer(&inner) : NULL;
}

/* The configuration's word counts for the whole URI, to the letter. */
static gboolean
replPeerIsAllowed(const char *text, const char *allowed)
{
    g_auto(GStrv) uris = g_strsplit_set(allowed ? allowed : "", " \t", -1);

    return *text && g_strv_contains((const char *const *)uris, text);
}

static int
replPeerReadScheme(ReplPeerUri *uri, const char *scheme, GError **err)
{
    guint i;

    for (i = 0; scheme && i < G_N_ELEMENTS(replPeerSchemes); i++) {
        if (g_str_equal(scheme, replPeerSchemes[i].scheme)) {
            uri->transport = replPeerSchemes[i].transport;
            uri->port = replPeerSchemes[i].port;
            return 0;
        }
    }
    if (scheme && strchr(scheme, '+')) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The peer URI '%s' has neither driver storage or qemu nor transport tls, "
                       "ssh, tcp or unix: "
                       "'peer_uris' in storage-replication.conf has to name it to let it in"),
                     uri->text);
        return -1;
    }
    replErrorSet(err, VIR_ERR_INVALID_ARG,
                 _("The peer URI '%s' is not of the form DRIVER+TRANSPORT://HOST/system"), uri->text);
    return -1;
}

static int
replPeerReadServer(ReplPeerUri *uri, const xmlURI *parsed, GError **err)
{
    gboolean named = parsed->server && *parsed->server;

    if (named && uri->transport != REPL_PEER_UNIX) {
        if (!(uri->host = replPeerHost(parsed->server))) {
            replErrorSet(err, VIR_ERR_INVALID_ARG, _("The peer URI '%s' has no valid host"), uri->text);
            return -1;
        }
        if (parsed->port > 0)
            uri->port = parsed->port;
    } else if (named || uri->transport != REPL_PEER_UNIX) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     named ? _("The peer URI '%s' has a host, which transport unix cannot reach")
                           : _("The peer URI '%s' names no host"),
                     uri->text);
        return -1;
    }
    if (parsed->port > 65535 || (parsed->user && !replPeerIsUser(parsed->user))) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The peer URI '%s' has a user or a port that cannot be"),
                     uri->text);
        return -1;
    }
    return 0;
}

static int
replPeerReadRest(ReplPeerUri *uri, const xmlURI *parsed, GError **err)
{
    const char *query = parsed->query_raw ? parsed->query_raw : parsed->query;

    if (!parsed->path || (!g_str_equal(parsed->path, "/system") && !g_str_equal(parsed->path, "/session"))) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The peer URI '%s' does not end in /system or /session"),
                     uri->text);
        return -1;
    }
    if (parsed->fragment || (query && *query && !g_str_equal(query, REPL_PEER_NO_TTY))) {
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The peer URI '%s' has parameters; they can run programs or weaken checks "
                       "on this host, so "
                       "'peer_uris' in storage-replication.conf has to name the URI to let it in"),
                     uri->text);
        return -1;
    }
    if (uri->transport == REPL_PEER_SSH && !(query && *query))
        uri->open = g_strconcat(uri->text, strchr(uri->text, '?') ? "" : "?", REPL_PEER_NO_TTY, NULL);
    else
        uri->open = g_strdup(uri->text);
    return 0;
}

ReplPeerUri *
replPeerUriParse(const char *text, const char *allowed, GError **err)
{
    g_autoptr(ReplPeerUri) uri = g_new0(ReplPeerUri, 1);
    g_autoptr(ReplXmlUri) parsed = NULL;

    uri->text = g_strdup(text);
    if (strlen(text) <= REPL_PEER_URI_MAX_bytes)
        parsed = xmlParseURI(text);
    if (!parsed) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The peer URI '%.*s' is malformed"), REPL_PEER_URI_MAX_bytes,
                     text);
        return NULL;
    }
    if (replPeerIsAllowed(text, allowed)) {
        uri->open = g_strdup(text);
        uri->transport = REPL_PEER_OTHER;
        uri->host = g_strdup(parsed->server);
        return g_steal_pointer(&uri);
    }
    if (replPeerReadScheme(uri, parsed->scheme, err) < 0 || replPeerReadServer(uri, parsed, err) < 0 ||
        replPeerReadRest(uri, parsed, err) < 0)
        return NULL;
    return g_steal_pointer(&uri);
}

char *
replPeerUriOfHost(const char *host, guint port, GError **err)
{
    gboolean ipv6 = replPeerIsIpv6(host);
    g_autofree char *suffix = port ? g_strdup_printf(":%u", port) : g_strdup("");

    if ((!ipv6 && !replPeerIsHost(host)) || port > 65535) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("'%s' is no name or address of a host"), host);
        return NULL;
    }
    return g_strdup_printf(ipv6 ? "storage+tls://[%s]%s/system" : "storage+tls://%s%s/system", host, suffix);
}
