/*
 * register.c: the module's entry point: stacks on the stock storage driver, or steps aside
 *
 * libvirt's daemons dlopen libvirt_driver_storage.so and call storageRegister. Ours loads the stock
 * module, lets it register itself, checks everything it is going to rely on, and only then puts its
 * entries into the shared table. On any doubt the host keeps the stock driver.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"
#include "stack/ops.h"
#include "stack/state.h"
#include "store/config.h"
#include "virt/report.h"
#include "virt/version.h"

int
storageRegister(void);

/* One line in the daemon's log; the log function itself may be what is missing. */
static void
replRegisterStepAside(const char *why)
{
    if (replVirt.LogMessage)
        replError("Image replication is off, the stock storage driver works alone: %s", why);
    else
        fprintf(stderr, "Image replication is off, the stock storage driver works alone: %s\n", why);
}

/* The file is read once more when the daemon is up (service.c), which then warns of bad lines. */
static void
replRegisterSayNothing(ReplLogLevel level, const char *file, int line, const char *func, const char *message)
{
}

/* Whether this libvirt may be stacked on: version.h. */
static int
replRegisterCheck(gboolean *unchecked, char **why)
{
    g_autofree char *path = replConfigPath(geteuid() == 0);
    g_autoptr(ReplConfig) config = NULL;

    replLogSetSink(replRegisterSayNothing);
    config = replConfigLoad(path);
    replLogSetSink(NULL);
    return replVersionCheck(config->trustedLibvirt, path, unchecked, why);
}

__attribute__((visibility("default"))) int
storageRegister(void)
{
    g_autofree char *why = NULL;
    ReplVirtStorageDriver *table;
    gboolean unchecked;
    gboolean missing;
    void *stock;

    replI18nInit();
    if (!(stock = replVirtLoadStock(&missing, &why))) {
        /* As without us: a module that is not installed is skipped, one that is broken ends the
         * daemon. */
        fprintf(stderr, "%s\n", why);
        return missing ? 0 : -1;
    }
    if (replRegisterCheck(&unchecked, &why) < 0 || replVirtLoad(stock, &why) < 0 ||
        !(table = replVirtTable(stock, unchecked, &why))) {
        replRegisterStepAside(why);
        return 0;
    }
    replLogSetSink(replReportLog);
    /* Registered after the stock driver's: started after its autostart, cleaned up before it. */
    if (replStateRegister() < 0) {
        replRegisterStepAside(virGetLastErrorMessage());
        virResetLastError();
        return 0;
    }
    memcpy(&replNext, table, sizeof(replNext));
    replPoolOpsInstall(table);
    replListOpsInstall(table);
    replVolOpsInstall(table);
    replCreateOpsInstall(table);
    if (unchecked)
        replWarn("This libvirt is newer than those that image replication knows; trusted_libvirt lets it in");
    replAllOpsInstall(table);
    replInfo("Image replication " REPL_VERSION " is stacked on the stock storage driver");
    return 0;
}
