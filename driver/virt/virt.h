/*
 * virt.h: what we know of libvirt's private side
 *
 * This header and virt.c alone know libvirt's private symbols and structures. They were read in the
 * sources of 9.0.0 and 11.3.0, where all of them are the same; version.h says what is done about
 * other versions. libvirt's own objects stay opaque pointers. Private symbols are looked up at run
 * time and never linked, so that one binary serves all versions.
 *
 * The room virt/ in five lines:
 * In:    libvirt as it is in this process: symbols, the table of storage functions, identities, secrets.
 * Out:   what the rooms above may use of it: replVirt and replNext, below.h (a pool's table), access.h, events.h,
 *        report.h (errors and log lines), secrets.h. Tests fill replVirt and replNext with fakes.
 * Owner: objects of libvirt belong to libvirt; a locked pool object (ReplPoolObjRef) is let go of at the end of a block.
 * Lock:  a pool object's own, which nothing of ours is taken under; everything else here is set once at start.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* virStoragePoolObj (locked and referenced when we hold one), virStoragePoolDef, virStorageVolDef.
 */
typedef struct _ReplVirtPoolObj ReplVirtPoolObj;
typedef struct _ReplVirtPoolDef ReplVirtPoolDef;
typedef struct _ReplVirtVolDef ReplVirtVolDef;

/* virIdentity (a GObject), virObjectEventState, virObjectEvent. */
typedef struct _ReplVirtIdentity ReplVirtIdentity;
typedef struct _ReplVirtEventState ReplVirtEventState;
typedef struct _ReplVirtEvent ReplVirtEvent;

/* virStorageDriver of src/driver-storage.h: a name and 45 entries, in the order of the header. */
typedef struct {
    const char *name;
    int (*connectNumOfStoragePools)(virConnectPtr);
    int (*connectListStoragePools)(virConnectPtr, char **const, int);
    int (*connectNumOfDefinedStoragePools)(virConnectPtr);
    int (*connectListDefinedStoragePools)(virConnectPtr, char **const, int);
    int (*connectListAllStoragePools)(virConnectPtr, virStoragePoolPtr **, unsigned int);
    char *(*connectFindStoragePoolSources)(virConnectPtr, const char *, const char *, unsigned int);
    int (*connectStoragePoolEventRegisterAny)(virConnectPtr, virStoragePoolPtr, int,
                                              virConnectStoragePoolEventGenericCallback, void *,
                                              virFreeCallback);
    int (*connectStoragePoolEventDeregisterAny)(virConnectPtr, int);
    char *(*connectGetStoragePoolCapabilities)(virConnectPtr, unsigned int);
    virStoragePoolPtr (*storagePoolLookupByName)(virConnectPtr, const char *);
    virStoragePoolPtr (*storagePoolLookupByUUID)(virConnectPtr, const unsigned char *);
    virStoragePoolPtr (*storagePoolLookupByVolume)(virStorageVolPtr);
    virStoragePoolPtr (*storagePoolLookupByTargetPath)(virConnectPtr, const char *);
    virStoragePoolPtr (*storagePoolCreateXML)(virConnectPtr, const char *, unsigned int);
    virStoragePoolPtr (*storagePoolDefineXML)(virConnectPtr, const char *, unsigned int);
    int (*storagePoolBuild)(virStoragePoolPtr, unsigned int);
    int (*storagePoolUndefine)(virStoragePoolPtr);
    int (*storagePoolCreate)(virStoragePoolPtr, unsigned int);
    int (*storagePoolDestroy)(virStoragePoolPtr);
    int (*storagePoolDelete)(virStoragePoolPtr, unsigned int);
    int (*storagePoolRefresh)(virStoragePoolPtr, unsigned int);
    int (*storagePoolGetInfo)(virStoragePoolPtr, virStoragePoolInfoPtr);
    char *(*storagePoolGetXMLDesc)(virStoragePoolPtr, unsigned int);
    int (*storagePoolGetAutostart)(virStoragePoolPtr, int *);
    int (*storagePoolSetAutostart)(virStoragePoolPtr, int);
    int (*storagePoolNumOfVolumes)(virStoragePoolPtr);
    int (*storagePoolListVolumes)(virStoragePoolPtr, char **const, int);
    int (*storagePoolListAllVolumes)(virStoragePoolPtr, virStorageVolPtr **, unsigned int);
    virStorageVolPtr (*storageVolLookupByName)(virStoragePoolPtr, const char *);
    virStorageVolPtr (*storageVolLookupByKey)(virConnectPtr, const char *);
    virStorageVolPtr (*storageVolLookupByPath)(virConnectPtr, const char *);
    virStorageVolPtr (*storageVolCreateXML)(virStoragePoolPtr, const char *, unsigned int);
    virStorageVolPtr (*storageVolCreateXMLFrom)(virStoragePoolPtr, const char *, virStorageVolPtr,
                                                unsigned int);
    int (*storageVolDownload)(virStorageVolPtr, virStreamPtr, unsigned long long, unsigned long long,
                              unsigned int);
    int (*storageVolUpload)(virStorageVolPtr, virStreamPtr, unsigned long long, unsigned long long,
                            unsigned int);
    int (*storageVolDelete)(virStorageVolPtr, unsigned int);
    int (*storageVolWipe)(virStorageVolPtr, unsigned int);
    int (*storageVolWipePattern)(virStorageVolPtr, unsigned int, unsigned int);
    int (*storageVolGetInfo)(virStorageVolPtr, virStorageVolInfoPtr);
    int (*storageVolGetInfoFlags)(virStorageVolPtr, virStorageVolInfoPtr, unsigned int);
    char *(*storageVolGetXMLDesc)(virStorageVolPtr, unsigned int);
    char *(*storageVolGetPath)(virStorageVolPtr);
    int (*storageVolResize)(virStorageVolPtr, unsigned long long, unsigned int);
    int (*storagePoolIsActive)(virStoragePoolPtr);
    int (*storagePoolIsPersistent)(virStoragePoolPtr);
} ReplVirtStorageDriver;

#define REPL_VIRT_ENTRIES 45

G_STATIC_ASSERT(sizeof(ReplVirtStorageDriver) == (1 + REPL_VIRT_ENTRIES) * sizeof(void *));

/* virConnectDriver of src/driver.h. Our hypervisor driver is a name and nothing else. */
typedef struct {
    bool localOnly;
    bool remoteOnly;
    bool embeddable;
    const char **uriSchemes;
    void *hypervisorDriver;
    void *interfaceDriver;
    void *networkDriver;
    void *nodeDeviceDriver;
    void *nwfilterDriver;
    void *secretDriver;
    ReplVirtStorageDriver *storageDriver;
} ReplVirtConnectDriver;

typedef void (*ReplVirtInhibit)(bool inhibit, void *opaque);

/* virStateDriver of src/driver-state.h; stateInitialize returns -1 error, 0 skipped, 1 complete. */
typedef struct {
    const char *name;
    bool initialized;
    int (*stateInitialize)(bool privileged, const char *root, bool monolithic, ReplVirtInhibit callback,
                           void *opaque);
    int (*stateCleanup)(void);
    int (*stateReload)(void);
    int (*stateStop)(void);
    int (*stateShutdownPrepare)(void);
    int (*stateShutdownWait)(void);
} ReplVirtStateDriver;

#define REPL_VIRT_STATE_COMPLETE 1

/* virLogSource of src/util/virlog.h and virLogPriority, which counts from debug = 1. */
typedef struct {
    const char *name;
    unsigned int priority;
    unsigned int serial;
} ReplVirtLogSource;

/* virStorageVolDefParse: a missing <capacity> is fine. */
#define REPL_VIRT_VOL_PARSE_NO_CAPACITY (1 << 0)

typedef int (*ReplVirtPoolAcl)(virConnectPtr, ReplVirtPoolDef *);
typedef bool (*ReplVirtPoolFilter)(virConnectPtr, ReplVirtPoolDef *);
typedef bool (*ReplVirtVolFilter)(virConnectPtr, ReplVirtPoolDef *, ReplVirtVolDef *);
typedef int (*ReplVirtVolAcl)(virConnectPtr, ReplVirtPoolDef *, ReplVirtVolDef *);

/* The private functions that we use, under libvirt's names less the "vir". */
typedef struct {
    int (*RegisterConnectDriver)(ReplVirtConnectDriver *, bool);
    int (*RegisterStateDriver)(ReplVirtStateDriver *);
    void (*LogMessage)(ReplVirtLogSource *, int, const char *, int, const char *, void *, const char *, ...)
        G_GNUC_PRINTF(7, 8);
    void (*ReportErrorHelper)(int, int, const char *, const char *, size_t, const char *, ...)
        G_GNUC_PRINTF(6, 7);

    void (*ObjectUnref)(void *); /* unlike the public functions, it leaves the thread's error alone */
    int (*XMLValidateAgainstSchema)(const char *, xmlDocPtr);
    virConnectPtr (*GetConnectSecret)(void);
    virConnectPtr (*GetConnectStorage)(void);
    virStorageVolPtr (*GetStorageVol)(virConnectPtr, const char *pool, const char *name, const char *key,
                                      void *privateData, virFreeCallback freeFunc);
    int (*FDStreamOpen)(virStreamPtr, int fd); /* takes the descriptor over when it works */

    ReplVirtIdentity *(*IdentityGetCurrent)(void);
    ReplVirtIdentity *(*IdentityGetSystem)(void);
    /* 1: *name is set and belongs to the identity, 0: it has none, -1: error */
    int (*IdentityGetUserName)(ReplVirtIdentity *, const char **name);
    int (*IdentityGetSASLUserName)(ReplVirtIdentity *, const char **name);
    int (*IdentityGetX509DName)(ReplVirtIdentity *, const char **name);
    ReplVirtIdentity *(*IdentityElevateCurrent)(void);
    int (*IdentitySetCurrent)(ReplVirtIdentity *);

    ReplVirtEventState *(*ObjectEventStateNew)(void);
    void (*ObjectEventStateQueue)(ReplVirtEventState *, ReplVirtEvent *);
    int (*ObjectEventStateDeregisterID)(virConnectPtr, ReplVirtEventState *, int, bool);
    int (*StoragePoolEventStateRegisterID)(virConnectPtr, ReplVirtEventState *, virStoragePoolPtr, int,
                                           virConnectStoragePoolEventGenericCallback, void *, virFreeCallback,
                                           int *);
    ReplVirtEvent *(*StoragePoolEventRefreshNew)(const char *, const unsigned char *);
    ReplVirtEvent *(*StoragePoolEventLifecycleNew)(const char *, const unsigned char *, int, int);

    virStoragePoolPtr (*GetStoragePool)(virConnectPtr, const char *, const unsigned char *, void *,
                                        virFreeCallback);

    ReplVirtPoolObj *(*StoragePoolObjFindPoolByUUID)(const unsigned char *); /* stock module */
    int (*StorageBackendRefreshVolTargetUpdate)(ReplVirtVolDef *);           /* stock module */
    ReplVirtPoolDef *(*StoragePoolObjGetDef)(ReplVirtPoolObj *);
    bool (*StoragePoolObjIsActive)(ReplVirtPoolObj *);
    const char *(*StoragePoolObjGetConfigFile)(ReplVirtPoolObj *);
    void (*StoragePoolObjEndAPI)(ReplVirtPoolObj **);
    ReplVirtVolDef *(*StorageVolDefFindByName)(ReplVirtPoolObj *, const char *);
    ReplVirtPoolDef *(*StoragePoolDefParse)(const char *, const char *, unsigned int);
    char *(*StoragePoolDefFormat)(ReplVirtPoolDef *);
    void (*StoragePoolDefFree)(ReplVirtPoolDef *);
    ReplVirtVolDef *(*StorageVolDefParse)(ReplVirtPoolDef *, const char *, const char *, unsigned int);
    char *(*StorageVolDefFormat)(ReplVirtPoolDef *, ReplVirtVolDef *);
    void (*StorageVolDefFree)(ReplVirtVolDef *);

    /* Asks for connect.write and nothing else: what an administrator may. */
    int (*NodeSetMemoryParametersEnsureACL)(virConnectPtr);
    ReplVirtPoolAcl StoragePoolDefineXMLEnsureACL;
    ReplVirtPoolAcl StoragePoolCreateXMLEnsureACL;
    ReplVirtPoolAcl StoragePoolBuildEnsureACL;
    ReplVirtPoolAcl StoragePoolUndefineEnsureACL;
    ReplVirtPoolAcl StoragePoolDestroyEnsureACL;
    ReplVirtPoolAcl StoragePoolCreateEnsureACL;
    ReplVirtPoolAcl StoragePoolDeleteEnsureACL;
    ReplVirtVolAcl StorageVolCreateXMLEnsureACL;
    ReplVirtVolAcl StorageVolCreateXMLFromEnsureACL;
    ReplVirtVolAcl StorageVolDownloadEnsureACL;
    ReplVirtVolAcl StorageVolUploadEnsureACL;
    ReplVirtVolAcl StorageVolDeleteEnsureACL;
    ReplVirtVolAcl StorageVolWipeEnsureACL;
    ReplVirtVolAcl StorageVolWipePatternEnsureACL;
    ReplVirtVolAcl StorageVolResizeEnsureACL;
    ReplVirtPoolAcl StoragePoolRefreshEnsureACL;
    ReplVirtPoolAcl StoragePoolGetInfoEnsureACL;
    ReplVirtPoolAcl StoragePoolGetXMLDescEnsureACL;
    ReplVirtPoolAcl StoragePoolGetAutostartEnsureACL;
    ReplVirtPoolAcl StoragePoolSetAutostartEnsureACL;
    ReplVirtPoolAcl StoragePoolIsActiveEnsureACL;
    ReplVirtPoolAcl StoragePoolIsPersistentEnsureACL;
    ReplVirtPoolAcl StoragePoolNumOfVolumesEnsureACL;
    ReplVirtPoolAcl StoragePoolListVolumesEnsureACL;
    ReplVirtPoolAcl StoragePoolListAllVolumesEnsureACL;
    ReplVirtPoolAcl StoragePoolLookupByNameEnsureACL;
    ReplVirtPoolAcl StoragePoolLookupByUUIDEnsureACL;
    ReplVirtPoolAcl StoragePoolLookupByVolumeEnsureACL;
    ReplVirtVolAcl StorageVolLookupByNameEnsureACL;
    ReplVirtVolAcl StorageVolLookupByKeyEnsureACL;
    ReplVirtVolAcl StorageVolLookupByPathEnsureACL;
    ReplVirtVolAcl StorageVolGetInfoEnsureACL;
    ReplVirtVolAcl StorageVolGetInfoFlagsEnsureACL;
    ReplVirtVolAcl StorageVolGetXMLDescEnsureACL;
    ReplVirtVolAcl StorageVolGetPathEnsureACL;
    ReplVirtPoolFilter ConnectNumOfStoragePoolsCheckACL;
    ReplVirtPoolFilter ConnectListStoragePoolsCheckACL;
    ReplVirtPoolFilter ConnectNumOfDefinedStoragePoolsCheckACL;
    ReplVirtPoolFilter ConnectListDefinedStoragePoolsCheckACL;
    ReplVirtPoolFilter ConnectListAllStoragePoolsCheckACL;
    ReplVirtVolFilter StoragePoolListAllVolumesCheckACL;
    ReplVirtVolFilter StoragePoolListVolumesCheckACL;
    ReplVirtVolFilter StoragePoolNumOfVolumesCheckACL;
} ReplVirt;

/* Filled by replVirtLoad() before any thread of ours runs, constant afterwards. */
extern ReplVirt replVirt;

/* The stock module's entries as they were before we came; valid after replVirtStack(). */
extern ReplVirtStorageDriver replNext;

/* Loads the stock module and lets it register itself. Returns its handle, or NULL when even that
 * failed (@why says it), in which case the daemon has no storage driver at all; *missing tells that
 * there is no such module. */
void *
replVirtLoadStock(gboolean *missing, char **why);

/* Finds every private symbol. Returns 0, or -1 and @why. */
int
replVirtLoad(void *stock, char **why);

/* Returns the shared storage driver table once each entry proved to point into the stock module,
 * or NULL and @why. With @unchecked (version.h) its length in memory has to be right, too. */
ReplVirtStorageDriver *
replVirtTable(void *stock, gboolean unchecked, char **why);
