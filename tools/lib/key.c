/*
 * key.c: keys, which are libvirt secrets of usage type volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "node.h"
#include "region.h"
#include "write.h"

#define REPL_KEY_BYTES 32

void
virtReplicationKeyFree(virtReplicationKey *key)
{
    if (!key)
        return;
    g_free(key->usage);
    g_free(key->uuid);
    g_free(key->description);
    g_free(key);
}

/* NULL without an error: the secret is of another kind. */
static virtReplicationKey *
replKeyRead(virSecretPtr secret)
{
    g_autofree char *xml = NULL;
    g_autofree char *ephemeral = NULL;
    g_autofree char *private = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNodePtr root;
    virtReplicationKey *key;

    if (virSecretGetUsageType(secret) != VIR_SECRET_USAGE_TYPE_VOLUME)
        return NULL;
    if (!(xml = virSecretGetXMLDesc(secret, 0))) {
        replErrorFromLibvirt();
        return NULL;
    }
    if (!(doc = replNodeParse(xml)) || !(root = replNodeRoot(doc, "secret")))
        return NULL;
    ephemeral = replNodeAttr(root, "ephemeral");
    private = replNodeAttr(root, "private");
    key = g_new0(virtReplicationKey, 1);
    key->usage = g_strdup(virSecretGetUsageID(secret));
    key->uuid = replNodeText(replNodeStock(root, "uuid"));
    key->description = replNodeText(replNodeStock(root, "description"));
    key->isEphemeral = g_strcmp0(ephemeral, "yes") == 0;
    key->isPrivate = g_strcmp0(private, "yes") == 0;
    return key;
}

static int
replKeyCompare(gconstpointer a, gconstpointer b)
{
    return g_strcmp0((*(virtReplicationKey *const *)a)->usage, (*(virtReplicationKey *const *)b)->usage);
}

int
virtReplicationKeyList(virConnectPtr conn, virtReplicationKey ***keys)
{
    g_autofree virSecretPtr *secrets = NULL;
    GPtrArray *found;
    size_t number;
    int count, i;

    replErrorReset();
    REPL_NEED(keys, -1);
    if ((count = virConnectListAllSecrets(conn, &secrets, 0)) < 0)
        return replErrorFromLibvirt();
    found = g_ptr_array_new();
    for (i = 0; i < count; i++) {
        virtReplicationKey *key = replKeyRead(secrets[i]);

        if (key)
            g_ptr_array_add(found, key);
        virSecretFree(secrets[i]);
    }
    replErrorReset(); /* a secret that went meanwhile is none */
    g_ptr_array_sort(found, replKeyCompare);
    *keys = replArraySteal(found, &number);
    return (int)number;
}

static char *
replKeyXML(const char *usage, const char *description)
{
    g_autofree char *name = g_markup_escape_text(usage, -1);
    g_autofree char *text = g_markup_escape_text(description ? description : "", -1);

    return g_strdup_printf("<secret ephemeral='no' private='yes'><description>%s</description>"
                           "<usage type='volume'><volume>%s</volume></usage></secret>",
                           text, name);
}

/* Gives a secret its value: the caller's, or random bits in the form that needs no slow key
 * derivation. */
static int
replKeySetValue(virSecretPtr secret, const unsigned char *value, size_t size)
{
    unsigned char random[REPL_KEY_BYTES];
    char text[sizeof(VIRT_REPLICATION_KEY_RANDOM) + REPL_KEY_BYTES * 2] = VIRT_REPLICATION_KEY_RANDOM;
    int ret;
    size_t i;

    if (value)
        return virSecretSetValue(secret, value, size, 0);
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return -1;
    for (i = 0; i < sizeof(random); i++)
        g_snprintf(text + strlen(VIRT_REPLICATION_KEY_RANDOM) + 2 * i, 3, "%02x", random[i]);
    ret = virSecretSetValue(secret, (const unsigned char *)text, sizeof(text) - 1, 0);
    explicit_bzero(random, sizeof(random));
    explicit_bzero(text, sizeof(text));
    return ret;
}

virtReplicationKey *
virtReplicationKeyCreate(virConnectPtr conn, const char *usage, const char *description,
                         const unsigned char *value, size_t size, unsigned int flags)
{
    g_autofree char *xml = NULL;
    g_autoptr(virSecret) secret = NULL;

    REPL_BEGIN(flags, 0, NULL);
    REPL_NEED(usage, NULL);
    if ((secret = virSecretLookupByUsage(conn, VIR_SECRET_USAGE_TYPE_VOLUME, usage))) {
        replError(VIR_ERR_OPERATION_INVALID, _("There is a key '%s' already"), usage);
        return NULL;
    }
    xml = replKeyXML(usage, description);
    if (!(secret = virSecretDefineXML(conn, xml, 0))) {
        replErrorFromLibvirt();
        return NULL;
    }
    if (replKeySetValue(secret, value, size) < 0) {
        replErrorFromLibvirt();
        virSecretUndefine(secret); /* a key without a value is none */
        return NULL;
    }
    return replKeyRead(secret);
}

int
virtReplicationKeyBind(virStorageVolPtr vol, const char *key)
{
    g_autoptr(virStoragePool) pool = NULL;
    g_autoptr(virStorageVol) bound = NULL;
    g_autofree char *xml = NULL;

    replErrorReset();
    REPL_NEED(vol, -1);
    REPL_NEED(key, -1);
    if (!(pool = virStoragePoolLookupByVolume(vol)))
        return replErrorFromLibvirt();
    xml = replWriteUpdate(virStorageVolGetName(vol), "", key);
    bound = virStorageVolCreateXML(pool, xml, 0);
    return bound ? 0 : replErrorFromLibvirt();
}
