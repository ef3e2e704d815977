/*
 * params.h: typed parameters of callers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "libpriv.h"

typedef struct {
    const char *name;
    int type;      /* VIR_TYPED_PARAM_… */
    bool multiple; /* may be given more than once */
} ReplParamRule;

/* Refuses what is not in @rules (which end with a NULL name) or has another type. Sets the error.
 */
int
replParamsCheck(virTypedParameterPtr params, int nparams, const ReplParamRule *rules);

/* The first parameter of that name, NULL without it. */
virTypedParameterPtr
replParamsFind(virTypedParameterPtr params, int nparams, const char *name);

/* The string of that name, NULL without it. */
const char *
replParamsString(virTypedParameterPtr params, int nparams, const char *name);
