/*
 * hook.h: a program of the administrator's, run at the end of each job
 *
 *     PROGRAM ID completed|failed|cancelled end -          ID: the image's id; the volume's XML on standard input
 *
 * One thread runs them one after another, so that a slow program delays neither jobs nor the daemon. The program has a
 * fixed PATH, a process group of its own and a time limit; when it has ended, its process group is killed. It dies with the
 * daemon.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#define REPL_HOOK_LIMIT_ms (30 * 1000)

/* Ends that wait for the program at most; more are dropped with a log line. */
#define REPL_HOOK_WAITING_MAX 1000

typedef struct ReplHook ReplHook;

/* @program need not exist: it is looked for each time. */
ReplHook *
replHookNew(const char *program, guint limit_ms);

/* Ends the program that runs and forgets those that wait, within a moment; from now on nothing is run. May be called twice. */
void
replHookStop(ReplHook *hook);

/* Stops and frees. */
void
replHookFree(ReplHook *hook);

/* Has the program run for the image @id, whose job @ended ("completed", ...). @xml makes the text for its standard input, in the
 * thread of the hook, and is given @opaque, which is freed by @free in any case. Never waits. */
void
replHookTell(ReplHook *hook, const char *id, const char *ended, char *(*xml)(void *opaque), void *opaque,
             GDestroyNotify free);
