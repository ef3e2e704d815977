/*
 * map.h: a class of 4 bits for each host cluster, in pages that exist where something is set
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "qcow2/tables.h"

ReplQcow2Map *
replQcow2MapNew(guint32 clusterBits);

/* Gives cluster number @cluster @class. Returns 1 when it had none before, 0 when it had the same one,
 * -1 when it has another one, -2 when the map would get too large. DATA overrides RESERVED: the same
 * cluster may be kept by one state and used by another. */
int
replQcow2MapSet(ReplQcow2Map *map, guint64 cluster, ReplQcow2Class class);

/* Notes the exact bytes of a table. */
void
replQcow2MapAddTable(ReplQcow2Map *map, guint64 offset, guint64 bytes);

/* To be called once after the last Set: from then on the map is only read. */
void
replQcow2MapSort(ReplQcow2Map *map);
