/*
 * basispriv.h: what the index of blocks and the writer that asks it share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "copy/reader.h"
#include "endpoint/basis.h"

typedef struct {
    ReplFd fd;
    ReplReader *reader; /* of it, for many threads */
    guint64 size_bytes;
    ReplDigests *digests;
    /* Of the one thread that asks. */
    guint64 loaded; /* group whose digests are in @sums, G_MAXUINT64: none */
    ReplGroupSums sums;
} ReplBasisFile;

/* Where a block is. */
typedef struct {
    guint32 file;
    guint32 block;
} ReplBasisPlace;

/* The block of digest @sum, at @wanted where it is there, too. FALSE: it is nowhere. */
gboolean
replBasisFind(ReplBasis *basis, const guint8 *sum, ReplBasisPlace wanted, ReplBasisPlace *place);

ReplBasisFile *
replBasisFile(ReplBasis *basis, guint32 file);
