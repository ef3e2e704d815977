/*
 * memfile.h: a file in memory as the source and the target of a copy, with faults on demand
 *
 * Bytes are what was written; stable bytes are what a crash leaves: nothing but what had been written before the last
 * flush began. Readers and writers only borrow their file. All functions may be called by any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "copy/reader.h"
#include "copy/writer.h"

typedef enum { MEM_DATA, MEM_READ, MEM_RESIZE, MEM_WRITE, MEM_FLUSH, MEM_HAVE, MEM_ZERO, MEM_OPS } MemOp;

typedef enum {
    MEM_FINE,
    MEM_FAIL,   /* this call fails with VIR_ERR_SYSTEM_ERROR */
    MEM_SHORT,  /* only half of it is done, then as MEM_FAIL */
    MEM_STALL,  /* does not return before it is cancelled or memFileGoOn is called */
    MEM_VANISH, /* this call and all later ones of any kind fail with VIR_ERR_NO_CONNECT */
} MemFault;

typedef struct {
    guint64 offset;
    guint64 length;
} MemRun;

typedef struct {
    ReplLock lock; /* guards everything below; woken by memFileGoOn and cancel */
    GByteArray *bytes;
    GByteArray *stable;
    GArray *runs;   /* of MemRun: where the data is, for data */
    GArray *has;    /* of MemRun: what have says yes to */
    MemFault fault; /* met by call number @faultCall of @faultOp */
    MemOp faultOp;
    guint faultCall;
    guint calls[MEM_OPS];
    gboolean gone;
    gboolean goOn;
    gboolean cancelled;
    guint stalled; /* calls that wait now */
    guint64 read;  /* bytes, in all */
    guint64 written;
    guint64 passed;
    guint64 zeroed;
} MemFile;

MemFile *
memFileNew(gsize size);

void
memFileFree(MemFile *file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemFile, memFileFree)

/* Fills a run with bytes that differ from block to block, and makes it data. */
void
memFileFill(MemFile *file, guint64 offset, guint64 length, guint8 seed);

/* From now on call number @call (from 0) of @op meets @fault. */
void
memFileFault(MemFile *file, MemOp op, guint call, MemFault fault);

/* Lets stalled calls go on. */
void
memFileGoOn(MemFile *file);

/* Waits until a call is stalled. */
void
memFileAwaitStall(MemFile *file);

/* As if the machine had crashed: only stable bytes are left; faults and marks are gone. */
void
memFileCrash(MemFile *file);

ReplReader *
memReaderNew(MemFile *file);

ReplWriter *
memWriterNew(MemFile *file);
