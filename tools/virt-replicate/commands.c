/*
 * commands.c: the commands in the order of --help
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "commands.h"

const ReplCommand *const replCommands[] = {
    /* Getting there. */
    &replCmdLabel,
    &replCmdPeer,
    &replCmdRegions,
    &replCmdImages,
    &replCmdShow,
    &replCmdChain,
    /* Copies and their jobs. */
    &replCmdPlan,
    &replCmdCopy,
    &replCmdJobs,
    &replCmdWatch,
    &replCmdStart,
    &replCmdCancel,
    &replCmdPause,
    &replCmdResume,
    &replCmdRetry,
    /* Images. */
    &replCmdSet,
    &replCmdDelete,
    &replCmdVerify,
    &replCmdHeal,
    &replCmdKeys,
    /* Others: projects, and places that no connection goes to. */
    &replCmdShare,
    &replCmdRevoke,
    &replCmdAccept,
    &replCmdReject,
    &replCmdExport,
    &replCmdImport,
    /* Without anybody at a terminal. */
    &replCmdSync,
    &replCmdMetrics,
    &replCmdComplete,
    NULL,
};
