/*
 * update.c: changes to images, and sharing them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "params.h"
#include "update.h"

int
replUpdatePool(virStoragePoolPtr pool, const char *volume, const char *inner)
{
    g_autofree char *xml = replWriteUpdate(volume, inner, NULL);
    g_autoptr(virStorageVol) changed = virStorageVolCreateXML(pool, xml, 0);

    return changed ? 0 : replErrorFromLibvirt();
}

int
replUpdateVolume(virStorageVolPtr vol, const char *inner)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByVolume(vol);

    return pool ? replUpdatePool(pool, virStorageVolGetName(vol), inner) : replErrorFromLibvirt();
}

static const ReplParamRule replUpdateRules[] = {
    {VIRT_REPLICATION_UPDATE_NAME, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_UPDATE_DESCRIPTION, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_UPDATE_TYPE, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_UPDATE_MEMBER, VIR_TYPED_PARAM_STRING, true},
    {VIRT_REPLICATION_UPDATE_BANDWIDTH, VIR_TYPED_PARAM_ULLONG, false},
    {NULL, 0, false},
};

/* The whole list of members anew; an empty name stands for an empty list. */
static void
replUpdateMembers(GString *inner, virTypedParameterPtr params, int nparams)
{
    int i;

    if (!replParamsFind(params, nparams, VIRT_REPLICATION_UPDATE_MEMBER))
        return;
    g_string_append(inner, "<replication:" VIRT_REPLICATION_ELEMENT_MEMBERS ">");
    for (i = 0; i < nparams; i++) {
        if (strcmp(params[i].field, VIRT_REPLICATION_UPDATE_MEMBER) != 0 || !*params[i].value.s)
            continue;
        g_string_append(inner, "<replication:" VIRT_REPLICATION_ELEMENT_MEMBER);
        replWriteAttr(inner, "volume", params[i].value.s);
        g_string_append(inner, "/>");
    }
    g_string_append(inner, "</replication:" VIRT_REPLICATION_ELEMENT_MEMBERS ">");
}

int
virtReplicationImageUpdate(virStorageVolPtr vol, virTypedParameterPtr params, int nparams, unsigned int flags)
{
    static const char *const texts[] = {VIRT_REPLICATION_UPDATE_NAME, VIRT_REPLICATION_UPDATE_DESCRIPTION,
                                        VIRT_REPLICATION_UPDATE_TYPE};
    g_autoptr(GString) inner = g_string_new(NULL);
    virTypedParameterPtr bandwidth;
    size_t i;

    REPL_BEGIN(flags, 0, -1);
    if (replParamsCheck(params, nparams, replUpdateRules) < 0)
        return -1;
    for (i = 0; i < G_N_ELEMENTS(texts); i++)
        replWriteText(inner, texts[i], replParamsString(params, nparams, texts[i]));
    replUpdateMembers(inner, params, nparams);
    if ((bandwidth = replParamsFind(params, nparams, VIRT_REPLICATION_UPDATE_BANDWIDTH)))
        replWriteBandwidth(inner, bandwidth->value.ul);
    return replUpdateVolume(vol, inner->str);
}

/* A <share> with two attributes. */
static char *
replUpdateShare(const char *name, const char *value, const char *state)
{
    GString *inner = g_string_new("<replication:" VIRT_REPLICATION_ELEMENT_SHARE);

    replWriteAttr(inner, name, value);
    replWriteAttr(inner, "state", state);
    g_string_append(inner, "/>");
    return g_string_free(inner, FALSE);
}

int
virtReplicationShareOffer(virStorageVolPtr vol, const char *project)
{
    g_autofree char *inner = replUpdateShare("project", project, VIRT_REPLICATION_SHARE_OFFERED);

    REPL_BEGIN(0U, 0, -1);
    REPL_NEED(project, -1);
    return replUpdateVolume(vol, inner);
}

int
virtReplicationShareRevoke(virStorageVolPtr vol, const char *project)
{
    g_autofree char *inner = replUpdateShare("project", project, VIRT_REPLICATION_SHARE_REVOKED);

    REPL_BEGIN(0U, 0, -1);
    REPL_NEED(project, -1);
    return replUpdateVolume(vol, inner);
}

int
virtReplicationShareAccept(virStoragePoolPtr pool, const char *id)
{
    g_autofree char *inner = replUpdateShare("image", id, VIRT_REPLICATION_SHARE_ACCEPTED);

    REPL_BEGIN(0U, 0, -1);
    REPL_NEED(id, -1);
    return replUpdatePool(pool, NULL, inner);
}

int
virtReplicationShareReject(virStoragePoolPtr pool, const char *id)
{
    g_autofree char *inner = replUpdateShare("image", id, VIRT_REPLICATION_SHARE_REJECTED);

    REPL_BEGIN(0U, 0, -1);
    REPL_NEED(id, -1);
    return replUpdatePool(pool, NULL, inner);
}
