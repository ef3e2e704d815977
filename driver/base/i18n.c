/*
 * i18n.c: where the translations are
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/i18n.h"

void
replI18nInit(void)
{
    /* Without a catalogue, or without memory, messages stay English. */
    if (bindtextdomain(GETTEXT_PACKAGE, REPL_LOCALEDIR))
        bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
}
