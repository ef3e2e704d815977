/*
 * run.h: qemu-img is run once, within limits, and followed
 *
 * The child has /dev/null as input, pipes for its output and messages, the inputs of the command, and no other
 * descriptor; LC_ALL=C and nothing of our environment. It dies with the thread that runs it
 * (PR_SET_PDEATHSIG), so the call must be made by the thread that waits for it, as it is. Only the child's own id is
 * ever signalled or waited for: libvirtd has children of its own.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/copy.h"
#include "qemuimg/argv.h"

/* All zero: no limits, no progress is told. */
typedef struct {
    guint64 memory_bytes; /* address space */
    guint cpu_s;          /* CPU time in all */
    guint stall_s;        /* CPU time without any sign of progress */
    guint wall_s;         /* time in all, asleep or not */
    /* Followed and steered like a copy: @meterFd (-1: none) grows by what is written, @total_bytes are told to
     * the watch in all when it succeeds. While the watch's admit waits, the child is stopped (SIGSTOP). */
    const ReplCopyWatch *watch;
    int meterFd;
    guint64 total_bytes;
} ReplQemuRun;

/* Runs @command. *output (may be NULL) gets what it prints, at most 1 MiB. *status (may be NULL) gets its exit
 * status; without it, another one than 0 is an error. Returns 0, or -1 with @err set: the watch's own error,
 * VIR_ERR_OPERATION_FAILED with what qemu-img says (at most 4 KiB, printable) or the limit that it ran into,
 * VIR_ERR_NO_SUPPORT when there is no qemu-img, VIR_ERR_SYSTEM_ERROR. @what names the volume in messages. In any
 * case the child is gone and all it had is closed. */
int
replQemuImgRun(const ReplQemuCommand *command, const ReplQemuRun *run, const char *what, char **output,
               int *status, GError **err);

/* The last "(12.34/100%)" in @text, which qemu-img -p prints, in hundredths of a percent; -1: none. */
int
replQemuProgress(const char *text);

/* The number, up to 2^63 - 1, behind the @key of the outermost object in JSON. Returns 0, or -1 when there is none. */
int
replQemuNumber(const char *json, const char *key, guint64 *value);
