/*
 * jsonout.c: images, jobs and regions as JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "jsonout.h"

#include <stdio.h>

void
replJsonString(JsonBuilder *json, const char *name, const char *value)
{
    g_autofree char *valid = NULL;

    if (!value)
        return;
    valid = g_utf8_make_valid(value, -1);
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, valid);
}

void
replJsonNumber(JsonBuilder *json, const char *name, gint64 value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_int_value(json, value);
}

void
replJsonBool(JsonBuilder *json, const char *name, gboolean value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_boolean_value(json, value);
}

void
replJsonObject(JsonBuilder *json, const char *name, ...)
{
    const char *key;
    va_list args;

    if (name)
        json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    va_start(args, name);
    while ((key = va_arg(args, const char *)))
        replJsonString(json, key, va_arg(args, const char *));
    va_end(args);
    json_builder_end_object(json);
}

void
replJsonAmount(JsonBuilder *json, const char *name, const virtReplicationAmount *amount)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    if (amount->images >= 0)
        replJsonNumber(json, "images", amount->images);
    if (amount->snapshots >= 0)
        replJsonNumber(json, "snapshots", amount->snapshots);
    if (amount->bytes >= 0)
        replJsonNumber(json, "bytes", amount->bytes);
    json_builder_end_object(json);
}

static void
replJsonSteps(JsonBuilder *json, const virtReplicationJob *job)
{
    size_t i;

    if (job->nsteps == 0)
        return;
    json_builder_set_member_name(json, "steps");
    json_builder_begin_array(json);
    for (i = 0; i < job->nsteps; i++) {
        const virtReplicationStep *step = &job->steps[i];

        json_builder_begin_object(json);
        replJsonString(json, "layer", step->layer);
        replJsonString(json, "volume", step->volume);
        replJsonString(json, "action", step->action);
        replJsonString(json, "state", step->state);
        replJsonNumber(json, "bytes", (gint64)step->bytes);
        replJsonNumber(json, "snapshotsLost", step->snapshotsLost);
        replJsonNumber(json, "bitmapsLost", step->bitmapsLost);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

void
replJsonJob(JsonBuilder *json, const virtReplicationJob *job)
{
    json_builder_begin_object(json);
    replJsonString(json, "id", job->id);
    replJsonString(json, "region", job->region);
    replJsonString(json, "pool", job->pool);
    replJsonString(json, "volume", job->volume);
    replJsonString(json, "state", job->stateName);
    replJsonNumber(json, "progress", job->progress);
    replJsonNumber(json, "processed", (gint64)job->processed);
    replJsonNumber(json, "total", (gint64)job->total);
    replJsonNumber(json, "remaining", (gint64)job->remaining);
    if (job->wire > 0)
        replJsonNumber(json, "wire", (gint64)job->wire);
    replJsonNumber(json, "rate", (gint64)job->rate);
    if (job->linkRate > 0)
        replJsonNumber(json, "linkRate", (gint64)job->linkRate);
    if (job->eta >= 0)
        replJsonNumber(json, "eta", job->eta);
    if (job->position > 0)
        replJsonNumber(json, "position", job->position);
    if (job->bandwidth > 0)
        replJsonNumber(json, "bandwidth", (gint64)job->bandwidth);
    if (job->peakSpace > 0)
        replJsonNumber(json, "peakSpace", (gint64)job->peakSpace);
    if (job->started > 0)
        replJsonNumber(json, "started", job->started);
    if (job->ended > 0)
        replJsonNumber(json, "ended", job->ended);
    replJsonString(json, "peer", job->peer);
    replJsonString(json, "error", job->error);
    if (job->usageAfter.images >= 0)
        replJsonAmount(json, "usageAfter", &job->usageAfter);
    replJsonSteps(json, job);
    json_builder_end_object(json);
}

static void
replJsonStrings(JsonBuilder *json, const char *name, char **values, size_t count)
{
    size_t i;

    json_builder_set_member_name(json, name);
    json_builder_begin_array(json);
    for (i = 0; i < count; i++)
        json_builder_add_string_value(json, values[i]);
    json_builder_end_array(json);
}

static void
replJsonSource(JsonBuilder *json, const virtReplicationImage *image)
{
    if (!image->sourceID && !image->sourceRegion)
        return;
    replJsonObject(json, "source", "id", image->sourceID, "region", image->sourceRegion, "pool",
                   image->sourcePool, "volume", image->sourceVolume, NULL);
}

static void
replJsonShares(JsonBuilder *json, const virtReplicationImage *image)
{
    size_t i;

    json_builder_set_member_name(json, "shares");
    json_builder_begin_array(json);
    for (i = 0; i < image->nshares; i++) {
        replJsonObject(json, NULL, "project", image->shares[i].project, "state", image->shares[i].state,
                       NULL);
    }
    json_builder_end_array(json);
}

static void
replJsonDetails(JsonBuilder *json, const virtReplicationImage *image)
{
    replJsonNumber(json, "capacity", (gint64)image->capacity);
    replJsonString(json, "format", image->format);
    replJsonString(json, "description", image->description);
    replJsonString(json, "visibility", image->visibility);
    replJsonBool(json, "fastCreate", image->fastCreate);
    replJsonSource(json, image);
    replJsonStrings(json, "snapshots", image->snapshots, image->nsnapshots);
    replJsonStrings(json, "members", image->members, image->nmembers);
    replJsonShares(json, image);
    replJsonString(json, "keyUUID", image->keyUUID);
    replJsonString(json, "keyUsage", image->keyUsage);
    if (image->verified > 0) {
        replJsonNumber(json, "verified", image->verified);
        replJsonString(json, "verifiedState", image->verifiedState);
        replJsonNumber(json, "damagedBlocks", (gint64)image->damagedBlocks);
    }
    if (image->job) {
        json_builder_set_member_name(json, "job");
        replJsonJob(json, image->job);
    }
}

void
replJsonImage(JsonBuilder *json, const virtReplicationImage *image)
{
    json_builder_begin_object(json);
    replJsonString(json, "id", image->id);
    replJsonString(json, "name", image->name);
    replJsonString(json, "region", image->region);
    replJsonString(json, "pool", image->pool);
    replJsonString(json, "volume", image->volume);
    replJsonString(json, "project", image->project);
    replJsonString(json, "status", image->status);
    replJsonString(json, "type", image->type);
    replJsonBool(json, "layer", image->isLayer);
    replJsonNumber(json, "bytes", (gint64)image->bytes);
    replJsonString(json, "backing", image->backing);
    if (image->detailed)
        replJsonDetails(json, image);
    json_builder_end_object(json);
}

static void
replJsonPeer(JsonBuilder *json, const virtReplicationRegion *region)
{
    json_builder_set_member_name(json, "peer");
    json_builder_begin_object(json);
    replJsonString(json, "uri", region->peerURI);
    replJsonString(json, "state", region->peerState);
    replJsonString(json, "since", region->peerSince);
    replJsonString(json, "error", region->peerError);
    replJsonString(json, "libvirt", region->peerLibvirt);
    replJsonString(json, "wire", region->peerWire);
    if (region->peerWire)
        replJsonBool(json, "servesHosts", region->peerServes);
    json_builder_end_object(json);
}

static void
replJsonOffers(JsonBuilder *json, const virtReplicationRegion *region)
{
    size_t i;

    json_builder_set_member_name(json, "shared");
    json_builder_begin_array(json);
    for (i = 0; i < region->noffers; i++) {
        const virtReplicationOffer *offer = &region->offers[i];

        replJsonObject(json, NULL, "image", offer->image, "name", offer->name, "project", offer->project,
                       "region", offer->region, "state", offer->state, NULL);
    }
    json_builder_end_array(json);
}

void
replJsonRegion(JsonBuilder *json, const virtReplicationRegion *region)
{
    json_builder_begin_object(json);
    replJsonString(json, "name", region->name);
    replJsonString(json, "pool", region->pool);
    replJsonString(json, "uuid", region->poolUUID);
    replJsonString(json, "poolType", region->poolType);
    replJsonString(json, "project", region->project);
    replJsonBool(json, "active", region->active);
    if (region->peerURI)
        replJsonPeer(json, region);
    replJsonAmount(json, "quota", &region->quota);
    replJsonAmount(json, "usage", &region->usage);
    replJsonNumber(json, "capacity", (gint64)region->capacity);
    replJsonNumber(json, "available", (gint64)region->available);
    replJsonNumber(json, "jobs", (gint64)region->njobs);
    replJsonOffers(json, region);
    json_builder_end_object(json);
}

static void
replJsonWrite(JsonBuilder *json, gboolean pretty)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    g_autofree char *text = NULL;

    json_generator_set_root(generator, root);
    json_generator_set_pretty(generator, pretty);
    text = json_generator_to_data(generator, NULL);
    printf("%s\n", text);
    fflush(stdout);
}

void
replJsonPrint(JsonBuilder *json)
{
    replJsonWrite(json, TRUE);
}

void
replJsonPrintLine(JsonBuilder *json)
{
    replJsonWrite(json, FALSE);
}
