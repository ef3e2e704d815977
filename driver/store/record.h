/*
 * record.h: the records of images, by the name of their volume
 *
 * Only the thread that holds the staging folder's update lock writes records; each call here that writes
 * takes it. To change a record use replRecordUpdate(), which reads and writes it under one hold of the lock.
 * replRecordSave() is for making a record anew, whatever was there before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "store/staging.h"

/* The record of @volume: a copy that the caller owns. NULL without @err when there is none or a
 * damaged one was moved aside; NULL with @err when it cannot be read now (VIR_ERR_NO_SUPPORT:
 * written by a newer version). Costs one fstatat while the file is the same. */
ReplImage *
replRecordLoad(ReplStaging *staging, const char *volume, GError **err);

/* Writes the record of @volume durably. VIR_ERR_INVALID_ARG, and the old record stays, when it
 * could not be read back: ids that are not UUIDs in lower case, a name that is not one of a
 * directory entry, strings over 64 KiB or not UTF-8, over 1000 shares or conversions, over 256 job
 * steps, over 1 MiB in all. Returns 0 or -1. */
int
replRecordSave(ReplStaging *staging, const char *volume, const ReplImage *image, GError **err);

/* Changes a record while no other thread writes it: @change gets the record,
 * *image is NULL when there is none, and may change, replace (and free) or drop (free and NULL) it.
 * Nothing is written when it returns FALSE, with @err set if that is an error. @change must not call functions of
 * this header that write.
 * Returns 0 or -1. */
int
replRecordUpdate(ReplStaging *staging, const char *volume,
                 gboolean (*change)(ReplImage **image, void *opaque, GError **err), void *opaque,
                 GError **err);

/* Makes a record with this @id for @volume, a file in the folder @dirFd, if it has none. Returns 0 or -1. */
int
replRecordNoteId(ReplStaging *staging, int dirFd, const char *volume, const char *id, GError **err);

/* Notes in the record, if there is one, how the job stands that makes the image; one that has completed makes it available. Returns
 * 0 or -1. */
int
replRecordNoteJob(ReplStaging *staging, const char *volume, const ReplJobInfo *info, GError **err);

/* Forgets @volume durably if it has no file in the folder @dirFd; 0 also when there is no record. Looks with the update
 * lock held, so that a new volume of the same name keeps its record. */
int
replRecordDropGone(ReplStaging *staging, int dirFd, const char *volume, GError **err);

/* Forgets @volume durably if its record is that of the image @id; 0 also when there is no record. */
int
replRecordDropId(ReplStaging *staging, const char *volume, const char *id, GError **err);

/* The names of the volumes that have readable records, sorted by nothing in particular. */
GPtrArray *
replRecordList(ReplStaging *staging, GError **err);

/* Shows every readable record to @visit, which must be short and not read or write records. Returns 0 or -1. */
int
replRecordEach(ReplStaging *staging, void (*visit)(const char *volume, const ReplImage *image, void *opaque),
               void *opaque, GError **err);

/* The id that a volume without a record has: made from what does not change while the file is the
 * same one, so that pools that we cannot write to show stable ids, too. @btime_ns is 0 where the
 * file system does not tell. UUID version 5 in form (SHA-1). */
char *
replImageDerivedId(const unsigned char *poolUuid, const char *volume, guint64 ino, gint64 btime_ns);
