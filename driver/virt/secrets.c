/*
 * secrets.c: keys are libvirt secrets of usage type volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/lock.h"
#include "virt/access.h"
#include "virt/report.h"
#include "xml/doc.h"
#include "xml/xml.h"

/* 256 random bits, as text that a person could type: LUKS takes any bytes, but tools do not. */
#define REPL_SECRETS_RANDOM_bytes 32
#define REPL_SECRETS_RANDOM_PREFIX "repl-random-"

typedef virSecret ReplSecret;

static inline void
replSecretUnref(ReplSecret *secret)
{
    replVirt.ObjectUnref(secret);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplSecret, replSecretUnref)

static virConnectPtr
replSecretsConnect(GError **err)
{
    virConnectPtr conn = replVirt.GetConnectSecret();

    if (!conn)
        replTakeError(err);
    return conn;
}

static char *
replSecretsUuid(virSecretPtr secret)
{
    char uuid[VIR_UUID_STRING_BUFLEN];

    return virSecretGetUUIDString(secret, uuid) < 0 ? NULL : g_strdup(uuid);
}

char *
replSecretsResolve(const ReplSecretRef *ref, GError **err)
{
    g_autoptr(ReplConn) conn = replSecretsConnect(err);
    g_autoptr(ReplSecret) secret = NULL;

    if (!conn)
        return NULL;
    secret = ref->uuid ? virSecretLookupByUUIDString(conn, ref->uuid)
                       : virSecretLookupByUsage(conn, VIR_SECRET_USAGE_TYPE_VOLUME, ref->usage);
    if (!secret) {
        virErrorPtr last = virGetLastError();

        if (last && last->code != VIR_ERR_NO_SECRET)
            replTakeError(err);
        else
            replErrorSet(err, VIR_ERR_NO_SECRET,
                         ref->uuid ? _("There is no secret with UUID '%s'")
                                   : _("There is no secret of usage 'volume' for '%s'"),
                         ref->uuid ? ref->uuid : ref->usage);
        virResetLastError();
        return NULL;
    }
    return replSecretsUuid(secret);
}

char *
replSecretsUsage(const char *uuid)
{
    g_autoptr(ReplConn) conn = replSecretsConnect(NULL);
    g_autoptr(ReplSecret) secret = conn ? virSecretLookupByUUIDString(conn, uuid) : NULL;
    char *usage = NULL;

    if (secret && virSecretGetUsageType(secret) == VIR_SECRET_USAGE_TYPE_VOLUME)
        usage = g_strdup(virSecretGetUsageID(secret));
    virResetLastError();
    return usage;
}

void
replSecretsBind(ReplImage *image, const char *uuid)
{
    char *copy = g_strdup(uuid);
    char *usage = uuid ? replSecretsUsage(uuid) : NULL;

    g_free(image->secret);
    g_free(image->secretUsage);
    image->secret = copy;
    image->secretUsage = usage;
}

char *
replSecretsOfImage(const ReplImage *image)
{
    const ReplSecretRef byUuid = {image->secret, NULL};
    const ReplSecretRef byUsage = {NULL, image->secretUsage};
    char *uuid;

    if (!image->secretUsage)
        return g_strdup(image->secret);
    if (image->secret && (uuid = replSecretsResolve(&byUuid, NULL)))
        return uuid;
    uuid = replSecretsResolve(&byUsage, NULL);
    return uuid ? uuid : g_strdup(image->secret);
}

/* Fills @value, of the right size, with a marked random passphrase. */
static int
replSecretsRandom(ReplSecretBuf *value, GError **err)
{
    static const char hex[] = "0123456789abcdef";
    g_autoptr(ReplSecretBuf) bits = replSecretBufNew(REPL_SECRETS_RANDOM_bytes, err);
    gsize prefix = strlen(REPL_SECRETS_RANDOM_PREFIX);
    gsize i;

    if (!bits)
        return -1;
    if (getrandom(bits->data, bits->length, 0) != (ssize_t)bits->length) {
        replErrorSetSystem(err, errno, _("Cannot get random bytes for a key"));
        return -1;
    }
    memcpy(value->data, REPL_SECRETS_RANDOM_PREFIX, prefix);
    for (i = 0; i < bits->length; i++) {
        value->data[prefix + 2 * i] = hex[bits->data[i] >> 4];
        value->data[prefix + 2 * i + 1] = hex[bits->data[i] & 15];
    }
    return 0;
}

/* Not translated: by it we know our own. */
#define REPL_SECRETS_DESCRIPTION "Default key of replicated images"

/* Defines the default key, or with @uuid makes it persistent. */
static virSecretPtr
replSecretsDefine(virConnectPtr conn, const char *usage, const char *uuid)
{
    g_autofree char *id = uuid ? g_strdup_printf("<uuid>%s</uuid>", uuid) : g_strdup("");
    g_autofree char *what = g_markup_printf_escaped("<description>%s</description><usage type='volume'>"
                                                    "<volume>%s</volume></usage></secret>",
                                                    REPL_SECRETS_DESCRIPTION, usage);
    g_autofree char *xml =
        g_strdup_printf("<secret ephemeral='%s' private='yes'>%s%s", uuid ? "no" : "yes", id, what);

    return virSecretDefineXML(conn, xml, 0);
}

static int
replSecretsGiveValue(virSecretPtr secret, GError **err)
{
    g_autoptr(ReplSecretBuf) value =
        replSecretBufNew(strlen(REPL_SECRETS_RANDOM_PREFIX) + 2 * REPL_SECRETS_RANDOM_bytes, err);

    if (!value || replSecretsRandom(value, err) < 0)
        return -1;
    if (virSecretSetValue(secret, value->data, value->length, 0) == 0)
        return 0;
    replTakeError(err);
    return -1;
}

/* Made in memory first: on disk a key is there with its value, or not at all, whenever the daemon ends. */
static virSecretPtr
replSecretsMake(virConnectPtr conn, const char *usage, GError **err)
{
    g_autoptr(ReplSecret) made = replSecretsDefine(conn, usage, NULL);
    g_autofree char *uuid = made ? replSecretsUuid(made) : NULL;
    virSecretPtr secret = NULL;

    if (!uuid) {
        replTakeError(err);
        return NULL;
    }
    if (replSecretsGiveValue(made, err) == 0 && !(secret = replSecretsDefine(conn, usage, uuid)))
        replTakeError(err);
    if (!secret) {
        /* A key without a value would be in everybody's way. */
        virSecretUndefine(made);
        virResetLastError();
        return NULL;
    }
    replInfo("The default key '%s' was missing and has been made", usage);
    return secret;
}

/* Whether the XML of a secret says that it is a default key of ours. */
static gboolean
replSecretsIsOurs(const char *xml)
{
    g_autoptr(xmlDoc) doc = replDocParse(xml, NULL);
    g_autofree char *description = doc ? replDocString(xmlDocGetRootElement(doc), "description", NULL) : NULL;

    return g_strcmp0(description, REPL_SECRETS_DESCRIPTION) == 0;
}

/* A default key of ours without a value: the daemon ended while it made the key. */
static int
replSecretsMend(virSecretPtr secret, GError **err)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replVirt.IdentityElevateCurrent();
    size_t size = 0;
    unsigned char *value = virSecretGetValue(secret, &size, 0);
    g_autofree char *xml = NULL;
    gboolean none = !value && virGetLastError() && virGetLastError()->code == VIR_ERR_NO_SECRET;

    if (value)
        explicit_bzero(value, size);
    free(value);
    xml = none ? virSecretGetXMLDesc(secret, 0) : NULL;
    virResetLastError();
    if (!xml || !replSecretsIsOurs(xml))
        return 0;
    return replSecretsGiveValue(secret, err);
}

char *
replSecretsDefault(const char *usage, GError **err)
{
    /* Guards the look and the making: two first requests make one key. */
    static ReplLock lock = REPL_LOCK_INIT;
    REPL_GUARD(&lock);
    /* The daemon's own key: who may use it is asked where volumes are made with it. */
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replIdentityBecomeSystem();
    g_autoptr(ReplConn) conn = replSecretsConnect(err);
    g_autoptr(ReplSecret) secret = NULL;

    if (!conn)
        return NULL;
    if (!(secret = virSecretLookupByUsage(conn, VIR_SECRET_USAGE_TYPE_VOLUME, usage))) {
        virErrorPtr last = virGetLastError();

        if (last && last->code != VIR_ERR_NO_SECRET) {
            replTakeError(err);
            return NULL;
        }
        virResetLastError();
        if (!(secret = replSecretsMake(conn, usage, err)))
            return NULL;
    } else if (replSecretsMend(secret, err) < 0) {
        return NULL;
    }
    return replSecretsUuid(secret);
}

/* As libvirt does it for its own volumes: the requester's access is asked for, and private secrets
 * are readable to the daemon's drivers. */
static unsigned char *
replSecretsRead(const char *uuid, size_t *size, GError **err)
{
    g_auto(ReplIdentity) caller G_GNUC_UNUSED = replVirt.IdentityElevateCurrent();
    g_autoptr(ReplConn) conn = NULL;
    g_autoptr(ReplSecret) secret = NULL;
    unsigned char *value;

    virResetLastError();
    if (!(conn = replSecretsConnect(err)))
        return NULL;
    if (!(secret = virSecretLookupByUUIDString(conn, uuid))) {
        virResetLastError();
        replErrorSet(err, VIR_ERR_NO_SECRET, _("There is no secret with UUID '%s'"), uuid);
        return NULL;
    }
    if (!(value = virSecretGetValue(secret, size, 0))) {
        virErrorPtr last = virGetLastError();

        if (last && last->code == VIR_ERR_NO_SECRET) {
            virResetLastError();
            replErrorSet(err, VIR_ERR_INVALID_SECRET, _("Secret '%s' has no value"), uuid);
        } else {
            replTakeError(err);
        }
        return NULL;
    }
    return value;
}

ReplSecretBuf *
replSecretsValue(const char *uuid, gboolean *random, GError **err)
{
    gsize prefix = strlen(REPL_SECRETS_RANDOM_PREFIX);
    size_t size = 0;
    unsigned char *value = replSecretsRead(uuid, &size, err);
    ReplSecretBuf *buf = NULL;

    if (!value)
        return NULL;
    if (size == 0)
        replErrorSet(err, VIR_ERR_INVALID_SECRET, _("Secret '%s' has no value"), uuid);
    else
        buf = replSecretBufNewFrom(value, size, err);
    if (random)
        *random = size == prefix + 2 * REPL_SECRETS_RANDOM_bytes &&
                  memcmp(value, REPL_SECRETS_RANDOM_PREFIX, prefix) == 0;
    explicit_bzero(value, size);
    free(value);
    return buf;
}

int
replSecretsCheckText(const char *uuid, const ReplSecretBuf *value, GError **err)
{
    /* NUL is none in a text of a given length. */
    if (g_utf8_validate((const char *)value->data, value->length, NULL))
        return 0;
    replErrorSet(
        err, VIR_ERR_INVALID_SECRET,
        _("The value of secret '%s' is not UTF-8 text: QEMU could not open what is encrypted with it"), uuid);
    return -1;
}

char *
replSecretsOfXml(const char *xml)
{
    g_autofree char *uuid = NULL;
    g_autofree char *usage = NULL;
    ReplSecretRef ref;

    if (!replVolXmlSecret(xml, &uuid, &usage))
        return NULL;
    ref = (ReplSecretRef){uuid, usage};
    return replSecretsResolve(&ref, NULL);
}
