/*
 * thread.c: threads of the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/thread.h"

#include <signal.h>

#include "base/error.h"

GThread *
replThreadNew(const char *name, GThreadFunc run, gpointer opaque, GError **err)
{
    g_autoptr(GError) local = NULL;
    sigset_t all, old;
    GThread *thread;

    /* A thread begins with the mask of the one that makes it. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    thread = g_thread_try_new(name, run, opaque, &local);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!thread)
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("Cannot start the thread '%s': %s"), name,
                     local->message);
    return thread;
}
