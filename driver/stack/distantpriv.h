/*
 * distantpriv.h: what the files of replications with an end on another host share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "xml/xml.h"

/* As replDistantSubmit, where @pool is of type region. */
virStorageVolPtr
replDistantPush(virStoragePoolPtr pool, const char *desc, const ReplVolXml *xml, virStorageVolPtr source);

/* Reports that no image is made of the bundle @volume where neither it nor the target is on this host. */
void
replDistantRefuseBundle(const char *volume);
