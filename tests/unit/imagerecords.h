/*
 * imagerecords.h: records of images in a scratch pool, for the tests of store/record.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "storefiles.h"

#include "store/record.h"

#define ID "2b2bd8c5-2a4d-4b8e-9f3a-0123456789ab"
#define ID2 "9c9ce1f0-1111-4222-8333-444455556666"
#define ODD "two\nlines\t[image]\n# sha256 =\\ \xc3\xa9 "

static inline int
imagesFd(Pool *pool)
{
    return replStagingFd(pool->staging, REPL_STAGING_IMAGES);
}

/* The file of a volume, as documented: its name's SHA-256. */
static inline char *
fileOf(const char *volume)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, volume, -1);
}

static inline ReplImage *
imageFull(void)
{
    ReplImage *image = replImageNew(ID);
    ReplConversion *conv = g_new0(ReplConversion, 1);

    image->status = REPL_IMAGE_PENDING;
    image->type = REPL_IMAGE_TYPE_ISO;
    image->typeIsSet = TRUE;
    image->name = g_strdup(ODD);
    image->description = g_strdup("");
    image->project = g_strdup("p\nq");
    image->fastCreate = TRUE;
    image->secret = g_strdup(ID2);
    image->source.region = g_strdup("cn-north-1");
    image->source.id = g_strdup(ID2);
    image->source.pool = g_strdup("beijing");
    image->source.volume = g_strdup("web server.qcow2");
    g_ptr_array_add(image->shares, replShareNew("a", REPL_SHARE_ACCEPTED));
    g_ptr_array_add(image->shares, replShareNew(ODD, REPL_SHARE_REVOKED));
    conv->when_s = 1700000000;
    conv->action = g_strdup("rekey");
    conv->by = g_strdup("alice");
    conv->fromSecret = g_strdup(ID);
    g_ptr_array_add(image->conversions, conv);
    image->job = replJobInfoNew(ID2);
    image->job->state = REPL_JOB_FAILED;
    image->job->processed_bytes = 1;
    image->job->total_bytes = G_MAXINT64;
    image->job->rate_bytesPerSec = G_MAXUINT64;
    image->job->eta_s = 12;
    image->job->position = 3;
    image->job->started_s = 5;
    image->job->ended_s = 6;
    image->job->bandwidth_bytesPerSec = 7;
    image->job->peakSpace_bytes = 8;
    image->job->errorCode = VIR_ERR_OPERATION_FAILED;
    image->job->error = g_strdup(ODD);
    g_ptr_array_add(image->job->steps, replStepNew("base", "base.qcow2", REPL_STEP_CONVERT, 99));
    image->hasOrigin = TRUE;
    image->originPool = g_strdup(ID2);
    image->origin = (ReplFileIdentity){1, G_MAXUINT64, 3, -4, G_MAXINT64};
    image->self = (ReplFileIdentity){6, 7, 8, 9, 10};
    return image;
}

static inline void
save(ReplStaging *staging, const char *volume, const char *description)
{
    g_autoptr(ReplImage) image = replImageNew(ID);
    g_autoptr(GError) err = NULL;

    image->description = g_strdup(description);
    g_assert_cmpint(replRecordSave(staging, volume, image, &err), ==, 0);
    g_assert_no_error(err);
}

static inline ReplImage *
load(ReplStaging *staging, const char *volume)
{
    g_autoptr(GError) err = NULL;
    ReplImage *image = replRecordLoad(staging, volume, &err);

    g_assert_no_error(err);
    return image;
}
