/*
 * far.h: jobs of this host whose replicas are on hosts without the module, as its pools of type region show them
 *
 * Such a host knows nothing of jobs: what its volumes are is told here, and what would spoil them is refused here.
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

/* A volume of a pool of type region is to be deleted: 1: it was, with the job that made it; 0: no job has to do with it; -1
 * with the error reported. */
int
replFarDelete(virStorageVolPtr vol);

/* It is to be written to. 0, or -1 with the error reported: a job of this host needs it. */
int
replFarGuard(virStorageVolPtr vol);

/* <replication:update> in a pool of type region: 1 with *vol set (NULL: the error is reported) when it is about a job of this host;
 * 0: it is the peer's to answer. */
int
replFarUpdate(virStoragePoolPtr pool, const ReplUpdate *update, virStorageVolPtr *vol);
