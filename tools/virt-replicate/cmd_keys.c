/*
 * cmd_keys.c: virt-replicate keys
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "jsonout.h"
#include "table.h"
#include "words.h"

#define REPL_KEYS_MAX 4096

static char *replKeysFile;
static char *replKeysDescription;

static void
replKeysFree(virtReplicationKey **keys)
{
    size_t i;

    for (i = 0; keys && keys[i]; i++)
        virtReplicationKeyFree(keys[i]);
    free(keys);
}

static void
replKeysJson(JsonBuilder *json, const virtReplicationKey *key)
{
    json_builder_begin_object(json);
    replJsonString(json, "usage", key->usage);
    replJsonString(json, "uuid", key->uuid);
    replJsonString(json, "description", key->description);
    replJsonBool(json, "private", key->isPrivate);
    replJsonBool(json, "ephemeral", key->isEphemeral);
    json_builder_end_object(json);
}

static int
replKeysList(ReplClient *client)
{
    const char *const titles[] = {_("Key"), _("Id"), _("Private"), _("Description"), NULL};
    g_autoptr(ReplTable) table = replTableNew(&client->out, titles);
    g_autoptr(JsonBuilder) json = json_builder_new();
    virConnectPtr secrets = replClientSecrets(client);
    virtReplicationKey **keys = NULL;
    size_t i;

    if (!secrets)
        return REPL_EXIT_FAILED;
    if (virtReplicationKeyList(secrets, &keys) < 0)
        return replClientFail();
    json_builder_begin_array(json);
    for (i = 0; keys[i]; i++) {
        replKeysJson(json, keys[i]);
        replTableAddColored(table, keys[i]->usage, REPL_COLOR_BOLD);
        replTableTake(table, g_strdup_printf("%.8s", keys[i]->uuid));
        replTableAdd(table, keys[i]->isPrivate ? _("yes") : _("no"));
        replTableAdd(table, keys[i]->description);
    }
    json_builder_end_array(json);
    if (client->json)
        replJsonPrint(json);
    else
        replTablePrint(table, _("No key: 'virt-replicate keys create NAME' makes one."));
    replKeysFree(keys);
    return REPL_EXIT_DONE;
}

/* The passphrase of a file ("-": standard input), without the newline at its end. Returns its size,
 * -1 on error. */
static ssize_t
replKeysRead(unsigned char *value, size_t max)
{
    int fd = strcmp(replKeysFile, "-") == 0 ? dup(STDIN_FILENO) : open(replKeysFile, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = 1;

    if (fd < 0)
        return -1;
    while (size < max && got > 0) {
        got = read(fd, value + size, max - size);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            size += (size_t)got;
    }
    close(fd);
    if (got < 0)
        return -1;
    if (size > 0 && value[size - 1] == '\n')
        size--;
    return (ssize_t)size;
}

static int
replKeysCreate(ReplClient *client, const char *usage)
{
    g_autoptr(virtReplicationKey) key = NULL;
    virConnectPtr secrets = replClientSecrets(client);
    unsigned char value[REPL_KEYS_MAX];
    ssize_t size = 0;

    if (!secrets)
        return REPL_EXIT_FAILED;
    if (!*usage)
        return replClientError(_("A key needs a name, such as ims/web"));
    if (replKeysFile) {
        if ((size = replKeysRead(value, sizeof(value))) < 0)
            return replClientError(_("The passphrase cannot be read from '%s': %s"), replKeysFile,
                                   g_strerror(errno));
        if (size == 0 || size == (ssize_t)sizeof(value)) {
            explicit_bzero(value, sizeof(value));
            return replClientError(_("The passphrase in '%s' is empty or too long"), replKeysFile);
        }
    }
    key = virtReplicationKeyCreate(secrets, usage, replKeysDescription, replKeysFile ? value : NULL,
                                   (size_t)size, 0);
    explicit_bzero(value, sizeof(value));
    if (!key)
        return replClientFail();
    replClientSay(client, _("Key '%s' is made (%s)."), key->usage, key->uuid);
    if (!replKeysFile)
        replClientSay(client, _("It is random and only in this host's daemon: images that it "
                                "encrypts are lost with it. Other "
                                "hosts need the same key."));
    return REPL_EXIT_DONE;
}

static int
replKeysBind(ReplClient *client, const char *word, const char *key)
{
    g_autoptr(virStorageVol) vol = virtReplicationLookup(client->conn, word);

    if (!vol)
        return replClientFail();
    if (!replWordsKey(client, key))
        return REPL_EXIT_FAILED;
    if (virtReplicationKeyBind(vol, key) < 0)
        return replClientFail();
    replClientSay(client, _("Key '%s' opens image '%s' from now on."), key, virStorageVolGetName(vol));
    return REPL_EXIT_DONE;
}

static int
replKeysRun(ReplClient *client, int argc, char **argv)
{
    if (argc == 0 || (argc == 1 && strcmp(argv[0], "list") == 0))
        return replKeysList(client);
    if (argc == 2 && strcmp(argv[0], "create") == 0)
        return replKeysCreate(client, argv[1]);
    if (argc == 3 && strcmp(argv[0], "bind") == 0)
        return replKeysBind(client, argv[1], argv[2]);
    if (argc > 0 && !replWordsOneOf("keys", argv[0], (const char *const[]){"list", "create", "bind", NULL}))
        return REPL_EXIT_FAILED;
    return replClientError(_("Usage: virt-replicate keys [list | create NAME | bind IMAGE NAME]"));
}

static const GOptionEntry replKeysEntries[] = {
    {"file", 'f', 0, G_OPTION_ARG_FILENAME, &replKeysFile,
     N_("create: take the passphrase from this file, - is standard input; without it a random key "
        "is made"),
     N_("FILE")},
    {"description", 0, 0, G_OPTION_ARG_STRING, &replKeysDescription, N_("create: description of the key"),
     N_("TEXT")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdKeys = {
    .name = "keys",
    .args = "[list | create NAME | bind IMAGE NAME]",
    .summary = N_("list and make keys; say anew which one opens an image"),
    .examples = (const char *const[]){"virt-replicate keys", "virt-replicate keys create ims/web",
                                      "virt-replicate keys create ims/web --file passphrase.txt",
                                      "virt-replicate keys bind cn-east-2:web ims/web", NULL},
    .entries = replKeysEntries,
    .max = 3,
    .stock = true,
    .run = replKeysRun,
};
