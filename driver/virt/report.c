/*
 * report.c: our errors and log lines become libvirt's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/report.h"

#include <string.h>

#include "virt/virt.h"

/* libvirt's own errors carry names of files without folders. */
static const char *
reportBase(const char *file)
{
    const char *base = strrchr(file, '/');

    return base ? base + 1 : file;
}

/* libvirt's error texts are printf formats with "%1$s" in newer versions; ours go through "%s". */
static void
reportAt(const ReplErrorOrigin *origin, int code, const char *message)
{
    ReplErrorOrigin here = {__FILE__, __func__, __LINE__};

    if (!origin->file)
        origin = &here;
    replVirt.ReportErrorHelper(VIR_FROM_STORAGE, code, reportBase(origin->file), origin->func, origin->line,
                               "%s", message);
}

void
replReport(GError *err)
{
    int code = err && err->domain == REPL_ERROR ? err->code : VIR_ERR_INTERNAL_ERROR;
    ReplErrorOrigin origin = replErrorOrigin(err);

    reportAt(&origin, code, err ? err->message : "");
    g_clear_error(&err);
}

void
replReportErrorAt(const ReplErrorOrigin *origin, int code, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    reportAt(origin, code, text);
}

void
replTakeErrorAt(GError **err, const ReplErrorOrigin *origin)
{
    virErrorPtr last = virGetLastError();

    if (err && last && last->code != VIR_ERR_OK)
        replErrorSetAt(err, origin, last->code, "%s", replErrorDetail(last));
    else
        replErrorSetAt(err, origin, VIR_ERR_INTERNAL_ERROR, _("libvirt failed without saying why"));
    virResetLastError();
}

void
replReportLog(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
    static ReplVirtLogSource source = {.name = "storage.replication", .priority = 0};

    /* virLogPriority: debug 1, info 2, warn 3, error 4. */
    replVirt.LogMessage(&source, (int)level + 1, reportBase(file), line, func, NULL, "%s", message);
}
