/*
 * state.c: the state of an image
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/state.h"

#include "base/i18n.h"

static ReplState
replStateUsed(ReplUse use)
{
    ReplState state = {.there = TRUE, .status = REPL_IMAGE_PENDING, .next = REPL_NEXT_JOB};

    switch (use) {
    case REPL_USE_WRITING:
        state.because = REPL_BECAUSE_WRITING;
        state.deleting = REPL_DELETE_YES;
        state.next = REPL_NEXT_NOTHING;
        break;
    case REPL_USE_FAILED:
        state.status = REPL_IMAGE_ERROR;
        state.because = REPL_BECAUSE_JOB;
        state.deleting = REPL_DELETE_CANCELS;
        break;
    case REPL_USE_MAKING:
    case REPL_USE_ELSEWHERE:
    case REPL_USE_NOTHING:
    case REPL_USE_LAST:
        state.because = REPL_BECAUSE_JOB;
        state.deleting = REPL_DELETE_CANCELS;
        break;
    }
    return state;
}

/* Not known to be whole: shown with the reason, and looked at again. */
static ReplState
replStateDoubt(ReplBecause because)
{
    return (ReplState){.there = TRUE,
                       .status = REPL_IMAGE_ERROR,
                       .because = because,
                       .deleting = REPL_DELETE_YES,
                       .next = REPL_NEXT_ASK_AGAIN};
}

static ReplState
replStateEmpty(ReplUse use, ReplSays says)
{
    if (use == REPL_USE_ELSEWHERE)
        return (ReplState){.there = TRUE,
                           .status = REPL_IMAGE_PENDING,
                           .because = REPL_BECAUSE_ELSEWHERE,
                           .next = REPL_NEXT_ASK_AGAIN};
    if (says == REPL_SAYS_PENDING)
        return replStateDoubt(REPL_BECAUSE_LOST);
    if (says == REPL_SAYS_DAMAGED)
        return replStateDoubt(REPL_BECAUSE_DAMAGED);
    if (says == REPL_SAYS_UNREADABLE)
        return replStateDoubt(REPL_BECAUSE_UNREADABLE);
    return (ReplState){.there = TRUE,
                       .status = REPL_IMAGE_PENDING,
                       .because = REPL_BECAUSE_EMPTY,
                       .mayChange = TRUE,
                       .deleting = REPL_DELETE_YES};
}

static ReplState
replStateContent(ReplSays says)
{
    ReplState state = {.there = TRUE, .deleting = REPL_DELETE_YES};

    if (says == REPL_SAYS_UNREADABLE)
        return replStateDoubt(REPL_BECAUSE_UNREADABLE);
    state.mayChange = TRUE;
    if (says == REPL_SAYS_DAMAGED || says == REPL_SAYS_UNFINISHED) {
        state.status = REPL_IMAGE_ERROR;
        state.because = says == REPL_SAYS_DAMAGED ? REPL_BECAUSE_DAMAGED : REPL_BECAUSE_UNFINISHED;
    } else {
        state.status = REPL_IMAGE_AVAILABLE;
        state.isSource = TRUE;
    }
    return state;
}

ReplState
replStateOf(ReplDisk disk, ReplUse use, ReplSays says)
{
    if (disk == REPL_DISK_NONE)
        return (ReplState){.next = REPL_NEXT_DROP_RECORD};
    if (use == REPL_USE_WRITING || use == REPL_USE_MAKING || use == REPL_USE_FAILED)
        return replStateUsed(use);
    return disk == REPL_DISK_EMPTY ? replStateEmpty(use, says) : replStateContent(says);
}

char *
replStateReason(ReplBecause because, const char *volume)
{
    switch (because) {
    case REPL_BECAUSE_WRITING:
        return g_strdup_printf(_("Volume '%s' is being written to"), volume);
    case REPL_BECAUSE_ELSEWHERE:
        return g_strdup_printf(_("Volume '%s' is made by a replication job that this host has not taken up"),
                               volume);
    case REPL_BECAUSE_EMPTY:
        return g_strdup_printf(_("Volume '%s' is empty: nothing has been written to it yet"), volume);
    case REPL_BECAUSE_LOST:
        return g_strdup_printf(
            _("Volume '%s' was to be made by a replication job that is not known any more; delete it"),
            volume);
    case REPL_BECAUSE_DAMAGED:
        return g_strdup_printf(_("Volume '%s' is damaged, says its record"), volume);
    case REPL_BECAUSE_UNREADABLE:
        return g_strdup_printf(
            _("The record of volume '%s' cannot be read: whether it is whole is not known"), volume);
    case REPL_BECAUSE_UNFINISHED:
        return g_strdup_printf(
            _("What wrote to volume '%s' has not ended well: upload all of it again, or delete it"), volume);
    case REPL_BECAUSE_NONE:
    case REPL_BECAUSE_JOB:
        break;
    }
    return NULL;
}
