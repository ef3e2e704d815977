/*
 * syncstate.c: what `sync` remembers of a policy between its runs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "syncstate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void
replSyncPairFree(gpointer data)
{
    ReplSyncPair *pair = data;

    g_free(pair->origin);
    g_free(pair->region);
    g_free(pair->name);
    g_free(pair->replica);
    g_free(pair->from);
    g_free(pair);
}

void
replSyncStateFree(ReplSyncState *state)
{
    g_free(state->path);
    g_free(state->policy);
    g_hash_table_destroy(state->pairs);
    g_hash_table_destroy(state->missing);
    g_hash_table_destroy(state->rates);
    g_free(state);
}

static ReplSyncState *
replSyncStateNew(const char *path)
{
    ReplSyncState *state = g_new0(ReplSyncState, 1);

    state->path = g_strdup(path);
    state->pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replSyncPairFree);
    state->missing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    state->rates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return state;
}

char *
replSyncStateFolder(void)
{
    const char *home = g_getenv("XDG_STATE_HOME");

    if (home && *home)
        return g_build_filename(home, "virt-replicate", NULL);
    if (geteuid() == 0)
        return g_strdup("/var/lib/virt-replicate");
    return g_build_filename(g_get_home_dir(), ".local", "state", "virt-replicate", NULL);
}

ReplSyncPair *
replSyncStatePair(ReplSyncState *state, const char *origin, const char *region, bool make)
{
    g_autofree char *key = g_strdup_printf("%s %s", origin, region);
    ReplSyncPair *pair = g_hash_table_lookup(state->pairs, key);

    if (pair || !make)
        return pair;
    pair = g_new0(ReplSyncPair, 1);
    pair->origin = g_strdup(origin);
    pair->region = g_strdup(region);
    g_hash_table_insert(state->pairs, g_steal_pointer(&key), pair);
    return pair;
}

static void
replSyncStateReadPair(ReplSyncState *state, GKeyFile *file, const char *group)
{
    g_auto(GStrv) words = g_strsplit(group, " ", 3);
    ReplSyncPair *pair;

    if (g_strv_length(words) != 3)
        return;
    pair = replSyncStatePair(state, words[1], words[2], true);
    pair->name = g_key_file_get_string(file, group, "name", NULL);
    pair->replica = g_key_file_get_string(file, group, "replica", NULL);
    pair->from = g_key_file_get_string(file, group, "from", NULL);
    pair->wanted = g_key_file_get_int64(file, group, "wanted", NULL);
    pair->done = g_key_file_get_int64(file, group, "done", NULL);
    pair->paused = g_key_file_get_boolean(file, group, "paused", NULL);
}

static void
replSyncStateReadNumbers(ReplSyncState *state, GKeyFile *file)
{
    g_auto(GStrv) missing = g_key_file_get_keys(file, "missing", NULL, NULL);
    g_auto(GStrv) rates = g_key_file_get_keys(file, "rates", NULL, NULL);
    guint i;

    for (i = 0; missing && missing[i]; i++) {
        gint64 when = g_key_file_get_int64(file, "missing", missing[i], NULL);

        g_hash_table_insert(state->missing, g_strdup(missing[i]), g_memdup2(&when, sizeof(when)));
    }
    for (i = 0; rates && rates[i]; i++) {
        double rate = g_key_file_get_double(file, "rates", rates[i], NULL);

        if (rate > 0)
            g_hash_table_insert(state->rates, g_strdup(rates[i]), g_memdup2(&rate, sizeof(rate)));
    }
    state->policy = g_key_file_get_string(file, "run", "policy", NULL);
    state->lastRun = g_key_file_get_int64(file, "run", "last", NULL);
    state->lastSuccess = g_key_file_get_int64(file, "run", "success", NULL);
    state->lastStatus = (guint)g_key_file_get_integer(file, "run", "status", NULL);
}

ReplSyncState *
replSyncStateRead(const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    ReplSyncState *state;
    GError *why = NULL;
    g_auto(GStrv) groups = NULL;
    guint i;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &why)) {
        bool fresh = g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT);

        if (!fresh) {
            g_propagate_error(error, why);
            return NULL;
        }
        g_error_free(why);
    }
    state = replSyncStateNew(path);
    groups = g_key_file_get_groups(file, NULL);
    for (i = 0; groups[i]; i++) {
        if (g_str_has_prefix(groups[i], "pair "))
            replSyncStateReadPair(state, file, groups[i]);
    }
    replSyncStateReadNumbers(state, file);
    return state;
}

ReplSyncState *
replSyncStateLoad(const char *policyPath, GError **error)
{
    g_autofree char *full = realpath(policyPath, NULL);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, full ? full : policyPath, -1);
    g_autofree char *folder = replSyncStateFolder();
    g_autofree char *name = g_strdup_printf("%.16s.state", digest);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    ReplSyncState *state = replSyncStateRead(path, error);

    if (state) {
        g_free(state->policy);
        state->policy = g_strdup(full ? full : policyPath);
    }
    return state;
}

static void
replSyncStateWritePairs(const ReplSyncState *state, GKeyFile *file)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, state->pairs);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const ReplSyncPair *pair = value;
        g_autofree char *group = g_strdup_printf("pair %s", (char *)key);

        g_key_file_set_string(file, group, "name", pair->name ? pair->name : "");
        if (pair->replica)
            g_key_file_set_string(file, group, "replica", pair->replica);
        if (pair->from)
            g_key_file_set_string(file, group, "from", pair->from);
        g_key_file_set_int64(file, group, "wanted", pair->wanted);
        g_key_file_set_int64(file, group, "done", pair->done);
        if (pair->paused)
            g_key_file_set_boolean(file, group, "paused", TRUE);
    }
}

static char *
replSyncStateText(const ReplSyncState *state, gsize *size)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    GHashTableIter iter;
    gpointer key, value;

    g_key_file_set_string(file, "run", "policy", state->policy ? state->policy : "");
    g_key_file_set_int64(file, "run", "last", state->lastRun);
    g_key_file_set_int64(file, "run", "success", state->lastSuccess);
    g_key_file_set_integer(file, "run", "status", (int)state->lastStatus);
    g_hash_table_iter_init(&iter, state->missing);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_key_file_set_int64(file, "missing", key, *(gint64 *)value);
    g_hash_table_iter_init(&iter, state->rates);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_key_file_set_double(file, "rates", key, *(double *)value);
    replSyncStateWritePairs(state, file);
    return g_key_file_to_data(file, size, NULL);
}

/* What another run has learnt since this one read the file: the earlier of two times counts. */
static void
replSyncStateMerge(ReplSyncState *state, const ReplSyncState *other)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, other->pairs);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const ReplSyncPair *theirs = value;
        ReplSyncPair *ours = g_hash_table_lookup(state->pairs, key);

        if (ours && theirs->done > 0 && ours->done == 0) {
            ours->done = theirs->done;
            g_free(ours->replica);
            ours->replica = g_strdup(theirs->replica);
        }
    }
}

static void
replSyncStateFail(GError **error, const char *path)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s", path, g_strerror(errno));
}

bool
replSyncStateSave(ReplSyncState *state, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(state->path);
    g_autofree char *lockPath = g_strconcat(state->path, ".lock", NULL);
    g_autoptr(ReplSyncState) other = NULL;
    g_autofree char *text = NULL;
    gsize size;
    bool ok = false;
    int lock;

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        replSyncStateFail(error, folder);
        return false;
    }
    lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0) {
        replSyncStateFail(error, lockPath);
        if (lock >= 0)
            close(lock);
        return false;
    }
    if ((other = replSyncStateRead(state->path, NULL)))
        replSyncStateMerge(state, other);
    text = replSyncStateText(state, &size);
    ok = g_file_set_contents_full(state->path, text, (gssize)size,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600, error);
    close(lock);
    return ok;
}
