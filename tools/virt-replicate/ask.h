/*
 * ask.h: a question to the person at the terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* Whether to go on: asks @question, which is translated, once. @yes (an option), --json, and an input or output that is no
 * terminal stand for the answer. */
bool
replAsk(const ReplClient *client, bool yes, const char *question);
