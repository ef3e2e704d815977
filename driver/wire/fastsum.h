/*
 * fastsum.h: XXH3, by the widest instructions that the processor has
 *
 * To be included instead of <xxhash.h>: the functions keep their names. libxxhash chooses by itself only in those functions that
 * xxh_x86dispatch.h puts in the place of the others, and is not built with them everywhere.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#ifdef REPL_XXH_DISPATCH
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif
