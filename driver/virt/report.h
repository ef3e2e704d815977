/*
 * report.h: our errors and log lines become libvirt's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

/* Makes @err the thread's libvirt error, with the source line where it was set, and frees it. */
void
replReport(GError *err);

/* Reports a virErrorNumber with a whole, translated sentence; @...: format and arguments. */
#define replReportError(code, ...)                                                                           \
    replReportErrorAt(&(const ReplErrorOrigin){__FILE__, __func__, __LINE__}, code, __VA_ARGS__)

void
replReportErrorAt(const ReplErrorOrigin *origin, int code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* Takes the thread's libvirt error as a GError, for a job to keep. Its origin is the caller's: libvirt does not tell its own. */
#define replTakeError(err) replTakeErrorAt(err, &(const ReplErrorOrigin){__FILE__, __func__, __LINE__})

void
replTakeErrorAt(GError **err, const ReplErrorOrigin *origin);

/* The sink for base/log.h. */
void
replReportLog(ReplLogLevel level, const char *file, int line, const char *func, const char *message);
