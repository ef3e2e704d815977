/*
 * commands.h: the commands, each in a file of its own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

extern const ReplCommand replCmdAccept;
extern const ReplCommand replCmdCancel;
extern const ReplCommand replCmdChain;
extern const ReplCommand replCmdComplete;
extern const ReplCommand replCmdCopy;
extern const ReplCommand replCmdDelete;
extern const ReplCommand replCmdExport;
extern const ReplCommand replCmdHeal;
extern const ReplCommand replCmdImages;
extern const ReplCommand replCmdImport;
extern const ReplCommand replCmdJobs;
extern const ReplCommand replCmdKeys;
extern const ReplCommand replCmdLabel;
extern const ReplCommand replCmdMetrics;
extern const ReplCommand replCmdPause;
extern const ReplCommand replCmdPeer;
extern const ReplCommand replCmdPlan;
extern const ReplCommand replCmdRegions;
extern const ReplCommand replCmdReject;
extern const ReplCommand replCmdResume;
extern const ReplCommand replCmdRetry;
extern const ReplCommand replCmdRevoke;
extern const ReplCommand replCmdSet;
extern const ReplCommand replCmdShare;
extern const ReplCommand replCmdShow;
extern const ReplCommand replCmdStart;
extern const ReplCommand replCmdSync;
extern const ReplCommand replCmdVerify;
extern const ReplCommand replCmdWatch;
