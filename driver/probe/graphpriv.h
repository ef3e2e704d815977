/*
 * graphpriv.h: the inside of a graph, for graphstate.c, graphsync.c and graph.c alone
 *
 * A directory has nodes by name; nodes of one file (hard links) share a ReplGraphFile. The backing name of a
 * node is kept as a wish for a name of a directory: "wants" of that directory. So whichever file gets or
 * loses that name, one table tells which nodes need it. Names that lead out of all directories of the set
 * (and perhaps back, through a link) are odd, and followed anew each time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "base/lock.h"
#include "model/image.h"
#include "probe/graph.h"
#include "probe/watch.h"

typedef struct ReplGraphDir ReplGraphDir;
typedef struct ReplGraphFile ReplGraphFile;

/* Where the directory part of backing names leads to, seen from one directory. */
typedef struct {
    char *part;
    guint64 dev, ino; /* 0: nowhere */
} ReplGraphFolder;

struct ReplGraphDir {
    guint64 dev, ino;
    const ReplPoolDir *pool; /* of the set that is being looked at: the first in this directory; borrowed */
    guint rank;              /* of the pool in that set */
    int watch;               /* -1: it cannot be watched */
    gboolean stale;          /* all of it must be looked at */
    GHashTable *nodes;       /* name -> ReplGraphNode, owned */
    GHashTable *links;       /* names of symbolic links */
    GHashTable *dirty;       /* names to be looked at */
    GHashTable *unseen;      /* names of files that could never be read, for a reason that may pass */
    GHashTable *wants;       /* name -> GHashTable, a set of the nodes that want it */
    GHashTable *folders;     /* part -> ReplGraphFolder */
    GHashTable *sizes;       /* guint64 * -> GHashTable, a set of the nodes of this size */
    guint64 bytes;           /* of all nodes */
    guint layers;            /* nodes that some other one needs */
};

struct ReplGraphFile {
    guint64 dev, ino;
    GPtrArray *nodes; /* of ReplGraphNode: its names */
    gboolean isLayer; /* some other file wants one of the names */
};

struct ReplGraphNode {
    ReplGraphDir *dir;
    char *volume;
    ReplFileIdentity identity;
    gint64 born_ns;   /* 0: its file system does not say */
    gboolean settled; /* changes of the file show in its identity */
    guint64 allocated_bytes;
    ReplHead *head; /* NULL: cannot be read */
    ReplGraphFile *file;
    ReplGraphDir *wantDir; /* NULL: the node wants nothing, or is odd */
    char *wantName;
};

struct ReplGraph {
    ReplLock lock; /* guards all below; recursive; held from replGraphScan() to replGraphFree() */
    guint depth;   /* how many times the thread holds it */
    ReplWatch *watch;
    GPtrArray *dirs;    /* of ReplGraphDir, owned */
    GHashTable *files;  /* a set of ReplGraphFile by (dev, ino), owned */
    GHashTable *odd;    /* a set of ReplGraphNode */
    GHashTable *linked; /* the same: those whose file has other names, too */
    GHashTable *hidden; /* a set of ReplGraphFile, see graph.c; NULL: not looked for since the last sync */
};

/* --- graphstate.c --- */

ReplGraphDir *
replGraphDirAdd(ReplGraph *graph, const ReplPoolDir *pool);

void
replGraphDirRemove(ReplGraph *graph, ReplGraphDir *dir);

ReplGraphDir *
replGraphDirFind(const ReplGraph *graph, guint64 dev, guint64 ino);

/* Looks at the entry @name and takes over what it is now. One that cannot be looked at stays as it was last seen, so that a base does
 * not lose its guard, and is looked at again each time. */
void
replGraphLook(ReplGraph *graph, ReplGraphCache *cache, ReplGraphDir *dir, const char *name);

/* Takes the wish of every node anew: directories came or went. */
void
replGraphRelink(ReplGraph *graph);

/* Whether the directory parts of backing names lead where they led. */
gboolean
replGraphPlacesHold(ReplGraphDir *dir);

/* The file that a path leads to from @dir, following links; NULL: none that is known. */
ReplGraphFile *
replGraphFollow(const ReplGraph *graph, const ReplGraphDir *dir, const char *path);

/* --- graphsync.c --- */

/* Brings @graph up to date with the pools of @set. Returns 0, or -1 with @err set when @must cannot be listed. */
int
replGraphSync(ReplGraph *graph, ReplGraphCache *cache, const ReplPoolSet *set, const ReplPoolDir *must,
              ReplGraphLocked locked, GError **err);
