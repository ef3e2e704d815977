/*
 * bundle_source.c: an image in a bundle, as a source
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
#include "bundle/unpack.h"
#include "qcow2/bytes.h"
#include "region/region.h"
#include "store/files.h"
#include "store/imagelock.h"
#include "virt/access.h"

typedef struct {
    ReplSource base;
    ReplPoolDir *dir; /* where the bundle lies */
    char *poolUuid;
    char *volume; /* the bundle's */
    int fd;

    /* From hold on. */
    ReplFileIdentity was; /* the bundle's */
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
replBundleSourceHold(ReplSource *base, GError **err)
{
    ReplBundleSource *self = (ReplBundleSource *)base;

    if (self->bundle)
        return 0;
    if (replImageLockRead(self->fd, self->volume, err) < 0 ||
        replBundleSourceLook(self, &self->was, err) < 0 ||
        !(self->bundle = replBundleOpen(self->fd, self->volume, err)))
        return -1;
    if (!replBundleIsInventory(self->bundle))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Bundle '%s' of pool '%s' is an inventory: it tells what a place has, and holds no image"),
                 self->volume, self->dir->name);
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
        .pool = self->dir->name,
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
    self->label = (ReplLabel){.name = self->image->source.region,
                              .project = self->dir->label ? self->dir->label->project : NULL,
                              .quota = {-1, -1, -1}};
    self->facts = (ReplSourceFacts){.pool = self->dir->name,
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

    return replBundleReaderNew(self->bundle, replBundleSourceIndex(self, layer), self->fd, self->volume, err);
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
replBundleSourceFree(ReplSource *base)
{
    ReplBundleSource *self = (ReplBundleSource *)base;

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
    .free = replBundleSourceFree,
};

ReplSource *
replBundleSourceNew(const char *poolUuid, const char *volume)
{
    g_autoptr(ReplPoolDir) dir = replRegionAnyDir(poolUuid, NULL);
    g_auto(ReplFd) fd = dir ? replPoolDirOpen(dir, volume, NULL) : -1;
    ReplBundleSource *self;

    if (fd < 0 || !replBundleIs(fd))
        return NULL;
    self = g_new0(ReplBundleSource, 1);
    self->base.ops = &replBundleSourceOps;
    self->dir = g_steal_pointer(&dir);
    self->poolUuid = g_strdup(poolUuid);
    self->volume = g_strdup(volume);
    self->fd = replFdSteal(&fd);
    return &self->base;
}
