/*
 * copy.c: replicating one image, or many; bundles
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "params.h"
#include "readimage.h"
#include "write.h"

#define REPL_COPY_FLAGS (VIRT_REPLICATION_COPY_ASYNC | VIRT_REPLICATION_COPY_PLAN)

/* One request; @source is NULL when the request names it by id. */
static virStorageVolPtr
replCopyOne(virStorageVolPtr source, virStoragePoolPtr target, const ReplWriteRequest *request,
            virTypedParameterPtr params, int nparams, unsigned int flags)
{
    g_autofree char *xml = NULL;
    virStorageVolPtr replica;

    if (replWriteCheck(params, nparams) < 0)
        return NULL;
    xml = replWriteReplicate(request, params, nparams, flags);
    replica =
        source ? virStorageVolCreateXMLFrom(target, xml, source, 0) : virStorageVolCreateXML(target, xml, 0);
    if (!replica)
        replErrorFromLibvirt();
    return replica;
}

virStorageVolPtr
virtReplicationCopy(virStorageVolPtr source, virStoragePoolPtr target, virTypedParameterPtr params,
                    int nparams, unsigned int flags)
{
    ReplWriteRequest request = {0};

    REPL_BEGIN(flags, REPL_COPY_FLAGS, NULL);
    REPL_NEED(source, NULL);
    return replCopyOne(source, target, &request, params, nparams, flags);
}

virStorageVolPtr
virtReplicationCopyByID(const char *id, virStoragePoolPtr target, virTypedParameterPtr params, int nparams,
                        unsigned int flags)
{
    ReplWriteRequest request = {.image = id};

    REPL_BEGIN(flags, REPL_COPY_FLAGS, NULL);
    REPL_NEED(id, NULL);
    return replCopyOne(NULL, target, &request, params, nparams, flags);
}

/* What makes a pair's token its own: the source's key and the target's UUID. */
static char *
replCopyTokenSuffix(virStorageVolPtr source, virStoragePoolPtr target)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    const char *key = virStorageVolGetKey(source);

    virStoragePoolGetUUIDString(target, uuid);
    return g_strdup_printf("%s/%s", key ? key : "", uuid);
}

static void
replCopyPair(virtReplicationResult *result, bool alone, virTypedParameterPtr params, int nparams,
             unsigned int flags)
{
    g_autofree char *suffix = alone ? NULL : replCopyTokenSuffix(result->source, result->target);
    ReplWriteRequest request = {.tokenSuffix = suffix};

    virStorageVolRef(result->source);
    virStoragePoolRef(result->target);
    result->replica = replCopyOne(result->source, result->target, &request, params, nparams, flags);
    if (!result->replica)
        result->error = replErrorSteal();
}

static int
replCopyCheckMany(size_t nsources, size_t ntargets, virTypedParameterPtr params, int nparams)
{
    virTypedParameterPtr limit = replParamsFind(params, nparams, VIRT_REPLICATION_COPY_MAX_IMAGES);
    unsigned int most = limit ? limit->value.ui : VIRT_REPLICATION_MAX_IMAGES;

    if (replWriteCheck(params, nparams) < 0)
        return -1;
    if (nsources == 0 || ntargets == 0)
        return replError(VIR_ERR_INVALID_ARG, _("A replication needs at least one image and one target"));
    if (nsources > most)
        return replError(VIR_ERR_INVALID_ARG,
                         _("At most %u images can be replicated at once, and %zu are asked for"), most,
                         nsources);
    if (nsources > 1 && replParamsFind(params, nparams, VIRT_REPLICATION_COPY_NAME))
        return replError(VIR_ERR_INVALID_ARG, _("%zu images cannot have one name"), nsources);
    return 0;
}

int
virtReplicationCopyMany(virStorageVolPtr *sources, size_t nsources, virStoragePoolPtr *targets,
                        size_t ntargets, virTypedParameterPtr params, int nparams, unsigned int flags,
                        virtReplicationResult **results)
{
    bool alone = nsources == 1 && ntargets == 1;
    int refused = 0;
    size_t i;

    REPL_BEGIN(flags, REPL_COPY_FLAGS, -1);
    REPL_NEED(results, -1);
    if (replCopyCheckMany(nsources, ntargets, params, nparams) < 0)
        return -1;
    if (!(flags & VIRT_REPLICATION_COPY_PLAN))
        flags |= VIRT_REPLICATION_COPY_ASYNC;
    *results = g_new0(virtReplicationResult, nsources * ntargets);
    for (i = 0; i < nsources * ntargets; i++) {
        virtReplicationResult *result = &(*results)[i];

        result->source = sources[i / ntargets];
        result->target = targets[i % ntargets];
        replCopyPair(result, alone, params, nparams, flags);
        refused += !result->replica;
    }
    return refused;
}

void
virtReplicationResultsFree(virtReplicationResult *results, size_t nresults)
{
    size_t i;

    for (i = 0; results && i < nresults; i++) {
        virStorageVolFree(results[i].source);
        virStoragePoolFree(results[i].target);
        if (results[i].replica)
            virStorageVolFree(results[i].replica);
        virFreeError(results[i].error);
    }
    g_free(results);
}

static virStorageVolPtr
replCopyBundle(virStorageVolPtr source, virStoragePoolPtr target, const char *name,
               const ReplWriteRequest *request, unsigned int flags)
{
    virTypedParameterPtr params = NULL;
    virStorageVolPtr bundle = NULL;
    int nparams = 0, max = 0;

    if (name && virTypedParamsAddString(&params, &nparams, &max, VIRT_REPLICATION_COPY_NAME, name) < 0)
        replErrorFromLibvirt();
    else
        bundle = replCopyOne(source, target, request, params, nparams, flags);
    virTypedParamsFree(params, nparams);
    return bundle;
}

virStorageVolPtr
virtReplicationExport(virStorageVolPtr source, virStoragePoolPtr target, const char *name,
                      virStorageVolPtr *have, size_t nhave, unsigned int flags)
{
    ReplWriteRequest request = {.bundle = VIRT_REPLICATION_YES, .have = have, .nhave = nhave};

    REPL_BEGIN(flags, REPL_COPY_FLAGS, NULL);
    REPL_NEED(source, NULL);
    return replCopyBundle(source, target, name, &request, flags);
}

virStorageVolPtr
virtReplicationExportInventory(virStorageVolPtr image, virStoragePoolPtr target, const char *name,
                               unsigned int flags)
{
    ReplWriteRequest request = {.bundle = VIRT_REPLICATION_BUNDLE_INVENTORY};

    REPL_BEGIN(flags, REPL_COPY_FLAGS, NULL);
    REPL_NEED(image, NULL);
    return replCopyBundle(image, target, name, &request, flags);
}

virStorageVolPtr
virtReplicationImport(virStorageVolPtr bundle, virStoragePoolPtr target, virTypedParameterPtr params,
                      int nparams, unsigned int flags)
{
    ReplWriteRequest request = {.bundle = VIRT_REPLICATION_BUNDLE_IMPORT};

    REPL_BEGIN(flags, REPL_COPY_FLAGS, NULL);
    REPL_NEED(bundle, NULL);
    return replCopyOne(bundle, target, &request, params, nparams, flags);
}
