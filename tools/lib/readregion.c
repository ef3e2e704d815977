/*
 * readregion.c: region pools from XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "region.h"

ReplImagePlace
replRegionPlace(const virtReplicationRegion *region)
{
    ReplImagePlace place = {region->pool, region->poolUUID, region->name, region->project};

    return place;
}

void *
replArraySteal(GPtrArray *array, size_t *count)
{
    *count = array->len;
    g_ptr_array_add(array, NULL);
    g_ptr_array_set_free_func(array, NULL);
    return g_ptr_array_free(array, FALSE);
}

static void
replReadPeer(virtReplicationRegion *region, xmlNodePtr pool, xmlNodePtr label)
{
    xmlNodePtr peer = replNodeOurs(label, VIRT_REPLICATION_ELEMENT_PEER);
    g_autofree char *serves = replNodeAttr(peer, VIRT_REPLICATION_PEER_SERVES);

    region->peerURI = replNodeAttr(peer, VIRT_REPLICATION_PEER_URI);
    region->peerState = replNodeAttr(peer, VIRT_REPLICATION_PEER_STATE);
    region->peerSince = replNodeAttr(peer, VIRT_REPLICATION_PEER_SINCE);
    region->peerError = replNodeAttr(peer, VIRT_REPLICATION_PEER_ERROR);
    region->peerLibvirt = replNodeAttr(peer, VIRT_REPLICATION_PEER_LIBVIRT);
    region->peerWire = replNodeAttr(peer, VIRT_REPLICATION_PEER_WIRE);
    region->peerServes = g_strcmp0(serves, VIRT_REPLICATION_YES) == 0;
    if (!region->peerURI && g_strcmp0(region->poolType, VIRT_REPLICATION_POOL_TYPE_REGION) == 0) {
        g_autofree char *host = replNodeAttr(replNodeStock(replNodeStock(pool, "source"), "host"), "name");

        region->peerURI = host ? g_strdup_printf("storage+tls://%s/system", host) : NULL;
    }
}

/* Modules that list jobs say how many; of others, `jobs` stays NULL: not known. */
static void
replReadJobs(virtReplicationRegion *region, xmlNodePtr label)
{
    GPtrArray *jobs;
    ReplImagePlace place = replRegionPlace(region);
    xmlNodePtr node;

    if (!replNodeOurs(label, "counts") && !replNodeOurs(label, VIRT_REPLICATION_ELEMENT_JOB))
        return;
    jobs = g_ptr_array_new();
    for (node = replNodeOurs(label, VIRT_REPLICATION_ELEMENT_JOB); node; node = replNodeNext(node))
        g_ptr_array_add(jobs, replReadJob(node, NULL, &place));
    region->jobs = replArraySteal(jobs, &region->njobs);
}

static void
replReadOffers(virtReplicationRegion *region, xmlNodePtr label)
{
    g_autoptr(GArray) offers = g_array_new(FALSE, TRUE, sizeof(virtReplicationOffer));
    xmlNodePtr node;

    for (node = replNodeOurs(label, VIRT_REPLICATION_ELEMENT_SHARED); node; node = replNodeNext(node)) {
        virtReplicationOffer offer = {
            .image = replNodeAttr(node, "image"),
            .name = replNodeAttr(node, "name"),
            .project = replNodeAttr(node, "project"),
            .region = replNodeAttr(node, "region"),
            .state = replNodeAttr(node, "state"),
        };

        g_array_append_val(offers, offer);
    }
    region->noffers = offers->len;
    region->offers = (virtReplicationOffer *)(void *)g_array_free(g_steal_pointer(&offers), FALSE);
}

virtReplicationRegion *
replReadRegion(xmlNodePtr pool)
{
    g_autofree char *type = replNodeAttr(pool, "type");
    xmlNodePtr label = replNodeOurs(replNodeStock(pool, "metadata"), VIRT_REPLICATION_ELEMENT_REGION);
    virtReplicationRegion *region;

    if (!label && g_strcmp0(type, VIRT_REPLICATION_POOL_TYPE_REGION) != 0)
        return NULL;
    region = g_new0(virtReplicationRegion, 1);
    region->pool = replNodeText(replNodeStock(pool, "name"));
    region->poolUUID = replNodeText(replNodeStock(pool, "uuid"));
    region->poolType = g_steal_pointer(&type);
    region->name = replNodeAttr(label, VIRT_REPLICATION_REGION_NAME);
    if (!region->name)
        region->name = g_strdup(region->pool);
    region->project = replNodeAttr(label, VIRT_REPLICATION_REGION_PROJECT);
    if (!region->project)
        region->project = g_strdup(VIRT_REPLICATION_PROJECT_DEFAULT);
    region->quota = replReadAmount(replNodeOurs(label, VIRT_REPLICATION_ELEMENT_QUOTA));
    region->usage = replReadAmount(replNodeOurs(label, VIRT_REPLICATION_ELEMENT_USAGE));
    region->capacity = replNodeBytes(replNodeStock(pool, "capacity"));
    region->available = replNodeBytes(replNodeStock(pool, "available"));
    replReadPeer(region, pool, label);
    replReadJobs(region, label);
    replReadOffers(region, label);
    return region;
}

static void
replReadFreeLists(virtReplicationRegion *region)
{
    size_t i;

    for (i = 0; i < region->njobs; i++)
        virtReplicationJobFree(region->jobs[i]);
    g_free(region->jobs);
    for (i = 0; i < region->noffers; i++) {
        g_free(region->offers[i].image);
        g_free(region->offers[i].name);
        g_free(region->offers[i].project);
        g_free(region->offers[i].region);
        g_free(region->offers[i].state);
    }
    g_free(region->offers);
    for (i = 0; i < region->nimages; i++)
        virtReplicationImageFree(region->images[i]);
    g_free(region->images);
}

void
virtReplicationRegionFree(virtReplicationRegion *region)
{
    if (!region)
        return;
    replReadFreeLists(region);
    g_free(region->name);
    g_free(region->pool);
    g_free(region->poolUUID);
    g_free(region->poolType);
    g_free(region->project);
    g_free(region->peerURI);
    g_free(region->peerState);
    g_free(region->peerSince);
    g_free(region->peerError);
    g_free(region->peerLibvirt);
    g_free(region->peerWire);
    g_free(region->listError);
    g_free(region);
}
