/*
 * update.c: <replication:update>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "model/label.h"
#include "xml/doc.h"
#include "xml/element.h"
#include "xml/request.h"
#include "xml/schema.h"
#include "xml/xml.h"

static gboolean
replIsDisplayName(const char *text)
{
    const char *p;

    for (p = text; *p; p = g_utf8_next_char(p)) {
        if (g_unichar_iscntrl(g_utf8_get_char(p)))
            return FALSE;
    }
    return p != text;
}

static int
replUpdateReadTexts(const xmlNode *node, ReplUpdate *update, GError **err)
{
    const xmlNode *child;

    if ((child = replElementChild(node, "name"))) {
        if (!(update->name = replElementLimitedText(child, REPL_DISPLAY_NAME_MAX_bytes, err)))
            return -1;
        if (!replIsDisplayName(update->name)) {
            replElementBadValue(child, NULL, update->name, err);
            return -1;
        }
    }
    if ((child = replElementChild(node, "description")) &&
        !(update->description = replElementLimitedText(child, REPL_DESCRIPTION_MAX_bytes, err)))
        return -1;
    return 0;
}

static int
replUpdateReadType(const xmlNode *node, ReplUpdate *update, GError **err)
{
    static const ReplShape shape = {.text = TRUE};
    g_autofree char *text = NULL;
    int type;

    if (replElementCheck(node, &shape, err) < 0)
        return -1;
    text = g_strstrip(replElementText(node));
    if ((type = replImageTypeFromString(text)) < 0) {
        replElementBadValue(node, NULL, text, err);
        return -1;
    }
    update->type = type;
    return 0;
}

/* Two shapes: the owner's names a project, the answer names an image. */
static int
replUpdateSettleShare(const ReplUpdate *update, GError **err)
{
    ReplShareState state = update->share->state;
    gboolean isAnswer = state == REPL_SHARE_ACCEPTED || state == REPL_SHARE_REJECTED;

    if (isAnswer == (update->shareImage != NULL)) {
        if (isAnswer || update->share->project)
            return 0;
        replErrorSet(err, VIR_ERR_XML_ERROR, _("<%s:share state='%s'> needs the attribute 'project'"),
                     REPL_PREFIX, replShareStateToString(state));
        return -1;
    }
    if (isAnswer)
        replErrorSet(err, VIR_ERR_XML_ERROR,
                     _("<%s:share state='%s'> needs the attribute 'image', the id of the image that is "
                       "offered"),
                     REPL_PREFIX, replShareStateToString(state));
    else
        replErrorSet(err, VIR_ERR_XML_ERROR,
                     _("<%s:share state='%s'> is the owner's: it names its volume in <name> and has no "
                       "attribute 'image'"),
                     REPL_PREFIX, replShareStateToString(state));
    return -1;
}

static int
replUpdateReadShare(const xmlNode *node, ReplUpdate *update, GError **err)
{
    static const char *const attrs[] = {"project", "image", "state", NULL};
    static const ReplShape shape = {.attrs = attrs};
    g_autofree char *project = NULL;
    g_autofree char *state = NULL;
    int value = REPL_SHARE_OFFERED;

    if (replElementCheck(node, &shape, err) < 0 || !(state = replElementNeedAttr(node, "state", err)) ||
        replElementLabel(node, "project", &project, err) < 0 ||
        replElementUuid(node, "image", &update->shareImage, err) < 0 ||
        replElementWord(node, "state", replShareStateFromString, &value, err) < 0)
        return -1;
    update->share = replShareNew(project, value);
    return replUpdateSettleShare(update, err);
}

static int
replUpdateReadMember(const xmlNode *node, ReplUpdate *update, GError **err)
{
    static const char *const attrs[] = {"volume", NULL};
    static const ReplShape shape = {.attrs = attrs};
    g_autofree char *volume = NULL;

    if (replElementCheck(node, &shape, err) < 0 || !(volume = replElementNeedAttr(node, "volume", err)) ||
        replElementVolume(node, "volume", &volume, err) < 0)
        return -1;
    if (g_strcmp0(volume, update->volume) == 0 ||
        g_ptr_array_find_with_equal_func(update->members, volume, g_str_equal, NULL)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("Volume '%s' is more than once in a full machine"), volume);
        return -1;
    }
    if (update->members->len >= REPL_MEMBERS_MAX) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("A full machine has at most %d member volumes"),
                     REPL_MEMBERS_MAX);
        return -1;
    }
    g_ptr_array_add(update->members, g_steal_pointer(&volume));
    return 0;
}

static int
replUpdateReadMembers(const xmlNode *node, ReplUpdate *update, GError **err)
{
    static const char *const many[] = {"member", NULL};
    static const ReplShape shape = {.many = many};
    const xmlNode *child;

    if (replElementCheck(node, &shape, err) < 0)
        return -1;
    update->members = g_ptr_array_new_with_free_func(g_free);
    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && replUpdateReadMember(child, update, err) < 0)
            return -1;
    }
    return 0;
}

static int
replUpdateReadJob(const xmlNode *node, ReplUpdate *update, GError **err)
{
    static const char *const attrs[] = {"action", NULL};
    static const ReplShape shape = {.attrs = attrs};
    g_autofree char *action = NULL;
    int verb = REPL_VERB_NONE;

    if (replElementCheck(node, &shape, err) < 0 || !(action = replElementNeedAttr(node, "action", err)) ||
        replElementWord(node, "action", replVerbFromString, &verb, err) < 0)
        return -1;
    update->verb = verb;
    return 0;
}

static int
replUpdateReadChildren(const xmlNode *node, ReplUpdate *update, GError **err)
{
    const xmlNode *child;
    guint64 bandwidth;

    if (replUpdateReadTexts(node, update, err) < 0)
        return -1;
    if ((child = replElementChild(node, "type")) && replUpdateReadType(child, update, err) < 0)
        return -1;
    if ((child = replElementChild(node, "share")) && replUpdateReadShare(child, update, err) < 0)
        return -1;
    if ((child = replElementChild(node, "members")) && replUpdateReadMembers(child, update, err) < 0)
        return -1;
    if ((child = replElementChild(node, "job")) && replUpdateReadJob(child, update, err) < 0)
        return -1;
    if (!(child = replElementChild(node, "bandwidth")))
        return 0;
    if (replElementBandwidth(child, &bandwidth, err) < 0)
        return -1;
    update->bandwidth_bytesPerSec = (gint64)bandwidth;
    return 0;
}

/* An answer to an offer goes by the image's id: its <name> is ignored, and nothing else may stand
 * beside it. */
static gboolean
replUpdateIsAnswer(const xmlNode *node)
{
    const xmlNode *share = replElementChild(node, "share");
    g_autofree char *image = share ? replElementAttr(share, "image") : NULL;

    return image != NULL;
}

static int
replUpdateCheckAnswer(const xmlNode *node, GError **err)
{
    if (!replUpdateIsAnswer(node) || xmlChildElementCount((xmlNode *)node) == 1)
        return 0;
    replErrorSet(err, VIR_ERR_XML_ERROR,
                 _("<%s:share image=''> stands alone in <%s:update>: the image is another project's"),
                 REPL_PREFIX, REPL_PREFIX);
    return -1;
}

/* The name may be refused, or be missing. */
static int
replUpdateReadVolume(const xmlNode *node, const xmlNode *root, ReplUpdate *update, GError **err)
{
    g_autoptr(GError) badName = NULL;

    if (replUpdateIsAnswer(node))
        return 0;
    if ((update->volume = replVolumeName(root, &badName)))
        return 0;
    if (badName)
        g_propagate_error(err, g_steal_pointer(&badName));
    else
        replErrorSet(err, VIR_ERR_XML_ERROR, "%s",
                     _("<replication:update> needs the <name> of an existing volume"));
    return -1;
}

/* Which key opens the volume from now on, as stock XML says it. */
static int
replUpdateReadSecret(const xmlNode *root, ReplUpdate *update, GError **err)
{
    const xmlNode *target = replDocChild(root, "target", NULL);
    const xmlNode *encryption = target ? replDocChild(target, "encryption", NULL) : NULL;

    return encryption ? replSecretRefRead(encryption, &update->secret, err) : 0;
}

/* Refuses combinations that could be done by half: a cancelled job cannot be taken back, and a passphrase
 * shows only when tried whether it fits. Each of these stands alone in its update. */
static int
replUpdateCheckTogether(const ReplUpdate *update, GError **err)
{
    gboolean secret = update->secret.uuid || update->secret.usage;
    gboolean record = update->name || update->description || update->type != REPL_IMAGE_TYPE_UNKNOWN ||
                      update->members || update->share;

    if (update->verb == REPL_VERB_CANCEL && (record || secret)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s",
                     _("The action 'cancel' takes the image away: no other change can stand beside it"));
        return -1;
    }
    if (secret && (record || update->verb != REPL_VERB_NONE)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s",
                     _("A key is bound by an update of its own: its passphrase may be refused"));
        return -1;
    }
    return 0;
}

ReplUpdate *
replUpdateRead(const xmlNode *node, const xmlNode *root, GError **err)
{
    static const char *const children[] = {"name",    "description", "type",      "share",
                                           "members", "job",         "bandwidth", NULL};
    static const ReplShape shape = {.children = children};
    g_autoptr(ReplUpdate) update = g_new0(ReplUpdate, 1);

    update->bandwidth_bytesPerSec = -1;
    if (replElementCheck(node, &shape, err) < 0 || replUpdateReadVolume(node, root, update, err) < 0 ||
        replUpdateReadChildren(node, update, err) < 0 || replUpdateCheckAnswer(node, err) < 0 ||
        replSchemaCheck(REPL_SCHEMA_UPDATE, node, err) < 0)
        return NULL;
    if (replUpdateReadSecret(root, update, err) < 0 || replUpdateCheckTogether(update, err) < 0)
        return NULL;
    if (!xmlFirstElementChild((xmlNode *)node) && !update->secret.uuid && !update->secret.usage) {
        replErrorSet(err, VIR_ERR_XML_ERROR, "%s", _("<replication:update> says nothing to change"));
        return NULL;
    }
    return g_steal_pointer(&update);
}
