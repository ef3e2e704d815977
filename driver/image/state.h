/*
 * state.h: the state of an image: what is shown of a volume, and what may be done with it
 *
 * Three things tell: what is on disk under the name, what the records say, and what the daemon knows of it now.
 * A pure function of the three, so that this is decided in one place, and a doubtful volume is never called available.
 *
 * Why it can be decided so: a layer gets its name by one rename, when all of it is written, synced and verified. So what has
 * content under its name is whole, whatever became of the records; what is on its way is an empty file there, which is no
 * image whatever the records say. Nothing of us ever writes to a file under its name.
 *
 *   disk     daemon      records    | shown      because        | source  change  delete         | next
 *   ---------------------------------+----------------------------+--------------------------------+---------------------
 *   none     any         any        | (nothing: there is no such volume)                          | a record is dropped
 *   any      written to  any        | pending    writing        | no      no      if stock lets  | ends by itself
 *   any      makes it    any        | pending    job            | no      no      cancels        | the job goes on
 *   any      failed      any        | error      job            | no      no      cancels        | retry, or delete
 *   empty    elsewhere   any        | pending    elsewhere      | no      no      no             | asked again
 *   empty    nothing     nothing    | pending    empty          | no      yes     yes            | an upload, say
 *   empty    nothing     available  | pending    empty          | no      yes     yes            | an upload, say
 *   empty    nothing     unfinished | pending    empty          | no      yes     yes            | an upload, say
 *   empty    nothing     pending    | error      lost           | no      no      yes            | asked again
 *   empty    nothing     damaged    | error      damaged        | no      no      yes            | asked again
 *   empty    nothing     unreadable | error      unreadable     | no      no      yes            | asked again
 *   content  nothing,    nothing    | available                 | yes     yes     yes            |
 *   content  elsewhere   pending    | available                 | yes     yes     yes            | the record follows
 *   content   "          available  | available                 | yes     yes     yes            |
 *   content   "          damaged    | error      damaged        | no      yes     yes            |
 *   content   "          unfinished | error      unfinished     | no      yes     yes            | a whole upload
 *   content   "          unreadable | error      unreadable     | no      no      yes            | asked again
 *
 *   disk      empty: a regular file of no bytes, or something else that is none, or a data disk whose job has not put the
 *             system disk of its full machine in place; content: any other one
 *   daemon    written to: a stock call or an upload writes to the volume; makes it, failed: a job of this daemon has the
 *             name, as its replica or as one of its layers, and has not ended or has failed; elsewhere: a job on record
 *             that has not ended has this very file under the name, but this daemon has not taken it up (another host has
 *             the lease, or something could not be read); nothing: none of these. A job that this daemon has seen end is over,
 *             whatever its record says yet (service/overdue.h)
 *   records   unreadable: there may be one, but it cannot be read, or is of a newer version, or was damaged; unfinished: an
 *             upload, or a stock call that makes or wipes the volume, has begun and not ended well (store/uploads.h)
 *   source    may be replicated, cloned and downloaded
 *   change    may be written to, resized, wiped (if no job and no overlay needs it as it is)
 *   asked again: resuming looks again at what could not be read, when somebody looks, at a refresh, and now and then
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "model/image.h"

typedef enum {
    REPL_DISK_NONE,
    REPL_DISK_EMPTY,
    REPL_DISK_CONTENT,
    REPL_DISK_LAST,
} ReplDisk;

typedef enum {
    REPL_USE_NOTHING,
    REPL_USE_WRITING,
    REPL_USE_MAKING,
    REPL_USE_FAILED,
    REPL_USE_ELSEWHERE,
    REPL_USE_LAST,
} ReplUse;

typedef enum {
    REPL_SAYS_NOTHING,
    REPL_SAYS_PENDING,
    REPL_SAYS_AVAILABLE,
    REPL_SAYS_DAMAGED,
    REPL_SAYS_UNREADABLE,
    REPL_SAYS_UNFINISHED,
    REPL_SAYS_LAST,
} ReplSays;

/* Why it is not available. */
typedef enum {
    REPL_BECAUSE_NONE,
    REPL_BECAUSE_WRITING,
    REPL_BECAUSE_JOB,
    REPL_BECAUSE_ELSEWHERE,
    REPL_BECAUSE_EMPTY,
    REPL_BECAUSE_LOST,
    REPL_BECAUSE_DAMAGED,
    REPL_BECAUSE_UNREADABLE,
    REPL_BECAUSE_UNFINISHED,
} ReplBecause;

typedef enum {
    REPL_DELETE_NO,
    REPL_DELETE_YES,
    REPL_DELETE_CANCELS, /* the job that makes it */
} ReplDeleting;

typedef enum {
    REPL_NEXT_NOTHING,
    REPL_NEXT_DROP_RECORD,
    REPL_NEXT_JOB,       /* the job's end decides */
    REPL_NEXT_ASK_AGAIN, /* what could not be read is read again */
} ReplNext;

typedef struct {
    gboolean there; /* FALSE: nothing is shown */
    ReplImageStatus status;
    ReplBecause because;
    gboolean isSource;
    gboolean mayChange;
    ReplDeleting deleting;
    ReplNext next;
} ReplState;

/* The row of the table. */
ReplState
replStateOf(ReplDisk disk, ReplUse use, ReplSays says);

/* Why the volume is not available, as a whole sentence; NULL: it is, or its job says so. */
char *
replStateReason(ReplBecause because, const char *volume);
