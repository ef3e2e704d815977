/*
 * i18n.h: gettext for a library, which must name its own domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <libintl.h>

#define _(str) dgettext(GETTEXT_PACKAGE, str)
#define N_(str) str
