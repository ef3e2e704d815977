/*
 * term.h: what standard output can show
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    bool tty;       /* lines can be redrawn */
    bool color;     /* and be coloured */
    bool utf8;      /* characters beyond ASCII can be shown */
    int width;      /* columns; 0: no end, as in a pipe */
    int fixedWidth; /* what the user asked for, 0: as the terminal says */
} ReplTerm;

typedef enum {
    REPL_COLOR_NONE,
    REPL_COLOR_GOOD,
    REPL_COLOR_BAD,
    REPL_COLOR_BUSY,
    REPL_COLOR_DIM,
    REPL_COLOR_BOLD,
} ReplColor;

/* Looks at @fd and at the environment (NO_COLOR, TERM, COLUMNS, the locale). */
void
replTermInit(ReplTerm *term, int fd, bool noColor, bool ascii, int width);

/* Reads the width anew, after a resize. */
void
replTermResize(ReplTerm *term, int fd);

/* The escape sequences around coloured text; "" without colours. */
const char *
replTermOn(const ReplTerm *term, ReplColor color);
const char *
replTermOff(const ReplTerm *term, ReplColor color);

/* How many columns @text takes, escape sequences aside. */
int
replTermWidth(const char *text);

/* @text cut to @width columns, with "…" or "~" at its end when something is missing. The caller
 * frees. */
char *
replTermCut(const ReplTerm *term, const char *text, int width);

/* @text without control characters, which names may hold. The caller frees. */
char *
replTermClean(const char *text);
