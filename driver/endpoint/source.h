/*
 * source.h: where an image comes from: a local pool or a peer
 *
 * In:    a table of operations (ReplSourceOps) for one image: a volume of a pool on this host (local_source.h), one on a
 *        peer with the module, one on a stock peer, one in a bundle, one in memory for tests.
 * Out:   plain facts about its chain, and a reader for each layer. Nothing above knows more of the image.
 * Owner: the one who opened the source frees it, after all of its readers. It belongs to one replication, and to one
 *        thread at a time: the client's that submits, then the job's.
 * Lock:  none here. Readers are used by many threads (copy/reader.h); what they share with their source its
 *        implementation locks.
 *
 * The order of calls, all by the thread that owns the source, but for cancel:
 *
 *     hold -> describe -> [ describe | chain | openLayer | digests ]* -> unchanged -> free
 *
 *   hold      from here to free no one writes to a layer where locks reach. A plan that a client sees and a job's
 *             attempt both hold; between a job's attempts nothing is held.
 *   describe  may be called again for another request; it costs what has not been looked at yet.
 *   unchanged asked when all bytes are written, and by a planned job that is to start. What hold cannot keep from
 *             changing is found here, and fails the attempt, never the copy.
 *
 * A restart of the daemon knows no source: the next attempt opens and describes it anew, and compares layers with what
 * the journal says was copied by their identities. An implementation keeps nothing on disk.
 *
 * Errors are set where they happen, as whole sentences that name the volume and its pool. VIR_ERR_NO_CONNECT
 * tells that a peer is away: the job waits for it; everything else fails the attempt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/traffic.h"
#include "copy/reader.h"
#include "model/image.h"
#include "model/label.h"
#include "model/request.h"
#include "plan/facts.h"
#include "probe/chain.h"

/* Blocks that digests are made of, and how many of them a group has. */
#define REPL_DIGEST_BLOCK_bytes 65536u
#define REPL_DIGEST_GROUP_BLOCKS 256u
#define REPL_DIGEST_bytes 32u /* SHA-256 */

/* What there is to know of the image without its bytes. Borrowed from the source, good until the next describe or
 * free. */
typedef struct {
    const char *pool;       /* name, as this host calls it */
    const char *poolUuid;   /* the same: of a region pool the local definition's */
    const ReplLabel *label; /* region and project: a peer's label counts for its pool */
    const char *volume;
    const ReplImage *image; /* its record as it is shown now, with its status */
    /* Top first. canClone, presentAs and presentIsImage are left for the target to say. poolUuid and pool of a
     * layer are where it lies, as its own host calls it; identities are comparable with others of the same pool only.
     * byQemu and written_bytes are those of the request; where the end cannot know them, byQemu is TRUE. */
    const ReplPlanLayer *layers;
    guint layerCount;
    /* Of a full machine: its data disks, whose layers follow those of the system disk (disk 0). Each is the volume of its
     * first layer; these are their records. */
    const ReplImage *const *members;
    guint memberCount;
    const char *without; /* words of ReplJobInfo; NULL: it can all be had */
    gboolean
        formed; /* the layers have the form that the request asks for, or are made in it: nothing is left to be
                      * converted */
} ReplSourceFacts;

/* A layer that was made on demand. */
typedef struct {
    guint64 making; /* tells this making of the layer from any other, of which the bytes differ */
    guint64 size_bytes;
} ReplSourceMade;

/* A LUKS header that opens with a key. */
typedef struct {
    GByteArray *header; /* as much of it as is needed to open it */
    guint64 header_bytes;
} ReplSourceKey;

void
replSourceKeyClear(ReplSourceKey *key);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplSourceKey, replSourceKeyClear)

typedef enum {
    REPL_DIGEST_BLOCKS,
    REPL_DIGEST_GROUPS,
} ReplDigestLevel;

/* How a long look at contents is followed and stopped: asked before each @bytes that are read, 0 to go on, or -1 with @err
 * set. NULL: it is not stopped. */
typedef struct {
    int (*proceed)(void *opaque, guint64 bytes, GError **err);
    void *opaque;
} ReplSourceLook;

typedef struct _ReplSource ReplSource;

typedef struct {
    /* Opens the chain, confined, and keeps all layers from being written until free, where that can be done. Holding twice
     * is no error. Returns 0, or -1 with @err set: as replChainOpen(), and VIR_ERR_OPERATION_INVALID naming the volume
     * that is open for writing. */
    int (*hold)(ReplSource *source, GError **err);

    /* Looks at the chain; no data is read. @request: what is asked for, so that what its conversions need is known,
     * too. Returns 0 with *facts set, or -1 with @err set: as replConvertLook() and replConvertFacts(). */
    int (*describe)(ReplSource *source, const ReplRequest *request, const ReplSourceFacts **facts,
                    GError **err);

    /* 0 when no layer has changed since hold, or -1 with @err set (VIR_ERR_OPERATION_INVALID naming the volume). */
    int (*unchanged)(ReplSource *source, GError **err);

    /* A reader of the bytes of layer @layer as they are in its file. The caller frees it before the source. Several may be
     * open at once. NULL with @err set. */
    ReplReader *(*openLayer)(ReplSource *source, guint layer, GError **err);

    /* The digests of blocks or groups @first up to @first + @count of the layer, each REPL_DIGEST_bytes long, into
     * @digests. They are made as they are asked for, or come from where they are kept: only ask when there is something
     * to compare them with. May be called by a thread of the target while readers are in use. Returns how many there
     * are (fewer than @count at the end of the layer only), or -1 with @err set. Optional: without it the target
     * compares nothing. */
    gssize (*digests)(ReplSource *source, guint layer, ReplDigestLevel level, guint64 first, guint count,
                      guint8 *digests, GError **err);

    /* The digest of all that layer @layer holds (bundle/content.h), as text, into @digest. It may read the whole layer the
     * first time. Optional: only of ends whose identities of layers are digests themselves, true wherever they come from.
     * Returns 0, or -1 with @err set. */
    int (*content)(ReplSource *source, guint layer, const ReplSourceLook *look, char *digest, GError **err);

    /* Makes layer @layer, which is made on demand (ReplPlanLayer's onDemand), unless it is there. It can be opened from
     * then on. May take as long as a conversion. Optional: no layer is made on demand. Returns 0 with *made set, or -1 with
     * @err set. */
    int (*makeLayer)(ReplSource *source, guint layer, ReplSourceMade *made, GError **err);

    /* A header that opens with the key which layer @layer gets when it is made on demand; the caller clears it. Optional as
     * makeLayer. */
    int (*newKey)(ReplSource *source, guint layer, ReplSourceKey *key, GError **err);

    /* The chain (of a full machine those of all disks) as open regular files of this host, in the order of the facts: what conversions, key trials and looks
     * by content need. Borrowed until free. NULL (no error): there are none, and layers that need files are
     * first brought into scratch files through their readers (replicate/scratch.h). Optional. */
    ReplChain *(*chain)(ReplSource *source);

    /* Makes calls that wait for a peer return soon with VIR_ERR_OPERATION_ABORTED, readers' included. By any thread, at any
     * time before free. Must not wait. Optional. */
    void (*cancel)(ReplSource *source);

    /* Tells @traffic what connections to another host carry, and whether that host is waited for, from here on. By the thread that
     * owns the source. Optional: there is no other host. */
    void (*watch)(ReplSource *source, ReplTraffic *traffic);

    /* From here on a host that cannot be reached at first is waited for as long as one that was there and has
     * gone: it was there when the job was accepted. Optional. */
    void (*bePatient)(ReplSource *source);

    /* Lets go of everything. Must not wait for a peer. */
    void (*free)(ReplSource *source);
} ReplSourceOps;

/* An implementation embeds this as its first member. */
struct _ReplSource {
    const ReplSourceOps *ops;
    gint cancelled; /* atomic; set before cancel is called */
};

/* As the operations; what is optional and not there is answered as they say. */
int
replSourceDescribe(ReplSource *source, const ReplRequest *request, const ReplSourceFacts **facts,
                   GError **err);
int
replSourceHold(ReplSource *source, GError **err);
int
replSourceUnchanged(ReplSource *source, GError **err);
ReplReader *
replSourceOpenLayer(ReplSource *source, guint layer, GError **err);

/* Also 0 when the source has no digests. */
gssize
replSourceDigests(ReplSource *source, guint layer, ReplDigestLevel level, guint64 first, guint count,
                  guint8 *digests, GError **err);
/* Also -1 when the source makes none on demand. */
int
replSourceMakeLayer(ReplSource *source, guint layer, ReplSourceMade *made, GError **err);
int
replSourceNewKey(ReplSource *source, guint layer, ReplSourceKey *key, GError **err);
/* Also -1 when the source tells none. */
int
replSourceContent(ReplSource *source, guint layer, const ReplSourceLook *look, char *digest, GError **err);
/* Whether the source tells digests of contents: then the identities of its layers are digests, and true for
 * ever. */
gboolean
replSourceTellsContent(const ReplSource *source);
ReplChain *
replSourceChain(ReplSource *source);
/* Whether layer @layer is an image: that of its disk, which no other layer of the facts stands on. */
gboolean
replSourceIsTop(const ReplSourceFacts *facts, guint layer);
void
replSourceWatch(ReplSource *source, ReplTraffic *traffic);
void
replSourceBePatient(ReplSource *source);
void
replSourceCancel(ReplSource *source);
void
replSourceFree(ReplSource *source);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplSource, replSourceFree)
