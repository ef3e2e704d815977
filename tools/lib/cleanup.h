/*
 * cleanup.h: g_autoptr() for what libvirt and the C library hand out
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include <libvirt-replication/libvirt-replication.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageVol, virStorageVolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStoragePool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSecret, virSecretFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtReplicationImage, virtReplicationImageFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtReplicationRegion, virtReplicationRegionFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtReplicationJob, virtReplicationJobFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virtReplicationKey, virtReplicationKeyFree)
