/*
 * commands.c: the commands in the order of --help
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "commands.h"

const ReplCommand *const replCommands[] = {
    &replCmdLabel,  &replCmdPeer,   &replCmdRegions, &replCmdImages, &replCmdShow,
    &replCmdChain,  &replCmdPlan,   &replCmdCopy,    &replCmdJobs,   &replCmdWatch,
    &replCmdStart,  &replCmdCancel, &replCmdPause,   &replCmdResume, &replCmdRetry,
    &replCmdSet,    &replCmdShare,  &replCmdAccept,  &replCmdReject, &replCmdRevoke,
    &replCmdVerify, &replCmdHeal,   &replCmdKeys,    &replCmdDelete, NULL,
};
