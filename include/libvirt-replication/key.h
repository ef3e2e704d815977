/*
 * key.h: the keys of encrypted images, which are libvirt secrets of usage type volume
 *
 * Included by libvirt-replication.h; see there for threads, memory and errors.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef LIBVIRT_REPLICATION_KEY_H
#define LIBVIRT_REPLICATION_KEY_H

#ifndef LIBVIRT_REPLICATION_H
#error "Include <libvirt-replication/libvirt-replication.h> instead"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * virtReplicationKey:
 *
 * Since: 1.0.0
 */
typedef struct _virtReplicationKey virtReplicationKey;
struct _virtReplicationKey {
    char *usage; /* its name */
    char *uuid;
    char *description;
    int isPrivate;   /* the daemon lets nobody read it */
    int isEphemeral; /* it is gone with the daemon's end */
};

/**
 * virtReplicationKeyList:
 * @conn: a connection
 * @keys: place for an array of keys that ends with NULL
 *
 * Returns how many there are, or -1 on error. Free each with virtReplicationKeyFree(), the array with free().
 *
 * Since: 1.0.0
 */
int
virtReplicationKeyList(virConnectPtr conn, virtReplicationKey ***keys);

/**
 * virtReplicationKeyFree:
 * @key: a key or NULL
 *
 * Since: 1.0.0
 */
void
virtReplicationKeyFree(virtReplicationKey *key);

/**
 * virtReplicationKeyCreate:
 * @conn: a connection
 * @usage: its name, which must be new
 * @description: or NULL
 * @value: the passphrase, or NULL: a random one that nobody gets to see, of 256 bits
 * @size: of @value in bytes
 * @flags: none yet, always pass 0
 *
 * Returns the key, to be freed with virtReplicationKeyFree(), or NULL on error: VIR_ERR_OPERATION_INVALID when
 * there is one of that name.
 *
 * Since: 1.0.0
 */
virtReplicationKey *
virtReplicationKeyCreate(virConnectPtr conn, const char *usage, const char *description,
                         const unsigned char *value, size_t size, unsigned int flags);

/**
 * virtReplicationKeyBind:
 * @vol: an encrypted image
 * @key: UUID or usage name of the secret that opens it
 *
 * Records anew which secret opens an image; it is tried first.
 *
 * Returns 0, or -1 on error.
 *
 * Since: 1.0.0
 */
int
virtReplicationKeyBind(virStorageVolPtr vol, const char *key);

#ifdef __cplusplus
}
#endif

#endif /* LIBVIRT_REPLICATION_KEY_H */
