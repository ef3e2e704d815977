/*
 * rebind.c: which key opens a volume, said anew
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/rebind.h"

#include "convert/convert.h"
#include "image/change.h"
#include "service/service.h"
#include "virt/secrets.h"

static int
replRebindTry(const ReplRegion *region, const char *volume, const char *uuid, GError **err)
{
    g_autoptr(ReplConfig) config = replServiceConfig();
    const ReplConvertLimits limits = {config->helperTime_s, config->helperMemory_bytes};
    g_autoptr(ReplPoolSet) set = replRegionsSet(region->label->name);
    const ReplPoolDir *dir = replPoolSetFindUuid(set, region->uuidstr);
    g_autoptr(ReplChain) chain = NULL;
    g_autoptr(ReplSecretBuf) value = NULL;
    g_autoptr(ReplSecretBuf) key = NULL;
    const ReplLayer *layer;

    if (!dir) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Storage pool '%s' is not active"), region->name);
        return -1;
    }
    if (!(chain = replChainOpen(set, dir, volume, err)))
        return -1;
    layer = replChainLayer(chain, 0);
    if (layer->format != REPL_FORMAT_LUKS && !(layer->qcow2 && layer->qcow2->cryptMethod != 0)) {
        replErrorSet(err, VIR_ERR_OPERATION_INVALID, _("Volume '%s' of pool '%s' is not encrypted"), volume,
                     region->name);
        return -1;
    }
    if (!(value = replSecretsValue(uuid, NULL, err)))
        return -1;
    return replConvertUnlock(layer, value, &limits, &key, err);
}

static gboolean
replRebindChange(ReplImage *image, void *uuid, GError **err)
{
    (void)err;
    replSecretsBind(image, uuid);
    return TRUE;
}

int
replRebind(const ReplRegion *region, const char *volume, const ReplSecretRef *ref, GError **err)
{
    g_autofree char *uuid = replSecretsResolve(ref, err);

    if (!uuid || replRebindTry(region, volume, uuid, err) < 0)
        return -1;
    return replImageChange(region, volume, replRebindChange, uuid, err);
}
