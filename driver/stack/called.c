/*
 * called.c: sessions that other hosts open on this one
 *
 *     worker: socketpair, one end to libvirt's stream, one to a session ──▶ thread: HELLO? ──▶ pull: lend.c
 *                                                                                          └─▶ push: pushed.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/called.h"

#include <errno.h>
#include <glib-object.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/thread.h"
#include "image/guard.h"
#include "peer/epoch.h"
#include "service/service.h"
#include "stack/calledpriv.h"
#include "virt/access.h"
#include "virt/report.h"
#include "virt/streamend.h"

/* Whether the caller may read all layers. */
static int
replCalledMayRead(void *opaque, const ReplSourceFacts *facts, GError **err)
{
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();
    int rc = conn ? 0 : -1;

    (void)opaque;
    for (guint i = 0; rc == 0 && i < facts->layerCount; i++) {
        unsigned char uuid[VIR_UUID_BUFLEN];

        rc = replUuidParse(facts->layers[i].poolUuid, uuid)
                 ? replAccessVol(conn, uuid, facts->layers[i].volume, replVirt.StorageVolDownloadEnsureACL)
                 : -1;
    }
    if (rc < 0) {
        replTakeError(err);
        return -1;
    }
    if (facts->image->status == REPL_IMAGE_AVAILABLE)
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Image '%s' of pool '%s' cannot be replicated: its status is %s"), facts->volume,
                 facts->pool, replImageStatusToString(facts->image->status));
    return -1;
}

/* Whether the caller may read the image itself. Asked in each session, before the session takes over an image
 * that is lent to the job already. */
static int
replCalledMayReadImage(ReplCalled *called, GError **err)
{
    g_autoptr(ReplConn) conn = replVirt.GetConnectStorage();

    if (conn &&
        replAccessVol(conn, called->region->uuid, called->volume, replVirt.StorageVolDownloadEnsureACL) == 0)
        return 0;
    replTakeError(err);
    return -1;
}

static int
replCalledLentFrame(void *opaque, ReplSession *session, ReplWireFrame *frame, GError **err)
{
    return replServeFrame(opaque, session, frame, err);
}

static int
replCalledPull(ReplCalled *called, const ReplWireHello *hello, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    g_autofree char *caller = replIdentityName();
    const ReplLendTo to = {called->region, called->volume, hello, caller, called->session};
    ReplLent *lent;

    if (replCalledMayReadImage(called, err) < 0 || replGuardSource(called->region, called->volume, err) < 0)
        return -1;
    if (!(lent = replLendTake(&to, replCalledMayRead, called, err)))
        return -1;
    replCalledHandle(called, replCalledLentFrame, replLentServe(lent));
    replCalledWelcome(called);
    while (!replCalledWait(called, 1000) && !replCalledStopping() &&
           replSessionSilent_us(called->session) < REPL_CALLED_SILENT_us)
        ;
    /* The session is over or gets ended here: hand no more of its frames to the lent image, which another
     * session may use next. */
    replCalledHandle(called, NULL, NULL);
    replSessionEnd(called->session, NULL);
    replCalledWait(called, G_MAXINT);
    replLendReturn(lent, called->session, replCalledGoodbye(called) && !replCalledStopping(),
                   config->peerGone_s);
    return 0;
}

static int
replCalledGreet(ReplCalled *called, const GByteArray *payload, GError **err)
{
    g_auto(ReplWireHello) hello = {0};

    if (replWireHelloRead(payload, &hello, err) < 0)
        return -1;
    if (replWireVersionPick(&hello) == 0) {
        replErrorSet(
            err, VIR_ERR_NO_SUPPORT,
            _("The other host speaks versions %u to %u of the exchange between hosts, this one %u to %u"),
            hello.versionMin, hello.versionMax, REPL_WIRE_VERSION_MIN, REPL_WIRE_VERSION_MAX);
        return -1;
    }
    if (hello.purpose == REPL_WIRE_PUSH)
        return replCalledPush(called, &hello, err);
    return replCalledPull(called, &hello, err);
}

static void *
replCalledRun(void *opaque)
{
    g_autoptr(ReplCalled) called = opaque;
    g_autoptr(ReplSession) session = called->session; /* of replCalledStart */
    g_autoptr(GByteArray) hello = replCalledEnter(called) ? replCalledHello(called) : NULL;
    g_autoptr(GByteArray) refusal = NULL;
    g_autoptr(GError) err = NULL;

    /* All that this thread asks and does is in the caller's name. */
    if (called->identity)
        replVirt.IdentitySetCurrent(called->identity);
    if (!hello) {
        replSessionEnd(session, NULL);
    } else if (replCalledGreet(called, hello, &err) < 0) {
        refusal = replWireErrorBytes(err);
        replSessionSend(session, REPL_WIRE_ERROR, 0, refusal, TRUE);
        replSessionBye(session, 5000);
    }
    replCalledLeave(called);
    return NULL;
}

/* --- the worker's part --- */

/* The number of sessions is limited, so only a caller who may read the volume, or make one of that name, may
 * open one. Further rights are checked when the session asks for something. */
static int
replCalledMayOpen(virStorageVolPtr vol, const ReplRegion *region)
{
    virConnectPtr conn = virStorageVolGetConnect(vol);
    g_autofree char *xml = g_markup_printf_escaped("<volume><name>%s</name><capacity>0</capacity></volume>",
                                                   virStorageVolGetName(vol));

    if (replAccessPool(conn, region->uuid, replVirt.StoragePoolGetInfoEnsureACL) < 0)
        return -1;
    if (replAccessNewVol(conn, region->uuid, xml, FALSE, replVirt.StorageVolCreateXMLFromEnsureACL) == 0)
        return 0;
    virResetLastError();
    return replAccessVol(conn, region->uuid, virStorageVolGetName(vol), replVirt.StorageVolDownloadEnsureACL);
}

static int
replCalledStart(ReplCalled *called, GError **err)
{
    GThread *thread;

    if (replSessionStart(called->session, err) < 0)
        return -1;
    /* Take the thread's reference before the thread starts: the other end may hang up first, and the session
     * would be freed. */
    replSessionRef(called->session);
    if (!(thread = replThreadNew("repl-called", replCalledRun, replCalledRef(called), err))) {
        replSessionUnref(called->session);
        replCalledUnref(called);
        replSessionEnd(called->session, NULL);
        return -1;
    }
    g_thread_unref(thread);
    return 0;
}

int
replCalledOpen(virStorageVolPtr vol, virStreamPtr stream)
{
    g_autoptr(ReplRegion) region = replRegionOfVol(vol);
    g_autoptr(ReplCalled) called = NULL;
    g_autoptr(ReplSession) session = NULL;
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplConfig) config = replServiceConfig();
    g_auto(ReplFd) client = -1;
    int fds[2];

    if (!config->serveHosts) {
        replReportError(VIR_ERR_OPERATION_DENIED, "%s",
                        _("This host serves no replication to or from other hosts: set serve_hosts = 1 in "
                          "storage-replication.conf and reload the daemon"));
        return -1;
    }
    if (!replRegionIsRegion(region) || !region->dir) {
        replReportError(VIR_ERR_OPERATION_INVALID,
                        _("The pool of volume '%s' is no active region pool of host '%s'"),
                        virStorageVolGetName(vol), g_get_host_name());
        return -1;
    }
    if (replCalledMayOpen(vol, region) < 0)
        return -1;
    if (!replCalledCount()) {
        replReportError(VIR_ERR_OPERATION_FAILED, _("Host '%s' serves as many other hosts as it can"),
                        g_get_host_name());
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        replErrorSetSystem(&err, errno, _("Cannot make a socket pair"));
        replReport(g_steal_pointer(&err));
        replCalledUncount();
        return -1;
    }
    called = replCalledNew(vol, fds[1]);
    called->region = g_steal_pointer(&region);
    session = called->session;
    client = fds[0];
    if (replStreamOpen(stream, virStorageVolGetConnect(vol), &client, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    if (replCalledStart(called, &err) < 0) {
        replReport(g_steal_pointer(&err));
        return -1;
    }
    return 0;
}

void
replCalledStop(void)
{
    replLendStop();
    replCalledStopAll();
}

gboolean
replCalledStopped(void)
{
    return replCalledAwaitAll(REPL_CALLED_STOP_us);
}
