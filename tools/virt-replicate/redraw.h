/*
 * redraw.h: text that is drawn again and again in one place of a terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

#include "term.h"

typedef struct {
    ReplTerm *term;
    int lines;      /* drawn last time */
    GString *drawn; /* what they were */
} ReplRedraw;

void
replRedrawInit(ReplRedraw *redraw, ReplTerm *term);
void
replRedrawClear(ReplRedraw *redraw);

/* Draws @text, whose lines end with a newline, over what was drawn before. Reads the terminal's
 * width first when it was resized. */
void
replRedraw(ReplRedraw *redraw, const char *text);

/* Reads the terminal's width anew when it was resized since. */
void
replRedrawResize(ReplRedraw *redraw);
