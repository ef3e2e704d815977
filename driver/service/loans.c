/*
 * loans.c: images of this host that jobs of other hosts read now, as its administrator sees them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "service/loans.h"

#include "base/lock.h"

typedef struct {
    char *poolUuid;
    ReplOverviewLoan *loan;
} ReplLoanEntry;

static ReplLock replLoansLock = REPL_LOCK_INIT; /* guards the list */
static GQueue replLoans = G_QUEUE_INIT;         /* of ReplLoanEntry, the oldest first */

/* With the lock held. NULL: there is none. */
static GList *
replLoansFind(const char *id)
{
    GList *at;

    for (at = replLoans.head; at; at = at->next) {
        if (g_str_equal(((ReplLoanEntry *)at->data)->loan->id, id))
            return at;
    }
    return NULL;
}

void
replLoansAdd(const char *poolUuid, const char *volume, const char *id, const char *host)
{
    ReplLoanEntry *entry = g_new(ReplLoanEntry, 1);

    *entry = (ReplLoanEntry){g_strdup(poolUuid), replOverviewLoanNew(volume, id, host)};
    entry->loan->since_s = g_get_real_time() / G_USEC_PER_SEC;
    REPL_GUARD(&replLoansLock);
    g_queue_push_tail(&replLoans, entry);
}

void
replLoansSetWaiting(const char *id, gboolean waiting)
{
    REPL_GUARD(&replLoansLock);
    const GList *at = replLoansFind(id);

    if (at)
        ((ReplLoanEntry *)at->data)->loan->waiting = waiting;
}

void
replLoansRemove(const char *id)
{
    REPL_GUARD(&replLoansLock);
    GList *at = replLoansFind(id);
    ReplLoanEntry *entry;

    if (!at)
        return;
    entry = at->data;
    g_queue_delete_link(&replLoans, at);
    g_free(entry->poolUuid);
    replOverviewLoanFree(entry->loan);
    g_free(entry);
}

GPtrArray *
replLoansList(const char *poolUuid)
{
    GPtrArray *loans = g_ptr_array_new_with_free_func((GDestroyNotify)replOverviewLoanFree);
    const GList *at;
    REPL_GUARD(&replLoansLock);

    for (at = replLoans.head; at; at = at->next) {
        const ReplLoanEntry *entry = at->data;

        if (g_str_equal(entry->poolUuid, poolUuid))
            g_ptr_array_add(loans, replOverviewLoanCopy(entry->loan));
    }
    return loans;
}
