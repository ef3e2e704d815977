/*
 * minder.h: a thread that looks at something again and again, for as long as another one is in a call that may hang
 *
 * Owner: the thread that makes the call: it starts the minder before and stops it behind.
 * Lock:  one of the minder's own, held while it looks.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

typedef struct _ReplMinder ReplMinder;

/* Calls @look every @tick_ms until it returns FALSE; @since_us: how long ago this was. It must not wait for anything. NULL
 * (which replMinderStop() takes) when there is no thread for it. */
ReplMinder *
replMinderStart(guint tick_ms, gboolean (*look)(gpointer opaque, gint64 since_us), gpointer opaque);

/* @look is not called any more when this returns. */
void
replMinderStop(ReplMinder *minder);
