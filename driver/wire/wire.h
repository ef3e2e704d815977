/*
 * wire.h: what two daemons with the module say to each other, and how it is laid out
 *
 * In:    nothing but bytes; out: nothing but bytes. No descriptor, no thread and no clock in this room.
 * Owner: the caller owns every buffer. Lock: none.
 *
 * A session runs over one libvirt connection, as a full-duplex stream (virStorageVolDownload with the flag
 * REPL_WIRE_STREAM_FLAG). Bytes in each direction are frames, one behind the other: a header of 24 bytes and a payload.
 * All integers are big-endian. The page libvirt-storage-replication-wire(7) describes every message for
 * people who write another implementation; keep it and this room alike.
 *
 * The roles. One end has the source and *holds* it, the other end *makes* the replica. The maker asks, the holder
 * answers: so what travels is what the maker has room for, and a session that broke is resumed by asking again. For a pull the
 * maker is the client of the connection; for a push it is the daemon that was called. A connection never changes roles.
 *
 *     client                                daemon
 *        HELLO  versions, purpose, job, epoch  ->
 *            <- WELCOME  version            or ERROR (id 0) and the end
 *     maker                                 holder
 *        DESCRIBE, HOLD, CHECK, KEY, MAKE, RUNS, READ, DIGESTS (id n)  ->
 *            <- CHAIN, OK, KEY_HEADER, MADE, RUN_LIST, DATA, DIGEST_LIST      or ERROR (id n)
 *        STATUS (id 0)                      ->     how far the job is; the last one names its end
 *            <- CONTROL (id 0)                     cancel, pause, resume, bandwidth
 *     either:  PING -> <- PONG, BYE
 *
 * Credits. A READ is the credit for the DATA that answers it: no byte of an image is sent that was not asked for, and a maker
 * asks for at most REPL_WIRE_WINDOW_BYTES before it has them. The other answers are small and bounded.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Of virStorageVolDownload: opens a session instead of reading the volume. */
#define REPL_WIRE_STREAM_FLAG (1u << 20)

/* The versions that this code speaks. */
#define REPL_WIRE_VERSION_MIN 1
#define REPL_WIRE_VERSION_MAX 1

/* The unit of checks and digests: aligned blocks of a layer's file. */
#define REPL_WIRE_BLOCK_BYTES 65536u

/* What one READ asks for at most, and what all of a maker's together do. */
#define REPL_WIRE_READ_MAX_BYTES (1u << 20)
#define REPL_WIRE_WINDOW_BYTES (4u << 20)

/* A frame's payload: no more, in either direction, packed or not. */
#define REPL_WIRE_PAYLOAD_MAX_BYTES (REPL_WIRE_READ_MAX_BYTES + 4096u)

/* Of an image, or of all disks of a full machine together. */
#define REPL_WIRE_LAYERS_MAX 500u
#define REPL_WIRE_RUNS_MAX 4096u
#define REPL_WIRE_DIGESTS_MAX 4096u
#define REPL_WIRE_DIGEST_BYTES 32u
#define REPL_WIRE_SUM_BYTES 16u

/* A LUKS header: what opening it needs, and all of it. */
#define REPL_WIRE_KEY_BYTES_MAX 524288u
#define REPL_WIRE_KEY_HEADER_MAX (16u << 20)

/* Texts, in bytes of UTF-8. */
#define REPL_WIRE_NAME_MAX 255u
#define REPL_WIRE_TEXT_MAX 4096u
#define REPL_WIRE_XML_MAX 262144u

/* A virErrorNumber: newer libvirt on the other end may know more than we do. */
#define REPL_WIRE_CODE_MAX 1000

/* No file and no image is larger; offsets stay clear of what overflows. */
#define REPL_WIRE_SIZE_MAX (G_GUINT64_CONSTANT(1) << 62)

typedef enum {
    REPL_WIRE_HELLO = 1,
    REPL_WIRE_WELCOME = 2,
    REPL_WIRE_ERROR = 3,
    REPL_WIRE_PING = 4,
    REPL_WIRE_PONG = 5,
    REPL_WIRE_BYE = 6,
    REPL_WIRE_OK = 7,

    REPL_WIRE_DESCRIBE = 16,
    REPL_WIRE_CHAIN = 17,
    REPL_WIRE_HOLD = 18,
    REPL_WIRE_CHECK = 19,
    REPL_WIRE_RUNS = 20,
    REPL_WIRE_RUN_LIST = 21,
    REPL_WIRE_READ = 22,
    REPL_WIRE_DATA = 23,
    REPL_WIRE_DIGESTS = 24,
    REPL_WIRE_DIGEST_LIST = 25,
    REPL_WIRE_KEY = 26,
    REPL_WIRE_KEY_HEADER = 27,
    REPL_WIRE_MAKE = 28,
    REPL_WIRE_MADE = 29,

    REPL_WIRE_STATUS = 32,
    REPL_WIRE_CONTROL = 33,
} ReplWireType;
