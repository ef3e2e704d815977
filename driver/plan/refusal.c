/*
 * refusal.c: why there is no plan, as a message
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/amount.h"
#include "base/error.h"
#include "plan/planpriv.h"

typedef unsigned long long ull;

void
replRefusalClear(ReplRefusal *refusal)
{
    g_clear_pointer(&refusal->text, g_free);
    refusal->kind = REPL_REFUSE_NONE;
}

static void
replRefusalStart(ReplRefusal *refusal, ReplRefusalKind kind)
{
    g_free(refusal->text);
    *refusal = (ReplRefusal){.kind = kind};
}

int
replRefuse(ReplRefusal *refusal, ReplRefusalKind kind, const char *text)
{
    g_autofree char *copy = g_strdup(text);

    replRefusalStart(refusal, kind);
    refusal->text = g_steal_pointer(&copy);
    return -1;
}

int
replRefuseNumbers(ReplRefusal *refusal, ReplRefusalKind kind, guint64 limit, guint64 have, guint64 need)
{
    replRefusalStart(refusal, kind);
    refusal->limit = limit;
    refusal->have = have;
    refusal->need = need;
    return -1;
}

/* What is wrong with the two ends and the source. */
static void
replRefusalSourceError(const ReplRefusal *r, const ReplPlanFacts *f, GError **err)
{
    g_autofree char *have = replAmount(r->have);
    g_autofree char *limit = replAmount(r->limit);
    const char *volume = f->volume;

    switch (r->kind) {
    case REPL_REFUSE_NOT_SHARED:
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("Volume '%s' of storage pool '%s' belongs to project '%s', which has not shared "
                       "it with project '%s' of storage pool '%s', or the share is not accepted"),
                     volume, f->source.pool, r->text, f->target.label->project, f->target.pool);
        break;
    case REPL_REFUSE_STATUS:
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' cannot be replicated: its status is '%s', not "
                       "'available'"),
                     volume, f->source.pool, replImageStatusToString(f->image->status));
        break;
    case REPL_REFUSE_TYPE:
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' is an image of type '%s', which cannot be "
                       "replicated within region '%s'"),
                     volume, f->source.pool, replImageTypeToString(f->image->type), f->target.label->name);
        break;
    case REPL_REFUSE_MEMBER:
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' is a disk of full machine '%s' and a layer of "
                       "another of its disks"),
                     r->text, f->source.pool, volume);
        break;
    case REPL_REFUSE_SIZE:
        replErrorSet(err, VIR_ERR_OPERATION_INVALID,
                     _("Volume '%s' of storage pool '%s' has a virtual size of %s, but within region '%s' "
                       "at most %s can be replicated; max_size_gib in storage-replication.conf allows more"),
                     volume, f->source.pool, have, f->target.label->name, limit);
        break;
    default:
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("Volume '%s' of storage pool '%s' cannot be replicated"),
                     volume, f->source.pool);
        break;
    }
}

/* What is wrong with the form that is asked for. */
static void
replRefusalFormError(const ReplRefusal *r, const ReplPlanFacts *f, GError **err)
{

    switch (r->kind) {
    case REPL_REFUSE_FORMAT:
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("A replica cannot have the format '%s', only qcow2 and raw are supported"), r->text);
        break;
    case REPL_REFUSE_BUNDLE:
        replErrorSet(
            err, VIR_ERR_NO_SUPPORT,
            _("Layer '%s' of volume '%s' is neither qcow2 nor raw, and a bundle holds layers as they are: "
              "replicate the image first, then export the replica"),
            r->text, f->volume);
        break;
    case REPL_REFUSE_SLOT:
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("rekey='slot' needs an encrypted source that keeps its layers, and a new key; "
                       "that is not so for volume '%s'"),
                     f->volume);
        break;
    case REPL_REFUSE_RAW_CHAIN:
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("Volume '%s' has %u layers and %u internal snapshots, which the format 'raw' "
                       "cannot hold; ask for qcow2 or snapshots='flatten'"),
                     f->volume, f->layerCount, f->layers[0].snapshotCount);
        break;
    default:
        replRefusalSourceError(r, f, err);
        break;
    }
}

/* Which quota of the target is short, and by how much. */
static void
replRefusalQuotaError(const ReplRefusal *r, const ReplPlanFacts *f, GError **err)
{
    guint64 left = r->limit > r->have ? r->limit - r->have : 0;
    ull over = r->need > left ? r->need - left : 0;
    g_autofree char *limitText = replAmount(r->limit);
    g_autofree char *haveText = replAmount(r->have);
    g_autofree char *needText = replAmount(r->need);
    g_autofree char *overText = replAmount(over);
    const char *pool = f->target.pool;
    const char *region = f->target.label->name;

    switch (r->kind) {
    case REPL_REFUSE_QUOTA_IMAGES:
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The image quota of storage pool '%s' in region '%s' is short by %llu: of %llu "
                       "images %llu are used, and %llu more are needed"),
                     pool, region, over, (ull)r->limit, (ull)r->have, (ull)r->need);
        break;
    case REPL_REFUSE_QUOTA_SNAPSHOTS:
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The snapshot quota of storage pool '%s' in region '%s' is short by %llu: of "
                       "%llu snapshots %llu are used, and %llu more are needed"),
                     pool, region, over, (ull)r->limit, (ull)r->have, (ull)r->need);
        break;
    default: /* of bytes */
        replErrorSet(err, VIR_ERR_OPERATION_DENIED,
                     _("The space quota of storage pool '%s' in region '%s' is short by %s: of %s, %s are "
                       "used, and %s more are needed"),
                     pool, region, overText, limitText, haveText, needText);
        break;
    }
}

/* What is wrong with the name and the room in the target. */
static void
replRefusalTargetError(const ReplRefusal *r, const ReplPlanFacts *f, GError **err)
{
    g_autofree char *haveText = replAmount(r->have);
    g_autofree char *needText = replAmount(r->need);
    const char *pool = f->target.pool;
    const char *region = f->target.label->name;
    gboolean transit =
        g_strcmp0(region, REPL_LABEL_TRANSIT) == 0; /* a bundle goes to a pool without a label */

    switch (r->kind) {
    case REPL_REFUSE_NAME_INVALID:
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("'%s' cannot be the name of a volume"), r->text);
        break;
    case REPL_REFUSE_NAME_TAKEN:
        /* libvirt makes "storage volume %s already exists" of it. */
        if (transit)
            replErrorSet(err, VIR_ERR_STORAGE_VOL_EXIST, _("'%s' in pool '%s'"), r->text, pool);
        else
            replErrorSet(err, VIR_ERR_STORAGE_VOL_EXIST, _("'%s' in pool '%s' of region '%s'"), r->text, pool,
                         region);
        break;
    case REPL_REFUSE_QUOTA_IMAGES:
    case REPL_REFUSE_QUOTA_SNAPSHOTS:
    case REPL_REFUSE_QUOTA_BYTES:
        replRefusalQuotaError(r, f, err);
        break;
    case REPL_REFUSE_SPACE:
        if (transit)
            replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                         _("Storage pool '%s' has no space for volume '%s': %s are needed, %s are free"),
                         pool, f->volume, needText, haveText);
        else
            replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                         _("Storage pool '%s' of region '%s' has no space for volume '%s': %s are needed, "
                           "%s are free"),
                         pool, region, f->volume, needText, haveText);
        break;
    case REPL_REFUSE_ABSENT:
        replErrorSet(
            err, VIR_ERR_NO_STORAGE_VOL,
            _("The bundle of '%s' leaves out layer '%s', and storage pool '%s' has no volume with its "
              "content"),
            f->volume, r->text, pool);
        break;
    default:
        replRefusalFormError(r, f, err);
        break;
    }
}

void
replRefusalSetError(const ReplRefusal *refusal, const ReplPlanFacts *facts, GError **err)
{
    ReplPlanFacts disk;

    replPlanDiskFacts(facts, refusal->disk, &disk);
    replRefusalTargetError(refusal, &disk, err);
}
