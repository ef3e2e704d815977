/*
 * journal.c: what a job has noted, so that it can be taken up again
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/journal.h"

#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "region/home.h"
#include "virt/access.h"

ReplJournal *
replJournalNew(const unsigned char *targetUuid, ReplJobRecord *record)
{
    ReplJournal *journal = g_new0(ReplJournal, 1);

    replLockInit(&journal->saving);
    replLockInit(&journal->lock);
    memcpy(journal->targetUuid, targetUuid, sizeof(journal->targetUuid));
    journal->targetUuidstr = g_new0(char, VIR_UUID_STRING_BUFLEN);
    replUuidFormat(targetUuid, journal->targetUuidstr);
    journal->record = record;
    return journal;
}

void
replJournalFree(ReplJournal *journal)
{
    if (!journal)
        return;
    replJobRecordFree(journal->record);
    g_free(journal->targetUuidstr);
    replLockClear(&journal->lock);
    replLockClear(&journal->saving);
    g_free(journal);
}

ReplJobRecord *
replJournalCopy(ReplJournal *journal)
{
    ReplJobRecord *copy;

    replLockTake(&journal->lock);
    copy = replJobRecordCopy(journal->record);
    replLockDrop(&journal->lock);
    return copy;
}

int
replJournalSave(ReplJournal *journal, GError **err)
{
    g_autoptr(ReplStaging) home = replHomeOfUuid(journal->targetUuid, TRUE, err);
    g_autoptr(ReplJobRecord) copy = NULL;
    REPL_GUARD(&journal->saving);

    if (!home)
        return -1;
    replLockTake(&journal->lock);
    copy = replJobRecordCopy(journal->record);
    journal->unsaved_bytes = 0;
    journal->dirty = FALSE;
    replLockDrop(&journal->lock);
    if (replJobRecordSave(home, copy, err) == 0)
        return 0;
    replLockTake(&journal->lock);
    journal->dirty = TRUE;
    replLockDrop(&journal->lock);
    return -1;
}

ReplJobLayer *
replJournalFind(const ReplJournal *journal, const char *sourcePoolUuid, const char *sourceVolume)
{
    guint i;

    for (i = 0; i < journal->record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(journal->record->layers, i);

        if (g_str_equal(layer->sourceVolume, sourceVolume) &&
            g_strcmp0(layer->sourcePoolUuid, sourcePoolUuid) == 0)
            return layer;
    }
    return NULL;
}

ReplJobLayer *
replJournalImageLayer(const ReplJournal *journal)
{
    guint i;

    for (i = 0; i < journal->record->layers->len; i++) {
        ReplJobLayer *layer = g_ptr_array_index(journal->record->layers, i);

        if (g_str_equal(layer->volume, journal->record->volume))
            return layer;
    }
    return NULL;
}
