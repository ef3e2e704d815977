/*
 * fake_virt.c: a libvirt for the rooms above virt/: pools are directories, volumes are files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake_virt.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/lock.h"
#include "service/service.h"
#include "virt/access.h"

typedef struct {
    unsigned char uuid[VIR_UUID_BUFLEN];
    char uuidstr[VIR_UUID_STRING_BUFLEN];
    char *name;
    char *path;
} FakePool;

/* What a virStorageVolPtr points to here. */
typedef struct {
    const FakePool *pool;
    char *name;
} FakeVol;

static char *fakeDir;
static GPtrArray *fakePools; /* made before any thread */
static int fakeConnection;   /* its address is a connection */

/* Handles are few and small: they live as long as the test. */
static ReplLock fakeVolsLock = REPL_LOCK_INIT;
static GPtrArray *fakeVols;

static FakePool *
fakeFind(const unsigned char *uuid)
{
    guint i;

    for (i = 0; i < fakePools->len; i++) {
        FakePool *pool = g_ptr_array_index(fakePools, i);

        if (memcmp(pool->uuid, uuid, VIR_UUID_BUFLEN) == 0)
            return pool;
    }
    return NULL;
}

static ReplVirtPoolObj *
fakePoolObjFind(const unsigned char *uuid)
{
    return (ReplVirtPoolObj *)fakeFind(uuid);
}

static void
fakePoolObjEnd(ReplVirtPoolObj **obj)
{
    *obj = NULL;
}

static ReplVirtPoolDef *
fakePoolObjDef(ReplVirtPoolObj *obj)
{
    return (ReplVirtPoolDef *)obj;
}

static bool
fakePoolObjActive(ReplVirtPoolObj *obj)
{
    return obj != NULL;
}

static char *
fakePoolDefFormat(ReplVirtPoolDef *def)
{
    const FakePool *pool = (const FakePool *)def;

    return g_markup_printf_escaped("<pool type='dir'><name>%s</name><uuid>%s</uuid>"
                                   "<target><path>%s</path></target></pool>",
                                   pool->name, pool->uuidstr, pool->path);
}

static ReplVirtVolDef *
fakeVolDefFind(ReplVirtPoolObj *obj, const char *name)
{
    (void)obj;
    (void)name;
    return NULL;
}

static ReplVirtIdentity *
fakeIdentityNone(void)
{
    return NULL;
}

static int
fakeIdentitySet(ReplVirtIdentity *identity)
{
    (void)identity;
    return 0;
}

static void
fakeUnref(void *object)
{
    (void)object;
}

static virConnectPtr
fakeConnect(void)
{
    return (virConnectPtr)(void *)&fakeConnection;
}

static virStoragePoolPtr
fakeLookupByUUID(virConnectPtr conn, const unsigned char *uuid)
{
    (void)conn;
    return (virStoragePoolPtr)(void *)fakeFind(uuid);
}

static virStorageVolPtr
fakeVol(const FakePool *pool, const char *name)
{
    FakeVol *vol = g_new0(FakeVol, 1);
    REPL_GUARD(&fakeVolsLock);

    vol->pool = pool;
    vol->name = g_strdup(name);
    g_ptr_array_add(fakeVols, vol);
    return (virStorageVolPtr)(void *)vol;
}

static virStorageVolPtr
fakeVolLookup(virStoragePoolPtr handle, const char *name)
{
    const FakePool *pool = (const FakePool *)(const void *)handle;
    g_autofree char *path = g_build_filename(pool->path, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS) ? fakeVol(pool, name) : NULL;
}

/* An empty file, as of a raw volume without capacity. */
static virStorageVolPtr
fakeVolCreate(virStoragePoolPtr handle, const char *xml, unsigned int flags)
{
    const FakePool *pool = (const FakePool *)(const void *)handle;
    const char *from = strstr(xml, "<name>") + strlen("<name>");
    g_autofree char *name = g_strndup(from, strcspn(from, "<"));
    g_autofree char *path = g_build_filename(pool->path, name, NULL);
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    (void)flags;
    if (fd < 0)
        return NULL;
    close(fd);
    return fakeVol(pool, name);
}

static int
fakeVolDelete(virStorageVolPtr handle, unsigned int flags)
{
    const FakeVol *vol = (const FakeVol *)(const void *)handle;
    g_autofree char *path = g_build_filename(vol->pool->path, vol->name, NULL);

    (void)flags;
    return g_unlink(path);
}

static void
fakeVolFree(gpointer opaque)
{
    FakeVol *vol = opaque;

    g_free(vol->name);
    g_free(vol);
}

static void
fakeTables(void)
{
    replVirt.StoragePoolObjFindPoolByUUID = fakePoolObjFind;
    replVirt.StoragePoolObjEndAPI = fakePoolObjEnd;
    replVirt.StoragePoolObjGetDef = fakePoolObjDef;
    replVirt.StoragePoolObjIsActive = fakePoolObjActive;
    replVirt.StoragePoolDefFormat = fakePoolDefFormat;
    replVirt.StorageVolDefFindByName = fakeVolDefFind;
    replVirt.IdentityGetCurrent = fakeIdentityNone;
    replVirt.IdentityGetSystem = fakeIdentityNone;
    replVirt.IdentitySetCurrent = fakeIdentitySet;
    replVirt.ObjectUnref = fakeUnref;
    replVirt.GetConnectStorage = fakeConnect;
    replNext.storagePoolLookupByUUID = fakeLookupByUUID;
    replNext.storageVolLookupByName = fakeVolLookup;
    replNext.storageVolCreateXML = fakeVolCreate;
    replNext.storageVolDelete = fakeVolDelete;
}

void
fakeVirtStart(const char *dir)
{
    g_autofree char *etc = g_build_filename(dir, "etc", NULL);
    g_autofree char *run = g_build_filename(dir, "run", NULL);
    g_autoptr(GError) err = NULL;

    fakeDir = g_strdup(dir);
    fakePools = g_ptr_array_new();
    fakeVols = g_ptr_array_new_with_free_func(fakeVolFree);
    fakeTables();
    replRegionsStart(etc, run, &err);
    g_assert_no_error(err);
    replServiceStart(etc, NULL, NULL);
}

const char *
fakeVirtPool(const char *name, const char *region, const char *project)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autoptr(ReplLabel) label = replLabelNew(region, project);
    FakePool *pool = g_new0(FakePool, 1);
    g_autoptr(GError) err = NULL;

    g_assert_true(replUuidParse(uuid, pool->uuid));
    g_strlcpy(pool->uuidstr, uuid, sizeof(pool->uuidstr));
    pool->name = g_strdup(name);
    pool->path = g_build_filename(fakeDir, name, NULL);
    g_assert_cmpint(g_mkdir(pool->path, 0755), ==, 0);
    g_ptr_array_add(fakePools, pool);
    replLabelsSet(replRegionsLabels(), pool->uuid, label, TRUE, &err);
    g_assert_no_error(err);
    return pool->uuidstr;
}
