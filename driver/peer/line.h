/*
 * line.h: a connection of its own to a pool on another host, for one user that works there for long
 *
 * In:    works, each of which is done by the line's thread with a handle of the pool there.
 * Out:   what the works leave behind in themselves.
 * Owner: reference counted; works hold a reference. A work is its maker's again when replLineWait() has returned 0.
 * Lock:  one guards which road is in use and whether the line is cancelled; it is never held in a call.
 *
 * libvirt's calls may hang for as long as the network likes, and one thread alone may call on a connection
 * (link.h). So each connection (a road) has a thread of its own. The user who waits for a work looks whether
 * it moves on. A work that does not, or that stands still while the peer is away for all others, too, is
 * left to its thread, together with its road, and is not waited for any more; the next work opens another road.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/traffic.h"
#include "peer/calls.h"
#include "peer/link.h"
#include "peer/uri.h"

/* quiet_s of works that carry data: the disk there may be slow, which is no silence. */
#define REPL_LINE_QUIET_s 15

typedef struct _ReplLine ReplLine;
typedef struct _ReplLineRoad ReplLineRoad;
typedef struct _ReplLineWork ReplLineWork;

/* The head of a work's own structure, whose other members are its arguments and results. All of it belongs to the line's
 * thread until it is done. */
struct _ReplLineWork {
    ReplCallTask task;
    /* In the line's thread. Calls replLineMoved() when it gets on, and ends when replLineStopped(). Returns 0, or -1 with *err set. */
    int (*run)(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, GError **err);
    void (*clear)(ReplLineWork *work); /* frees the other members; NULL: nothing to free */
    guint quiet_s; /* its connection is given up after so long without a move; 0: as long as calls wait */

    ReplLine *line; /* the rest is the line's own */
    ReplLineRoad *road;
    gint stopped; /* atomic: nobody waits for it any more */
    int ret;
    GError *err;
};

/* @pool: as it is called there. @gone_s: how long a connection that was there once is tried again. */
ReplLine *
replLineNew(const ReplPeerUri *uri, const char *pool, guint gone_s);

ReplLine *
replLineRef(ReplLine *line);

void
replLineUnref(ReplLine *line);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLine, replLineUnref)

/* A zeroed work of @size bytes. */
gpointer
replLineWorkNew(gsize size, int (*run)(ReplLineWork *, ReplLink *, virStoragePoolPtr, GError **),
                void (*clear)(ReplLineWork *));

static inline void
replLineWorkUnref(ReplLineWork *work)
{
    if (work)
        replCallTaskUnref(&work->task);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplLineWork, replLineWorkUnref)

/* Tells @traffic what works carry from here on, and that the peer, by the name @name, is waited for. */
void
replLineWatch(ReplLine *line, ReplTraffic *traffic, const char *name);

/* Puts @work in line, without waiting. Once for each work. Returns 0, or -1 with @err set. */
int
replLineStart(ReplLine *line, ReplLineWork *work, GError **err);

/* Waits until it is done. Returns 0, or -1 with @err set: its own, VIR_ERR_NO_CONNECT, VIR_ERR_OPERATION_ABORTED. */
int
replLineWait(ReplLine *line, ReplLineWork *work, GError **err);

/* Waits until @ready returns TRUE; each call of @ready looks, and waits for a tenth of a second at most.
 * Fails as replLineWait(), but does not wait for the work's end: it goes on. */
int
replLineAwait(ReplLine *line, ReplLineWork *work, gboolean (*ready)(gpointer opaque), gpointer opaque,
              GError **err);

/* Whether it is done, without waiting: replLineWait() tells how it ended. */
gboolean
replLineIsDone(ReplLineWork *work);

/* Starts a work and waits for it. When the connection breaks, does it again on a new one, for as long as the
 * line allows: only for works that may be done twice. @make makes the work anew each time. The work that was
 * done, or NULL with @err set. */
ReplLineWork *
replLineDo(ReplLine *line, ReplLineWork *(*make)(gpointer opaque), gpointer opaque, GError **err);

/* For users that start works themselves and retry them: @why is how one has failed. Returns 0 after a moment
 * when the user is to try again, or -1 with @err set to @why when another connection is no help, or when the
 * peer has not come back for as long as the line allows. */
int
replLineRetry(ReplLine *line, const GError *why, GError **err);

/* Tells @work that its user waits for it no more: it ends as soon as it can. */
void
replLineDrop(ReplLineWork *work);

/* --- by a work's run --- */

void
replLineMoved(ReplLineWork *work);

/* Moved, by so many bytes on the connection. */
void
replLineCarried(ReplLineWork *work, guint64 bytes);

static inline gboolean
replLineStopped(ReplLineWork *work)
{
    return g_atomic_int_get(&work->stopped) != 0;
}

/* Takes the thread's libvirt error as what the peer said of @what it was asked for, or as a connection that broke. Returns -1. */
int
replLineFail(ReplLink *link, GError **err);

/* --- by any thread --- */

/* Makes all that wait return soon, and all later ones fail, with VIR_ERR_OPERATION_ABORTED. */
void
replLineCancel(ReplLine *line);

/* Takes a cancel back, for another try. */
void
replLineReopen(ReplLine *line);

gboolean
replLineIsCancelled(ReplLine *line);

const char *
replLineUri(const ReplLine *line);
