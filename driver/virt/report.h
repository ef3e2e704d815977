/*
 * report.h: our errors and log lines become libvirt's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

/* Makes @err the thread's libvirt error and frees it. */
void
replReport(GError *err);

/* Reports a virErrorNumber with a whole, translated sentence. */
void
replReportError(int code, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Takes the thread's libvirt error as a GError, for a job to keep. */
void
replTakeError(GError **err);

/* The sink for base/log.h. */
void
replReportLog(ReplLogLevel level, const char *file, int line, const char *func, const char *message);
