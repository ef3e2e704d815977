/*
 * params.c: typed parameters of callers
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "params.h"

virTypedParameterPtr
replParamsFind(virTypedParameterPtr params, int nparams, const char *name)
{
    int i;

    for (i = 0; i < nparams; i++) {
        if (strcmp(params[i].field, name) == 0)
            return &params[i];
    }
    return NULL;
}

const char *
replParamsString(virTypedParameterPtr params, int nparams, const char *name)
{
    virTypedParameterPtr param = replParamsFind(params, nparams, name);

    return param ? param->value.s : NULL;
}

static int
replParamsCheckOne(virTypedParameterPtr param, bool again, const ReplParamRule *rules)
{
    for (; rules->name; rules++) {
        if (strcmp(rules->name, param->field) != 0)
            continue;
        if (rules->type != param->type || (param->type == VIR_TYPED_PARAM_STRING && !param->value.s))
            return replError(VIR_ERR_INVALID_ARG, _("Parameter '%s' has the wrong type"), param->field);
        if (again && !rules->multiple)
            return replError(VIR_ERR_INVALID_ARG, _("Parameter '%s' is given more than once"), param->field);
        return 0;
    }
    return replError(VIR_ERR_INVALID_ARG, _("Parameter '%s' is not known"), param->field);
}

int
replParamsCheck(virTypedParameterPtr params, int nparams, const ReplParamRule *rules)
{
    int i;

    for (i = 0; i < nparams; i++) {
        bool again = replParamsFind(params, i, params[i].field) != NULL;

        if (replParamsCheckOne(&params[i], again, rules) < 0)
            return -1;
    }
    return 0;
}
