/*
 * names.c: the names of one volume's layers, without a look at the rest of its pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "probe/graph.h"

#include <fcntl.h>

#include "probe/backing.h"
#include "probe/chain.h"

/* The head of a volume if it is a regular file that can be read, and which file it is in @st. */
static ReplHead *
replVolumeHead(ReplGraphCache *cache, const ReplPoolDir *pool, const char *volume, struct stat *st)
{
    if (!replIsVolumeName(volume) ||
        fstatat(pool->dirFd, volume, st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 || !S_ISREG(st->st_mode))
        return NULL;
    return replGraphCacheHead(cache, pool, volume, st, NULL);
}

static gboolean
replWasSeen(GArray *seen, const struct stat *st)
{
    guint i;

    for (i = 0; i < seen->len; i++) {
        const struct stat *one = &g_array_index(seen, struct stat, i);

        if (one->st_dev == st->st_dev && one->st_ino == st->st_ino)
            return TRUE;
    }
    g_array_append_vals(seen, st, 1);
    return FALSE;
}

char **
replChainNames(ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *pool, const char *volume)
{
    g_autoptr(GArray) seen = g_array_new(FALSE, FALSE, sizeof(struct stat));
    GPtrArray *names = g_ptr_array_new();
    g_autofree char *layer = g_strdup(volume);

    while (seen->len < REPL_CHAIN_MAX) {
        g_autoptr(ReplHead) head = NULL;
        g_autofree char *next = NULL;
        struct stat st;

        if (!(head = replVolumeHead(cache, pool, layer, &st)) || replWasSeen(seen, &st))
            break;
        if (seen->len > 1)
            g_ptr_array_add(names, g_strdup(layer));
        if (!head->backing || !(pool = replBackingResolve(set, pool, layer, head->backing, &next, NULL)))
            break;
        g_free(layer);
        layer = g_steal_pointer(&next);
    }
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}
