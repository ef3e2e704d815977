/*
 * jsonout.h: images, jobs and regions as JSON
 *
 * The shapes are described in the manual page and stay: later versions add members, and take none
 * away.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <json-glib/json-glib.h>

#include <libvirt-replication/libvirt-replication.h>

/* Members; nothing for NULL. */
void
replJsonString(JsonBuilder *json, const char *name, const char *value);
void
replJsonNumber(JsonBuilder *json, const char *name, gint64 value);
void
replJsonBool(JsonBuilder *json, const char *name, gboolean value);

/* Whole objects. */
void
replJsonImage(JsonBuilder *json, const virtReplicationImage *image);
void
replJsonJob(JsonBuilder *json, const virtReplicationJob *job);
void
replJsonRegion(JsonBuilder *json, const virtReplicationRegion *region);

/* An object of strings: keys and values in turn, of which NULL is left out; ends with NULL for a key. @name: NULL in an array. */
void
replJsonObject(JsonBuilder *json, const char *name, ...) G_GNUC_NULL_TERMINATED;

/* A member {"images": …, "snapshots": …, "bytes": …}; what is -1 is left out. */
void
replJsonAmount(JsonBuilder *json, const char *name, const virtReplicationAmount *amount);

/* Prints what was built: on lines of its own, or, for events, on one line. Ends the builder. */
void
replJsonPrint(JsonBuilder *json);
void
replJsonPrintLine(JsonBuilder *json);
