/*
 * text.h: the form of everything kept on disk: a key file (GLib's) with a closing checksum line
 *
 * A record that is read may have been cut, mixed up or made by another program: a text is only looked at when
 * its checksum, its kind and its version are right, and then every value is checked by itself.
 * Strings may hold any UTF-8, line breaks included.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* Written into each text; one with a higher number is left alone. Keys that are not known are
 * ignored, so adding some does not raise it. */
#define REPL_TEXT_VERSION 1

/* Longest string value that is believed. */
#define REPL_TEXT_STRING_MAX_bytes (64 * 1024)

/* Turns @keys into the bytes of a file: @kind and version added, checksum line at the end. Returns
 * NULL with @err set (VIR_ERR_INVALID_ARG) when they are more than @max_bytes. */
char *
replTextSeal(GKeyFile *keys, const char *kind, gsize max_bytes, gsize *len, GError **err);

/* Checks and parses what replTextSeal made; NULL with @err set: VIR_ERR_NO_SUPPORT when a newer
 * version wrote it, VIR_ERR_INTERNAL_ERROR when it is damaged. @data must be NUL-terminated. */
GKeyFile *
replTextUnseal(const char *data, gsize len, const char *kind, GError **err);

/* Reads values and remembers the first that is wrong, so that a decoder reads straight on and asks
 * once at its end. After a fault every function returns its "absent" value. */
typedef struct {
    GKeyFile *keys;
    char *fault; /* what is wrong, NULL: nothing */
} ReplTextReader;

/* Marks "[@group] @key" as wrong, unless something else was before. */
void
replTextFault(ReplTextReader *reader, const char *group, const char *key, const char *why);

/* Returns 0, or -1 with @err (VIR_ERR_INTERNAL_ERROR) set when a fault was met; frees the fault. */
int
replTextFinish(ReplTextReader *reader, GError **err);

/* A string, NULL when absent. The others are NULL or checked: a UUID in its canonical lower-case
 * form, a name of a directory entry (replIsEntryName). */
char *
replTextString(ReplTextReader *reader, const char *group, const char *key);
char *
replTextUuid(ReplTextReader *reader, const char *group, const char *key);
char *
replTextName(ReplTextReader *reader, const char *group, const char *key);

/* Returns @value; a fault when it is NULL: replTextNeed(r, replTextUuid(r, g, k), g, k). */
char *
replTextNeed(ReplTextReader *reader, char *value, const char *group, const char *key);

/* Decimal numbers between the two bounds; @absent when there is none. */
guint64
replTextUint(ReplTextReader *reader, const char *group, const char *key, guint64 max);
gint64
replTextInt(ReplTextReader *reader, const char *group, const char *key, gint64 min, gint64 max,
            gint64 absent);

/* "true" or "false", FALSE when absent. */
gboolean
replTextFlag(ReplTextReader *reader, const char *group, const char *key);

/* The value of one of the words that @fromString knows (-1: unknown word); @absent when there is
 * none. */
int
replTextWord(ReplTextReader *reader, const char *group, const char *key, int (*fromString)(const char *),
             int absent);

/* Sets a string; nothing when @value is NULL. */
void
replTextPut(GKeyFile *keys, const char *group, const char *key, const char *value);

/* Whether @id is a UUID in canonical lower-case form. */
gboolean
replIsUuid(const char *id);
