/*
 * child.h: one child process, made for qemu-img and kept in hand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <sys/types.h>

#include "qemuimg/run.h"

/* Belongs to the thread that started it. */
typedef struct {
    pid_t pid;  /* 0: none, or waited for */
    int outFd;  /* owned; what it prints, non-blocking */
    int errFd;  /* owned; its messages, non-blocking */
    int status; /* as of waitpid(), once it has ended */
} ReplQemuChild;

/* Starts @command with the limits of @run. Returns 0, or -1 with @err set. */
int
replQemuChildStart(ReplQemuChild *child, const ReplQemuCommand *command, const ReplQemuRun *run,
                   GError **err);

/* Whether it has ended; never waits. */
gboolean
replQemuChildEnded(ReplQemuChild *child);

/* Sends @signal unless it has ended. */
void
replQemuChildSignal(const ReplQemuChild *child, int signal);

/* Ends it if it runs (SIGTERM, after a moment SIGKILL), waits for it, and closes everything. */
void
replQemuChildEnd(ReplQemuChild *child);

/* Seconds of CPU time that it has used, or -1. */
double
replQemuChildCpu(const ReplQemuChild *child);
