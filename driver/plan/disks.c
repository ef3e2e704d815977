/*
 * disks.c: the disks of a full machine, each planned as an image of its own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plan/planpriv.h"

static void
replPlanDiskClear(gpointer opaque)
{
    g_free(((ReplPlanDisk *)opaque)->replica);
}

GArray *
replPlanDisks(const ReplPlanFacts *facts)
{
    GArray *disks = g_array_new(FALSE, TRUE, sizeof(ReplPlanDisk));
    guint i;

    g_array_set_clear_func(disks, replPlanDiskClear);
    g_array_set_size(disks, 1 + facts->memberCount);
    for (i = 0; i < disks->len; i++) {
        ReplPlanDisk *disk = &g_array_index(disks, ReplPlanDisk, i);

        disk->number = i;
        disk->first = replPlanDiskFirst(facts, i);
        replPlanDiskFacts(facts, i, &disk->facts);
        if (i == 0)
            continue;
        disk->request = *facts->request;
        disk->request.name = NULL;
        disk->facts.request = &disk->request;
    }
    return disks;
}

static int
replPlanCheckFile(const ReplPlanFacts *facts, const ReplPlanDisk *disk, ReplRefusal *refusal)
{
    const ReplPlanLayer *top = &disk->facts.layers[0];
    guint i;

    for (i = 0; i < facts->layerCount; i++) {
        if (i != disk->first && replPlanIsSameFile(top, &facts->layers[i]))
            return replRefuse(refusal, REPL_REFUSE_MEMBER, top->volume);
    }
    return 0;
}

int
replPlanCheckDisks(const ReplPlanFacts *facts, const GArray *disks, ReplRefusal *refusal)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    guint i;

    for (i = 0; i < disks->len; i++) {
        const ReplPlanDisk *disk = &g_array_index(disks, ReplPlanDisk, i);

        if (facts->memberCount > 0 && replPlanCheckFile(facts, disk, refusal) < 0)
            return -1;
        if (!g_hash_table_add(names, disk->replica))
            return replRefuse(refusal, REPL_REFUSE_NAME_TAKEN, disk->replica);
    }
    return 0;
}
