/*
 * cord.c: the kernel's end of a connection to another host: its TCP socket, or the ssh that carries it
 *
 * Only one thread at a time looks for a new socket, so that it can tell its own; a thread that takes longer than a second for
 * it loses its turn. Children are listed by the thread that made them, and need no turns. The cord keeps a descriptor of its
 * own of the socket or the child, so that it never meets another one of the same number.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/cord.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/lock.h"

#define REPL_CORD_TURN_us G_USEC_PER_SEC

/* Signs of life asked for before a silent host is given up. */
#define REPL_CORD_PROBES 5

struct _ReplCord {
    ReplPeerTransport transport; /* these four are fixed */
    guint port;
    guint silent_s;
    pid_t opener;

    GHashTable *before; /* what was there before: inodes of sockets, or children; until it is tied */
    guint64 turn;

    ReplFd fd;   /* these two are fixed once it is tied; -1: there is no cord */
    pid_t child; /* the ssh; 0: fd is a socket */
};

/* Guards the rest. */
static ReplLock replCordLock = REPL_LOCK_INIT;
static guint64 replCordTurn; /* of the thread that looks for a socket; 0: none does */
static guint64 replCordTurns;
static gint64 replCordTurnEnds_us;

/* Waits until it is this thread's turn, or until the thread whose turn it is has lost it. */
static guint64
replCordTakeTurn(void)
{
    REPL_GUARD(&replCordLock);

    while (replCordTurn != 0 && g_get_monotonic_time() < replCordTurnEnds_us)
        replLockWaitUntil(&replCordLock, replCordTurnEnds_us);
    replCordTurn = ++replCordTurns;
    replCordTurnEnds_us = g_get_monotonic_time() + REPL_CORD_TURN_us;
    return replCordTurn;
}

static void
replCordGiveTurn(guint64 turn)
{
    REPL_GUARD(&replCordLock);

    if (replCordTurn != turn)
        return;
    replCordTurn = 0;
    replLockWake(&replCordLock);
}

/* ---- sockets */

static gboolean
replCordIsTcp(ReplPeerTransport transport)
{
    return transport == REPL_PEER_TLS || transport == REPL_PEER_TCP;
}

/* The port of the other end of a TCP connection; 0: @fd is none. */
static guint
replCordPort(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

/* The kernel asks for a sign of life when nothing has come for a while, and breaks the connection when there has been none, or
 * no acknowledgement of what was sent, for @silent_s. */
static void
replCordWatchSocket(int fd, guint silent_s)
{
    const int on = 1;
    const int step_s = (int)MAX(1, silent_s / (REPL_CORD_PROBES + 1));
    const int probes = REPL_CORD_PROBES;
    const guint silent_ms = silent_s * 1000;

    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &step_s, sizeof(step_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step_s, sizeof(step_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
}

static guint64
replCordInode(int fd)
{
    struct stat info;

    return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

/* The numbers in the folder of descriptors @path. */
static GArray *
replCordDescriptors(const char *path)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        int fd = atoi(name);

        g_array_append_val(fds, fd);
    }
    return fds;
}

/* Adds the sockets to @port that were not there @before (NULL: all of them) to @found, inode -> descriptor. */
static void
replCordSockets(guint port, GHashTable *before, GHashTable *found)
{
    g_autoptr(GArray) fds = replCordDescriptors("/proc/self/fd");

    for (guint i = 0; i < fds->len; i++) {
        int fd = g_array_index(fds, int, i);
        gpointer inode = replCordPort(fd) == port ? GSIZE_TO_POINTER(replCordInode(fd)) : NULL;

        if (inode && !(before && g_hash_table_contains(before, inode)))
            g_hash_table_insert(found, inode, GINT_TO_POINTER(fd));
    }
}

/* ---- ssh */

static gboolean
replCordIsSsh(const char *pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/comm", pid);
    g_autofree char *name = NULL;

    return g_file_get_contents(path, &name, NULL, NULL) && g_str_equal(name, "ssh\n");
}

/* Adds the children called ssh of the thread @opener that were not there @before to @found, as keys. */
static void
replCordChildren(pid_t opener, GHashTable *before, GHashTable *found)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children", (int)opener);
    g_autofree char *text = NULL;
    g_auto(GStrv) pids = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    pids = g_strsplit_set(text, " \n", -1);
    for (guint i = 0; pids[i]; i++) {
        gpointer pid = GINT_TO_POINTER(atoi(pids[i]));

        if (pid && !(before && g_hash_table_contains(before, pid)) && replCordIsSsh(pids[i]))
            g_hash_table_insert(found, pid, pid);
    }
}

/* What replCordWatchSocket() does, for the sockets of a child. */
static void
replCordWatchChild(pid_t child, guint silent_s)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)child);
    g_autoptr(GArray) fds = replCordDescriptors(path);
    g_auto(ReplFd) pidfd = pidfd_open(child, 0);

    for (guint i = 0; pidfd >= 0 && i < fds->len; i++) {
        g_auto(ReplFd) fd = pidfd_getfd(pidfd, g_array_index(fds, int, i), 0);

        if (fd >= 0 && replCordPort(fd) != 0)
            replCordWatchSocket(fd, silent_s);
    }
}

/* ---- the cord */

/* What may be the cord: all that has come since @before. */
static GHashTable *
replCordCandidates(const ReplCord *cord, GHashTable *before)
{
    GHashTable *found = g_hash_table_new(NULL, NULL);

    if (replCordIsTcp(cord->transport))
        replCordSockets(cord->port, before, found);
    else if (cord->transport == REPL_PEER_SSH)
        replCordChildren(cord->opener, before, found);
    return found;
}

ReplCord *
replCordFind(const ReplPeerUri *uri, guint silent_s)
{
    ReplCord *cord = g_new0(ReplCord, 1);

    cord->transport = uri->transport;
    cord->port = uri->port;
    cord->silent_s = silent_s;
    cord->opener = gettid();
    cord->fd = -1;
    if (replCordIsTcp(cord->transport))
        cord->turn = replCordTakeTurn();
    cord->before = replCordCandidates(cord, NULL);
    return cord;
}

void
replCordMind(ReplCord *cord)
{
    g_autoptr(GHashTable) found = replCordCandidates(cord, cord->before);
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, found);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (cord->transport == REPL_PEER_SSH)
            replCordWatchChild(GPOINTER_TO_INT(key), cord->silent_s);
        else
            replCordWatchSocket(GPOINTER_TO_INT(value), cord->silent_s);
    }
}

/* Takes the only candidate. */
static void
replCordTake(ReplCord *cord, gpointer key, gpointer value)
{
    g_auto(ReplFd) fd = -1;

    if (cord->transport == REPL_PEER_SSH) {
        cord->child = GPOINTER_TO_INT(key);
        cord->fd = pidfd_open(cord->child, 0);
        return;
    }
    fd = fcntl(GPOINTER_TO_INT(value), F_DUPFD_CLOEXEC, 3);
    if (fd >= 0 && replCordInode(fd) == GPOINTER_TO_SIZE(key))
        cord->fd = replFdSteal(&fd);
}

void
replCordTie(ReplCord *cord, gboolean open)
{
    g_autoptr(GHashTable) found = open ? replCordCandidates(cord, cord->before) : NULL;
    GHashTableIter iter;
    gpointer key, value;

    if (found && g_hash_table_size(found) == 1) {
        g_hash_table_iter_init(&iter, found);
        if (g_hash_table_iter_next(&iter, &key, &value))
            replCordTake(cord, key, value);
    }
    if (open)
        replCordMind(cord);
    if (cord->turn)
        replCordGiveTurn(cord->turn);
    g_clear_pointer(&cord->before, g_hash_table_unref);
}

void
replCordCut(ReplCord *cord)
{
    if (cord->fd < 0)
        return;
    if (cord->child)
        pidfd_send_signal(cord->fd, SIGTERM, NULL, 0);
    else
        shutdown(cord->fd, SHUT_RDWR);
}

/* What a child has read, from its own connection and from us. */
static guint64
replCordChildRead_bytes(pid_t child)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/io", (int)child);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !g_str_has_prefix(text, "rchar: "))
        return 0;
    return g_ascii_strtoull(text + strlen("rchar: "), NULL, 10);
}

guint64
replCordReceived_bytes(const ReplCord *cord)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    if (cord->fd < 0)
        return 0;
    if (cord->child)
        return replCordChildRead_bytes(cord->child);
    return getsockopt(cord->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_received : 0;
}

void
replCordFree(ReplCord *cord)
{
    if (!cord)
        return;
    replFdClose(cord->fd);
    g_clear_pointer(&cord->before, g_hash_table_unref);
    g_free(cord);
}
