/*
 * pins.c: why a volume cannot be changed now
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/pins.h"

#include "base/lock.h"

typedef struct {
    char *poolUuid;
    char *poolName;
    char *volume;
    char *jobId;
    char *of;
    ReplPinKind kind;
    gint64 since_s; /* UNIX time */
} ReplPin;

struct _ReplPins {
    ReplLock monitor;

    /* guarded by monitor */
    GHashTable *volumes; /* "poolUuid/volume" -> GPtrArray of ReplPin, never empty, oldest first */
    GHashTable *routes;  /* "poolUuid/volume/region" -> job id */
};

static void
replPinFree(ReplPin *pin)
{
    g_free(pin->poolUuid);
    g_free(pin->poolName);
    g_free(pin->volume);
    g_free(pin->jobId);
    g_free(pin->of);
    g_free(pin);
}

/* Neither a UUID nor a volume's name holds a '/'. */
static char *
replPinKey(const char *poolUuid, const char *volume)
{
    return g_strdup_printf("%s/%s", poolUuid, volume);
}

static char *
replRouteKey(const char *poolUuid, const char *volume, const char *region)
{
    return g_strdup_printf("%s/%s/%s", poolUuid, volume, region);
}

ReplPins *
replPinsNew(void)
{
    ReplPins *pins = g_new0(ReplPins, 1);

    replLockInit(&pins->monitor);
    pins->volumes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
    pins->routes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return pins;
}

void
replPinsFree(ReplPins *pins)
{
    if (!pins)
        return;
    g_hash_table_unref(pins->volumes);
    g_hash_table_unref(pins->routes);
    replLockClear(&pins->monitor);
    g_free(pins);
}

static gboolean
replPinsHave(const GPtrArray *list, const char *jobId, ReplPinKind kind, const char *of)
{
    guint i;

    for (i = 0; i < list->len; i++) {
        const ReplPin *pin = g_ptr_array_index(list, i);

        if (pin->kind == kind && g_str_equal(pin->jobId, jobId) && g_strcmp0(pin->of, of) == 0)
            return TRUE;
    }
    return FALSE;
}

void
replPinsAdd(ReplPins *pins, const char *poolUuid, const char *poolName, const char *volume, const char *jobId,
            ReplPinKind kind, const char *of)
{
    g_autofree char *key = replPinKey(poolUuid, volume);
    GPtrArray *list;
    ReplPin *pin;

    REPL_GUARD(&pins->monitor);
    list = g_hash_table_lookup(pins->volumes, key);
    if (!list) {
        list = g_ptr_array_new_with_free_func((GDestroyNotify)replPinFree);
        g_hash_table_insert(pins->volumes, g_steal_pointer(&key), list);
    }
    if (replPinsHave(list, jobId, kind, of))
        return;
    pin = g_new0(ReplPin, 1);
    pin->poolUuid = g_strdup(poolUuid);
    pin->poolName = g_strdup(poolName);
    pin->volume = g_strdup(volume);
    pin->jobId = g_strdup(jobId);
    pin->of = g_strdup(of);
    pin->kind = kind;
    pin->since_s = g_get_real_time() / G_USEC_PER_SEC;
    g_ptr_array_add(list, pin);
}

/* Whether nothing is left of the volume's pins without those of the job. */
static gboolean
replPinsDropFrom(gpointer key, gpointer value, gpointer opaque)
{
    GPtrArray *list = value;
    guint i;

    (void)key;
    for (i = list->len; i > 0; i--) {
        const ReplPin *pin = g_ptr_array_index(list, i - 1);

        if (g_str_equal(pin->jobId, opaque))
            g_ptr_array_remove_index(list, i - 1);
    }
    return list->len == 0;
}

static gboolean
replRouteIsOf(gpointer key, gpointer value, gpointer opaque)
{
    (void)key;
    return g_str_equal(value, opaque);
}

void
replPinsDropJob(ReplPins *pins, const char *jobId)
{
    g_autofree char *id = g_strdup(jobId);

    REPL_GUARD(&pins->monitor);
    g_hash_table_foreach_remove(pins->volumes, replPinsDropFrom, id);
    g_hash_table_foreach_remove(pins->routes, replRouteIsOf, id);
}

/* What of a pin's words a refusal is made of: one whole sentence a kind, for the translators. */
static const char *
replPinSentence(ReplPinKind kind)
{
    switch (kind) {
    case REPL_PIN_BASE:
        return _("Volume '%1$s' of pool '%2$s' is being read by replication job %3$s as base of "
                 "'%5$s' since %4$s");
    case REPL_PIN_TARGET:
        return _("Volume '%1$s' of pool '%2$s' is being written by replication job %3$s since %4$s");
    case REPL_PIN_LAYER:
        return _("Volume '%1$s' of pool '%2$s' is being written by replication job %3$s as base of "
                 "'%5$s' since %4$s");
    case REPL_PIN_REUSE:
        return _("Volume '%1$s' of pool '%2$s' is needed by replication job %3$s as base of '%5$s' "
                 "since %4$s");
    case REPL_PIN_SOURCE:
        break;
    }
    return _("Volume '%1$s' of pool '%2$s' is being read by replication job %3$s since %4$s");
}

static void
replPinRefuse(const ReplPin *pin, GError **err)
{
    g_autoptr(GDateTime) since = g_date_time_new_from_unix_local(pin->since_s);
    g_autofree char *when = since ? g_date_time_format(since, "%Y-%m-%d %H:%M:%S") : NULL;
    g_autofree char *text = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* replPinSentence has the literals */
    text = g_strdup_printf(replPinSentence(pin->kind), pin->volume, pin->poolName, pin->jobId,
                           when ? when : "?", pin->of ? pin->of : "?");
#pragma GCC diagnostic pop
    replErrorSet(err, VIR_ERR_OPERATION_INVALID, "%s", text);
}

int
replPinsCheck(ReplPins *pins, const char *poolUuid, const char *volume, GError **err)
{
    g_autofree char *key = replPinKey(poolUuid, volume);
    GPtrArray *list;

    REPL_GUARD(&pins->monitor);
    list = g_hash_table_lookup(pins->volumes, key);
    if (!list)
        return 0;
    replPinRefuse(g_ptr_array_index(list, 0), err);
    return -1;
}

char **
replPinsPoolJobs(ReplPins *pins, const char *poolUuid)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer list;
    guint i;

    REPL_GUARD(&pins->monitor);
    g_hash_table_iter_init(&iter, pins->volumes);
    while (g_hash_table_iter_next(&iter, NULL, &list)) {
        for (i = 0; i < ((GPtrArray *)list)->len; i++) {
            const ReplPin *pin = g_ptr_array_index((GPtrArray *)list, i);

            if (g_str_equal(pin->poolUuid, poolUuid) && g_hash_table_add(ids, pin->jobId))
                g_ptr_array_add(found, g_strdup(pin->jobId));
        }
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(found, FALSE);
}

int
replPinsTakeRoute(ReplPins *pins, const char *jobId, const char *srcPoolUuid, const char *volume,
                  const char *targetRegion, GError **err)
{
    g_autofree char *key = replRouteKey(srcPoolUuid, volume, targetRegion);
    const char *owner;

    REPL_GUARD(&pins->monitor);
    owner = g_hash_table_lookup(pins->routes, key);
    if (!owner) {
        g_hash_table_insert(pins->routes, g_steal_pointer(&key), g_strdup(jobId));
        return 0;
    }
    if (g_str_equal(owner, jobId))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                 _("Volume '%s' is being replicated to region '%s' already, by replication job %s"), volume,
                 targetRegion, owner);
    return -1;
}
