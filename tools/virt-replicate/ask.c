/*
 * ask.c: a question to the person at the terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "ask.h"

#include <stdio.h>
#include <unistd.h>

#define REPL_ASK_MAX 64

/* Whether @answer begins as @word does, by its first character: in UTF-8 many share their first byte. */
static bool
replAskBegins(const char *answer, const char *word)
{
    gunichar first = g_utf8_get_char_validated(answer, -1);

    return first != (gunichar)-1 && first != (gunichar)-2 &&
           g_unichar_tolower(first) == g_unichar_tolower(g_utf8_get_char(word));
}

bool
replAsk(const ReplClient *client, bool yes, const char *question)
{
    char answer[REPL_ASK_MAX];

    if (yes || client->json || !isatty(STDIN_FILENO) || !client->out.tty)
        return true;
    fputs(question, stdout);
    fflush(stdout);
    if (!fgets(answer, sizeof(answer), stdin))
        return false;
    /* The answer is in the user's language, or English. */
    return replAskBegins(answer, "yes") || replAskBegins(answer, _("yes"));
}
