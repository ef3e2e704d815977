/*
 * takeback.c: refused requests whose undo failed: taken back later, and nothing else is done with them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "stack/takeback.h"

#include "replicate/undo.h"
#include "service/overdue.h"
#include "virt/report.h"

void
replTakeBackNote(ReplReplication *replication)
{
    ReplJournal *journal = replication->journal;
    g_autoptr(GError) err = NULL;

    replLockTake(&journal->lock);
    journal->record->refused = TRUE;
    replLockDrop(&journal->lock);
    replOverdueAdd(journal->targetUuidstr, replJournalCopy(journal));
    if (replJournalSave(journal, &err) < 0)
        replDebug("That request %s was refused is not on disk: %s", replication->id, err->message);
}

void
replTakeBackKnow(const ReplRegion *region, const GPtrArray *records)
{
    guint i;

    for (i = 0; i < records->len; i++) {
        const ReplJobRecord *record = g_ptr_array_index(records, i);

        if (record->refused && !replOverdueHas(record->id))
            replOverdueAdd(region->uuidstr, replJobRecordCopy(record));
    }
}

int
replTakeBack(const ReplRegion *region, ReplStaging *home, ReplJobRecord *record)
{
    ReplReplication *replication =
        replReplicationNew(region->uuid, record, replImageNew(record->imageId), FALSE);
    g_autoptr(GError) err = NULL;
    int ret = 0;

    if (replUndoRefused(replication, &err) < 0 || replJobRecordDrop(home, replication->id, &err) < 0) {
        replDebug("What is left of refused request %s waits: %s", replication->id, err->message);
        ret = -1;
    } else {
        replOverdueForget(replication->id);
    }
    replReplicationFree(replication);
    return ret;
}
