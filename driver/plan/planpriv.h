/*
 * planpriv.h: the pieces of planning, each pure
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plan/plan.h"

/* Sets @refusal; returns -1. */
int
replRefuse(ReplRefusal *refusal, ReplRefusalKind kind, const char *text);

/* The same with a layer, or with numbers. */
int
replRefuseNumbers(ReplRefusal *refusal, ReplRefusalKind kind, guint64 limit, guint64 have, guint64 need);

/* What the request makes of the image as a whole. */
typedef struct {
    ReplFormat format; /* of the replica itself */
    gboolean flatten;
    gboolean contiguous;
    gboolean overlay;
} ReplForm;

/* Judges what the request asks for. Returns 0, or -1 with @refusal set. */
int
replPlanForm(const ReplPlanFacts *facts, ReplForm *form, ReplRefusal *refusal);

/* Whether layer @index has to be converted, and how. */
gboolean
replPlanConvert(const ReplPlanFacts *facts, const ReplForm *form, guint index, ReplConvert *convert);

/* One disk of a full machine, or the only one of another image. */
typedef struct {
    ReplPlanFacts facts; /* of this disk alone */
    ReplRequest request; /* the facts': a name is the system disk's only */
    guint number;
    guint first; /* its first layer in the facts of all */
    ReplForm form;
    char *replica; /* its name, owned */
} ReplPlanDisk;

/* Of ReplPlanDisk, by number, with facts, request, number and first; borrows from @facts. */
GArray *
replPlanDisks(const ReplPlanFacts *facts);

/* That no disk is another one, or one of its layers, and that their replicas have names of their own. Returns 0, or -1
 * with @refusal set. */
int
replPlanCheckDisks(const ReplPlanFacts *facts, const GArray *disks, ReplRefusal *refusal);

/* The facts of disk @disk are about to be named in a message: @one gets them. */
void
replPlanDiskFacts(const ReplPlanFacts *facts, guint disk, ReplPlanFacts *one);

/* The first layer of disk @disk. */
guint
replPlanDiskFirst(const ReplPlanFacts *facts, guint disk);

gboolean
replPlanIsSameFile(const ReplPlanLayer *a, const ReplPlanLayer *b);

/* The replica's name, or NULL with @refusal set. */
char *
replPlanReplicaName(const ReplPlanFacts *facts, gboolean inRegion, ReplRefusal *refusal);

/* A free name in the target for layer @index in the form @format: the layer's own when that is free ("base.vmdk" becomes
 * "base.qcow2" with its format), else
 * "base-<8 hex digits of what the layer is>" with the format's ending. @used (a set of borrowed
 * names) holds those of the plan itself. */
char *
replPlanLayerName(const ReplPlanFacts *facts, guint index, ReplFormat format, GHashTable *used);
