/*
 * error.h: the last error of each thread
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include <glib.h>
#include <libvirt/virterror.h>

/* Forgets the thread's error. */
void
replErrorReset(void);

/* Sets the thread's error to one of the library's own. Returns -1. */
int
replError(int code, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Takes over the error of the libvirt call that just failed. Returns -1. */
int
replErrorFromLibvirt(void);

/* The code of the thread's error, VIR_ERR_OK when there is none. */
int
replErrorCode(void);

/* Gives the thread's error to the caller, who frees it with virFreeError(). Never NULL. */
virErrorPtr
replErrorSteal(void);
