/*
 * copyopts.h: the options of a copy, for the commands `plan` and `copy`
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* The options; a command lists them in its own table by this macro. */
extern char **replCopyOptTo;
extern char *replCopyOptName;
extern char *replCopyOptDescription;
extern char *replCopyOptFormat;
extern char *replCopyOptEncrypt;
extern char *replCopyOptLimit;
extern char *replCopyOptToken;
extern gboolean replCopyOptFlatten;
extern gboolean replCopyOptFastCreate;
extern char *replCopyOptRekey;
extern int replCopyOptMaxImages;

#define REPL_COPY_OPTIONS                                                                                      \
    {"to",                                                                                                     \
     't',                                                                                                      \
     0,                                                                                                        \
     G_OPTION_ARG_STRING_ARRAY,                                                                                \
     &replCopyOptTo,                                                                                           \
     N_("region (or pool) to copy to; several: again, or with commas between"),                                \
     N_("REGION")},                                                                                            \
        {"name", 'n', 0, G_OPTION_ARG_STRING, &replCopyOptName, N_("volume name of the replica"), N_("NAME")}, \
        {"description", 0, 0, G_OPTION_ARG_STRING, &replCopyOptDescription, N_("description of the replica"),  \
         N_("TEXT")},                                                                                          \
        {"format", 0, 0, G_OPTION_ARG_STRING, &replCopyOptFormat, N_("qcow2 or raw"), N_("FORMAT")},           \
        {"flatten", 0, 0, G_OPTION_ARG_NONE, &replCopyOptFlatten, N_("one layer instead of the chain"), NULL}, \
        {"encrypt",                                                                                            \
         'e',                                                                                                  \
         0,                                                                                                    \
         G_OPTION_ARG_STRING,                                                                                  \
         &replCopyOptEncrypt,                                                                                  \
         N_("encrypt with this key (see 'keys'); default: the default key; none: decrypt"),                    \
         N_("KEY")},                                                                                           \
        {"rekey",                                                                                              \
         0,                                                                                                    \
         0,                                                                                                    \
         G_OPTION_ARG_STRING,                                                                                  \
         &replCopyOptRekey,                                                                                    \
         N_("full: encrypt all data anew; slot: only put the old data key behind the new "                     \
            "passphrase"),                                                                                     \
         N_("full|slot")},                                                                                     \
        {"fast-create",                                                                                        \
         0,                                                                                                    \
         0,                                                                                                    \
         G_OPTION_ARG_NONE,                                                                                    \
         &replCopyOptFastCreate,                                                                               \
         N_("lay the replica out for fast creation"),                                                          \
         NULL},                                                                                                \
        {"limit",                                                                                              \
         0,                                                                                                    \
         0,                                                                                                    \
         G_OPTION_ARG_STRING,                                                                                  \
         &replCopyOptLimit,                                                                                    \
         N_("bandwidth limit, such as 20MiB/s, or none"),                                                      \
         N_("RATE")},                                                                                          \
        {"token",                                                                                              \
         0,                                                                                                    \
         0,                                                                                                    \
         G_OPTION_ARG_STRING,                                                                                  \
         &replCopyOptToken,                                                                                    \
         N_("the same token makes the same replica, however often it is asked for"),                           \
         N_("TOKEN")},                                                                                         \
    {                                                                                                          \
        "max-images", 0, 0, G_OPTION_ARG_INT, &replCopyOptMaxImages,                                           \
            N_("images that one command may copy, 5 at first"), N_("NUMBER")                                   \
    }

/* The options as parameters of the library; the caller frees with virTypedParamsFree(). Reports;
 * false on error. */
bool
replCopyOptParams(ReplClient *client, virTypedParameterPtr *params, int *nparams);
