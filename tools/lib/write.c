/*
 * write.c: XML of requests and updates
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "params.h"
#include "write.h"

#define REPL_XMLNS " xmlns:replication='" VIRT_REPLICATION_NAMESPACE "'"

static const ReplParamRule replWriteRules[] = {
    {VIRT_REPLICATION_COPY_NAME, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_DESCRIPTION, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_FORMAT, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_SNAPSHOTS, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_ENCRYPTION, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_KEY, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_REKEY, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_FAST_CREATE, VIR_TYPED_PARAM_BOOLEAN, false},
    {VIRT_REPLICATION_COPY_BANDWIDTH, VIR_TYPED_PARAM_ULLONG, false},
    {VIRT_REPLICATION_COPY_TOKEN, VIR_TYPED_PARAM_STRING, false},
    {VIRT_REPLICATION_COPY_MAX_IMAGES, VIR_TYPED_PARAM_UINT, false},
    {NULL, 0, false},
};

int
replWriteCheck(virTypedParameterPtr params, int nparams)
{
    if (replParamsCheck(params, nparams, replWriteRules) < 0)
        return -1;
    if (replParamsFind(params, nparams, VIRT_REPLICATION_COPY_ENCRYPTION) &&
        replParamsFind(params, nparams, VIRT_REPLICATION_COPY_KEY))
        return replError(VIR_ERR_INVALID_ARG, _("Parameters '%s' and '%s' exclude each other"),
                         VIRT_REPLICATION_COPY_ENCRYPTION, VIRT_REPLICATION_COPY_KEY);
    return 0;
}

void
replWriteAttr(GString *out, const char *name, const char *value)
{
    g_autofree char *escaped = NULL;

    if (!value)
        return;
    escaped = g_markup_escape_text(value, -1);
    g_string_append_printf(out, " %s='%s'", name, escaped);
}

void
replWriteText(GString *out, const char *name, const char *text)
{
    g_autofree char *escaped = NULL;

    if (!text)
        return;
    escaped = g_markup_escape_text(text, -1);
    g_string_append_printf(out, "<replication:%s>%s</replication:%s>", name, escaped, name);
}

void
replWriteBandwidth(GString *out, unsigned long long bytes)
{
    g_string_append_printf(out, "<replication:%s unit='bytes/s'>%llu</replication:%s>",
                           VIRT_REPLICATION_ELEMENT_BANDWIDTH, bytes, VIRT_REPLICATION_ELEMENT_BANDWIDTH);
}

void
replWriteSecret(GString *out, const char *key)
{
    g_string_append(out, "<secret type='passphrase'");
    replWriteAttr(out, g_uuid_string_is_valid(key) ? "uuid" : "usage", key);
    g_string_append(out, "/>");
}

/* Libvirt's own element. */
static void
replWriteKey(GString *out, const char *key)
{
    g_string_append(out, "<encryption format='luks'>");
    replWriteSecret(out, key);
    g_string_append(out, "</encryption>");
}

static void
replWriteTarget(GString *out, virTypedParameterPtr params, int nparams)
{
    const char *format = replParamsString(params, nparams, VIRT_REPLICATION_COPY_FORMAT);
    const char *key = replParamsString(params, nparams, VIRT_REPLICATION_COPY_KEY);

    if (!format && !key)
        return;
    g_string_append(out, "<target>");
    if (format) {
        g_string_append(out, "<format");
        replWriteAttr(out, "type", format);
        g_string_append(out, "/>");
    }
    if (key)
        replWriteKey(out, key);
    g_string_append(out, "</target>");
}

static void
replWriteToken(GString *out, const char *token, const char *suffix)
{
    g_autofree char *joined = NULL;

    if (!token || !suffix) {
        replWriteAttr(out, VIRT_REPLICATION_REQUEST_TOKEN, token);
        return;
    }
    /* A token has at most 128 characters. */
    joined = g_strdup_printf("%s/%s", token, suffix);
    if (strlen(joined) > 128) {
        char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, joined, -1);

        g_free(joined);
        joined = digest;
    }
    replWriteAttr(out, VIRT_REPLICATION_REQUEST_TOKEN, joined);
}

static void
replWriteAttributes(GString *out, const ReplWriteRequest *request, virTypedParameterPtr params, int nparams,
                    unsigned int flags)
{
    static const char *const same[] = {VIRT_REPLICATION_COPY_SNAPSHOTS, VIRT_REPLICATION_COPY_ENCRYPTION,
                                       VIRT_REPLICATION_COPY_REKEY};
    virTypedParameterPtr fast = replParamsFind(params, nparams, VIRT_REPLICATION_COPY_FAST_CREATE);
    size_t i;

    if (flags & VIRT_REPLICATION_COPY_ASYNC)
        replWriteAttr(out, VIRT_REPLICATION_REQUEST_ASYNC, VIRT_REPLICATION_YES);
    if (flags & VIRT_REPLICATION_COPY_PLAN)
        replWriteAttr(out, VIRT_REPLICATION_REQUEST_START, VIRT_REPLICATION_NO);
    for (i = 0; i < G_N_ELEMENTS(same); i++)
        replWriteAttr(out, same[i], replParamsString(params, nparams, same[i]));
    if (fast)
        replWriteAttr(out, VIRT_REPLICATION_REQUEST_FAST_CREATE,
                      fast->value.b ? VIRT_REPLICATION_YES : VIRT_REPLICATION_NO);
    replWriteAttr(out, VIRT_REPLICATION_REQUEST_IMAGE, request->image);
    replWriteAttr(out, VIRT_REPLICATION_REQUEST_BUNDLE, request->bundle);
    replWriteToken(out, replParamsString(params, nparams, VIRT_REPLICATION_COPY_TOKEN), request->tokenSuffix);
}

static void
replWriteHave(GString *out, virStorageVolPtr vol)
{
    g_autoptr(virStoragePool) pool = virStoragePoolLookupByVolume(vol);

    g_string_append(out, "<replication:" VIRT_REPLICATION_ELEMENT_HAVE);
    replWriteAttr(out, "pool", pool ? virStoragePoolGetName(pool) : "");
    replWriteAttr(out, "volume", virStorageVolGetName(vol));
    g_string_append(out, "/>");
}

char *
replWriteReplicate(const ReplWriteRequest *request, virTypedParameterPtr params, int nparams,
                   unsigned int flags)
{
    GString *out = g_string_new("<volume>");
    const char *name = replParamsString(params, nparams, VIRT_REPLICATION_COPY_NAME);
    virTypedParameterPtr bandwidth = replParamsFind(params, nparams, VIRT_REPLICATION_COPY_BANDWIDTH);
    size_t i;

    if (name) {
        g_autofree char *escaped = g_markup_escape_text(name, -1);

        g_string_append_printf(out, "<name>%s</name>", escaped);
    }
    replWriteTarget(out, params, nparams);
    g_string_append(out, "<metadata><replication:" VIRT_REPLICATION_ELEMENT_REPLICATE REPL_XMLNS);
    replWriteAttributes(out, request, params, nparams, flags);
    g_string_append_c(out, '>');
    replWriteText(out, VIRT_REPLICATION_ELEMENT_DESCRIPTION,
                  replParamsString(params, nparams, VIRT_REPLICATION_COPY_DESCRIPTION));
    if (bandwidth && bandwidth->value.ul > 0)
        replWriteBandwidth(out, bandwidth->value.ul);
    for (i = 0; i < request->nhave; i++)
        replWriteHave(out, request->have[i]);
    g_string_append(out, "</replication:" VIRT_REPLICATION_ELEMENT_REPLICATE "></metadata></volume>");
    return g_string_free(out, FALSE);
}

char *
replWriteUpdate(const char *volume, const char *inner, const char *key)
{
    GString *out = g_string_new("<volume>");

    if (volume) {
        g_autofree char *escaped = g_markup_escape_text(volume, -1);

        g_string_append_printf(out, "<name>%s</name>", escaped);
    }
    if (key) {
        g_string_append(out, "<target>");
        replWriteKey(out, key);
        g_string_append(out, "</target>");
    }
    g_string_append_printf(out,
                           "<metadata><replication:" VIRT_REPLICATION_ELEMENT_UPDATE REPL_XMLNS
                           ">%s</replication:" VIRT_REPLICATION_ELEMENT_UPDATE "></metadata></volume>",
                           inner);
    return g_string_free(out, FALSE);
}
