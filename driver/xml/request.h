/*
 * request.h: <replication:replicate> and the stock elements that belong to it; <replication:update>
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libxml/tree.h>

#include "model/request.h"

/* @node: the element of ours; @root: the <volume>. NULL with @err set. */
ReplRequest *
replRequestRead(const xmlNode *node, const xmlNode *root, GError **err);

ReplUpdate *
replUpdateRead(const xmlNode *node, const xmlNode *root, GError **err);

/* <secret> in the <encryption> of a <target>. Returns 0, or -1 with @err set. */
int
replSecretRefRead(const xmlNode *encryption, ReplSecretRef *ref, GError **err);

/* <name> of the volume; NULL when absent, with @err (VIR_ERR_INVALID_ARG) set when it cannot be one. */
char *
replVolumeName(const xmlNode *root, GError **err);
