/*
 * test_image_state.c: every row of the table of image/state.h
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/state.h"

#define AVAILABLE REPL_IMAGE_AVAILABLE
#define PENDING REPL_IMAGE_PENDING
#define ERROR REPL_IMAGE_ERROR

/* As the header has it; -1: any. */
static const struct {
    int disk, use, says;
    ReplState state;
} rows[] = {
    {REPL_DISK_NONE, -1, -1, {.there = FALSE, .next = REPL_NEXT_DROP_RECORD}},
    {-1,
     REPL_USE_WRITING,
     -1,
     {TRUE, PENDING, REPL_BECAUSE_WRITING, FALSE, FALSE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {-1,
     REPL_USE_MAKING,
     -1,
     {TRUE, PENDING, REPL_BECAUSE_JOB, FALSE, FALSE, REPL_DELETE_CANCELS, REPL_NEXT_JOB}},
    {-1,
     REPL_USE_FAILED,
     -1,
     {TRUE, ERROR, REPL_BECAUSE_JOB, FALSE, FALSE, REPL_DELETE_CANCELS, REPL_NEXT_JOB}},
    {REPL_DISK_EMPTY,
     REPL_USE_ELSEWHERE,
     -1,
     {TRUE, PENDING, REPL_BECAUSE_ELSEWHERE, FALSE, FALSE, REPL_DELETE_NO, REPL_NEXT_ASK_AGAIN}},
    {REPL_DISK_EMPTY,
     REPL_USE_NOTHING,
     REPL_SAYS_NOTHING,
     {TRUE, PENDING, REPL_BECAUSE_EMPTY, FALSE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_EMPTY,
     REPL_USE_NOTHING,
     REPL_SAYS_AVAILABLE,
     {TRUE, PENDING, REPL_BECAUSE_EMPTY, FALSE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_EMPTY,
     REPL_USE_NOTHING,
     REPL_SAYS_PENDING,
     {TRUE, ERROR, REPL_BECAUSE_LOST, FALSE, FALSE, REPL_DELETE_YES, REPL_NEXT_ASK_AGAIN}},
    {REPL_DISK_EMPTY,
     REPL_USE_NOTHING,
     REPL_SAYS_DAMAGED,
     {TRUE, ERROR, REPL_BECAUSE_DAMAGED, FALSE, FALSE, REPL_DELETE_YES, REPL_NEXT_ASK_AGAIN}},
    {REPL_DISK_EMPTY,
     REPL_USE_NOTHING,
     REPL_SAYS_UNREADABLE,
     {TRUE, ERROR, REPL_BECAUSE_UNREADABLE, FALSE, FALSE, REPL_DELETE_YES, REPL_NEXT_ASK_AGAIN}},
    {REPL_DISK_EMPTY,
     REPL_USE_NOTHING,
     REPL_SAYS_UNFINISHED,
     {TRUE, PENDING, REPL_BECAUSE_EMPTY, FALSE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_CONTENT,
     -1,
     REPL_SAYS_UNFINISHED,
     {TRUE, ERROR, REPL_BECAUSE_UNFINISHED, FALSE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_CONTENT,
     -1,
     REPL_SAYS_NOTHING,
     {TRUE, AVAILABLE, REPL_BECAUSE_NONE, TRUE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_CONTENT,
     -1,
     REPL_SAYS_PENDING,
     {TRUE, AVAILABLE, REPL_BECAUSE_NONE, TRUE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_CONTENT,
     -1,
     REPL_SAYS_AVAILABLE,
     {TRUE, AVAILABLE, REPL_BECAUSE_NONE, TRUE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_CONTENT,
     -1,
     REPL_SAYS_DAMAGED,
     {TRUE, ERROR, REPL_BECAUSE_DAMAGED, FALSE, TRUE, REPL_DELETE_YES, REPL_NEXT_NOTHING}},
    {REPL_DISK_CONTENT,
     -1,
     REPL_SAYS_UNREADABLE,
     {TRUE, ERROR, REPL_BECAUSE_UNREADABLE, FALSE, FALSE, REPL_DELETE_YES, REPL_NEXT_ASK_AGAIN}},
};

/* The first row that fits. */
static const ReplState *
rowOf(int disk, int use, int says)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        if ((rows[i].disk < 0 || rows[i].disk == disk) && (rows[i].use < 0 || rows[i].use == use) &&
            (rows[i].says < 0 || rows[i].says == says))
            return &rows[i].state;
    }
    g_error("no row for %d, %d, %d", disk, use, says);
    return NULL;
}

static void
testTable(void)
{
    int disk, use, says;

    for (disk = 0; disk < REPL_DISK_LAST; disk++)
        for (use = 0; use < REPL_USE_LAST; use++)
            for (says = 0; says < REPL_SAYS_LAST; says++) {
                const ReplState *row = rowOf(disk, use, says);
                ReplState state = replStateOf(disk, use, says);

                g_test_message("%d %d %d", disk, use, says);
                g_assert_cmpint(state.there, ==, row->there);
                g_assert_cmpint(state.status, ==, row->status);
                g_assert_cmpint(state.because, ==, row->because);
                g_assert_cmpint(state.isSource, ==, row->isSource);
                g_assert_cmpint(state.mayChange, ==, row->mayChange);
                g_assert_cmpint(state.deleting, ==, row->deleting);
                g_assert_cmpint(state.next, ==, row->next);
            }
}

/* What must hold of every row, however the table is changed. */
static void
testRules(void)
{
    int disk, use, says;

    for (disk = 0; disk < REPL_DISK_LAST; disk++)
        for (use = 0; use < REPL_USE_LAST; use++)
            for (says = 0; says < REPL_SAYS_LAST; says++) {
                ReplState state = replStateOf(disk, use, says);
                g_autofree char *reason = replStateReason(state.because, "web.qcow2");
                gboolean available = state.there && state.status == REPL_IMAGE_AVAILABLE;

                /* An image is available exactly when it can be a source. */
                g_assert_cmpint(available, ==, state.isSource);
                /* Nothing that is empty, in use or in doubt is. */
                if (disk != REPL_DISK_CONTENT || says == REPL_SAYS_UNREADABLE || says == REPL_SAYS_DAMAGED ||
                    use == REPL_USE_WRITING || use == REPL_USE_MAKING || use == REPL_USE_FAILED)
                    g_assert_false(available);
                /* What is not says why, by itself or by its job. */
                if (state.there && !available && state.because != REPL_BECAUSE_JOB)
                    g_assert_nonnull(strstr(reason, "web.qcow2"));
                else
                    g_assert_null(reason);
                /* Whatever this daemon knows all of can be deleted. */
                if (state.there && use != REPL_USE_ELSEWHERE)
                    g_assert_cmpint(state.deleting, !=, REPL_DELETE_NO);
            }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/state/table", testTable);
    g_test_add_func("/image/state/rules", testRules);
    return g_test_run();
}
