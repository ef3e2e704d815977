/*
 * thread.h: threads of the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Starts a thread that blocks all signals: they are the daemon's, whose handlers expect its own threads. The caller joins
 * it (g_thread_join). @name has at most 15 bytes. NULL with @err set when there are too many threads. */
GThread *
replThreadNew(const char *name, GThreadFunc run, gpointer opaque, GError **err);
