/*
 * ops.h: our entries of the storage driver table
 *
 * Each entry has the name of the table's, extends what it must for region pools and hands
 * everything else to replNext. A pool without a label takes the short way: one look at the
 * registry.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* Overwrite the entries that a part extends. */
void
replPoolOpsInstall(ReplVirtStorageDriver *table);
void
replListOpsInstall(ReplVirtStorageDriver *table);
void
replVolOpsInstall(ReplVirtStorageDriver *table);
void
replCreateOpsInstall(ReplVirtStorageDriver *table);
void
replAllOpsInstall(ReplVirtStorageDriver *table);
