/*
 * term.c: what standard output can show
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REPL_TERM_DEFAULT_WIDTH 80

void
replTermResize(ReplTerm *term, int fd)
{
    struct winsize size;
    const char *columns = g_getenv("COLUMNS");

    if (term->fixedWidth > 0) {
        term->width = term->fixedWidth;
        return;
    }
    if (!term->tty) {
        term->width = 0;
        return;
    }
    term->width = columns ? atoi(columns) : 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        term->width = size.ws_col;
    if (term->width <= 0)
        term->width = REPL_TERM_DEFAULT_WIDTH;
}

void
replTermInit(ReplTerm *term, int fd, bool noColor, bool ascii, int width)
{
    const char *no = g_getenv("NO_COLOR");
    const char *kind = g_getenv("TERM");

    term->tty = isatty(fd) && g_strcmp0(kind, "dumb") != 0;
    term->color = term->tty && !noColor && !(no && *no);
    term->utf8 = !ascii && g_get_charset(NULL);
    term->fixedWidth = width;
    replTermResize(term, fd);
}

const char *
replTermOn(const ReplTerm *term, ReplColor color)
{
    static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[36m", "\033[2m", "\033[1m"};

    return term->color ? codes[color] : "";
}

const char *
replTermOff(const ReplTerm *term, ReplColor color)
{
    return term->color && color != REPL_COLOR_NONE ? "\033[0m" : "";
}

/* The length of an escape sequence at @p, 0 when there is none. */
static size_t
replTermEscape(const char *p)
{
    const char *end = p;

    if (p[0] != '\033' || p[1] != '[')
        return 0;
    for (end = p + 2; *end && !g_ascii_isalpha(*end); end++)
        ;
    return (size_t)(end - p) + (*end != '\0');
}

static int
replTermCharWidth(gunichar c)
{
    if (g_unichar_iszerowidth(c))
        return 0;
    return g_unichar_iswide(c) ? 2 : 1;
}

int
replTermWidth(const char *text)
{
    int width = 0;

    while (*text) {
        size_t escape = replTermEscape(text);

        if (escape > 0) {
            text += escape;
            continue;
        }
        width +=
            replTermCharWidth(g_utf8_get_char_validated(text, -1) < 0x110000 ? g_utf8_get_char(text) : '?');
        text = g_utf8_next_char(text);
    }
    return width;
}

char *
replTermCut(const ReplTerm *term, const char *text, int width)
{
    GString *out;
    int used = 0;

    if (replTermWidth(text) <= width)
        return g_strdup(text);
    out = g_string_new(NULL);
    for (; *text; text = g_utf8_next_char(text)) {
        int wide = replTermCharWidth(g_utf8_get_char(text));

        if (used + wide > width - 1)
            break;
        g_string_append_len(out, text, g_utf8_next_char(text) - text);
        used += wide;
    }
    if (width > 0)
        g_string_append(out, term->utf8 ? "…" : "~");
    return g_string_free(out, FALSE);
}

char *
replTermClean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    GString *out = g_string_new(NULL);
    const char *p;

    for (p = valid; *p; p = g_utf8_next_char(p)) {
        if (g_unichar_iscntrl(g_utf8_get_char(p)))
            g_string_append_c(out, '?');
        else
            g_string_append_len(out, p, g_utf8_next_char(p) - p);
    }
    return g_string_free(out, FALSE);
}
