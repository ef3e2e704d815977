/*
 * tablestream.c: the peers' table: the bytes of a volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/relay.h"
#include "peer/remote.h"
#include "peer/tableparts.h"
#include "virt/report.h"

/* The one flag of both calls. */
#define REPL_PEER_SPARSE ((guint)VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM)
G_STATIC_ASSERT((guint)VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM == (guint)VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM);

/* A call that ends with an open stream to the peer, or holds one that came too late for the caller. */
typedef struct {
    ReplPeerCall call;
    ReplPeerPool *pool;
    ReplRelayOf of;
    ReplRelay *relay; /* result */
} ReplStreamCall;

static int
replPeerStreamRun(ReplPeerCall *opaque, GError **err)
{
    ReplStreamCall *call = (ReplStreamCall *)opaque;
    virStoragePoolPtr remote = replPeerPoolRemote(call->pool, call->call.link, err);

    if (!remote)
        return -1;
    virStoragePoolFree(remote);
    g_clear_pointer(&call->relay, replRelayFree);
    call->relay = replRelayOpen(call->pool->uri, call->pool->def->source, &call->of, err);
    return call->relay ? 0 : -1;
}

static void
replPeerStreamClear(ReplPeerCall *opaque)
{
    ReplStreamCall *call = (ReplStreamCall *)opaque;

    replPeerPoolUnref(call->pool);
    replRelayFree(call->relay);
    g_free(call->of.volume);
}

static int
replPeerTableStream(virStorageVolPtr vol, virStreamPtr stream, gboolean upload, guint64 offset,
                    guint64 length, guint flags, ReplVirtVolAcl check)
{
    g_autoptr(ReplPeerPoolEntry) entry = replRemotePoolOfVol(vol, check);
    g_autoptr(ReplPeerCall) opaque = NULL;
    ReplStreamCall *call;
    GError *err = NULL;

    if (!entry)
        return -1;
    if (flags & ~REPL_PEER_SPARSE) {
        replReportError(VIR_ERR_INVALID_ARG, _("Unsupported flags (0x%x) for a volume on another host"),
                        flags & ~REPL_PEER_SPARSE);
        return -1;
    }
    if (!entry->active) {
        replReportError(VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is not active"),
                        entry->pool->def->name);
        return -1;
    }
    call = replPeerCallNew(sizeof(*call), replPeerStreamRun, replPeerStreamClear);
    opaque = &call->call;
    call->pool = replPeerPoolRef(entry->pool);
    call->of = (ReplRelayOf){.volume = g_strdup(virStorageVolGetName(vol)),
                             .upload = upload,
                             .sparse = flags & REPL_PEER_SPARSE,
                             .offset = offset,
                             .length = length};
    if (replPeerCallQuick(entry->pool->peer, opaque, &err) < 0 ||
        replRelayStart(g_steal_pointer(&call->relay), stream, virStorageVolGetConnect(vol), &err) < 0) {
        replReport(err);
        return -1;
    }
    return 0;
}

int
replPeerTableVolDownload(virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset,
                         unsigned long long length, unsigned int flags)
{
    return replPeerTableStream(vol, stream, FALSE, offset, length, flags,
                               replVirt.StorageVolDownloadEnsureACL);
}

int
replPeerTableVolUpload(virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset,
                       unsigned long long length, unsigned int flags)
{
    return replPeerTableStream(vol, stream, TRUE, offset, length, flags, replVirt.StorageVolUploadEnsureACL);
}
