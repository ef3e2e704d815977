/*
 * workers.h: threads on demand, one for each piece of work, that leave nothing behind
 *
 * All signals are blocked in them: those are the business of the daemon's own threads. A thread at
 * its end is joined by the next one that ends, and the last one by replWorkersJoin.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct _ReplWorkers ReplWorkers;

typedef void (*ReplWork)(void *opaque);

ReplWorkers *
replWorkersNew(void);

/* After replWorkersJoin. */
void
replWorkersFree(ReplWorkers *workers);

/* Runs @work(@opaque) in a thread of its own called @name (15 bytes show). FALSE, with a log line, when
 * there is none to be had. */
gboolean
replWorkersRun(ReplWorkers *workers, const char *name, ReplWork work, void *opaque);

/* Waits until all work is done and all threads are gone. */
void
replWorkersJoin(ReplWorkers *workers);
