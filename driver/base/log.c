/*
 * log.c: log lines of everything below stack/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/log.h"

#include <stdio.h>

static void
replLogToStderr(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    (void)func;
    if (level > REPL_LOG_DEBUG)
        fprintf(stderr, "%s: %s:%d: %s\n", names[level], file, line, message);
}

static ReplLogSink replLogSink = replLogToStderr;

void
replLogSetSink(ReplLogSink sink)
{
    replLogSink = sink ? sink : replLogToStderr;
}

void
replLogAt(ReplLogLevel level, const char *file, int line, const char *func, const char *fmt, ...)
{
    g_autofree char *message = NULL;
    va_list ap;

    va_start(ap, fmt);
    message = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    replLogSink(level, file, line, func, message);
}
