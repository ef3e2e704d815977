/*
 * uploading.h: uploads, and stock calls that make or wipe volumes, from their call to their end
 *
 * Half an upload is no image, and half a copy or a half wiped volume neither, so each is marked on disk (store/uploads.h) from
 * before its first byte until it has ended well.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"

typedef struct _ReplUploading ReplUploading;

/* Before the stock call. *uploading is NULL where nothing can be marked: a volume that is not there, a staging folder that is not
 * ours, a libvirt whose streams are not known. Returns 0, or -1 with @err set: the mark could not be made, and nothing may be
 * written. */
int
replUploadingBegin(const ReplRegion *region, const char *volume, virStreamPtr stream, virConnectPtr conn,
                   guint64 offset_bytes, guint64 length_bytes, ReplUploading **uploading, GError **err);

/* The upload's stock call has returned; @uploading (may be NULL) is taken. @goesOn: the stream carries bytes from now on; else none were
 * written. */
void
replUploadingGoOn(ReplUploading *uploading, virStreamPtr stream, gboolean goesOn);

/* Before a stock call that makes the volume. *making is NULL where nothing can be marked, as above, or where the volume is there
 * already, which stock refuses. Returns 0, or -1 with @err set: the mark could not be made, and nothing may be written. */
int
replMakingBegin(const ReplRegion *region, const char *volume, ReplUploading **making, GError **err);

/* That call has returned; @making (may be NULL) is taken. @made: with success. @existed: it was refused since a volume of the name
 * was there. */
void
replMakingEnd(ReplUploading *making, const ReplRegion *region, const char *volume, gboolean made,
              gboolean existed);

/* Before a stock call that writes over all of the volume. *wiping is NULL where nothing can be marked, as for an upload. Returns 0, or
 * -1 with @err set: the mark could not be made, and nothing may be written. */
int
replWipingBegin(const ReplRegion *region, const char *volume, ReplUploading **wiping, GError **err);

/* That call has returned; @wiping (may be NULL) is taken. @good: with success. A call that has failed without writing anything leaves no
 * mark. */
void
replWipingEnd(ReplUploading *wiping, const ReplRegion *region, const char *volume, gboolean good);
