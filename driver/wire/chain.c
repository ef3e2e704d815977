/*
 * chain.c: CHAIN: an image and its layers, as the holder describes them
 *
 * What it says is checked for form here, and for sense by the plan; a holder that lies about a size finds that the job fails
 * when its bytes are asked for.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/fd.h"
#include "wire/messagepriv.h"
#include "wire/messages.h"

/* Flags of a layer. */
#define REPL_WIRE_ENCRYPTED 1u
#define REPL_WIRE_COMPRESSED 2u
#define REPL_WIRE_EXACT 4u
#define REPL_WIRE_ON_DEMAND 8u
#define REPL_WIRE_LAYER_FLAGS 15u

void
replWireLayerFree(ReplWireLayer *layer)
{
    if (!layer)
        return;
    g_free(layer->volume);
    g_free(layer->pool);
    g_free(layer->poolUuid);
    g_free(layer->secretUsage);
    g_free(layer->onDemand);
    g_free(layer);
}

static void
replWireDiskFree(gpointer opaque)
{
    ReplWireDisk *disk = opaque;

    replImageFree(disk->image);
    g_free(disk);
}

ReplWireChain *
replWireChainNew(void)
{
    ReplWireChain *chain = g_new0(ReplWireChain, 1);

    chain->layers = g_ptr_array_new_with_free_func((GDestroyNotify)replWireLayerFree);
    chain->disks = g_ptr_array_new_with_free_func(replWireDiskFree);
    return chain;
}

void
replWireChainAddDisk(ReplWireChain *chain, guint32 first, ReplImage *image)
{
    ReplWireDisk *disk = g_new0(ReplWireDisk, 1);

    disk->first = first;
    disk->image = image;
    g_ptr_array_add(chain->disks, disk);
}

void
replWireChainFree(ReplWireChain *chain)
{
    if (!chain)
        return;
    g_free(chain->pool);
    g_free(chain->poolUuid);
    g_free(chain->region);
    g_free(chain->project);
    replImageFree(chain->image);
    g_ptr_array_unref(chain->layers);
    g_ptr_array_unref(chain->disks);
    g_free(chain);
}

static void
replWirePutIdentity(GByteArray *out, const ReplFileIdentity *identity)
{
    replWirePutU64(out, identity->dev);
    replWirePutU64(out, identity->ino);
    replWirePutU64(out, identity->size_bytes);
    replWirePutU64(out, (guint64)identity->mtime_ns);
    replWirePutU64(out, (guint64)identity->ctime_ns);
}

static ReplFileIdentity
replWireGetIdentity(ReplWireIn *in)
{
    ReplFileIdentity identity;

    identity.dev = replWireGetU64(in);
    identity.ino = replWireGetU64(in);
    identity.size_bytes = replWireGetU64Max(in, REPL_WIRE_SIZE_MAX);
    identity.mtime_ns = (gint64)replWireGetU64(in);
    identity.ctime_ns = (gint64)replWireGetU64(in);
    return identity;
}

static void
replWirePutLayer(GByteArray *out, const ReplWireLayer *layer)
{
    replWirePutText(out, layer->volume);
    replWirePutText(out, layer->pool);
    replWirePutText(out, layer->poolUuid);
    replWirePutIdentity(out, &layer->identity);
    replWirePutText(out, replFormatToString(layer->format));
    replWirePutText(out, replFormatToString(layer->backingFormat));
    replWirePutU8(
        out, (layer->encrypted ? REPL_WIRE_ENCRYPTED : 0) | (layer->compressed ? REPL_WIRE_COMPRESSED : 0) |
                 (layer->exact ? REPL_WIRE_EXACT : 0) | (layer->onDemand ? REPL_WIRE_ON_DEMAND : 0));
    replWirePutU32(out, layer->snapshotCount);
    replWirePutU32(out, layer->bitmapCount);
    replWirePutU64(out, layer->allocated_bytes);
    replWirePutU64(out, layer->virtualSize_bytes);
    replWirePutU64(out, layer->luksOffset);
    replWirePutU64(out, layer->luksLength);
    replWirePutText(out, layer->secretUsage);
    if (!layer->onDemand)
        return;
    replWirePutText(out, layer->onDemand);
    replWirePutU32(out, layer->lostSnapshots);
    replWirePutU32(out, layer->lostBitmaps);
}

static ReplFormat
replWireGetFormat(ReplWireIn *in)
{
    g_autofree char *word = replWireNeedText(in, 16);
    int format = word ? replFormatFromString(word) : -1;

    if (format < 0)
        in->bad = TRUE;
    return format < 0 ? REPL_FORMAT_RAW : format;
}

/* A name that may become one of ours. */
static char *
replWireNeedEntry(ReplWireIn *in)
{
    char *name = replWireNeedText(in, REPL_WIRE_NAME_MAX);

    if (name && !replIsEntryName(name))
        in->bad = TRUE;
    return name;
}

static void
replWireGetDemand(ReplWireIn *in, ReplWireLayer *layer)
{
    static const char *const actions[] = {"encrypt", "decrypt", "rekey", "rekey-slot", "convert", NULL};

    layer->onDemand = replWireNeedText(in, 16);
    layer->lostSnapshots = replWireGetU32(in);
    layer->lostBitmaps = replWireGetU32(in);
    if (layer->onDemand && !g_strv_contains(actions, layer->onDemand))
        in->bad = TRUE;
}

static ReplWireLayer *
replWireGetLayer(ReplWireIn *in)
{
    ReplWireLayer *layer = g_new0(ReplWireLayer, 1);
    guint8 flags;

    layer->volume = replWireNeedEntry(in);
    layer->pool = replWireNeedText(in, REPL_WIRE_NAME_MAX);
    layer->poolUuid = replWireNeedUuid(in);
    layer->identity = replWireGetIdentity(in);
    layer->format = replWireGetFormat(in);
    layer->backingFormat = replWireGetFormat(in);
    flags = replWireGetU8(in);
    layer->encrypted = (flags & REPL_WIRE_ENCRYPTED) != 0;
    layer->compressed = (flags & REPL_WIRE_COMPRESSED) != 0;
    layer->exact = (flags & REPL_WIRE_EXACT) != 0;
    layer->snapshotCount = replWireGetU32(in);
    layer->bitmapCount = replWireGetU32(in);
    layer->allocated_bytes = replWireGetU64Max(in, REPL_WIRE_SIZE_MAX);
    layer->virtualSize_bytes = replWireGetU64Max(in, REPL_WIRE_SIZE_MAX);
    layer->luksOffset = replWireGetU64Max(in, layer->identity.size_bytes);
    layer->luksLength = replWireGetU64Max(in, layer->identity.size_bytes - layer->luksOffset);
    layer->secretUsage = replWireGetText(in, REPL_WIRE_NAME_MAX);
    if (flags & REPL_WIRE_ON_DEMAND)
        replWireGetDemand(in, layer);
    if (flags > REPL_WIRE_LAYER_FLAGS)
        in->bad = TRUE;
    return layer;
}

static void
replWirePutImage(GByteArray *out, const ReplImage *image)
{
    replWirePutText(out, image->id);
    replWirePutText(out, replImageStatusToString(image->status));
    replWirePutText(out, replImageTypeToString(image->type));
    replWirePutU8(out, (image->typeIsSet ? 1 : 0) | (image->fastCreate ? 2 : 0));
    replWirePutText(out, image->name);
    replWirePutText(out, image->description);
}

static ReplImage *
replWireGetImage(ReplWireIn *in)
{
    g_autofree char *id = replWireNeedUuid(in);
    g_autofree char *status = replWireNeedText(in, 32);
    g_autofree char *type = replWireGetText(in, 32);
    ReplImage *image = replImageNew(id ? id : "");
    int statusValue = status ? replImageStatusFromString(status) : -1;
    int typeValue = type ? replImageTypeFromString(type) : REPL_IMAGE_TYPE_UNKNOWN;
    guint8 flags = replWireGetU8(in);

    if (statusValue < 0 || typeValue < 0 || flags > 3)
        in->bad = TRUE;
    image->status = statusValue < 0 ? REPL_IMAGE_ERROR : statusValue;
    image->type = typeValue < 0 ? REPL_IMAGE_TYPE_UNKNOWN : typeValue;
    image->typeIsSet = (flags & 1) != 0;
    image->fastCreate = (flags & 2) != 0;
    image->name = replWireGetText(in, REPL_WIRE_TEXT_MAX);
    image->description = replWireGetText(in, REPL_WIRE_TEXT_MAX);
    return image;
}

/* What makes a chain that of a full machine stands behind it: a lone image ends with its layers. */
static void
replWirePutDisks(GByteArray *out, const ReplWireChain *chain)
{
    if (chain->disks->len == 0)
        return;
    replWirePutU32(out, chain->disks->len);
    for (guint i = 0; i < chain->disks->len; i++) {
        const ReplWireDisk *disk = g_ptr_array_index(chain->disks, i);

        replWirePutU32(out, disk->first);
        replWirePutImage(out, disk->image);
    }
}

static void
replWireGetDisks(ReplWireIn *in, ReplWireChain *chain)
{
    guint32 count = in->bad || in->left == 0 ? 0 : replWireGetU32(in);
    guint32 before = 0;

    if (count > REPL_MEMBERS_MAX)
        in->bad = TRUE;
    for (guint i = 0; !in->bad && i < count; i++) {
        guint32 first = replWireGetU32(in);

        replWireChainAddDisk(chain, first, replWireGetImage(in));
        if (first <= before || first >= chain->layers->len)
            in->bad = TRUE;
        else
            g_ptr_array_add(chain->image->members,
                            g_strdup(((const ReplWireLayer *)chain->layers->pdata[first])->volume));
        before = first;
    }
    /* Whatever type it claims: an image with data disks is a full machine. */
    if (count > 0) {
        chain->image->type = REPL_IMAGE_TYPE_FULL_MACHINE;
        chain->image->typeIsSet = TRUE;
    }
}

GByteArray *
replWireChainBytes(const ReplWireChain *chain)
{
    GByteArray *out = g_byte_array_new();

    replWirePutText(out, chain->pool);
    replWirePutText(out, chain->poolUuid);
    replWirePutText(out, chain->region);
    replWirePutText(out, chain->project);
    replWirePutImage(out, chain->image);
    replWirePutU32(out, chain->layers->len);
    for (guint i = 0; i < chain->layers->len; i++)
        replWirePutLayer(out, g_ptr_array_index(chain->layers, i));
    replWirePutDisks(out, chain);
    return out;
}

ReplWireChain *
replWireChainRead(const GByteArray *payload, GError **err)
{
    g_autoptr(ReplWireChain) chain = replWireChainNew();
    ReplWireIn in;
    guint32 count;

    replWireInInit(&in, payload->data, payload->len);
    chain->pool = replWireNeedText(&in, REPL_WIRE_NAME_MAX);
    chain->poolUuid = replWireNeedUuid(&in);
    chain->region = replWireNeedText(&in, REPL_WIRE_NAME_MAX);
    chain->project = replWireGetText(&in, REPL_WIRE_NAME_MAX);
    chain->image = replWireGetImage(&in);
    count = replWireGetU32(&in);
    if (count < 1 || count > REPL_WIRE_LAYERS_MAX)
        in.bad = TRUE;
    for (guint i = 0; !in.bad && i < count; i++)
        g_ptr_array_add(chain->layers, replWireGetLayer(&in));
    replWireGetDisks(&in, chain);
    if (!replWireInDone(&in)) {
        replWireBad("CHAIN", err);
        return NULL;
    }
    return g_steal_pointer(&chain);
}
