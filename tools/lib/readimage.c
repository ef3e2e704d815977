/*
 * readimage.c: images from XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "readimage.h"

virtReplicationAmount
replReadAmount(xmlNodePtr node)
{
    virtReplicationAmount amount = {
        .images = replNodeNumber(node, VIRT_REPLICATION_AMOUNT_IMAGES, -1),
        .snapshots = replNodeNumber(node, VIRT_REPLICATION_AMOUNT_SNAPSHOTS, -1),
        .bytes = replNodeNumber(node, VIRT_REPLICATION_AMOUNT_BYTES, -1),
    };

    return amount;
}

void
replImagePlace(virtReplicationImage *image, const ReplImagePlace *place)
{
    image->pool = g_strdup(place->pool);
    image->poolUUID = g_strdup(place->poolUUID);
    image->region = g_strdup(place->region);
    if (!image->project)
        image->project = g_strdup(place->project);
}

/* How many children of ours of that name. */
static size_t
replReadCount(xmlNodePtr parent, const char *name)
{
    xmlNodePtr node;
    size_t count = 0;

    for (node = replNodeOurs(parent, name); node; node = replNodeNext(node))
        count++;
    return count;
}

/* The "volume" attributes of the children, as an array that ends with NULL. */
static char **
replReadVolumeNames(xmlNodePtr parent, const char *name, size_t *count)
{
    char **names = g_new0(char *, replReadCount(parent, name) + 1);
    xmlNodePtr node;

    *count = 0;
    for (node = replNodeOurs(parent, name); node; node = replNodeNext(node))
        names[(*count)++] = replNodeAttr(node, "volume");
    return names;
}

static void
replReadShares(virtReplicationImage *image, xmlNodePtr node)
{
    xmlNodePtr share;

    image->shares = g_new0(virtReplicationShare, replReadCount(node, VIRT_REPLICATION_ELEMENT_SHARE) + 1);
    for (share = replNodeOurs(node, VIRT_REPLICATION_ELEMENT_SHARE); share; share = replNodeNext(share)) {
        image->shares[image->nshares].project = replNodeAttr(share, VIRT_REPLICATION_IMAGE_PROJECT);
        image->shares[image->nshares++].state = replNodeAttr(share, "state");
    }
}

static void
replReadSource(virtReplicationImage *image, xmlNodePtr source)
{
    image->sourceID = replNodeAttr(source, VIRT_REPLICATION_SOURCE_ID);
    image->sourceRegion = replNodeAttr(source, VIRT_REPLICATION_SOURCE_REGION);
    image->sourcePool = replNodeAttr(source, VIRT_REPLICATION_SOURCE_POOL);
    image->sourceVolume = replNodeAttr(source, VIRT_REPLICATION_SOURCE_VOLUME);
}

/* What the module says of an image. */
static void
replReadOwn(virtReplicationImage *image, xmlNodePtr node)
{
    g_autofree char *fast = replNodeAttr(node, VIRT_REPLICATION_IMAGE_FAST_CREATE);
    xmlNodePtr encryption = replNodeOurs(node, VIRT_REPLICATION_ELEMENT_ENCRYPTION);
    xmlNodePtr secret = replNodeStock(encryption, "secret");
    xmlNodePtr verified = replNodeOurs(node, VIRT_REPLICATION_ELEMENT_VERIFIED);

    image->id = replNodeAttr(node, VIRT_REPLICATION_IMAGE_ID);
    image->status = replNodeAttr(node, VIRT_REPLICATION_IMAGE_STATUS);
    image->type = replNodeAttr(node, VIRT_REPLICATION_IMAGE_TYPE);
    image->project = replNodeAttr(node, VIRT_REPLICATION_IMAGE_PROJECT);
    image->name = replNodeText(replNodeOurs(node, VIRT_REPLICATION_ELEMENT_NAME));
    image->description = replNodeText(replNodeOurs(node, VIRT_REPLICATION_ELEMENT_DESCRIPTION));
    image->visibility = replNodeAttr(node, VIRT_REPLICATION_IMAGE_VISIBILITY);
    image->fastCreate = g_strcmp0(fast, VIRT_REPLICATION_YES) == 0;
    replReadSource(image, replNodeOurs(node, VIRT_REPLICATION_ELEMENT_SOURCE));
    image->snapshots = replReadVolumeNames(replNodeOurs(node, VIRT_REPLICATION_ELEMENT_SNAPSHOTS),
                                           VIRT_REPLICATION_ELEMENT_SNAPSHOT, &image->nsnapshots);
    image->members = replReadVolumeNames(replNodeOurs(node, VIRT_REPLICATION_ELEMENT_MEMBERS),
                                         VIRT_REPLICATION_ELEMENT_MEMBER, &image->nmembers);
    replReadShares(image, node);
    image->keyUUID = replNodeAttr(secret, "uuid");
    image->keyUsage = replNodeAttr(encryption, VIRT_REPLICATION_ENCRYPTION_USAGE);
    image->verified = replNodeNumber(verified, VIRT_REPLICATION_VERIFIED_WHEN, 0);
    image->verifiedState = replNodeAttr(verified, VIRT_REPLICATION_VERIFIED_STATE);
    image->damagedBlocks =
        (unsigned long long)MAX(replNodeNumber(verified, VIRT_REPLICATION_VERIFIED_BLOCKS, 0), 0);
}

/* What libvirt says of a volume. */
static void
replReadStock(virtReplicationImage *image, xmlNodePtr volume)
{
    xmlNodePtr target = replNodeStock(volume, "target");
    g_autofree char *backing = replNodeText(replNodeStock(replNodeStock(volume, "backingStore"), "path"));

    image->volume = replNodeText(replNodeStock(volume, "name"));
    image->bytes = replNodeBytes(replNodeStock(volume, "allocation"));
    image->capacity = replNodeBytes(replNodeStock(volume, "capacity"));
    image->format = replNodeAttr(replNodeStock(target, "format"), "type");
    if (image->nsnapshots > 0)
        image->backing = g_strdup(image->snapshots[0]);
    else if (backing)
        image->backing = g_path_get_basename(backing);
}

virtReplicationImage *
replReadVolume(xmlNodePtr volume, const ReplImagePlace *place)
{
    xmlNodePtr node = replNodeOurs(replNodeStock(volume, "metadata"), VIRT_REPLICATION_ELEMENT_IMAGE);
    xmlNodePtr job = replNodeOurs(node, VIRT_REPLICATION_ELEMENT_JOB);
    virtReplicationImage *image;

    if (!node)
        return NULL;
    image = g_new0(virtReplicationImage, 1);
    image->detailed = 1;
    replReadOwn(image, node);
    replImagePlace(image, place);
    replReadStock(image, volume);
    if (job)
        image->job = replReadJob(job, image->volume, place);
    return image;
}

static void
replReadFreeOwn(virtReplicationImage *image)
{
    size_t i;

    for (i = 0; i < image->nshares; i++) {
        g_free(image->shares[i].project);
        g_free(image->shares[i].state);
    }
    g_free(image->shares);
    g_strfreev(image->snapshots);
    g_strfreev(image->members);
    g_free(image->sourceID);
    g_free(image->sourceRegion);
    g_free(image->sourcePool);
    g_free(image->sourceVolume);
    g_free(image->keyUUID);
    g_free(image->keyUsage);
    g_free(image->verifiedState);
    virtReplicationJobFree(image->job);
}

void
virtReplicationImageFree(virtReplicationImage *image)
{
    if (!image)
        return;
    replReadFreeOwn(image);
    g_free(image->id);
    g_free(image->name);
    g_free(image->volume);
    g_free(image->pool);
    g_free(image->poolUUID);
    g_free(image->region);
    g_free(image->project);
    g_free(image->status);
    g_free(image->type);
    g_free(image->backing);
    g_free(image->format);
    g_free(image->description);
    g_free(image->visibility);
    g_free(image);
}
