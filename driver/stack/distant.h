/*
 * distant.h: replications with an end on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "region/region.h"
#include "xml/xml.h"

/* From here on sources on other hosts can be used and other hosts may open sessions. @ownDir: this host's own
 * folder. */
void
replDistantStart(const char *ownDir);

/* The daemon stops. Does not wait. */
void
replDistantStop(void);

/* Waits for the threads of sessions, for a few seconds at most. */
void
replDistantStopped(void);

/* verify='yes' of a request whose target is not on a host without the module. Reports; -1. */
int
replDistantRefuseVerify(void);

/* vol-create-from with <replication:replicate> where @pool, @source or both are on another host. @desc: the XML as it came.
 * As replSubmit. */
virStorageVolPtr
replDistantSubmit(virStoragePoolPtr pool, const char *desc, const ReplVolXml *xml, virStorageVolPtr source,
                  unsigned int flags);

/* The same where only the source @vol is on another host. The request may name the image by its id. */
virStorageVolPtr
replDistantPull(virStoragePoolPtr pool, const ReplVolXml *xml, virStorageVolPtr vol, unsigned int flags);
