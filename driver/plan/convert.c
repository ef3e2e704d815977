/*
 * convert.c: which layers have to be written in another form
 *
 * Within a chain only the image itself changes its format at request; a raw layer that gets encrypted becomes
 * qcow2, since a LUKS header inside qcow2 is the form of an encrypted layer, and a layer that is neither
 * raw nor qcow2 becomes qcow2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "plan/planpriv.h"

static gboolean
replAsksForKey(const ReplRequest *request)
{
    return request->encryption == REPL_ENCRYPTION_DEFAULT || request->encryption == REPL_ENCRYPTION_TARGET;
}

static gboolean
replIsRawFormat(ReplFormat format)
{
    return format == REPL_FORMAT_RAW || format == REPL_FORMAT_LUKS;
}

static gboolean
replAnyEncrypted(const ReplPlanFacts *facts)
{
    guint i;

    for (i = 0; i < facts->layerCount; i++) {
        if (facts->layers[i].encrypted)
            return TRUE;
    }
    return FALSE;
}

/* Whether a layer that is @encrypted now is so afterwards. */
static gboolean
replStaysEncrypted(const ReplRequest *request, gboolean encrypted)
{
    if (request->encryption == REPL_ENCRYPTION_KEEP)
        return encrypted;
    return replAsksForKey(request);
}

/* Whether what layer @index of @form holds is encrypted, on the source's side: flattened, it holds what all do. */
static gboolean
replIsEncrypted(const ReplPlanFacts *facts, const ReplForm *form, guint index)
{
    return form->flatten ? replAnyEncrypted(facts) : facts->layers[index].encrypted;
}

/* The format the replica gets, given the one asked for ("raw", which means raw LUKS when encrypted) or
 * the source's. */
static int
replFormFormat(const ReplPlanFacts *facts, ReplForm *form, ReplRefusal *refusal)
{
    const ReplPlanLayer *top = &facts->layers[0];
    ReplFormat *format = &form->format;
    const char *asked = facts->request->format;
    gboolean encrypted = replStaysEncrypted(facts->request, replIsEncrypted(facts, form, 0));
    int value = asked ? replFormatFromString(asked) : -1;

    if (asked && value != REPL_FORMAT_RAW && value != REPL_FORMAT_QCOW2)
        return replRefuse(refusal, REPL_REFUSE_FORMAT, asked);
    if (asked)
        *format = value;
    else if (!replIsRawFormat(top->format) || form->contiguous || (encrypted && !top->encrypted))
        *format = REPL_FORMAT_QCOW2;
    else
        *format = REPL_FORMAT_RAW;
    if (*format == REPL_FORMAT_RAW && encrypted)
        *format = REPL_FORMAT_LUKS;
    return 0;
}

/* The format of layer @index in the new chain. */
static ReplFormat
replLayerFormat(const ReplPlanFacts *facts, const ReplForm *form, guint index, gboolean encrypted)
{
    ReplFormat format = facts->layers[index].format;

    if (index == 0)
        return form->format;
    if (format == REPL_FORMAT_QCOW2 || format == REPL_FORMAT_LUKS)
        return format;
    return format == REPL_FORMAT_RAW && !encrypted ? REPL_FORMAT_RAW : REPL_FORMAT_QCOW2;
}

static gboolean
replChangesKey(const ReplPlanFacts *facts, const ReplConvert *convert)
{
    return convert->fromEncrypted != convert->toEncrypted ||
           (convert->toEncrypted && facts->request->encryption != REPL_ENCRYPTION_KEEP);
}

/* What is lost when qemu-img writes layer @index: internal snapshots always; bitmaps but for those of a layer that is
 * read to the bottom and stays qcow2. */
static void
replConvertLosses(const ReplPlanFacts *facts, const ReplForm *form, guint index, ReplConvert *convert)
{
    gboolean alone = form->flatten || index + 1 == facts->layerCount;
    guint end = form->flatten ? facts->layerCount : index + 1;
    guint i;

    for (i = index; i < end; i++) {
        convert->snapshotsLost += facts->layers[i].snapshotCount;
        if (i > index || !alone || convert->toFormat != REPL_FORMAT_QCOW2)
            convert->bitmapsLost += facts->layers[i].bitmapCount;
    }
}

/* What layer @index becomes; nothing is refused here. */
static void
replConvertFill(const ReplPlanFacts *facts, const ReplForm *form, guint index, ReplConvert *convert)
{
    const ReplPlanLayer *layer = &facts->layers[index];

    convert->fromFormat = layer->format;
    convert->flatten = form->flatten;
    convert->contiguous = form->contiguous;
    convert->overlay = form->overlay;
    convert->fromEncrypted = replIsEncrypted(facts, form, index);
    convert->toEncrypted = replStaysEncrypted(facts->request, convert->fromEncrypted);
    convert->toFormat = replLayerFormat(facts, form, index, convert->toEncrypted);
    /* Compressed clusters are plaintext inside LUKS: they have to be written anew. */
    convert->rekey = layer->encrypted && !layer->compressed && convert->toFormat == layer->format
                         ? facts->request->rekey
                         : REPL_REKEY_FULL;
    convert->snapshotsLost = convert->bitmapsLost = 0;
    if (form->flatten || form->contiguous || convert->toFormat != layer->format ||
        (layer->byQemu && convert->rekey == REPL_REKEY_FULL && replChangesKey(facts, convert)))
        replConvertLosses(facts, form, index, convert);
}

gboolean
replPlanConvert(const ReplPlanFacts *facts, const ReplForm *form, guint index, ReplConvert *convert)
{
    replConvertFill(facts, form, index, convert);
    return convert->flatten || convert->contiguous || convert->overlay || replChangesKey(facts, convert) ||
           convert->toFormat != convert->fromFormat;
}

static gboolean
replIsOverlayFit(const ReplPlanFacts *facts)
{
    const ReplPlanLayer *top = &facts->layers[0];

    return facts->layerCount == 1 && top->format == REPL_FORMAT_QCOW2 && !top->encrypted && !top->canClone &&
           g_strcmp0(facts->source.poolUuid, facts->target.poolUuid) == 0 &&
           !replAsksForKey(facts->request) &&
           (!facts->request->format || g_str_equal(facts->request->format, "qcow2"));
}

/* A change of encryption writes everything anew, but for rekey='slot'. */
static gboolean
replIsLaidOutAnew(const ReplPlanFacts *facts)
{
    const ReplRequest *request = facts->request;

    if (request->rekey == REPL_REKEY_SLOT && facts->layers[0].encrypted)
        return FALSE;
    return replAsksForKey(request) ||
           (request->encryption == REPL_ENCRYPTION_NONE && replAnyEncrypted(facts));
}

int
replPlanForm(const ReplPlanFacts *facts, ReplForm *form, ReplRefusal *refusal)
{
    const ReplRequest *request = facts->request;

    /* An image that is optimised already is not optimised again: instances of it are clones, and where the file
     * system cannot share blocks, overlays in the image's own pool. */
    form->contiguous = request->fastCreate && (!facts->image->fastCreate || replIsLaidOutAnew(facts));
    form->overlay = request->fastCreate && facts->image->fastCreate && replIsOverlayFit(facts);
    form->flatten =
        facts->layerCount > 1 && (form->contiguous || request->snapshots == REPL_SNAPSHOTS_FLATTEN);
    if (replFormFormat(facts, form, refusal) < 0)
        return -1;
    if (replIsRawFormat(form->format) && request->snapshots != REPL_SNAPSHOTS_FLATTEN &&
        !request->fastCreate && (facts->layerCount > 1 || facts->layers[0].snapshotCount > 0))
        return replRefuse(refusal, REPL_REFUSE_RAW_CHAIN, NULL);
    if (request->rekey == REPL_REKEY_SLOT &&
        (!replAsksForKey(request) || !replAnyEncrypted(facts) || form->flatten || form->contiguous))
        return replRefuse(refusal, REPL_REFUSE_SLOT, NULL);
    return 0;
}
