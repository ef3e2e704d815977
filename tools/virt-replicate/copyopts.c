/*
 * copyopts.c: the options of a copy
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "copyopts.h"

#include <string.h>

#include "size.h"
#include "words.h"

#define REPL_COPY_MAX_IMAGES_UNSET G_MININT

char **replCopyOptTo;
char *replCopyOptName;
char *replCopyOptDescription;
char *replCopyOptFormat;
char *replCopyOptEncrypt;
char *replCopyOptLimit;
char *replCopyOptToken;
char *replCopyOptRekey;
gboolean replCopyOptFlatten;
gboolean replCopyOptFastCreate;
int replCopyOptMaxImages = REPL_COPY_MAX_IMAGES_UNSET;

typedef struct {
    virTypedParameterPtr list;
    int count;
    int max;
    bool failed;
} ReplCopyParams;

static void
replCopyOptString(ReplCopyParams *params, const char *name, const char *value)
{
    if (value && virTypedParamsAddString(&params->list, &params->count, &params->max, name, value) < 0)
        params->failed = true;
}

/* Whether --encrypt names a key, and no way to deal with encryption. */
static bool
replCopyOptHasKey(void)
{
    const char *key = replCopyOptEncrypt;

    return key && strcmp(key, VIRT_REPLICATION_ENCRYPTION_NONE) != 0 &&
           strcmp(key, VIRT_REPLICATION_ENCRYPTION_DEFAULT) != 0 &&
           strcmp(key, VIRT_REPLICATION_ENCRYPTION_KEEP) != 0;
}

static bool
replCopyOptNumbers(ReplCopyParams *params)
{
    guint64 rate;

    if (replCopyOptLimit && strcmp(replCopyOptLimit, "none") != 0) {
        if (!replRateParse(replCopyOptLimit, &rate)) {
            replClientError(_("'%s' is not a rate: write for example 20MiB/s, or none"), replCopyOptLimit);
            return false;
        }
        if (virTypedParamsAddULLong(&params->list, &params->count, &params->max,
                                    VIRT_REPLICATION_COPY_BANDWIDTH, rate) < 0)
            params->failed = true;
    }
    if (replCopyOptMaxImages != REPL_COPY_MAX_IMAGES_UNSET &&
        virTypedParamsAddUInt(&params->list, &params->count, &params->max, VIRT_REPLICATION_COPY_MAX_IMAGES,
                              (unsigned int)replCopyOptMaxImages) < 0)
        params->failed = true;
    if (replCopyOptFastCreate && virTypedParamsAddBoolean(&params->list, &params->count, &params->max,
                                                          VIRT_REPLICATION_COPY_FAST_CREATE, 1) < 0)
        params->failed = true;
    return true;
}

/* What the module would refuse in the words of XML. */
static bool
replCopyOptCheck(ReplClient *client)
{
    static const char *const formats[] = {"qcow2", "raw", NULL};
    static const char *const rekeys[] = {"full", "slot", NULL};

    if ((replCopyOptFormat && !replWordsOneOf("--format", replCopyOptFormat, formats)) ||
        (replCopyOptRekey && !replWordsOneOf("--rekey", replCopyOptRekey, rekeys)))
        return false;
    if (replCopyOptRekey && !replCopyOptHasKey() &&
        g_strcmp0(replCopyOptEncrypt, VIRT_REPLICATION_ENCRYPTION_DEFAULT) != 0) {
        replClientError(
            _("--rekey needs a new key: name it with --encrypt ('virt-replicate keys' lists them)"));
        return false;
    }
    if (replCopyOptToken && !*replCopyOptToken) {
        replClientError(_("A token is 1 to 128 printable characters"));
        return false;
    }
    if (replCopyOptMaxImages != REPL_COPY_MAX_IMAGES_UNSET && replCopyOptMaxImages < 1) {
        replClientError(_("--max-images is a number from 1 on"));
        return false;
    }
    return (!replCopyOptName || replWordsVolumeName(replCopyOptName)) &&
           (!replCopyOptHasKey() || replWordsKey(client, replCopyOptEncrypt));
}

bool
replCopyOptParams(ReplClient *client, virTypedParameterPtr *list, int *count)
{
    ReplCopyParams params = {0};

    if (!replCopyOptCheck(client))
        return false;
    replCopyOptString(&params, VIRT_REPLICATION_COPY_NAME, replCopyOptName);
    replCopyOptString(&params, VIRT_REPLICATION_COPY_DESCRIPTION, replCopyOptDescription);
    replCopyOptString(&params, VIRT_REPLICATION_COPY_FORMAT, replCopyOptFormat);
    replCopyOptString(&params, VIRT_REPLICATION_COPY_TOKEN, replCopyOptToken);
    replCopyOptString(&params, VIRT_REPLICATION_COPY_REKEY, replCopyOptRekey);
    if (replCopyOptFlatten)
        replCopyOptString(&params, VIRT_REPLICATION_COPY_SNAPSHOTS, VIRT_REPLICATION_SNAPSHOTS_FLATTEN);
    replCopyOptString(&params,
                      replCopyOptHasKey() ? VIRT_REPLICATION_COPY_KEY : VIRT_REPLICATION_COPY_ENCRYPTION,
                      replCopyOptEncrypt);
    if (!replCopyOptNumbers(&params) || params.failed) {
        if (params.failed)
            replClientFailWith(NULL, virGetLastError());
        virTypedParamsFree(params.list, params.count);
        return false;
    }
    *list = params.list;
    *count = params.count;
    return true;
}
