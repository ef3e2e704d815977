/*
 * state.h: our state driver: when the daemon starts, reloads and stops
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

/* Returns 0, or -1 with the error reported. */
int
replStateRegister(void);
