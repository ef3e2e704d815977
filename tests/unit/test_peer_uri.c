/*
 * test_peer_uri.c: which URIs the daemon opens as a peer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "peer/uri.h"

typedef struct {
    const char *text;
    const char *open; /* NULL: as text */
    ReplPeerTransport transport;
    const char *host;
    guint port;
} Good;

static const Good goodUris[] = {
    {"storage+tls://b.example/system", NULL, REPL_PEER_TLS, "b.example", 16514},
    {"qemu+tls://b.example:7/system", NULL, REPL_PEER_TLS, "b.example", 7},
    {"storage+tcp://10.0.0.1/system", NULL, REPL_PEER_TCP, "10.0.0.1", 16509},
    {"qemu+tcp://[fe80::1]:99/system", NULL, REPL_PEER_TCP, "fe80::1", 99},
    {"storage+ssh://root@b/system", "storage+ssh://root@b/system?no_tty=1", REPL_PEER_SSH, "b", 0},
    {"qemu+ssh://b:2222/session", "qemu+ssh://b:2222/session?no_tty=1", REPL_PEER_SSH, "b", 2222},
    {"qemu+ssh://b/system?no_tty=1", NULL, REPL_PEER_SSH, "b", 0},
    {"qemu+ssh://b/system?", "qemu+ssh://b/system?no_tty=1", REPL_PEER_SSH, "b", 0},
    {"storage://b/system", NULL, REPL_PEER_TLS, "b", 16514},
    {"qemu://b_1/system", NULL, REPL_PEER_TLS, "b_1", 16514},
    {"storage+unix:///system", NULL, REPL_PEER_UNIX, NULL, 0},
    {"qemu+unix:///session", NULL, REPL_PEER_UNIX, NULL, 0},
};

static void
testGood(gconstpointer data)
{
    const Good *good = data;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerUri) uri = replPeerUriParse(good->text, NULL, &err);

    g_assert_no_error(err);
    g_assert_cmpstr(uri->text, ==, good->text);
    g_assert_cmpstr(uri->open, ==, good->open ? good->open : good->text);
    g_assert_cmpint(uri->transport, ==, good->transport);
    g_assert_cmpstr(uri->host, ==, good->host);
    g_assert_cmpuint(uri->port, ==, good->port);
}

/* Not let in without the administrator's word. */
static const char *const deniedUris[] = {
    "storage+ext://b/system?command=/bin/sh",
    "qemu+ext:///system?command=/tmp/x",
    "qemu+ssh://b/system?command=/tmp/x",
    "qemu+ssh://b/system?netcat=/tmp/x",
    "qemu+ssh://b/system?no_tty=0",
    "qemu+ssh://b/system?no_tty=1&netcat=x",
    "qemu+ssh://b/system?no_tty=1;netcat=x",
    "qemu+ssh://b/system?no%5Ftty=1",
    "qemu+ssh://b/system?NO_TTY=1",
    "qemu+ssh://b/system?keyfile=/root/x",
    "qemu+ssh://b/system?sshauth=agent",
    "qemu+ssh://b/system?proxy=netcat",
    "qemu+ssh://b/system?no_verify=1",
    "qemu+libssh2://b/system",
    "qemu+libssh://b/system?known_hosts=/dev/null",
    "storage+tls://b/system?no_verify=1",
    "storage+tls://b/system?pkipath=/tmp",
    "storage+tls://b/system?tls_priority=NORMAL",
    "storage+tls://b/system?name=qemu:///system",
    "storage+tls://b/system#x",
    "storage+unix:///system?socket=/tmp/sock",
    "storage+unix:///system?mode=direct",
    "xen+tls://b/system",
    "test+tcp://b/default",
    "esx+tls://b/system",
    "storage+TLS://b/system",
};

/* Not the URI of a peer at all. */
static const char *const malformedUris[] = {
    "",
    " ",
    "b",
    "storage:",
    "storage:///system",
    "qemu:///system",
    "storage+tls:///system",
    "storage+tls://b/",
    "storage+tls://b",
    "storage+tls://b/default",
    "storage+tls://b/system/",
    "storage+tls://b:99999/system",
    "qemu+ssh://-oProxyCommand=x/system",
    "qemu+ssh://.b/system",
    "qemu+ssh://-lx@b/system",
    "qemu+ssh://root:secret@b/system",
    "qemu+ssh://ro%20ot@b/system",
    "qemu+ssh://b%0a/system",
    "storage+unix://b/system",
    "qemu+tcp://[b]/system",
    "qemu+tcp://[::1/system",
    "qemu+tcp://a b/system",
    "qemu:///embed?root=/x",
    "test:///default",
    "http://b/system",
};

static void
testRefused(const char *text, int code)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerUri) uri = replPeerUriParse(text, "storage+tls://other/system?pkipath=/etc/x", &err);

    g_assert_null(uri);
    g_assert_error(err, REPL_ERROR, code);
    if (*text)
        g_assert_nonnull(strstr(err->message, text));
}

static void
testDenied(gconstpointer text)
{
    testRefused(text, VIR_ERR_OPERATION_DENIED);
}

static void
testMalformed(gconstpointer text)
{
    testRefused(text, VIR_ERR_INVALID_ARG);
}

static void
testAllowed(void)
{
    const char *allowed = "storage+tls://b/system?pkipath=/etc/x \tqemu+ext:///system?command=/usr/bin/dial";
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerUri) uri = replPeerUriParse("qemu+ext:///system?command=/usr/bin/dial", allowed, &err);
    g_autoptr(ReplPeerUri) longer =
        replPeerUriParse("qemu+ext:///system?command=/usr/bin/dial2", allowed, NULL);
    g_autoptr(ReplPeerUri) shorter = replPeerUriParse("storage+tls://b/system?pkipath=/etc", allowed, NULL);

    g_assert_no_error(err);
    g_assert_cmpint(uri->transport, ==, REPL_PEER_OTHER);
    g_assert_cmpstr(uri->open, ==, uri->text);
    g_assert_null(longer);
    g_assert_null(shorter);
}

static void
testLong(void)
{
    g_autofree char *name = g_strnfill(2000, 'a');
    g_autofree char *text = g_strdup_printf("storage+tls://%s/system", name);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplPeerUri) uri = replPeerUriParse(text, text, &err);

    g_assert_null(uri);
    g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
}

static void
testOfHost(void)
{
    static const struct {
        const char *host;
        guint port;
        const char *uri;
    } hosts[] = {
        {"b.example.org", 0, "storage+tls://b.example.org/system"},
        {"10.1.2.3", 16999, "storage+tls://10.1.2.3:16999/system"},
        {"fe80::1", 0, "storage+tls://[fe80::1]/system"},
        {"::1", 5, "storage+tls://[::1]:5/system"},
        {"-b", 0, NULL},
        {"", 0, NULL},
        {"b/system?x=", 0, NULL},
        {"root@b", 0, NULL},
        {"b c", 0, NULL},
        {"b:5", 70000, NULL},
        {"b", 70000, NULL},
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_autoptr(GError) err = NULL;
        g_autofree char *uri = replPeerUriOfHost(hosts[i].host, hosts[i].port, &err);

        g_assert_cmpstr(uri, ==, hosts[i].uri);
        if (uri) {
            g_autoptr(ReplPeerUri) parsed = replPeerUriParse(uri, NULL, NULL);

            g_assert_cmpstr(parsed->host, ==, hosts[i].host);
        } else {
            g_assert_error(err, REPL_ERROR, VIR_ERR_INVALID_ARG);
        }
    }
}

int
main(int argc, char **argv)
{
    guint i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(goodUris); i++) {
        g_autofree char *name = g_strdup_printf("/peer/uri/good/%u", i);

        g_test_add_data_func(name, &goodUris[i], testGood);
    }
    for (i = 0; i < G_N_ELEMENTS(deniedUris); i++) {
        g_autofree char *name = g_strdup_printf("/peer/uri/denied/%u", i);

        g_test_add_data_func(name, deniedUris[i], testDenied);
    }
    for (i = 0; i < G_N_ELEMENTS(malformedUris); i++) {
        g_autofree char *name = g_strdup_printf("/peer/uri/malformed/%u", i);

        g_test_add_data_func(name, malformedUris[i], testMalformed);
    }
    g_test_add_func("/peer/uri/allowed", testAllowed);
    g_test_add_func("/peer/uri/long", testLong);
    g_test_add_func("/peer/uri/of-host", testOfHost);
    return g_test_run();
}
