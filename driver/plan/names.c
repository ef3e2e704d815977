/*
 * names.c: what the volumes of a replica are called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "plan/planpriv.h"
#include "probe/pools.h"

char *
replPlanDefaultName(const ReplRequest *request, const char *region, const char *volume, gboolean inRegion)
{
    if (request->bundle != REPL_BUNDLE_NONE)
        return g_strdup_printf("%s.%s", volume, request->bundle == REPL_BUNDLE_YES ? "bundle" : "inventory");
    return inRegion ? g_strdup_printf("copy_%s_%s", region, volume) : g_strdup(volume);
}

/* Whether something in the target has this name. */
static gboolean
replPlanIsTaken(const ReplPlanFacts *facts, const char *name)
{
    return facts->taken && facts->taken(facts->names, name);
}

char *
replPlanReplicaName(const ReplPlanFacts *facts, gboolean inRegion, ReplRefusal *refusal)
{
    g_autofree char *name = NULL;

    if (facts->request->name)
        name = g_strdup(facts->request->name);
    else
        name = replPlanDefaultName(facts->request, facts->target.label->name, facts->volume, inRegion);
    if (!replIsVolumeName(name)) {
        replRefuse(refusal, REPL_REFUSE_NAME_INVALID, name);
        return NULL;
    }
    if (replPlanIsTaken(facts, name) && g_strcmp0(facts->placeholder, name) != 0) {
        replRefuse(refusal, REPL_REFUSE_NAME_TAKEN, name);
        return NULL;
    }
    return g_steal_pointer(&name);
}

/* "base-01234567.qcow2": the same for the same layer, so that a job that plans again finds it. The inode's
 * times are left out, as a change of owner moves them. @round tells layers apart whose digests begin
 * alike. */
static char *
replPlanDigestName(const ReplPlanLayer *layer, ReplFormat format, guint round)
{
    g_autofree char *what = g_strdup_printf(
        "%s/%s/%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT "/%" G_GINT64_FORMAT "/%u", layer->poolUuid,
        layer->volume, layer->identity.ino, layer->identity.size_bytes, layer->identity.mtime_ns, round);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, what, -1);

    return g_strdup_printf("base-%.8s.%s", digest, format == REPL_FORMAT_QCOW2 ? "qcow2" : "raw");
}

/* The layer's own name; the ending of a format that it no longer has would mislead. */
static char *
replPlanFormedName(const ReplPlanLayer *layer, ReplFormat format)
{
    static const char *const endings[] = {"vmdk", "vdi", "vhdx", "vhd", "vpc", "qed", "qcow", "raw", NULL};
    const char *dot = strrchr(layer->volume, '.');

    if (format != REPL_FORMAT_QCOW2 || layer->format == format || !dot || dot == layer->volume ||
        !g_strv_contains(endings, dot + 1))
        return g_strdup(layer->volume);
    return g_strdup_printf("%.*s.qcow2", (int)(dot - layer->volume), layer->volume);
}

char *
replPlanLayerName(const ReplPlanFacts *facts, guint index, ReplFormat format, GHashTable *used)
{
    const ReplPlanLayer *layer = &facts->layers[index];
    char *name = replPlanFormedName(layer, format);
    guint round;

    /* Ends: each round has another name, and there are not 2^32 of them in a directory. */
    for (round = 0;
         !replIsVolumeName(name) || replPlanIsTaken(facts, name) || g_hash_table_contains(used, name);
         round++) {
        g_free(name);
        name = replPlanDigestName(layer, format, round);
    }
    return name;
}
