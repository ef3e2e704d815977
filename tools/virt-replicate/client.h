/*
 * client.h: what every command of virt-replicate has at hand
 *
 * The program has one thread and ends with its command: options of a command are static variables
 * of its file. Failures are reported where they happen, by replClientError() or replClientFail(),
 * and handed up as an exit status.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libintl.h>
#include <stdbool.h>

#include <libvirt-replication/libvirt-replication.h>

#include "cleanup.h"
#include "term.h"

#define _(str) gettext(str)
#define N_(str) str

/* Exit statuses; documented in the manual page. The first two are those of virsh. */
typedef enum {
    REPL_EXIT_DONE = 0,
    REPL_EXIT_FAILED = 1,  /* an error; nothing of what was asked for is done */
    REPL_EXIT_PARTLY = 2,  /* some of it is done, some is not */
    REPL_EXIT_RUNNING = 3, /* the jobs go on without us */
} ReplExit;

typedef struct {
    /* Options that every command has. */
    char *uri;
    gboolean readonly;
    gboolean quiet;
    gboolean json;
    gboolean noColor;
    gboolean ascii;
    int width;

    ReplTerm out; /* standard output */
    virConnectPtr conn;
    virConnectPtr secrets; /* for keys, by replClientSecrets() only */
} ReplClient;

typedef struct {
    const char *name;
    const char *args;            /* for the usage line */
    const char *summary;         /* one line, translated when it is shown */
    const char *description;     /* more lines for --help, or NULL */
    const char *const *examples; /* whole command lines, ends with NULL; at least one */
    const GOptionEntry *entries; /* or NULL */
    int min;                     /* arguments */
    int max;                     /* -1: any number */
    bool offline;                /* needs no connection */
    bool stock;                  /* needs no module in the daemon */
    bool raw;                    /* takes all words behind it as they are, options too */
    int (*run)(ReplClient *client, int argc, char **argv);
} ReplCommand;

/* All commands in the order of --help; ends with NULL. */
extern const ReplCommand *const replCommands[];

/* Prints "error: …" on standard error. Returns REPL_EXIT_FAILED. */
int
replClientError(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The same of the library's last error, with what to do next where we know it. */
int
replClientFail(void);

/* The same of an error that was kept. @what: whose error it is, or NULL. */
int
replClientFailWith(const char *what, const virError *error);

/* Prints a line of success, unless --quiet or --json. */
void
replClientSay(const ReplClient *client, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether the daemon of the connection has the module. Reports. */
bool
replClientHasModule(const ReplClient *client);

/* The exit status when @failed of @all did not work. */
int
replClientExit(size_t failed, size_t all);

/* A connection that has secrets: the client's own, or, when that is one to a storage daemon alone,
 * the same host's to its secrets. Belongs to the client. Reports; NULL on error. */
virConnectPtr
replClientSecrets(ReplClient *client);
