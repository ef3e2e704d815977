/*
 * calledpriv.h: what the files of called sessions share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"
#include "peer/session.h"
#include "region/region.h"
#include "stack/lend.h"
#include "virt/virt.h"
#include "wire/messages.h"

typedef struct {
    gatomicrefcount refs;

    /* fixed */
    ReplRegion *region;
    char *volume;               /* to be read, or the name of what is to be made */
    ReplVirtIdentity *identity; /* the caller's, a reference; NULL: none */
    ReplSession *session; /* which owns a reference to this, and is referenced by the thread while it runs */

    ReplLock lock;     /* guards the rest */
    GByteArray *hello; /* NULL: has not come */
    gboolean over;
    gboolean goodbye;
    int (*handler)(void *, ReplSession *, ReplWireFrame *, GError **);
    void *handlerOpaque;
} ReplCalled;

/* The other end says something twice a second: after so long it is gone. */
#define REPL_CALLED_SILENT_us (20 * G_USEC_PER_SEC)

/* Longer than a goodbye takes, and shorter than a daemon may take to stop. */
#define REPL_CALLED_STOP_us (4 * G_USEC_PER_SEC)

ReplCalled *
replCalledRef(ReplCalled *called);
void
replCalledUnref(ReplCalled *called);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplCalled, replCalledUnref)

/* Counts one more session; its last replCalledUnref takes it off the count. FALSE: there are too many, or the
 * daemon stops. */
gboolean
replCalledCount(void);
void
replCalledUncount(void);

/* The state of a session over @fd, which it owns; counted. */
ReplCalled *
replCalledNew(virStorageVolPtr vol, int fd);

/* Waits for HELLO: its payload, or NULL when it does not come. */
GByteArray *
replCalledHello(ReplCalled *called);

/* A session's thread calls Enter when it begins and Leave when it ends; in between replCalledStopAll finds
 * the session and ends it. Enter returns FALSE when the daemon stops. */
gboolean
replCalledEnter(ReplCalled *called);
void
replCalledLeave(ReplCalled *called);

/* Ends all sessions. */
void
replCalledStopAll(void);

/* Waits until no session is left, but not longer than the time given. Returns whether none is left. */
gboolean
replCalledAwaitAll(gint64 timeout_us);

/* Sends WELCOME. */
void
replCalledWelcome(ReplCalled *called);

/* Frames go to @handler from now on; NULL: none may come. */
void
replCalledHandle(ReplCalled *called, int (*handler)(void *, ReplSession *, ReplWireFrame *, GError **),
                 void *opaque);

/* Waits until the session is over, but not longer than the time given. Returns whether it is over. */
gboolean
replCalledWait(ReplCalled *called, guint timeout_ms);

/* Whether the session is over because the other end said BYE. */
gboolean
replCalledGoodbye(ReplCalled *called);

gboolean
replCalledStopping(void);

/* --- pushed.c --- */

/* Has the daemon make the replica that @hello asks for, or go on with it, and tells the other host of its
 * progress until the session or the job is over. Returns 0, or -1 with @err set: nothing was begun. */
int
replCalledPush(ReplCalled *called, const ReplWireHello *hello, GError **err);
