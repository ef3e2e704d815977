/*
 * argv.h: the command lines of qemu-img, built and not yet run
 *
 * Pure functions. A file is named by descriptor only: the first input of a command is descriptor 3 of the
 * child, the next one 4, and so on, each opened there as /dev/fd/N. Every layer of a chain is described as a
 * node with an explicit driver and an explicit backing node, so that nothing an image says about
 * itself makes QEMU open another file or guess a format. A secret is an input too: it goes through a pipe
 * that only the child can read, never through argv or the environment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "base/secretbuf.h"
#include "qcow2/format.h"

/* What the child gets as one descriptor: a file, or a secret (then fd is -1). Both borrowed. */
typedef struct {
    int fd;
    const ReplSecretBuf *secret;
} ReplQemuInput;

typedef struct {
    GPtrArray *argv; /* of char, "qemu-img" first; not NULL-terminated */
    GArray *inputs;  /* of ReplQemuInput */
} ReplQemuCommand;

void
replQemuCommandFree(ReplQemuCommand *command);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplQemuCommand, replQemuCommandFree)

/* A file as QEMU is to open it. */
typedef struct {
    int fd;
    ReplFormat format;
    const ReplSecretBuf *secret; /* opens it, NULL: not encrypted, or not to be opened that far */
    gboolean legacyAes;          /* qcow2's own encryption of old instead of LUKS */
} ReplQemuFile;

/* A chain of files, the image first; the last one has no backing file, whatever it says. To leave out what is below
 * a layer, a file of as many zeros stands in for it. */
typedef struct {
    const ReplQemuFile *files;
    guint count; /* at least 1 */
} ReplQemuChain;

/* How a LUKS header is made; the words are QEMU's, NULL or 0: its default. */
typedef struct {
    const ReplSecretBuf *secret; /* NULL: the target is plain */
    const char *cipher;          /* "aes-256" */
    const char *mode;            /* "xts" */
    const char *ivgen;           /* "plain64" */
    const char *ivgenHash;
    const char *hash; /* "sha256" */
    guint iterTime_ms;
} ReplQemuLuks;

/* The form of a file to be written. */
typedef struct {
    int fd;
    ReplFormat format; /* qcow2, raw or luks */
    ReplQemuLuks luks;
    /* Of qcow2: */
    guint clusterBits;   /* 0: QEMU's default */
    guint refcountOrder; /* 0: QEMU's default, 16 bits */
    gboolean lazyRefcounts;
    gboolean extendedL2;
    gboolean zstd;
    gboolean preallocate; /* all metadata in front, guest clusters in order behind it */
} ReplQemuTarget;

/* qemu-img convert: the guest's view of @chain becomes @target, an empty file. @bitmaps: persistent bitmaps of
 * the first file are carried over. */
ReplQemuCommand *
replQemuArgvConvert(const ReplQemuChain *chain, const ReplQemuTarget *target, gboolean bitmaps);

/* The same for one layer: only what the first file of @chain (of two or more)
 * holds itself goes to @target, which exists already (replQemuArgvCreate); the rest of the chain is what both
 * are on top of. */
ReplQemuCommand *
replQemuArgvConvertLayer(const ReplQemuChain *chain, const ReplQemuTarget *target);

/* qemu-img create: @target, empty, of @size_bytes of guest disk. */
ReplQemuCommand *
replQemuArgvCreate(const ReplQemuTarget *target, guint64 size_bytes);

/* qemu-img info and measure, in JSON; measure tells for a qcow2 target. */
ReplQemuCommand *
replQemuArgvInfo(const ReplQemuChain *chain);
ReplQemuCommand *
replQemuArgvMeasure(const ReplQemuChain *chain);

/* qemu-img check of @file alone. */
ReplQemuCommand *
replQemuArgvCheck(const ReplQemuFile *file);

/* qemu-img map of the first sector of @file alone: what opening it for reading needs, and nothing more. */
ReplQemuCommand *
replQemuArgvMap(const ReplQemuFile *file);
