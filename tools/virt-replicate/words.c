/*
 * words.c: words that a person gives, held against what they can be
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#include "nearest.h"

#define REPL_WORDS_ID_MIN 4
#define REPL_WORDS_LABEL_MAX 63

bool
replWordsOneOf(const char *of, const char *word, const char *const *words)
{
    g_autofree char *all = NULL;
    const char *near;

    if (g_strv_contains(words, word))
        return true;
    if ((near = replNearest(word, words))) {
        replClientError(_("'%s' does not go with '%s'. Did you mean '%s'?"), word, of, near);
    } else {
        all = g_strjoinv(", ", (char **)words);
        replClientError(_("'%s' does not go with '%s', which takes one of these: %s"), word, of, all);
    }
    return false;
}

bool
replWordsLabel(const char *word)
{
    size_t len = strlen(word);
    size_t good = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    if (g_ascii_isalnum(*word) && good == len && len <= REPL_WORDS_LABEL_MAX)
        return true;
    replClientError(
        _("'%s' cannot be the name of a region or a project: these have letters, digits, dots, dashes and "
          "underscores, at most %d in all, and no dot, dash or underscore in front"),
        word, REPL_WORDS_LABEL_MAX);
    return false;
}

bool
replWordsVolumeName(const char *word)
{
    if (*word && !strchr(word, '/'))
        return true;
    replClientError(_("'%s' cannot be the name of a volume"), word);
    return false;
}

bool
replWordsKey(ReplClient *client, const char *name)
{
    virtReplicationKey **keys = NULL;
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const char *near;
    bool known = g_uuid_string_is_valid(name);
    size_t i;

    if (known || !replClientSecrets(client) || virtReplicationKeyList(client->secrets, &keys) < 0)
        return true; /* the daemon will say */
    for (i = 0; keys[i]; i++) {
        known = known || strcmp(keys[i]->usage, name) == 0;
        g_ptr_array_add(words, keys[i]->usage);
    }
    g_ptr_array_add(words, NULL);
    near = known ? NULL : replNearest(name, (const char *const *)words->pdata);
    if (!known && near)
        replClientError(_("There is no key '%s'. Did you mean '%s'?"), name, near);
    else if (!known)
        replClientError(_("There is no key '%s': 'virt-replicate keys' lists them, and 'virt-replicate keys "
                          "create NAME' makes one"),
                        name);
    for (i = 0; keys[i]; i++)
        virtReplicationKeyFree(keys[i]);
    free(keys);
    return known;
}

/* "volume", "pool/volume" or "region:volume". */
static bool
replWordsIsReplica(const virtReplicationJob *job, const char *word)
{
    size_t pool = strlen(job->pool), region = strlen(job->region);

    return strcmp(word, job->volume) == 0 ||
           (strncmp(word, job->pool, pool) == 0 && word[pool] == '/' &&
            strcmp(word + pool + 1, job->volume) == 0) ||
           (strncmp(word, job->region, region) == 0 && word[region] == ':' &&
            strcmp(word + region + 1, job->volume) == 0);
}

static bool
replWordsIsJob(const virtReplicationJob *job, const char *word)
{
    return (strlen(word) >= REPL_WORDS_ID_MIN && g_ascii_strncasecmp(job->id, word, strlen(word)) == 0) ||
           replWordsIsReplica(job, word);
}

static virStorageVolPtr
replWordsVolume(ReplClient *client, const virtReplicationJob *job)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(client->conn, job->pool);
    virStorageVolPtr vol = pool ? virStorageVolLookupByName(pool, job->volume) : NULL;

    if (!vol)
        replClientFailWith(NULL, virGetLastError());
    return vol;
}

static void
replWordsSeveral(const GPtrArray *found, const char *word)
{
    g_autoptr(GString) list = g_string_new(NULL);
    guint i;

    for (i = 0; i < found->len; i++) {
        const virtReplicationJob *job = g_ptr_array_index(found, i);

        g_string_append_printf(list, "\n  %.8s (%s/%s)", job->id, job->pool, job->volume);
    }
    replClientError(_("'%s' means %u jobs; name one of them:%s"), word, found->len, list->str);
}

/* No job that goes on, nor an image. */
static void
replWordsNone(virtReplicationJob *const *jobs, const char *word)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    const char *near;

    for (; *jobs; jobs++) {
        g_ptr_array_add(words, g_strdup((*jobs)->volume));
        g_ptr_array_add(words, g_strdup_printf("%s/%s", (*jobs)->pool, (*jobs)->volume));
        g_ptr_array_add(words, g_strdup((*jobs)->id));
    }
    g_ptr_array_add(words, NULL);
    if ((near = replNearest(word, (const char *const *)words->pdata)))
        replClientError(_("There is no job '%s'. Did you mean '%s'?"), word, near);
    else
        replClientError(_("There is no job '%s', and no image: 'virt-replicate jobs --all' lists the jobs"),
                        word);
}

virStorageVolPtr
replWordsJob(ReplClient *client, const char *word)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    virtReplicationJob **jobs = NULL;
    virStorageVolPtr vol = NULL;
    size_t i;

    if (virtReplicationListJobs(client->conn, &jobs, 0) < 0) {
        replClientFail();
        return NULL;
    }
    for (i = 0; jobs[i]; i++) {
        if (replWordsIsJob(jobs[i], word))
            g_ptr_array_add(found, jobs[i]);
    }
    if (found->len == 1)
        vol = replWordsVolume(client, g_ptr_array_index(found, 0));
    else if (found->len > 1)
        replWordsSeveral(found, word);
    else if (!(vol = virtReplicationLookup(client->conn, word))) {
        if (virtReplicationGetLastError()->code == VIR_ERR_NO_STORAGE_VOL)
            replWordsNone(jobs, word);
        else
            replClientFail();
    }
    for (i = 0; jobs[i]; i++)
        virtReplicationJobFree(jobs[i]);
    free(jobs);
    return vol;
}
