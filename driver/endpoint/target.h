/*
 * target.h: where a replica goes: a local pool or a peer
 *
 * In:    a table of operations (ReplTargetOps) for one replica of one job: in a pool on this host (local_target.h), on a
 *        peer with the module, on a stock peer, in a bundle, in memory for tests.
 * Out:   plain facts about the target, a writer for each layer, and the replica under its name, whole or not at all.
 * Owner: the one who opened the target frees it, after all of its writers. It belongs to one replication, and to one
 *        thread at a time.
 * Lock:  none here. Writers are used by many threads (copy/writer.h); what they share with their target its
 *        implementation locks.
 *
 * The order of calls, all by the thread that owns the target, but for cancel:
 *
 *     facts -> present -> canClone -> taken*               a plan can be made of these; nothing is changed
 *     accept                                               once for a job, by the client's thread: the name is taken
 *     -> facts -> present -> canClone -> taken* -> begin   each attempt
 *     -> [ openLayer -> (writer, note)* -> finishLayer ]*  for each step that is not a reuse, bases first
 *     -> verify -> publish
 *     undo                                                 at any point, also without all the others
 *     look                                                 after a restart, before anything else
 *
 * What is durable. The target knows by itself, from stable storage, which names it holds for the job, what it has
 * written of each layer, and what it has put in place: the side of the job that the target's host keeps (for a pool of
 * this host its part of the job's journal). So no one else knows partial files, their names or an order of renames. After a
 * restart the job plans again; begin compares the new plan with what there is: layers that were put in place or are
 * finished and have the same source, content and name are kept, others are started anew, and names and partials that
 * no step needs any more are given back. What is there is told by identity (device and inode, noted before
 * the rename), never by name and size.
 *
 * The commit point is one: the image itself is in place under the replica's name. Up to there publish may fail and undo
 * takes back everything; from there on the replica is available, look says COMMITTED for ever, and whatever is still to be
 * written (records, events, the job's end) follows from it, at the latest after the next start.
 *
 * Errors are set where they happen, as whole sentences that name volumes and the pool. VIR_ERR_NO_CONNECT tells
 * that a peer is away: the job waits for it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libvirt/libvirt.h>

#include "copy/writer.h"
#include "endpoint/source.h"
#include "plan/plan.h"

/* What a plan has to know of the target. Owned; cleared with replTargetFactsClear(). */
typedef struct {
    char *pool;         /* name, as this host calls it */
    char *poolUuid;     /* the same */
    ReplLabel *label;   /* with the quota; a peer's label counts for its pool */
    ReplAmounts usage;  /* now, with all that other jobs are going to add; 0 where the label has no quota */
    guint64 free_bytes; /* on its file system */
    guint64 partial_bytes; /* of them used by unfinished layers of this job */
    gboolean accepted; /* the replica's name is held by this job: it is counted in the usage, but not taken */
} ReplTargetFacts;

void
replTargetFactsClear(ReplTargetFacts *facts);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplTargetFacts, replTargetFactsClear)

/* A layer of the source that the target has already. */
typedef struct {
    char *volume;         /* NULL: it has not */
    ReplFileIdentity was; /* what it was when it was looked at */
    gboolean isImage;     /* nothing else in the target needs it as backing so far */
} ReplPresent;

/* How closely to look for them. */
typedef struct {
    /* FALSE: only by what records (and kept digests) tell, at once. TRUE: contents are compared where they could be
     * equal, which reads as much as it takes. */
    gboolean contents;
    /* Asked now and then while contents are read: 0 to go on, or -1 with @err set. NULL: it is not stopped. */
    int (*proceed)(void *opaque, guint64 bytes, GError **err);
    void *opaque;
} ReplPresentLook;

/* How far a layer is. */
typedef enum {
    REPL_LAYER_FRESH,    /* nothing is there: write all of it */
    REPL_LAYER_BEGUN,    /* everything below start_bytes is on stable storage: go on from there */
    REPL_LAYER_WRITTEN,  /* all bytes are there: finishLayer is next */
    REPL_LAYER_IN_PLACE, /* put in place by an earlier attempt: nothing is left to do, there is no writer */
} ReplLayerState;

typedef struct {
    ReplLayerState state;
    guint64 start_bytes;
} ReplLayerProgress;

/* What a job has in its target. */
typedef enum {
    REPL_TARGET_NOTHING,   /* the name is not held: the request was never accepted, or everything is undone */
    REPL_TARGET_HELD,      /* the name is held, the replica is not there */
    REPL_TARGET_COMMITTED, /* the replica is in place */
} ReplTargetState;

typedef enum {
    /* Unfinished layers, if they leave the file system full for everybody while a job waits for its retry; names stay
     * held. */
    REPL_UNDO_PARTIALS,
    /* Everything of the job: partials, names, layers that were put in place (unless another volume needs them by
     * now), and their records. */
    REPL_UNDO_ALL,
} ReplUndo;

typedef struct _ReplTarget ReplTarget;

typedef struct {
    /* The facts as they are now. Called again for the check of the quota right before publishing. @facts is cleared. Returns 0,
     * or -1 with @err set. */
    int (*facts)(ReplTarget *target, ReplTargetFacts *facts, GError **err);

    /* Whether something that is not this job's has the name @volume: the replica's volumes must not be called so. Asked after
     * facts, for each name that a plan thinks of. What cannot be looked at is not taken: making it will tell why. */
    gboolean (*taken)(ReplTarget *target, const char *volume);

    /* Which layers of @source the target has, by content, not by name: fills @present, an element for each layer; the image itself
     * (element 0) is never shared. From the base up: above the first that is missing none is there. *closely
     * is set to FALSE when a closer look (look->contents) could find more. Returns 0, or -1 with @err set. */
    int (*present)(ReplTarget *target, ReplSource *source, const ReplPresentLook *look, ReplPresent *present,
                   gboolean *closely, GError **err);

    /* Whether layers of @source can be made by sharing their blocks (a writer's clone). Optional: no. */
    gboolean (*canClone)(ReplTarget *target, ReplSource *source);

    /* Takes the name @volume in @pool, on the client's connection and with its rights: @xml is the empty volume of that name.
     * Of a full machine those of its data disks are taken first, the replica's own last. Of two that race one gets it. @image is its record as a pending image. The journal is on stable storage before.
     * From here on look says HELD. Returns 0, or -1 with @err set (VIR_ERR_STORAGE_VOL_EXIST), nothing taken. */
    int (*accept)(ReplTarget *target, virStoragePoolPtr pool, const char *volume, const char *xml,
                  const ReplImage *image, GError **err);

    /* Begins an attempt at @plan, which was made from @facts of the source and what present said: notes which names it
     * is going to hold, then holds them (placeholders, locked so that no guest starts on one) and gives back what only an earlier plan
     * needed. @plan and @facts outlive the target. Returns 0, or -1 with @err set: what is held by then stays until
     * undo or the next begin. */
    int (*begin)(ReplTarget *target, const ReplPlan *plan, const ReplSourceFacts *facts,
                 const ReplPresent *present, GError **err);

    /* Opens the layer of step @index to be written; *progress says how far an earlier attempt came: only work of the same
     * step on the same source counts. With BEGUN, what the writer has below start_bytes is right, and what is behind it is
     * not to be relied upon (the copy engine overwrites it). With FRESH it is empty. @source is where its bytes come
     * from: a target that compares digests asks it (NULL: they are made by a conversion, nothing is comparable).
     * One layer at a time. The caller frees the writer before the target. Returns 0 with *writer set (NULL:
     * IN_PLACE), or -1 with @err set. */
    int (*openLayer)(ReplTarget *target, guint index, ReplSource *source, ReplWriter **writer,
                     ReplLayerProgress *progress, GError **err);

    /* Whether the open layer, whose writing has failed for reason @why, may be opened again at once: the peer is expected back. Waits a
     * moment then. FALSE with @err set: @why. Optional: no. */
    gboolean (*again)(ReplTarget *target, const GError *why, GError **err);

    /* Everything of the open layer below @offset_bytes is on stable storage (the writer's flush has returned): an
     * attempt after a crash may go on from there. Called by one of the copy's threads at a time, and every 32 MiB or so:
     * may be noted later, but never earlier. Returns 0, or -1 with @err set, which ends the copy. Optional. */
    int (*note)(ReplTarget *target, guint64 offset_bytes, GError **err);

    /* All bytes of the layer of step @index are written: gives it the reference to the layer below that the step names
     * (relative, with its format), syncs it, and notes it as WRITTEN. @writer is the one of openLayer and is not used
     * after. A layer made by a conversion has its reference already. Returns 0, or -1 with @err set. */
    int (*finishLayer)(ReplTarget *target, guint index, ReplWriter *writer, GError **err);

    /* Looks at a finished layer before it is put in place: its size, its header, the reference below. Returns 0, or -1
     * with @err set (VIR_ERR_OPERATION_FAILED). */
    int (*verify)(ReplTarget *target, guint index, GError **err);

    /* Puts all layers in place, bases first, the image last: the commit point (of a full machine that of all its disks, of
     * which none is available before). Before the first one: layers to
     * be reused are what present said they were (VIR_ERR_OPERATION_FAILED when one was deleted or changed), and none
     * of them is deleted until the image is in place. @records has the record of each step (NULL for a reuse), complete
     * but for the identity of the file itself. When 0 is returned the volumes are listed with their sizes, and are
     * available, the image last; -1 with @err set: the image is not in place. */
    int (*publish)(ReplTarget *target, ReplImage *const *records, GError **err);

    /* How far the job has come, judged by what its target holds. Returns a ReplTargetState, or -1 with @err
     * set when it cannot be told now (then nothing is done to the job). */
    int (*look)(ReplTarget *target, GError **err);

    /* Bytes of data that unfinished layers of the job have, for its progress after a restart. Optional: 0. */
    guint64 (*written)(ReplTarget *target);

    /* Gives back what @what says. Needs no begin: it goes by what the target has noted. Never touches a
     * replica that is COMMITTED. Succeeds when nothing is left of what it was to remove (or what is left is
     * no longer the job's); -1 with @err set when something could not be removed, or seen: call it again. */
    int (*undo)(ReplTarget *target, ReplUndo what, GError **err);

    /* Makes calls that wait for a peer return soon with VIR_ERR_OPERATION_ABORTED, writers' included. By any thread, at any
     * time before free. Must not wait. Optional. */
    void (*cancel)(ReplTarget *target);

    /* As that of a source. Optional. */
    void (*watch)(ReplTarget *target, ReplTraffic *traffic);

    /* Lets go of locks and descriptors, but of no name. Must not wait for a peer. */
    void (*free)(ReplTarget *target);

    const char *
        without; /* words of ReplJobInfo, all that can be missing at a source among them; NULL: it can all be had */
} ReplTargetOps;

/* An implementation embeds this as its first member. */
struct _ReplTarget {
    const ReplTargetOps *ops;
    gint cancelled; /* atomic; set before cancel is called */
};

/* As the operations; what is optional and not there is answered as they say. */
int
replTargetGetFacts(ReplTarget *target, ReplTargetFacts *facts, GError **err);
gboolean
replTargetTaken(ReplTarget *target, const char *volume);
int
replTargetPresent(ReplTarget *target, ReplSource *source, const ReplPresentLook *look, ReplPresent *present,
                  gboolean *closely, GError **err);
gboolean
replTargetCanClone(ReplTarget *target, ReplSource *source);
int
replTargetAccept(ReplTarget *target, virStoragePoolPtr pool, const char *volume, const char *xml,
                 const ReplImage *image, GError **err);
int
replTargetBegin(ReplTarget *target, const ReplPlan *plan, const ReplSourceFacts *facts,
                const ReplPresent *present, GError **err);
int
replTargetOpenLayer(ReplTarget *target, guint index, ReplSource *source, ReplWriter **writer,
                    ReplLayerProgress *progress, GError **err);
gboolean
replTargetAgain(ReplTarget *target, const GError *why, GError **err);
int
replTargetNote(ReplTarget *target, guint64 offset_bytes, GError **err);
int
replTargetFinishLayer(ReplTarget *target, guint index, ReplWriter *writer, GError **err);
int
replTargetVerify(ReplTarget *target, guint index, GError **err);
int
replTargetPublish(ReplTarget *target, ReplImage *const *records, GError **err);
int
replTargetLook(ReplTarget *target, GError **err);
guint64
replTargetWritten(ReplTarget *target);
int
replTargetUndo(ReplTarget *target, ReplUndo what, GError **err);
void
replTargetWatch(ReplTarget *target, ReplTraffic *traffic);
void
replTargetCancel(ReplTarget *target);
void
replTargetFree(ReplTarget *target);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplTarget, replTargetFree)

/* Frees the volumes in @present, an array of @count. */
void
replPresentClear(ReplPresent *present, guint count);
