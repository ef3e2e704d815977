/*
 * cmd_complete.c: virt-replicate _complete, which the shells ask for words
 *
 * Not for people: it has no line in --help. Words are printed one a line, those only that begin with the prefix.
 * Nothing is said on errors: a shell that completes has nowhere to show them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

typedef struct {
    const char *prefix;
    GHashTable *words; /* each once */
} ReplComplete;

static void
replCompleteAdd(const ReplComplete *complete, const char *word)
{
    if (word && g_str_has_prefix(word, complete->prefix) && !strpbrk(word, "\n\r"))
        g_hash_table_add(complete->words, g_strdup(word));
}

static void
replCompleteAddPair(const ReplComplete *complete, const char *place, const char *mark, const char *name)
{
    g_autofree char *word = NULL;

    if (!g_str_has_prefix(complete->prefix,
                          place)) /* most images are elsewhere, and make no text for nothing */
        return;
    word = g_strconcat(place, mark, name, NULL);
    replCompleteAdd(complete, word);
}

static void
replCompleteRegions(ReplClient *client, const ReplComplete *complete)
{
    virtReplicationRegion **regions = NULL;
    size_t i;

    if (virtReplicationListRegions(client->conn, &regions, 0) < 0)
        return;
    for (i = 0; regions[i]; i++) {
        replCompleteAdd(complete, regions[i]->name);
        virtReplicationRegionFree(regions[i]);
    }
    free(regions);
}

/* Names; with "pool/" or "region:" begun, names of that kind; ids once four characters are typed. */
static void
replCompleteImage(const ReplComplete *complete, const virtReplicationImage *image)
{
    if (!image->isLayer)
        replCompleteAdd(complete, image->name);
    if (strchr(complete->prefix, '/'))
        replCompleteAddPair(complete, image->pool, "/", image->volume);
    if (strchr(complete->prefix, ':') && !image->isLayer)
        replCompleteAddPair(complete, image->region, ":", image->name);
    if (strlen(complete->prefix) >= 4)
        replCompleteAdd(complete, image->id);
}

static void
replCompleteImages(ReplClient *client, const ReplComplete *complete)
{
    virtReplicationImage **images = NULL;
    size_t i;

    if (virtReplicationListImages(client->conn, &images, 0) < 0)
        return;
    for (i = 0; images[i]; i++) {
        replCompleteImage(complete, images[i]);
        virtReplicationImageFree(images[i]);
    }
    free(images);
}

static void
replCompleteJobs(ReplClient *client, const ReplComplete *complete)
{
    virtReplicationJob **jobs = NULL;
    size_t i;

    if (virtReplicationListJobs(client->conn, &jobs, 0) < 0)
        return;
    for (i = 0; jobs[i]; i++) {
        replCompleteAdd(complete, jobs[i]->id);
        virtReplicationJobFree(jobs[i]);
    }
    free(jobs);
}

static void
replCompletePools(ReplClient *client, const ReplComplete *complete)
{
    virStoragePoolPtr *pools = NULL;
    int count = virConnectListAllStoragePools(client->conn, &pools, 0);
    int i;

    for (i = 0; i < count; i++) {
        replCompleteAdd(complete, virStoragePoolGetName(pools[i]));
        virStoragePoolFree(pools[i]);
    }
    free(pools);
}

static void
replCompleteKeys(ReplClient *client, const ReplComplete *complete)
{
    virtReplicationKey **keys = NULL;
    size_t i;

    if (virConnectNumOfSecrets(client->conn) < 0 && !replClientSecrets(client))
        return;
    if (virtReplicationKeyList(client->secrets ? client->secrets : client->conn, &keys) < 0)
        return;
    for (i = 0; keys[i]; i++) {
        replCompleteAdd(complete, keys[i]->usage);
        virtReplicationKeyFree(keys[i]);
    }
    free(keys);
}

static void
replCompleteOptions(const ReplComplete *complete, const GOptionEntry *entries)
{
    for (; entries && entries->long_name; entries++) {
        g_autofree char *option = g_strconcat("--", entries->long_name, NULL);

        replCompleteAdd(complete, option);
    }
}

/* Commands without an argument, the options of one with its name. */
static int
replCompleteWords(const ReplComplete *complete, const char *kind, const char *command)
{
    const ReplCommand *const *known;

    for (known = replCommands; *known; known++) {
        if (strcmp(kind, "commands") == 0 && (*known)->summary)
            replCompleteAdd(complete, (*known)->name);
        else if (strcmp(kind, "options") == 0 && g_strcmp0((*known)->name, command) == 0)
            replCompleteOptions(complete, (*known)->entries);
    }
    return REPL_EXIT_DONE;
}

/* Connects by itself: most words need no daemon. */
static void
replCompleteLive(ReplClient *client, const char *kind, const ReplComplete *complete)
{
    static const struct {
        const char *kind;
        void (*find)(ReplClient *client, const ReplComplete *complete);
    } kinds[] = {
        {"regions", replCompleteRegions}, {"images", replCompleteImages}, {"jobs", replCompleteJobs},
        {"pools", replCompletePools},     {"keys", replCompleteKeys},
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kind, kinds[i].kind) != 0)
            continue;
        if (!client->conn)
            client->conn =
                virConnectOpenReadOnly(client->uri ? client->uri : g_getenv("VIRSH_DEFAULT_CONNECT_URI"));
        if (client->conn)
            kinds[i].find(client, complete);
    }
}

static int
replCompleteRun(ReplClient *client, int argc, char **argv)
{
    g_autoptr(GHashTable) words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ReplComplete complete = {argc > 1 ? argv[1] : "", words};
    GHashTableIter iter;
    gpointer word;

    if (argc < 1)
        return REPL_EXIT_FAILED;
    replCompleteWords(&complete, argv[0], argc > 2 ? argv[2] : NULL);
    replCompleteLive(client, argv[0], &complete);
    g_hash_table_iter_init(&iter, words);
    while (g_hash_table_iter_next(&iter, &word, NULL))
        printf("%s\n", (char *)word);
    return REPL_EXIT_DONE;
}

const ReplCommand replCmdComplete = {
    .name = "_complete",
    .args = "KIND [PREFIX [COMMAND]]",
    .examples = (const char *const[]){"virt-replicate _complete images we", NULL},
    .min = 1,
    .max = 3,
    .offline = true,
    .raw = true,
    .run = replCompleteRun,
};
