/*
 * words.h: words that a person gives, held against what they can be
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* Whether @word is one of @words (ends with NULL). Reports, with the nearest one: @of, an option or a command, takes no
 * other. */
bool
replWordsOneOf(const char *of, const char *word, const char *const *words);

/* Whether @word can be the name of a region or a project. Reports. */
bool
replWordsLabel(const char *word);

/* Whether @word can be the name of a volume. Reports. */
bool
replWordsVolumeName(const char *word);

/* Whether @name is the UUID or the usage of a key that is there. Reports, with the nearest one. Where keys cannot be listed, the
 * daemon will say. */
bool
replWordsKey(ReplClient *client, const char *name);

/* The replica of the job that @word names: by the beginning of its id, or by the replica, which for a job that has ended is
 * any image. Reports; NULL when there is none, or several. */
virStorageVolPtr
replWordsJob(ReplClient *client, const char *word);
