/*
 * layerkey.h: which key opens a layer of a source
 *
 * In:    a layer as its source describes it.
 * Out:   the libvirt secret of this host that opens it, or its usage, which means the same on every host.
 * Owner: the caller frees what is returned.
 * Lock:  none.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plan/facts.h"

/* The UUID of the secret that opens @layer, by its usage where only that is told, else from its record or as libvirt has it in
 * sight; NULL: not known, or not here. */
char *
replLayerKey(const ReplPlanLayer *layer);

/* Its usage, by which another host finds its own; NULL: not known. For any caller that may read the layer. */
char *
replLayerKeyUsage(const ReplPlanLayer *layer);
