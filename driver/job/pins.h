/*
 * pins.h: why a volume cannot be changed now, and which image is on its way to which region
 *
 * A pin says what a job does with a volume; a volume may have many, of several jobs. A pinned
 * volume must not be deleted, wiped, resized or written by anybody but the job; reading, dumping
 * and new overlays go on. Pins end with their job. Every function may be called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/error.h"

typedef enum {
    REPL_PIN_SOURCE, /* the image that is read */
    REPL_PIN_BASE,   /* a layer of its chain, read too; of: the image's volume */
    REPL_PIN_TARGET, /* the replica that is written */
    REPL_PIN_LAYER,  /* a layer of the replica, written too; of: the replica's volume */
    REPL_PIN_REUSE,  /* was in the target already and becomes a base; of: the replica's volume */
} ReplPinKind;

typedef struct _ReplPins ReplPins;

ReplPins *
replPinsNew(void);

void
replPinsFree(ReplPins *pins);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplPins, replPinsFree)

/* @poolName is for messages. @of: NULL for SOURCE and TARGET. A pin that is there already (the same
 * job, volume and kind) is not added again. */
void
replPinsAdd(ReplPins *pins, const char *poolUuid, const char *poolName, const char *volume, const char *jobId,
            ReplPinKind kind, const char *of);

/* Drops the pins and the route of a job. */
void
replPinsDropJob(ReplPins *pins, const char *jobId);

/* Returns 0 when nothing pins the volume, or -1 with VIR_ERR_OPERATION_INVALID, which names the
 * volume, the pool, the job, what it does and since when (local time). */
int
replPinsCheck(ReplPins *pins, const char *poolUuid, const char *volume, GError **err);

/* The ids of the jobs that pin a volume of the pool, each once, NULL-terminated; empty when there
 * are none. Free with g_strfreev. */
char **
replPinsPoolJobs(ReplPins *pins, const char *poolUuid);

/* "This image is on its way to that region": returns 0 and keeps it until replPinsDropJob, or -1 with
 * VIR_ERR_OPERATION_INVALID that names the job that had it before. Of two clients that race, one
 * gets it. Asking again for the same job is no error. */
int
replPinsTakeRoute(ReplPins *pins, const char *jobId, const char *srcPoolUuid, const char *volume,
                  const char *targetRegion, GError **err);
