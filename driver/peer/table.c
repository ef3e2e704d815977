/*
 * table.c: the storage functions of pools of type region, which a peer answers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/table.h"

#include "peer/lists.h"
#include "peer/tableparts.h"

const ReplVirtStorageDriver replPeerTable = {
    .name = "storage-replication-peers",
    .storagePoolLookupByName = replPeerLookupName,
    .storagePoolLookupByUUID = replPeerLookupUuid,
    .storagePoolLookupByVolume = replPeerTablePoolLookupByVolume,
    .storagePoolCreateXML = replPeerCreate,
    .storagePoolDefineXML = replPeerDefine,
    .storagePoolBuild = replPeerTablePoolBuild,
    .storagePoolUndefine = replPeerTablePoolUndefine,
    .storagePoolCreate = replPeerTablePoolCreate,
    .storagePoolDestroy = replPeerTablePoolDestroy,
    .storagePoolDelete = replPeerTablePoolDelete,
    .storagePoolRefresh = replPeerTablePoolRefresh,
    .storagePoolGetInfo = replPeerTablePoolGetInfo,
    .storagePoolGetXMLDesc = replPeerTablePoolGetXMLDesc,
    .storagePoolGetAutostart = replPeerTablePoolGetAutostart,
    .storagePoolSetAutostart = replPeerTablePoolSetAutostart,
    .storagePoolNumOfVolumes = replPeerTablePoolNumOfVolumes,
    .storagePoolListVolumes = replPeerTablePoolListVolumes,
    .storagePoolListAllVolumes = replPeerTablePoolListAllVolumes,
    .storageVolLookupByName = replPeerTableVolLookupByName,
    .storageVolLookupByKey = replPeerTableVolLookupByKey,
    .storageVolLookupByPath = replPeerTableVolLookupByPath,
    .storageVolCreateXML = replPeerTableVolCreateXML,
    .storageVolCreateXMLFrom = replPeerTableVolCreateXMLFrom,
    .storageVolDownload = replPeerTableVolDownload,
    .storageVolUpload = replPeerTableVolUpload,
    .storageVolDelete = replPeerTableVolDelete,
    .storageVolWipe = replPeerTableVolWipe,
    .storageVolWipePattern = replPeerTableVolWipePattern,
    .storageVolGetInfo = replPeerTableVolGetInfo,
    .storageVolGetInfoFlags = replPeerTableVolGetInfoFlags,
    .storageVolGetXMLDesc = replPeerTableVolGetXMLDesc,
    .storageVolGetPath = replPeerTableVolGetPath,
    .storageVolResize = replPeerTableVolResize,
    .storagePoolIsActive = replPeerTablePoolIsActive,
    .storagePoolIsPersistent = replPeerTablePoolIsPersistent,
};
