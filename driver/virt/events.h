/*
 * events.h: pool events from a state of our own
 *
 * The stock driver's event state is out of reach, so we have a second one. A client that registers
 * for one of those that we emit is registered with both and sees one stream.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "virt/virt.h"

/* Needs an event loop, so it is called when the state drivers start. Returns 0 or -1, reported. */
int
replEventsStart(void);

/* Entries of the storage driver table. */
int
replEventsRegister(virConnectPtr conn, virStoragePoolPtr pool, int eventID,
                   virConnectStoragePoolEventGenericCallback cb, void *opaque, virFreeCallback freecb);
int
replEventsDeregister(virConnectPtr conn, int callbackID);

/* Emits REFRESH of a pool. */
void
replEventsRefresh(const char *pool, const unsigned char *uuid);

/* Emits a virStoragePoolEventLifecycleType of a pool that the stock driver does not have. */
void
replEventsLifecycle(const char *pool, const unsigned char *uuid, int event);
