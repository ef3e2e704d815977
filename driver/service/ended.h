/*
 * ended.h: the end of a job is put on record
 *
 * That the image is in place is the proof that its job has completed (endpoint/local_publish.c): the records follow, the job's
 * first, then those of the images. So an image's record that shows its job as completed says that the job's own does, too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "store/jobrecord.h"

/* Writes @record, of a job that has ended, to @home, and shows its end in the records of its images in @images (NULL: they are
 * elsewhere, or gone; a failure there is logged). Returns 0, or -1 with @err set: the end is not on record. */
int
replEndedSave(ReplStaging *home, ReplStaging *images, const ReplJobRecord *record, GError **err);

/* Call it before the file of @volume in the folder @dirFd is deleted. If the file is the image of a job whose record in @staging does
 * not say that it has ended, drops that record: without the file it would look like a job that has not made its image
 * yet, and a restart would undo the rest of it. Returns 0, or -1 with @err set: the file must stay. */
int
replEndedForget(ReplStaging *staging, int dirFd, const char *volume, GError **err);
