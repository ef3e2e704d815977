/*
 * log.h: log lines of everything below stack/
 *
 * In the daemon stack/ sets the sink to libvirt's own log; in unit tests it is stderr. A message is
 * a whole sentence; it never holds a byte of a secret.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef enum {
    REPL_LOG_DEBUG,
    REPL_LOG_INFO,
    REPL_LOG_WARN,
    REPL_LOG_ERROR,
} ReplLogLevel;

typedef void (*ReplLogSink)(ReplLogLevel level, const char *file, int line, const char *func,
                            const char *message);

/* Set once, before any thread of ours runs. */
void
replLogSetSink(ReplLogSink sink);

void
replLogAt(ReplLogLevel level, const char *file, int line, const char *func, const char *fmt, ...)
    G_GNUC_PRINTF(5, 6);

#define replDebug(...) replLogAt(REPL_LOG_DEBUG, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define replInfo(...) replLogAt(REPL_LOG_INFO, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define replWarn(...) replLogAt(REPL_LOG_WARN, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define replError(...) replLogAt(REPL_LOG_ERROR, __FILE__, __LINE__, __func__, __VA_ARGS__)
