/*
 * farkey.c: the key of layers that another host converts for this one
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/farkey.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "luks/header.h"
#include "virt/secrets.h"

/* The header as it came, in memory. */
static ReplLuksHeader *
replFarKeyHeader(const ReplSourceKey *key, const char *volume, GError **err)
{
    g_auto(ReplFd) fd = memfd_create("storage-replication", MFD_CLOEXEC);

    if (fd < 0 || replPwriteFull(fd, key->header->data, key->header->len, 0) < 0 ||
        ftruncate(fd, key->header_bytes) < 0) {
        replErrorSetSystem(err, errno, _("Cannot get memory for a LUKS header"));
        return NULL;
    }
    return replLuksHeaderRead(fd, 0, key->header_bytes, volume, err);
}

static int
replFarKeyMissing(const char *usage, const char *volume, GError **err)
{
    replErrorSet(
        err, VIR_ERR_NO_SECRET,
        _("Host '%s' has no key '%s', with which image '%s' is encrypted on its way there: make it by "
          "'virsh secret-define FILE', with <usage type='volume'><volume>%s</volume></usage>, and give it "
          "the value that it has on the other host by 'virsh secret-set-value UUID --file FILE'"),
        g_get_host_name(), usage, volume, usage);
    return -1;
}

static int
replFarKeyDiffers(const char *usage, const char *uuid, const char *volume, GError **err)
{
    replErrorSet(
        err, VIR_ERR_AUTH_FAILED,
        _("Key '%s' of host '%s' is another one than that with which image '%s' is encrypted on its way "
          "there: give both hosts one value by 'virsh secret-set-value %s --file FILE', or, where images "
          "need the one that is there, make a key of another name on both by 'virsh secret-define FILE'"),
        usage, g_get_host_name(), volume, uuid);
    return -1;
}

/* The value of this host's key; *uuid: its secret. NULL with @err set. */
static ReplSecretBuf *
replFarKeyValue(const char *usage, const char *volume, char **uuid, GError **err)
{
    const ReplSecretRef ref = {NULL, (char *)usage};
    g_autoptr(GError) why = NULL;
    ReplSecretBuf *value = NULL;

    if ((*uuid = replSecretsResolve(&ref, &why)))
        value = replSecretsValue(*uuid, NULL, &why);
    if (value)
        return value;
    if (g_error_matches(why, REPL_ERROR, VIR_ERR_NO_SECRET))
        replFarKeyMissing(usage, volume, err);
    else
        g_propagate_error(err, g_steal_pointer(&why));
    return NULL;
}

static int
replFarKeyTry(const ReplPrepared *prepared, guint layer, GError **err)
{
    const char *usage = prepared->facts->layers[layer].secretUsage;
    const char *volume = prepared->facts->volume;
    g_autofree char *uuid = NULL;
    g_autoptr(ReplSecretBuf) value = replFarKeyValue(usage, volume, &uuid, err);
    g_auto(ReplSourceKey) key = {0};
    g_autoptr(ReplLuksHeader) header = NULL;
    g_autoptr(ReplSecretBuf) opened = NULL;
    g_autoptr(GError) why = NULL;

    if (!value || replSourceNewKey(prepared->source, layer, &key, err) < 0 ||
        !(header = replFarKeyHeader(&key, volume, err)))
        return -1;
    if ((opened = replLuksHeaderOpen(header, value, volume, &why)))
        return 0;
    if (g_error_matches(why, REPL_ERROR, VIR_ERR_AUTH_FAILED))
        return replFarKeyDiffers(usage, uuid, volume, err);
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

/* Whether a layer above gets the same key. */
static gboolean
replFarKeyIsKnown(const ReplSourceFacts *facts, guint layer)
{
    for (guint i = 0; i < layer; i++) {
        if (facts->layers[i].onDemand && facts->layers[i].encrypted &&
            g_strcmp0(facts->layers[i].secretUsage, facts->layers[layer].secretUsage) == 0)
            return TRUE;
    }
    return FALSE;
}

int
replFarKeysTry(const ReplPrepared *prepared, GError **err)
{
    const ReplSourceFacts *facts = prepared->facts;

    for (guint i = 0; i < facts->layerCount; i++) {
        const ReplPlanLayer *layer = &facts->layers[i];

        if (!layer->onDemand || !layer->encrypted || replFarKeyIsKnown(facts, i))
            continue;
        if (!layer->secretUsage) {
            replErrorSet(err, VIR_ERR_RPC, _("The other host does not say which key opens layer '%s'"),
                         layer->volume);
            return -1;
        }
        if (replFarKeyTry(prepared, i, err) < 0)
            return -1;
    }
    return 0;
}
