/*
 * report.c: our errors and log lines become libvirt's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/report.h"

#include <string.h>

#include "virt/virt.h"

/* libvirt's error texts are printf formats with "%1$s" in newer versions; ours go through "%s". */
void
replReport(GError *err)
{
    int code = err && err->domain == REPL_ERROR ? err->code : VIR_ERR_INTERNAL_ERROR;

    replVirt.ReportErrorHelper(VIR_FROM_STORAGE, code, __FILE__, __func__, __LINE__, "%s",
                               err ? err->message : "");
    g_clear_error(&err);
}

void
replReportError(int code, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    replVirt.ReportErrorHelper(VIR_FROM_STORAGE, code, __FILE__, __func__, __LINE__, "%s", text);
}

void
replTakeError(GError **err)
{
    virErrorPtr last = virGetLastError();

    if (err && last && last->code != VIR_ERR_OK)
        replErrorSet(err, last->code, "%s", last->message);
    else
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("libvirt failed without saying why"));
    virResetLastError();
}

void
replReportLog(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
    static ReplVirtLogSource source = {.name = "storage.replication", .priority = 0};
    const char *base = strrchr(file, '/');

    /* virLogPriority: debug 1, info 2, warn 3, error 4. */
    replVirt.LogMessage(&source, (int)level + 1, base ? base + 1 : file, line, func, NULL, "%s", message);
}
