/*
 * far.h: jobs of this host whose replicas are on other hosts, as its pools of type region show them
 *
 * A host without the module knows nothing of jobs. So this host shows which job makes a volume there, and refuses calls
 * that would spoil it. A host with the module has a job of the same id (replicate/push.h) and shows that itself; what is asked of
 * it here is done to this host's job, which has the other one follow.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "xml/xml.h"
#include "virt/virt.h"

/* @stock (freed), the XML of a volume of a pool of type region, with the job that makes it, if there is one. As libvirt's calls
 * return it. */
char *
replFarVolXml(virStorageVolPtr vol, char *stock);

/* The same of the pool: its jobs, as far as the caller may see their volumes. */
char *
replFarPoolXml(virStoragePoolPtr pool, char *stock);

/* Called before a volume of a pool of type region is deleted. Returns 1 when a job of this host makes it: the
 * job was cancelled, and the volume is gone with it; 0 when no job makes it, or not any more, and the peer is
 * to delete it; -1 with the error reported. */
int
replFarDelete(virStorageVolPtr vol);

/* Called before such a volume is written to. Returns 0, or -1 with the error reported when a job of this host
 * needs it. */
int
replFarGuard(virStorageVolPtr vol);

/* <replication:update> in a pool of type region: 1 with *vol set (NULL: the error is reported) when it is about a job of this host;
 * 0: it is the peer's to answer. */
int
replFarUpdate(virStoragePoolPtr pool, const ReplUpdate *update, virStorageVolPtr *vol);
