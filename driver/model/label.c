/*
 * label.c: what makes a storage pool a region pool
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "model/label.h"

ReplLabel *
replLabelNew(const char *name, const char *project)
{
    ReplLabel *label = g_new0(ReplLabel, 1);

    label->name = g_strdup(name);
    label->project = g_strdup(project ? project : REPL_PROJECT_DEFAULT);
    label->quota = (ReplAmounts){-1, -1, -1};
    return label;
}

ReplLabel *
replLabelCopy(const ReplLabel *label)
{
    ReplLabel *copy = replLabelNew(label->name, label->project);

    copy->quota = label->quota;
    copy->transit = label->transit;
    return copy;
}

void
replLabelFree(ReplLabel *label)
{
    if (!label)
        return;
    g_free(label->name);
    g_free(label->project);
    g_free(label);
}

gboolean
replQuotaIsSet(const ReplAmounts *quota)
{
    return quota->images >= 0 || quota->snapshots >= 0 || quota->bytes >= 0;
}
