/*
 * control.h: the page that a test and the shim in the daemon share
 *
 * The test writes the fields of the order, sets armed last, and reads the others. Integers are those of
 * the machine; tests/harness/faults.py has the same layout.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <stdint.h>

#define FAULT_MAGIC 0x6661756c74303101ULL
#define FAULT_PREFIXES 4
#define FAULT_PREFIX_MAX 256
#define FAULT_LOG_MAX 16384
#define FAULT_LOG_PATH 120

/* What is done to the chosen call. */
typedef enum {
    FAULT_COUNT,  /* nothing: calls are counted and logged */
    FAULT_FAIL,   /* it fails with err, without having been made */
    FAULT_BEFORE, /* the daemon is killed instead of making it */
    FAULT_BEHIND, /* the daemon is killed once it has been made */
    FAULT_LATE,   /* it is made, and fails with err all the same */
    FAULT_DELAY,  /* it is made err milliseconds later, or when there is another order */
} FaultAction;

/* The kinds of calls: bits of calls. Writes and reads of file data (partial/) have bits of their own. */
typedef enum {
    FAULT_OPEN,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_ALLOCATE,
    FAULT_TRUNCATE,
    FAULT_SYNC,
    FAULT_RENAME,
    FAULT_UNLINK,
    FAULT_LINK,
    FAULT_MODE,
    FAULT_MKDIR,
    FAULT_STAT,
    FAULT_KINDS,
} FaultKind;

typedef struct {
    uint8_t kind;
    uint8_t hit;
    char path[FAULT_LOG_PATH - 2]; /* the end of it */
} FaultEntry;

typedef struct {
    uint64_t magic;
    uint32_t armed; /* 0: everything goes through */
    uint32_t action;
    uint32_t calls;      /* bits of FaultKind */
    uint32_t nth;        /* the first call that it is done to, from 1 */
    uint32_t times;      /* to how many calls from there on; 0: to all */
    uint32_t perMillion; /* not 0: to each call with this chance, and nth and times do not count */
    int32_t err;
    uint32_t seed;
    uint32_t counted; /* calls since it was armed */
    uint32_t hits;    /* of those, how often it was done */
    uint32_t logged;
    uint32_t pad;
    char prefixes[FAULT_PREFIXES][FAULT_PREFIX_MAX]; /* these paths, and those below; the end is a '/' */
    FaultEntry log[FAULT_LOG_MAX];
} FaultControl;
