/*
 * uploading.h: uploads from their call to their end
 *
 * Half an upload is no image, so each is marked on disk (store/uploads.h) from before its first byte until it has ended well.
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

/* The stock call has returned; @uploading (may be NULL) is taken. @goesOn: the stream carries bytes from now on; else none were
 * written. */
void
replUploadingGoOn(ReplUploading *uploading, virStreamPtr stream, gboolean goesOn);
