/*
 * overview.h: what a pool shows beside its label: its jobs, what is shared with its project, its
 * images
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "model/image.h"
#include "model/jobinfo.h"
#include "model/label.h"

/* More of a kind are counted and not shown. */
#define REPL_OVERVIEW_MAX 1000

typedef struct {
    char *volume;
    ReplJobInfo *info;
} ReplOverviewJob;

/* An image of another project that is offered to the pool's, or accepted by it. */
typedef struct {
    char *image; /* UUID */
    char *name;  /* display name */
    char *project;
    char *region;
    ReplShareState state;
} ReplOverviewShared;

/* An image that a job of another host reads. */
typedef struct {
    char *volume;
    char *id;         /* UUID of its sessions; the job there has one of its own */
    char *host;       /* as it calls itself */
    gint64 since_s;   /* UNIX time */
    gboolean waiting; /* the other host has gone, and may come back */
} ReplOverviewLoan;

typedef struct {
    char *id; /* UUID */
    char *volume;
    char *name; /* display name */
    ReplImageStatus status;
    ReplImageType type;
    gboolean isLayer;
    guint64 bytes;    /* allocated */
    char *backing;    /* volume of the pool or of another one of its region that it needs, or NULL */
    char *source;     /* id of the image that it was copied from, or NULL */
    ReplJobInfo *job; /* its newest job, ended or not, or NULL */
} ReplOverviewImage;

typedef struct {
    GPtrArray *jobs;   /* of ReplOverviewJob */
    GPtrArray *loans;  /* of ReplOverviewLoan */
    GPtrArray *shared; /* of ReplOverviewShared */
    GPtrArray *images; /* of ReplOverviewImage, by volume; NULL: they were not asked for */
    guint part;        /* of the list of images, from 0 */
} ReplOverview;

ReplOverview *
replOverviewNew(void);

void
replOverviewImageFree(ReplOverviewImage *image);

ReplOverviewLoan *
replOverviewLoanNew(const char *volume, const char *id, const char *host);

ReplOverviewLoan *
replOverviewLoanCopy(const ReplOverviewLoan *loan);

void
replOverviewLoanFree(ReplOverviewLoan *loan);

/* The arrays of a new overview free what is added to them; @images is made by this. */
void
replOverviewWantImages(ReplOverview *overview, guint part);

void
replOverviewFree(ReplOverview *overview);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplOverview, replOverviewFree)
