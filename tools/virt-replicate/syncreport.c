/*
 * syncreport.c: what a run of `sync` did, and what lags behind
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "syncreport.h"

#include "jsonout.h"

static void
replSyncPlaceFree(gpointer data)
{
    ReplSyncPlace *place = data;

    g_free(place->image);
    g_free(place->region);
    g_free(place->from);
    g_free(place);
}

void
replSyncReportInit(ReplSyncReport *report)
{
    *report = (ReplSyncReport){
        .copies = g_ptr_array_new_with_free_func(replSyncPlaceFree),
        .lags = g_ptr_array_new_with_free_func(replSyncPlaceFree),
        .deletions = g_ptr_array_new_with_free_func(replSyncPlaceFree),
    };
}

void
replSyncReportClear(ReplSyncReport *report)
{
    g_clear_pointer(&report->copies, g_ptr_array_unref);
    g_clear_pointer(&report->lags, g_ptr_array_unref);
    g_clear_pointer(&report->deletions, g_ptr_array_unref);
}

void
replSyncReportAdd(GPtrArray *places, const char *image, const char *region, const char *from)
{
    ReplSyncPlace *place = g_new0(ReplSyncPlace, 1);

    place->image = g_strdup(image);
    place->region = g_strdup(region);
    place->from = g_strdup(from);
    g_ptr_array_add(places, place);
}

static void
replSyncReportPlaces(JsonBuilder *json, const char *name, const GPtrArray *places)
{
    guint i;

    json_builder_set_member_name(json, name);
    json_builder_begin_array(json);
    for (i = 0; i < places->len; i++) {
        const ReplSyncPlace *place = g_ptr_array_index(places, i);

        replJsonObject(json, NULL, "image", place->image, "region", place->region, "from", place->from, NULL);
    }
    json_builder_end_array(json);
}

static void
replSyncReportJson(const ReplSyncReport *report, int status)
{
    g_autoptr(JsonBuilder) json = json_builder_new();

    json_builder_begin_object(json);
    replJsonString(json, "event", "sync");
    replJsonNumber(json, "there", report->there);
    replJsonNumber(json, "copied", report->copies->len);
    replJsonNumber(json, "coming", report->coming);
    replJsonNumber(json, "lagging", report->lags->len);
    replJsonNumber(json, "deleted", report->deletions->len);
    replJsonNumber(json, "kept", report->kept);
    replJsonBool(json, "closed", report->closed);
    replJsonNumber(json, "status", status);
    replSyncReportPlaces(json, "copies", report->copies);
    replSyncReportPlaces(json, "lags", report->lags);
    replSyncReportPlaces(json, "deletions", report->deletions);
    json_builder_end_object(json);
    replJsonPrintLine(json);
}

void
replSyncReportPrint(const ReplClient *client, const ReplSyncReport *report, int status)
{
    guint i;

    if (client->json) {
        replSyncReportJson(report, status);
        return;
    }
    for (i = 0; i < report->lags->len; i++) {
        const ReplSyncPlace *place = g_ptr_array_index(report->lags, i);

        replClientSay(client, _("%s lags behind in %s"), place->image, place->region);
    }
    if (report->closed)
        replClientSay(client, _("It is not the time for copies now."));
    replClientSay(client,
                  _("%u there, %u copied, %u on their way, %u lag behind; %u deleted, %u stay for now"),
                  report->there, report->copies->len, report->coming, report->lags->len,
                  report->deletions->len, report->kept);
}
