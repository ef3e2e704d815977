/*
 * tableparts.h: the entries of the peers' table, by the names of the table
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

int
replPeerTablePoolBuild(virStoragePoolPtr pool, unsigned int flags);
int
replPeerTablePoolUndefine(virStoragePoolPtr pool);
int
replPeerTablePoolCreate(virStoragePoolPtr pool, unsigned int flags);
int
replPeerTablePoolDestroy(virStoragePoolPtr pool);
int
replPeerTablePoolDelete(virStoragePoolPtr pool, unsigned int flags);
int
replPeerTablePoolRefresh(virStoragePoolPtr pool, unsigned int flags);
int
replPeerTablePoolGetInfo(virStoragePoolPtr pool, virStoragePoolInfoPtr info);
char *
replPeerTablePoolGetXMLDesc(virStoragePoolPtr pool, unsigned int flags);
int
replPeerTablePoolGetAutostart(virStoragePoolPtr pool, int *autostart);
int
replPeerTablePoolSetAutostart(virStoragePoolPtr pool, int autostart);
int
replPeerTablePoolNumOfVolumes(virStoragePoolPtr pool);
int
replPeerTablePoolListVolumes(virStoragePoolPtr pool, char **const names, int maxnames);
int
replPeerTablePoolListAllVolumes(virStoragePoolPtr pool, virStorageVolPtr **vols, unsigned int flags);
int
replPeerTablePoolIsActive(virStoragePoolPtr pool);
int
replPeerTablePoolIsPersistent(virStoragePoolPtr pool);

virStoragePoolPtr
replPeerTablePoolLookupByVolume(virStorageVolPtr vol);
virStorageVolPtr
replPeerTableVolLookupByName(virStoragePoolPtr pool, const char *name);
virStorageVolPtr
replPeerTableVolLookupByKey(virConnectPtr conn, const char *key);
virStorageVolPtr
replPeerTableVolLookupByPath(virConnectPtr conn, const char *path);
virStorageVolPtr
replPeerTableVolCreateXML(virStoragePoolPtr pool, const char *xml, unsigned int flags);
virStorageVolPtr
replPeerTableVolCreateXMLFrom(virStoragePoolPtr pool, const char *xml, virStorageVolPtr source,
                              unsigned int flags);
int
replPeerTableVolDelete(virStorageVolPtr vol, unsigned int flags);
int
replPeerTableVolWipe(virStorageVolPtr vol, unsigned int flags);
int
replPeerTableVolWipePattern(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags);
int
replPeerTableVolGetInfo(virStorageVolPtr vol, virStorageVolInfoPtr info);
int
replPeerTableVolGetInfoFlags(virStorageVolPtr vol, virStorageVolInfoPtr info, unsigned int flags);
char *
replPeerTableVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags);
char *
replPeerTableVolGetPath(virStorageVolPtr vol);
int
replPeerTableVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags);
int
replPeerTableVolDownload(virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset,
                         unsigned long long length, unsigned int flags);
int
replPeerTableVolUpload(virStorageVolPtr vol, virStreamPtr stream, unsigned long long offset,
                       unsigned long long length, unsigned int flags);
