/*
 * write.h: XML of requests and updates; pure
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "libpriv.h"

/* What a request says beyond its parameters. */
typedef struct {
    const char *image;       /* id of the source, or NULL: the call names it */
    const char *bundle;      /* a word of VIRT_REPLICATION_REQUEST_BUNDLE, or NULL */
    const char *tokenSuffix; /* made part of the token, or NULL */
    virStorageVolPtr *have;  /* what a bundle leaves out */
    size_t nhave;
} ReplWriteRequest;

/* Appends " name='value'", escaped; nothing for NULL. */
void
replWriteAttr(GString *out, const char *name, const char *value);

/* Appends "<replication:name>text</replication:name>", escaped; nothing for NULL. */
void
replWriteText(GString *out, const char *name, const char *text);

/* Appends a limit in bytes per second. */
void
replWriteBandwidth(GString *out, unsigned long long bytes);

/* Appends a <secret>, by UUID when @key looks like one, else by usage. */
void
replWriteSecret(GString *out, const char *key);

/* The volume XML of a replication. @params were checked by replWriteCheck(). */
char *
replWriteReplicate(const ReplWriteRequest *request, virTypedParameterPtr params, int nparams,
                   unsigned int flags);

/* Refuses unknown parameters of a replication. Sets the error. */
int
replWriteCheck(virTypedParameterPtr params, int nparams);

/* The volume XML of an update; @inner are its children, @key the secret that opens the volume from now on. @volume
 * and @key may be NULL. */
char *
replWriteUpdate(const char *volume, const char *inner, const char *key);
