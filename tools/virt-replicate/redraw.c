/*
 * redraw.c: text that is drawn again and again in one place of a terminal
 *
 * After a resize the terminal may have wrapped the old lines: how many rows they take now is
 * counted by the new width, so that the cursor finds their beginning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "redraw.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t replRedrawResized;

static void
replRedrawOnResize(int signal)
{
    replRedrawResized = signal == SIGWINCH;
}

void
replRedrawInit(ReplRedraw *redraw, ReplTerm *term)
{
    struct sigaction action = {.sa_handler = replRedrawOnResize, .sa_flags = SA_RESTART};

    redraw->term = term;
    redraw->lines = 0;
    redraw->drawn = g_string_new(NULL);
    if (term->tty)
        sigaction(SIGWINCH, &action, NULL);
}

void
replRedrawClear(ReplRedraw *redraw)
{
    if (redraw->drawn)
        g_string_free(redraw->drawn, TRUE);
    redraw->drawn = NULL;
}

/* Rows that the drawn lines take at the present width. */
static int
replRedrawRows(const ReplRedraw *redraw)
{
    g_auto(GStrv) lines = g_strsplit(redraw->drawn->str, "\n", -1);
    int rows = 0;
    guint i;

    for (i = 0; lines[i] && lines[i + 1]; i++) {
        int width = replTermWidth(lines[i]);

        rows += MAX((width + redraw->term->width - 1) / MAX(redraw->term->width, 1), 1);
    }
    return rows;
}

void
replRedrawResize(ReplRedraw *redraw)
{
    if (!replRedrawResized)
        return;
    replRedrawResized = 0;
    replTermResize(redraw->term, STDOUT_FILENO);
    redraw->lines = replRedrawRows(redraw);
}

void
replRedraw(ReplRedraw *redraw, const char *text)
{
    const char *line, *end;

    replRedrawResize(redraw);
    if (redraw->lines > 0)
        printf("\033[%dA", redraw->lines);
    printf("\r");
    redraw->lines = 0;
    for (line = text; (end = strchr(line, '\n')); line = end + 1) {
        printf("%.*s\033[K\n", (int)(end - line), line);
        redraw->lines++;
    }
    printf("\033[J"); /* what was longer before */
    fflush(stdout);
    g_string_assign(redraw->drawn, text);
}
