/*
 * bundle_source.c: an image in a bundle, as a source
 *
 * The bundle is a file of this host, or the one raw layer of another source: it is unpacked here, and its own bytes are
 * what travels.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/bundle_source.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "bundle/content.h"
#include "bundle/open.h"
#include "bundle/tar.h"
#include "bundle/unpack.h"
#include "qcow2/bytes.h"
#include "region/region.h"
#include "store/files.h"
#include "store/imagelock.h"
#include "virt/access.h"

typedef struct {
    ReplSource base;
    char *poolUuid;
    char *volume; /* the bundle's */

    /* Of a file of this host; else NULL and -1. */
    ReplPoolDir *dir; /* where the bundle lies */
    int fd;
    ReplFileIdentity was; /* from hold on */

    /* Of one on another host; else NULL. */
    ReplSource *far;
    const ReplSourceFacts *farFacts; /* from hold on: of the bundle as an image */
    ReplReader *reader;

    /* From hold on. */
    ReplBundleFile file;
    const char *pool;
    const char *project; /* of the pool's label; NULL: it has none */
    ReplBundle *bundle;

    /* From describe on. */
    ReplLabel label; /* borrows from the bundle and the pool */
    ReplImage *image;
    char (*uuids)[VIR_UUID_STRING_BUFLEN]; /* by layer: the first half of its digest */
    ReplPlanLayer *layers;
    ReplSourceFacts facts;
} ReplBundleSource;

/* Layers are counted from the base up in a bundle. */
static guint
replBundleSourceIndex(const ReplBundleSource *self, guint layer)
{
    return self->bundle->layers->len - 1 - layer;
}

static int
replBundleSourceLook(const ReplBundleSource *self, ReplFileIdentity *identity, GError **err)
{
    struct stat st;

    if (fstat(self->fd, &st) < 0) {
        replErrorSetSystem(err, errno, _("Cannot look at volume '%s'"), self->volume);
        return -1;
    }
    replIdentityOfStat(&st, identity);
    return 0;
}

static int
replBundleSourceHoldHere(ReplBundleSource *self, GError **err)
{
    if (replImageLockRead(self->fd, self->volume, err) < 0 || replBundleSourceLook(self, &self->was, err) < 0)
        return -1;
    self->file = replBundleFileOf(self->fd, self->volume);
    self->pool = self->dir->name;
    self->project = self->dir->label ? self->dir->label->project : NULL;
    return 0;
}

static int
replBundleSourceHoldFar(ReplBundleSource *self, GError **err)
{
    const ReplRequest asIs = {.sourceIs = REPL_SOURCE_IS_IMAGE};

    if (replSourceHold(self->far, err) < 0 ||
        replSourceDescribe(self->far, &asIs, &self->farFacts, err) < 0 ||
        (!self->reader && !(self->reader = replSourceOpenLayer(self->far, 0, err))))
        return -1;
    self->file = (ReplBundleFile){-1, self->reader, self->farFacts->layers[0].size_bytes, self->volume};
    self->pool = self->farFacts->pool;
    self->project = self->farFacts->label->project;
    return 0;
}

static int
replBundleSourceHold(ReplSource *base, GError **err)
{
    ReplBundleSource *self = (ReplBundleSource *)base;

    if (self->bundle)
        return 0;
    if ((self->far ? replBundleSourceHoldFar(self, err) : replBundleSourceHoldHere(self, err)) < 0)
        return -1;
    if (!replBundleIs(&self->file)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is no bundle"), self->volume,
                     self->pool);
        return -1;
    }
    if (!(self->bundle = replBundleOpen(&self->file, err)))
        return -1;
    if (!replBundleIsInventory(self->bundle))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Bundle '%s' of pool '%s' is an inventory: it tells what a place has, and holds no image"),
                 self->volume, self->pool);
    g_clear_pointer(&self->bundle, replBundleFree);
    return -1;
}

/* --- facts --- */

static ReplFileIdentity
replBundleSourceIdentity(const ReplBundleSource *self, const ReplBundleLayer *layer, guint index)
{
    guint8 name[32];
    unsigned char uuid[VIR_UUID_BUFLEN];

    replBundleLayerName(layer, name);
    memcpy(uuid, name, sizeof(uuid));
    replUuidFormat(uuid, self->uuids[index]);
    return (ReplFileIdentity){.ino = replGetBe64(name + 16),
                              .size_bytes = layer->size_bytes,
                              .mtime_ns = (gint64)(replGetBe64(name + 24) & G_MAXINT64)};
}

static void
replBundleSourceFill(const ReplBundleSource *self, guint index)
{
    const ReplBundleLayer *from = replBundleLayer(self->bundle, replBundleSourceIndex(self, index));

    self->layers[index] = (ReplPlanLayer){
        .volume = from->volume,
        .pool = self->pool,
        .poolUuid = self->uuids[index],
        .identity = replBundleSourceIdentity(self, from, index),
        .format = from->format,
        .encrypted = from->encrypted,
        .secretUsage = from->secretUsage,
        .compressed = from->format == REPL_FORMAT_QCOW2,
        .snapshotCount = from->snapshotCount,
        .bitmapCount = from->bitmapCount,
        .size_bytes = from->size_bytes,
        .allocated_bytes = from->absent ? 0 : from->data_bytes,
        .virtualSize_bytes = from->virtualSize_bytes,
        .byQemu = TRUE,
        .absent = from->absent,
    };
}

static int
replBundleSourceDescribe(ReplSource *base, const ReplRequest *request, const ReplSourceFacts **facts,
                         GError **err)
{
    ReplBundleSource *self = (ReplBundleSource *)base;
    guint count = self->bundle->layers->len;

    (void)request;
    (void)err;
    *facts = &self->facts;
    if (self->layers)
        return 0;
    self->uuids = g_malloc0_n(count, sizeof(*self->uuids));
    self->layers = g_new0(ReplPlanLayer, count);
    for (guint i = 0; i < count; i++)
        replBundleSourceFill(self, i);
    self->image = replImageCopy(self->bundle->image);
    self->image->status = REPL_IMAGE_AVAILABLE;
    if (!self->image->name)
        self->image->name = g_strdup(self->bundle->volume);
    /* Where a pool without a label holds it, it is nobody's: who may read it may have it. */
    self->label = (ReplLabel){
        .name = self->image->source.region, .project = (char *)self->project, .quota = {-1, -1, -1}};
    self->facts = (ReplSourceFacts){.pool = self->pool,
                                    .poolUuid = self->poolUuid,
                                    .label = &self->label,
                                    .volume = self->bundle->volume,
                                    .image = self->image,
                                    .layers = self->layers,
                                    .layerCount = count};
    return 0;
}

static int
replBundleSourceUnchanged(ReplSource *base, GError **err)
{
    const ReplBundleSource *self = (const ReplBundleSource *)base;
    ReplFileIdentity now;

    if (self->far)
        return replSourceUnchanged(self->far, err);
    if (replBundleSourceLook(self, &now, err) < 0)
        return -1;
    if (replFileIdentityEqual(&self->was, &now))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' changed while it was read"), self->volume);
    return -1;
}

static ReplReader *
replBundleSourceOpenLayer(ReplSource *base, guint layer, GError **err)
{
    ReplBundleSource *self = (ReplBundleSource *)base;

    return replBundleReaderNew(self->bundle, replBundleSourceIndex(self, layer), &self->file, err);
}

/* Made once: it reads all of the layer. */
static int
replBundleSourceContent(ReplSource *base, guint layer, const ReplSourceLook *look, char *digest, GError **err)
{
    ReplBundleSource *self = (ReplBundleSource *)base;
    ReplBundleLayer *from = replBundleLayer(self->bundle, replBundleSourceIndex(self, layer));
    const ReplContent content = {.volume = from->volume,
                                 .format = from->format,
                                 .size_bytes = from->size_bytes,
                                 .proceed = look->proceed,
                                 .opaque = look->opaque};
    g_autoptr(ReplReader) reader = NULL;
    char made[REPL_BUNDLE_DIGEST_CHARS + 1];

    if (!from->absent && !from->proved) {
        if (!(reader = replBundleSourceOpenLayer(base, layer, err)) ||
            replContentDigest(reader, &content, made, err) < 0)
            return -1;
        g_free(from->content);
        from->content = g_strdup(made);
        from->proved = TRUE;
    }
    g_strlcpy(digest, from->content, sizeof(made));
    return 0;
}

static void
replBundleSourceCancel(ReplSource *base)
{
    ReplBundleSource *self = (ReplBundleSource *)base;

    if (self->far)
        replSourceCancel(self->far);
}

static void
replBundleSourceBePatient(ReplSource *base)
{
    replSourceBePatient(((ReplBundleSource *)base)->far);
}

static void
replBundleSourceFree(ReplSource *base)
{
    ReplBundleSource *self = (ReplBundleSource *)base;

    replReaderFree(self->reader);
    replSourceFree(self->far);
    replBundleFree(self->bundle);
    replImageFree(self->image);
    g_free(self->uuids);
    g_free(self->layers);
    replFdClose(self->fd);
    replPoolDirUnref(self->dir);
    g_free(self->poolUuid);
    g_free(self->volume);
    g_free(self);
}

static const ReplSourceOps replBundleSourceOps = {
    .hold = replBundleSourceHold,
    .describe = replBundleSourceDescribe,
    .unchanged = replBundleSourceUnchanged,
    .openLayer = replBundleSourceOpenLayer,
    .content = replBundleSourceContent,
    .cancel = replBundleSourceCancel,
    .bePatient = replBundleSourceBePatient,
    .free = replBundleSourceFree,
};

static ReplBundleSource *
replBundleSourceMake(const char *poolUuid, const char *volume)
{
    ReplBundleSource *self = g_new0(ReplBundleSource, 1);

    self->base.ops = &replBundleSourceOps;
    self->poolUuid = g_strdup(poolUuid);
    self->volume = g_strdup(volume);
    self->fd = -1;
    return self;
}

ReplSource *
replBundleSourceNew(const char *poolUuid, const char *volume, ReplSourceIs is)
{
    g_autoptr(ReplPoolDir) dir = is == REPL_SOURCE_IS_IMAGE ? NULL : replRegionAnyDir(poolUuid, NULL);
    g_auto(ReplFd) fd = dir ? replPoolDirOpen(dir, volume, NULL) : -1;
    const ReplBundleFile file = replBundleFileOf(fd, volume);
    ReplBundleSource *self;

    if (fd < 0 || !replBundleIs(&file))
        return NULL;
    self = replBundleSourceMake(poolUuid, volume);
    self->dir = g_steal_pointer(&dir);
    self->fd = replFdSteal(&fd);
    return &self->base;
}

ReplSource *
replBundleSourceOver(ReplSource *far, const char *poolUuid, const char *volume)
{
    ReplBundleSource *self = replBundleSourceMake(poolUuid, volume);

    self->far = far;
    return &self->base;
}

int
replBundleSourceBegins(ReplSource *far, const ReplSourceFacts *facts, GError **err)
{
    ReplBundleFile file = {.fd = -1, .size_bytes = facts->layers[0].size_bytes, .what = facts->volume};
    g_autoptr(ReplReader) reader = NULL;
    guint64 offset_bytes, length_bytes;
    int rc;

    if (facts->layerCount > 1 || facts->layers[0].format != REPL_FORMAT_RAW)
        return 0;
    /* A bundle has no hole in front, and some readers have to be asked for runs before they read. */
    if (!(reader = replSourceOpenLayer(far, 0, err)) ||
        (rc = replReaderData(reader, 0, &offset_bytes, &length_bytes, err)) < 0)
        return -1;
    file.reader = reader;
    return rc > 0 && offset_bytes == 0 && length_bytes >= REPL_TAR_BLOCK_BYTES && replBundleIs(&file);
}
