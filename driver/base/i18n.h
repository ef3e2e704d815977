/*
 * i18n.h: gettext for a library, which must name its own domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libintl.h>

#define _(str) dgettext(GETTEXT_PACKAGE, str)
#define N_(str) str
/* The form of a message that fits @n. */
#define P_(one, many, n) dngettext(GETTEXT_PACKAGE, one, many, n)

/* Binds the module's text domain to the folder that its catalogues are installed in. The locale is the
 * daemon's. Once, before the first message. */
void
replI18nInit(void);
