/*
 * ident.h: the id of this daemon
 *
 * Host UUIDs may be equal, so each daemon that keeps state of its own has an id: peers are told from the daemon itself by it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>

/* The id kept in @dir (made when it is not there), a canonical UUID; one that cannot be kept holds until the daemon ends,
 * which costs a log line. */
char *
replIdent(const char *dir);
