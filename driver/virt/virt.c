/*
 * virt.c: finding libvirt's private side, and believing nothing unchecked
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/virt.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/i18n.h"
#include "virt/shape.h"

#define REPL_STOCK_MODULE "libvirt_driver_storage.so"
#define REPL_STOCK_ENV "LIBVIRT_STORAGE_REPLICATION_STOCK"

ReplVirt replVirt;
ReplVirtStorageDriver replNext;

#define SYM(name)                                                                                            \
    {                                                                                                        \
        "vir" #name, offsetof(ReplVirt, name)                                                                \
    }

static const struct {
    const char *name;
    size_t offset;
} replVirtSymbols[] = {
    SYM(RegisterConnectDriver),
    SYM(RegisterStateDriver),
    SYM(LogMessage),
    SYM(ReportErrorHelper),
    SYM(ObjectUnref),
    SYM(XMLValidateAgainstSchema),
    SYM(GetConnectSecret),
    SYM(GetConnectStorage),
    SYM(GetStorageVol),
    SYM(FDStreamOpen),
    SYM(IdentityGetCurrent),
    SYM(IdentityGetSystem),
    SYM(IdentityGetUserName),
    SYM(IdentityGetSASLUserName),
    SYM(IdentityGetX509DName),
    SYM(IdentityElevateCurrent),
    SYM(IdentitySetCurrent),
    SYM(ObjectEventStateNew),
    SYM(ObjectEventStateQueue),
    SYM(ObjectEventStateDeregisterID),
    SYM(StoragePoolEventStateRegisterID),
    SYM(StoragePoolEventRefreshNew),
    SYM(StoragePoolEventLifecycleNew),
    SYM(GetStoragePool),
    SYM(StoragePoolObjFindPoolByUUID),
    SYM(StorageBackendRefreshVolTargetUpdate),
    SYM(StoragePoolObjGetDef),
    SYM(StoragePoolObjIsActive),
    SYM(StoragePoolObjGetConfigFile),
    SYM(StoragePoolObjEndAPI),
    SYM(StorageVolDefFindByName),
    SYM(StoragePoolDefParse),
    SYM(StoragePoolDefFormat),
    SYM(StoragePoolDefFree),
    SYM(StorageVolDefParse),
    SYM(StorageVolDefFormat),
    SYM(StorageVolDefFree),
    SYM(NodeSetMemoryParametersEnsureACL),
    SYM(StoragePoolDefineXMLEnsureACL),
    SYM(StoragePoolCreateXMLEnsureACL),
    SYM(StoragePoolBuildEnsureACL),
    SYM(StoragePoolUndefineEnsureACL),
    SYM(StoragePoolDestroyEnsureACL),
    SYM(StoragePoolCreateEnsureACL),
    SYM(StoragePoolDeleteEnsureACL),
    SYM(StorageVolCreateXMLEnsureACL),
    SYM(StorageVolCreateXMLFromEnsureACL),
    SYM(StorageVolDownloadEnsureACL),
    SYM(StorageVolUploadEnsureACL),
    SYM(StorageVolDeleteEnsureACL),
    SYM(StorageVolWipeEnsureACL),
    SYM(StorageVolWipePatternEnsureACL),
    SYM(StorageVolResizeEnsureACL),
    SYM(StoragePoolRefreshEnsureACL),
    SYM(StoragePoolGetInfoEnsureACL),
    SYM(StoragePoolGetXMLDescEnsureACL),
    SYM(StoragePoolGetAutostartEnsureACL),
    SYM(StoragePoolSetAutostartEnsureACL),
    SYM(StoragePoolIsActiveEnsureACL),
    SYM(StoragePoolIsPersistentEnsureACL),
    SYM(StoragePoolNumOfVolumesEnsureACL),
    SYM(StoragePoolListVolumesEnsureACL),
    SYM(StoragePoolListAllVolumesEnsureACL),
    SYM(StoragePoolLookupByNameEnsureACL),
    SYM(StoragePoolLookupByUUIDEnsureACL),
    SYM(StoragePoolLookupByVolumeEnsureACL),
    SYM(StorageVolLookupByNameEnsureACL),
    SYM(StorageVolLookupByKeyEnsureACL),
    SYM(StorageVolLookupByPathEnsureACL),
    SYM(StorageVolGetInfoEnsureACL),
    SYM(StorageVolGetInfoFlagsEnsureACL),
    SYM(StorageVolGetXMLDescEnsureACL),
    SYM(StorageVolGetPathEnsureACL),
    SYM(ConnectNumOfStoragePoolsCheckACL),
    SYM(ConnectListStoragePoolsCheckACL),
    SYM(ConnectNumOfDefinedStoragePoolsCheckACL),
    SYM(ConnectListDefinedStoragePoolsCheckACL),
    SYM(ConnectListAllStoragePoolsCheckACL),
    SYM(StoragePoolListAllVolumesCheckACL),
    SYM(StoragePoolListVolumesCheckACL),
    SYM(StoragePoolNumOfVolumesCheckACL),
};

G_STATIC_ASSERT(sizeof(ReplVirt) == G_N_ELEMENTS(replVirtSymbols) * sizeof(void *));

/* The distribution keeps its modules beside libvirt.so. A user who can set the daemon's environment
 * owns the daemon anyway, so the variable (for tests and odd layouts) is no way in. */
static char *
replVirtStockPath(void)
{
    const char *env = getenv(REPL_STOCK_ENV);
    g_autofree char *dir = NULL;
    Dl_info info;

    if (env && *env)
        return g_strdup(env);
    if (!dladdr((void *)(uintptr_t)virGetVersion, &info) || !info.dli_fname)
        return NULL;
    dir = g_path_get_dirname(info.dli_fname);
    return g_build_filename(dir, "libvirt", "connection-driver", REPL_STOCK_MODULE, NULL);
}

void *
replVirtLoadStock(gboolean *missing, char **why)
{
    g_autofree char *path = replVirtStockPath();
    int (*reg)(void);
    void *handle;

    *missing = FALSE;
    if (!path) {
        *why = g_strdup(_("The folder of libvirt's own modules cannot be found."));
        return NULL;
    }
    *missing = access(path, F_OK) < 0;
    /* RTLD_GLOBAL: the storage backends that it loads need its symbols. */
    if (!(handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE))) {
        *why = g_strdup_printf(_("The stock storage driver cannot be loaded: %s."), dlerror());
        return NULL;
    }
    if (!(reg = (int (*)(void))(uintptr_t)dlsym(handle, "storageRegister"))) {
        *why = g_strdup_printf(_("'%s' has no storageRegister."), path);
        return NULL;
    }
    if (reg() < 0) {
        *why = g_strdup_printf(_("The stock storage driver '%s' cannot register itself."), path);
        return NULL;
    }
    return handle;
}

int
replVirtLoad(void *stock, char **why)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(replVirtSymbols); i++) {
        void *sym = dlsym(RTLD_DEFAULT, replVirtSymbols[i].name);

        if (!sym)
            sym = dlsym(stock, replVirtSymbols[i].name);
        if (!sym) {
            *why = g_strdup_printf(_("libvirt has no symbol '%s'."), replVirtSymbols[i].name);
            return -1;
        }
        memcpy((char *)&replVirt + replVirtSymbols[i].offset, &sym, sizeof(sym));
    }
    return 0;
}

/* For a libvirt whose sources were not read: an entry that was added or removed changes the table's length. */
static int
replVirtCheckShape(void *stock, const ReplVirtStorageDriver *table, char **why)
{
    gsize run = replShapeRun(stock, table);

    if (g_strcmp0(table->name, "storage") == 0 && run == 1 + REPL_VIRT_ENTRIES)
        return 0;
    *why = g_strdup_printf(
        _("trusted_libvirt lets this libvirt in, but the storage driver table of its stock module "
          "has another shape: %zu pointers in a row instead of %d."),
        run, 1 + REPL_VIRT_ENTRIES);
    return -1;
}

/* libvirt prints the name of a driver that it registers, so there must be one; and it asks each
 * driver for entries behind it, which are all unset. virHypervisorDriver has far fewer than 512. */
static struct {
    const char *name;
    void *entries[512];
} replVirtNoHypervisor = {.name = "storage-replication"};

ReplVirtStorageDriver *
replVirtTable(void *stock, gboolean unchecked, char **why)
{
    /* An empty list of schemes: libvirt never opens a connection with this driver. */
    static const char *noSchemes[] = {NULL};
    static ReplVirtConnectDriver ours;
    void *const *entries;
    Dl_info module;
    Dl_info info;
    size_t i;

    ours.uriSchemes = noSchemes;
    ours.hypervisorDriver = &replVirtNoHypervisor;
    if (replVirt.RegisterConnectDriver(&ours, true) < 0 || !ours.storageDriver) {
        *why = g_strdup(_("libvirt did not hand out its storage driver table."));
        return NULL;
    }
    if (!dladdr(dlsym(stock, "storageRegister"), &module)) {
        *why = g_strdup(_("The stock module has no address."));
        return NULL;
    }
    entries = (void *const *)(const void *)ours.storageDriver;
    for (i = 1; i <= REPL_VIRT_ENTRIES; i++) {
        if (!entries[i] || !dladdr(entries[i], &info) || info.dli_fbase != module.dli_fbase) {
            *why = g_strdup_printf(_("Entry %zu of the storage driver table is not the stock "
                                     "module's."),
                                   i);
            return NULL;
        }
    }
    if (unchecked && replVirtCheckShape(stock, ours.storageDriver, why) < 0)
        return NULL;
    return ours.storageDriver;
}
