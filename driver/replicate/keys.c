/*
 * keys.c: the keys that an attempt needs, before anything is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "replicate/keys.h"

#include "base/lock.h"
#include "convert/convert.h"
#include "endpoint/layerkey.h"
#include "replicate/farkey.h"
#include "replicate/keytrial.h"
#include "service/service.h"
#include "virt/report.h"
#include "virt/secrets.h"

static gboolean
replKeysAreNeeded(const ReplPlan *plan)
{
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);

        if (step->action == REPL_STEP_CONVERT && (step->convert.fromEncrypted || step->convert.toEncrypted))
            return TRUE;
    }
    return FALSE;
}

/* A layer that was opened already, with its volume key. */
typedef struct {
    ReplFileIdentity layer;
    char *secret; /* UUID */
    ReplSecretBuf *key;
} ReplOpened;

static void
replOpenedFree(gpointer opaque)
{
    ReplOpened *opened = opaque;

    replSecretBufFree(opened->key);
    g_free(opened->secret);
    g_free(opened);
}

void
replKeysKeep(ReplReplication *replication, ReplPrepared *prepared)
{
    GPtrArray *kept;
    g_autoptr(GPtrArray) before = NULL;
    guint i;

    if (!prepared->sourceKeys)
        return;
    kept = g_ptr_array_new_with_free_func(replOpenedFree);
    for (i = 0; i < prepared->sourceKeys->len; i++) {
        ReplOpened *opened;

        if (!prepared->sourceKeys->pdata[i])
            continue;
        opened = g_new0(ReplOpened, 1);
        opened->layer = prepared->facts->layers[i].identity;
        opened->secret = g_strdup(prepared->sourceUuids->pdata[i]);
        opened->key = g_steal_pointer(&prepared->sourceKeys->pdata[i]);
        g_ptr_array_add(kept, opened);
    }
    replLockTake(&replication->lock);
    before = replication->opened;
    replication->opened = kept;
    replLockDrop(&replication->lock);
}

static GPtrArray *
replKeysSteal(ReplReplication *replication)
{
    GPtrArray *kept;

    replLockTake(&replication->lock);
    kept = g_steal_pointer(&replication->opened);
    replLockDrop(&replication->lock);
    return kept;
}

void
replKeysForget(ReplReplication *replication)
{
    g_autoptr(GPtrArray) kept = replKeysSteal(replication);
}

/* The key of this layer under this secret. */
static ReplSecretBuf *
replKeysTake(GPtrArray *kept, const ReplPlanLayer *layer, const char *secret)
{
    guint i;

    for (i = 0; i < kept->len; i++) {
        ReplOpened *opened = g_ptr_array_index(kept, i);

        if (opened->key && replFileIdentityEqual(&opened->layer, &layer->identity) &&
            g_str_equal(opened->secret, secret))
            return g_steal_pointer(&opened->key);
    }
    return NULL;
}

/* Keys that are left belong to layers that have changed since: they go with @kept. */
static void
replKeysTakeAll(GPtrArray *kept, ReplPrepared *prepared)
{
    guint i;

    for (i = 0; kept && i < prepared->sourceKeys->len; i++) {
        if (prepared->sourceUuids->pdata[i])
            prepared->sourceKeys->pdata[i] =
                replKeysTake(kept, &prepared->facts->layers[i], prepared->sourceUuids->pdata[i]);
    }
}

/* Sets @err. A host without the module keeps no record of the key, and nobody can tell it. */
static int
replKeysUnknown(const ReplPrepared *prepared, const ReplPlanLayer *layer, GError **err)
{
    if (prepared->facts->without)
        replErrorSet(err, VIR_ERR_NO_SECRET,
                     _("No secret is known for the encrypted volume '%s' of pool '%s', which is on a host "
                       "without the module: replicate it as it is, give the replica its secret by an "
                       "<replication:update>, and convert that one"),
                     layer->volume, layer->pool);
    else
        replErrorSet(err, VIR_ERR_NO_SECRET,
                     _("No secret is known for the encrypted volume '%s' of pool '%s'"), layer->volume,
                     layer->pool);
    return -1;
}

/* The passphrase of layer @index, when it is encrypted. */
static int
replKeysLoadLayer(ReplPrepared *prepared, guint index, GError **err)
{
    const ReplPlanLayer *layer = &prepared->facts->layers[index];
    g_autofree char *uuid = NULL;
    g_autoptr(ReplSecretBuf) value = NULL;

    if (!layer->encrypted)
        return 0;
    if (!(uuid = replLayerKey(layer)))
        return replKeysUnknown(prepared, layer, err);
    if (!(value = replSecretsValue(uuid, NULL, err)))
        return -1;
    prepared->sourceSecrets->pdata[index] = g_steal_pointer(&value);
    prepared->sourceUuids->pdata[index] = g_steal_pointer(&uuid);
    return 0;
}

/* With encryption='keep' an image that is written anew (flattened, say) keeps its secret: that of the first
 * layer of the disk that has one. */
static char *
replKeysKept(const ReplPrepared *prepared, guint disk)
{
    guint i;

    for (i = 0; i < prepared->sourceUuids->len; i++) {
        if (prepared->facts->layers[i].disk == disk && prepared->sourceUuids->pdata[i])
            return g_strdup(prepared->sourceUuids->pdata[i]);
    }
    return NULL;
}

/* Which secret the image of disk @disk gets; NULL without @err: none. */
static char *
replKeysTarget(const ReplRequest *request, const ReplPrepared *prepared, guint disk, GError **err)
{
    if (request->encryption == REPL_ENCRYPTION_TARGET)
        return replSecretsResolve(&request->secret, err);
    if (request->encryption == REPL_ENCRYPTION_DEFAULT) {
        g_autoptr(ReplConfig) config = replServiceConfig();

        return replSecretsDefault(config->defaultKey, err);
    }
    return request->encryption == REPL_ENCRYPTION_KEEP ? replKeysKept(prepared, disk) : NULL;
}

static void
replKeysClearKey(gpointer opaque)
{
    ReplPreparedKey *key = opaque;

    replSecretBufFree(key->secret);
    g_free(key->uuid);
}

static int
replKeysLoadDisk(const ReplRequest *request, ReplPrepared *prepared, guint disk, GError **err)
{
    ReplPreparedKey *key = &g_array_index(prepared->keys, ReplPreparedKey, disk);
    g_autoptr(GError) why = NULL;
    gboolean random = FALSE;

    if (!(key->uuid = replKeysTarget(request, prepared, disk, &why))) {
        if (!why)
            return 0;
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    if (!(key->secret = replSecretsValue(key->uuid, &random, err)) ||
        replSecretsCheckText(key->uuid, key->secret, err) < 0)
        return -1;
    key->kdf = random ? REPL_LUKS_KDF_RANDOM : REPL_LUKS_KDF_PASSPHRASE;
    return 0;
}

static int
replKeysLoadTarget(const ReplRequest *request, ReplPrepared *prepared, GError **err)
{
    guint disk;

    for (disk = 0; disk < prepared->keys->len; disk++) {
        if (replKeysLoadDisk(request, prepared, disk, err) < 0)
            return -1;
    }
    return 0;
}

/* What qemu-img cannot take. */
static int
replKeysCheck(const ReplRequest *request, const ReplPrepared *prepared, GError **err)
{
    const ReplChain *chain = replSourceChain(prepared->source);
    guint i;

    for (i = 0; chain && i < prepared->plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(prepared->plan->steps, i);
        const ReplConvertJob job = {
            .chain = chain,
            .step = step,
            .sources = (const ReplSecretBuf *const *)prepared->sourceSecrets->pdata,
            .secret = replPreparedKey(prepared, step->disk)->secret,
            .request = request,
        };

        if (replConvertCheckSecrets(&job, err) < 0)
            return -1;
    }
    return 0;
}

static gboolean
replKeysHasDefault(void)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    const ReplSecretRef ref = {NULL, config->defaultKey};
    g_autofree char *uuid = replSecretsResolve(&ref, NULL);

    return uuid != NULL;
}

static void
replKeysStart(ReplPrepared *prepared, guint count)
{
    g_clear_pointer(&prepared->keys, g_array_unref);
    prepared->keys = g_array_new(FALSE, TRUE, sizeof(ReplPreparedKey));
    g_array_set_clear_func(prepared->keys, replKeysClearKey);
    g_array_set_size(prepared->keys, 1 + prepared->facts->memberCount);
    g_clear_pointer(&prepared->sourceSecrets, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceKeys, g_ptr_array_unref);
    g_clear_pointer(&prepared->sourceUuids, g_ptr_array_unref);
    prepared->sourceSecrets = g_ptr_array_new_with_free_func((GDestroyNotify)replSecretBufFree);
    g_ptr_array_set_size(prepared->sourceSecrets, count);
    prepared->sourceKeys = g_ptr_array_new_with_free_func((GDestroyNotify)replSecretBufFree);
    g_ptr_array_set_size(prepared->sourceKeys, count);
    prepared->sourceUuids = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_set_size(prepared->sourceUuids, count);
}

/* @kept: volume keys by which nothing is tried again; NULL: all are tried. */
static int
replKeysLoadAll(const ReplRequest *request, ReplPrepared *prepared, GPtrArray *kept, gboolean try,
                GError **err)
{
    gboolean makesKey = request->encryption == REPL_ENCRYPTION_DEFAULT && !replKeysHasDefault();
    gboolean needed = replKeysAreNeeded(prepared->plan);
    guint count = prepared->facts->layerCount;
    guint i;

    /* @prepared was handed over together with its keys. */
    if (prepared->sourceSecrets && (prepared->keyed || !needed))
        return 0;
    replKeysStart(prepared, count);
    prepared->keyed = needed;
    if (!needed)
        return 0;
    for (i = 0; i < count; i++) {
        if (replKeysLoadLayer(prepared, i, err) < 0)
            return -1;
    }
    /* Slow checks last; create the default key only after them, so that a refusal leaves none.
     */
    if ((!makesKey && replKeysLoadTarget(request, prepared, err) < 0) ||
        replKeysCheck(request, prepared, err) < 0)
        return -1;
    replKeysTakeAll(kept, prepared);
    if (try && replKeysTry(prepared, err) < 0)
        return -1;
    return makesKey ? replKeysLoadTarget(request, prepared, err) : 0;
}

int
replKeysLoad(ReplReplication *replication, ReplPrepared *prepared, ReplKeysWay way, GError **err)
{
    const ReplRequest *request = replication->journal->record->request;
    gboolean try = way == REPL_KEYS_TRY;
    g_autoptr(GPtrArray) kept = try ? NULL : replKeysSteal(replication);

    if (prepared->facts->formed && try && replFarKeysTry(prepared, err) < 0)
        return -1;
    return replKeysLoadAll(request, prepared, kept, try, err);
}

int
replKeysLoadFor(const ReplRequest *request, ReplPrepared *prepared, GError **err)
{
    return replKeysLoadAll(request, prepared, NULL, TRUE, err);
}

const char *
replKeysAction(const ReplPrepared *prepared, const ReplPlanStep *step)
{
    const ReplConvert *convert = &step->convert;
    const char *from = g_ptr_array_index(prepared->sourceUuids, step->layer);
    gboolean otherSecret = g_strcmp0(from, replPreparedKey(prepared, step->disk)->uuid) != 0;

    if (convert->fromEncrypted && !convert->toEncrypted)
        return "decrypt";
    if (!convert->fromEncrypted && convert->toEncrypted)
        return "encrypt";
    if (convert->toEncrypted && convert->rekey == REPL_REKEY_SLOT)
        return "rekey-slot";
    return convert->toEncrypted && otherSecret ? "rekey" : "convert";
}

void
replKeysRecord(const ReplReplication *replication, const ReplPlanStep *step, ReplImage *image)
{
    const ReplPrepared *prepared = replication->prepared;
    const char *from = g_ptr_array_index(prepared->sourceUuids, step->layer);
    const char *to = replPreparedKey(prepared, step->disk)->uuid;
    ReplConversion *conversion = g_new0(ReplConversion, 1);

    replSecretsBind(image, step->convert.toEncrypted ? to : NULL);
    conversion->by = g_strdup(replication->journal->record->requester);
    conversion->when_s = g_get_real_time() / G_USEC_PER_SEC;
    conversion->action = g_strdup(replKeysAction(prepared, step));
    conversion->fromSecret = g_strdup(from);
    conversion->toSecret = g_strdup(image->secret);
    g_ptr_array_add(image->conversions, conversion);
}
