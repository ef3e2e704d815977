/*
 * printable.h: text from untrusted sources, fit for messages
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* @text fit for a message: valid UTF-8, control characters as '?', at most about 300 bytes. */
char *
replPrintable(const char *text);
