/*
 * bar.h: a line of progress; pure
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libvirt-replication/libvirt-replication.h>

#include "term.h"

/* A bar of @width columns, @percent full. The caller frees. */
char *
replBar(const ReplTerm *term, int width, unsigned int percent);

/* A job as one line that fits the terminal (80 columns where it has no end): name, bar, percent,
 * rate, ETA, phase.
 * @label: what it copies and where to; @labelWidth: columns to keep for it. The caller frees. */
char *
replBarLine(const ReplTerm *term, const char *label, int labelWidth, const virtReplicationJob *job);

/* The total of several jobs in the same columns. The caller frees. */
char *
replBarTotal(const ReplTerm *term, int labelWidth, virtReplicationJob *const *jobs, size_t njobs);

/* The phase as people read it, translated. */
const char *
replBarPhase(const virtReplicationJob *job);
