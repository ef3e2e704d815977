/*
 * journal.h: what a job has noted, so that it can be taken up again
 *
 * In:    the record of a job (store/jobrecord.h), new or loaded.
 * Out:   the record on stable storage, in the job's home (region/home.h).
 * Owner: the replication; a target of this host's pools borrows it for its side of the job, the record's layers.
 * Lock:  lock guards record->layers, record->info and record->holdsPlaceholder, accepted, dirty and unsaved_bytes: for every
 *        use, since clients look while the job works. The rest of the record is fixed after creation. saving guards the
 *        record on stable storage: it is held from the copy until that is written, so that of two saves at once, of the
 *        job and of a client that pauses it, the newer one is written last. It comes before lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "region/region.h"
#include "store/jobrecord.h"

typedef struct {
    unsigned char targetUuid[VIR_UUID_BUFLEN]; /* fixed */
    char *targetUuidstr;                       /* fixed */

    ReplLock saving;
    ReplLock lock;
    ReplJobRecord *record;
    gboolean accepted;     /* the replica's name is this job's */
    gboolean dirty;        /* layers have changed since they were saved */
    guint64 unsaved_bytes; /* written since the record was saved */
} ReplJournal;

/* Takes @record over. */
ReplJournal *
replJournalNew(const unsigned char *targetUuid, ReplJobRecord *record);

void
replJournalFree(ReplJournal *journal);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplJournal, replJournalFree)

/* A copy of the record as it is now. */
ReplJobRecord *
replJournalCopy(ReplJournal *journal);

/* Writes the record as it is now. Returns 0, or -1 with @err set. */
int
replJournalSave(ReplJournal *journal, GError **err);

/* The layer of the record that is the image itself, or NULL. Called with the lock held. */
ReplJobLayer *
replJournalImageLayer(const ReplJournal *journal);

/* The layer of the record that is made from @sourceVolume of the pool @sourcePoolUuid, or NULL. Called with the lock
 * held; good until it is let go. */
ReplJobLayer *
replJournalFind(const ReplJournal *journal, const char *sourcePoolUuid, const char *sourceVolume);
