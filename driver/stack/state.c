/*
 * state.c: our state driver: when the daemon starts, reloads and stops
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/state.h"

#include "peer/connection.h"
#include "region/home.h"
#include "region/region.h"
#include "service/service.h"
#include "stack/bundled.h"
#include "stack/distant.h"
#include "stack/peers.h"
#include "stack/resume.h"
#include "virt/events.h"
#include "virt/report.h"
#include "xml/xml.h"

/* Where libvirt keeps what is to last and what is not: with @root (embedded mode) all below it. */
static void
replStateDirs(bool privileged, const char *root, char **config, char **labels, char **run, char **jobs)
{
    if (root) {
        *config = g_strdup_printf("%s/etc", root);
        *run = g_strdup_printf("%s/run/storage-replication", root);
        *jobs = g_strdup_printf("%s/lib/storage-replication", root);
    } else if (privileged) {
        *config = g_strdup("/etc/libvirt");
        *run = g_strdup("/run/libvirt/storage-replication");
        *jobs = g_strdup("/var/lib/libvirt/storage-replication");
    } else {
        *config = g_strdup_printf("%s/libvirt", g_get_user_config_dir());
        *run = g_strdup_printf("%s/libvirt/storage-replication", g_get_user_runtime_dir());
        *jobs = g_strdup_printf("%s/libvirt/storage-replication", g_get_user_data_dir());
    }
    *labels = g_strdup_printf("%s/storage-replication", *config);
}

static int
replStateInitialize(bool privileged, const char *root, bool monolithic, ReplVirtInhibit callback,
                    void *opaque)
{
    g_autofree char *config = NULL;
    g_autofree char *labels = NULL;
    g_autofree char *run = NULL;
    g_autofree char *jobs = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(GError) xmlErr = NULL;

    (void)monolithic;
    replStateDirs(privileged, root, &config, &labels, &run, &jobs);
    replHomeStart(jobs);
    /* Without events or labels there are no region pools, but the host keeps its storage. */
    if (replEventsStart() < 0) {
        replError("Replication has no events: %s", virGetLastErrorMessage());
        virResetLastError();
    }
    if (replRegionsStart(labels, run, &err) < 0)
        replError("There are no region pools: %s", err->message);
    if (!replXmlInit(&xmlErr))
        replError("Region labels and requests cannot be read: %s", xmlErr->message);
    replServiceStart(config, callback, opaque);
    replStackPeersStart(labels, run, jobs);
    replDistantStart(jobs);
    replBundledStart();
    replResumeAll();
    return REPL_VIRT_STATE_COMPLETE;
}

static int
replStateReload(void)
{
    replServiceReload();
    replStackPeersReload();
    return 0;
}

/* In the event loop's thread, before the daemon waits for its workers: those that wait for a job
 * must not. */
static int
replStateShutdownPrepare(void)
{
    replDistantStop();
    replServiceInterrupt();
    replPeersStop();
    return 0;
}

/* Called in a thread of its own while the event loop still runs. */
static int
replStateShutdownWait(void)
{
    replServiceStop();
    replDistantStopped();
    return 0;
}

static int
replStateCleanup(void)
{
    replDistantStop();
    replPeersStop();
    replDistantStopped();
    replServiceStop();
    replRegionsStop();
    return 0;
}

int
replStateRegister(void)
{
    static ReplVirtStateDriver driver = {
        .name = "storage-replication",
        .stateInitialize = replStateInitialize,
        .stateCleanup = replStateCleanup,
        .stateReload = replStateReload,
        .stateShutdownPrepare = replStateShutdownPrepare,
        .stateShutdownWait = replStateShutdownWait,
    };

    return replVirt.RegisterStateDriver(&driver) < 0 ? -1 : 0;
}
