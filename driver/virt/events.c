/*
 * events.c: pool events from a state of our own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/events.h"

#include "base/lock.h"
#include "virt/report.h"

/* One registration, held by both event states: the client's opaque may only go when neither of
 * them can be dispatching any more. */
typedef struct {
    gint refs;
    virConnectStoragePoolEventGenericCallback cb;
    void *opaque;
    virFreeCallback freecb;
} ReplEventsClient;

/* Guards the two below. */
static ReplLock replEventsLock = REPL_LOCK_INIT;
static ReplVirtEventState *replEventsState;
static GHashTable *replEventsIds; /* stock's callback id -> ours */

int
replEventsStart(void)
{
    REPL_GUARD(&replEventsLock);

    if (replEventsState)
        return 0;
    if (!(replEventsState = replVirt.ObjectEventStateNew()))
        return -1;
    replEventsIds = g_hash_table_new(NULL, NULL);
    return 0;
}

static void
replEventsClientUnref(void *opaque)
{
    ReplEventsClient *client = opaque;

    if (!g_atomic_int_dec_and_test(&client->refs))
        return;
    if (client->freecb)
        client->freecb(client->opaque);
    g_free(client);
}

static void
replEventsRelay(virConnectPtr conn, virStoragePoolPtr pool, void *opaque)
{
    ReplEventsClient *client = opaque;

    client->cb(conn, pool, client->opaque);
}

static void
replEventsRelayLifecycle(virConnectPtr conn, virStoragePoolPtr pool, int event, int detail, void *opaque)
{
    ReplEventsClient *client = opaque;
    virConnectStoragePoolEventLifecycleCallback cb =
        (virConnectStoragePoolEventLifecycleCallback)(void *)client->cb;

    cb(conn, pool, event, detail, client->opaque);
}

/* What relays an event of this kind; NULL: we emit none. */
static virConnectStoragePoolEventGenericCallback
replEventsRelayOf(int eventID)
{
    if (eventID == VIR_STORAGE_POOL_EVENT_ID_REFRESH)
        return replEventsRelay;
    if (eventID == VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE)
        return VIR_STORAGE_POOL_EVENT_CALLBACK(replEventsRelayLifecycle);
    return NULL;
}

int
replEventsRegister(virConnectPtr conn, virStoragePoolPtr pool, int eventID,
                   virConnectStoragePoolEventGenericCallback cb, void *opaque, virFreeCallback freecb)
{
    virConnectStoragePoolEventGenericCallback relay = replEventsRelayOf(eventID);
    ReplEventsClient *client;
    int stockID;
    int ourID = -1;

    if (!relay || !replEventsState)
        return replNext.connectStoragePoolEventRegisterAny(conn, pool, eventID, cb, opaque, freecb);

    client = g_new0(ReplEventsClient, 1);
    *client = (ReplEventsClient){2, cb, opaque, freecb};
    stockID = replNext.connectStoragePoolEventRegisterAny(conn, pool, eventID, relay, client,
                                                          replEventsClientUnref);
    if (stockID < 0) {
        g_free(client);
        return -1;
    }
    if (replVirt.StoragePoolEventStateRegisterID(conn, replEventsState, pool, eventID, relay, client,
                                                 replEventsClientUnref, &ourID) < 0) {
        /* A caller whose registration failed keeps its opaque. */
        client->freecb = NULL;
        replNext.connectStoragePoolEventDeregisterAny(conn, stockID);
        replEventsClientUnref(client);
        return -1;
    }
    replLockTake(&replEventsLock);
    g_hash_table_insert(replEventsIds, GINT_TO_POINTER(stockID), GINT_TO_POINTER(ourID));
    replLockDrop(&replEventsLock);
    return stockID;
}

int
replEventsDeregister(virConnectPtr conn, int callbackID)
{
    gpointer ourID;
    gboolean found = FALSE;

    /* It checks the access and that the id is this connection's. */
    if (replNext.connectStoragePoolEventDeregisterAny(conn, callbackID) < 0)
        return -1;
    replLockTake(&replEventsLock);
    if (replEventsIds)
        found = g_hash_table_steal_extended(replEventsIds, GINT_TO_POINTER(callbackID), NULL, &ourID);
    replLockDrop(&replEventsLock);
    /* The client's registration is gone; a leftover of ours could only be a callback that never
     * comes. */
    if (found &&
        replVirt.ObjectEventStateDeregisterID(conn, replEventsState, GPOINTER_TO_INT(ourID), true) < 0) {
        replWarn("An event registration stays: %s", virGetLastErrorMessage());
        virResetLastError();
    }
    return 0;
}

void
replEventsRefresh(const char *pool, const unsigned char *uuid)
{
    ReplVirtEvent *event;

    if (!replEventsState || !(event = replVirt.StoragePoolEventRefreshNew(pool, uuid)))
        return;
    replVirt.ObjectEventStateQueue(replEventsState, event);
}

void
replEventsLifecycle(const char *pool, const unsigned char *uuid, int event)
{
    ReplVirtEvent *made;

    if (!replEventsState || !(made = replVirt.StoragePoolEventLifecycleNew(pool, uuid, event, 0)))
        return;
    replVirt.ObjectEventStateQueue(replEventsState, made);
}
