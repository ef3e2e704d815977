/*
 * cmd_sync.c: virt-replicate sync
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "commands.h"
#include "sync.h"

static gboolean replSyncDryRun;
static gboolean replSyncNoWait;
static int replSyncAllowDelete = -1;

static int
replSyncCommand(ReplClient *client, int argc G_GNUC_UNUSED, char **argv)
{
    ReplSyncOptions options = {replSyncDryRun, !replSyncNoWait, replSyncAllowDelete};
    ReplSyncReport report;
    g_autoptr(GError) error = NULL;
    g_autoptr(ReplPolicy) policy = replPolicyLoad(argv[0], &error);
    g_autoptr(ReplSyncState) state = NULL;
    int status;

    if (!policy)
        return replClientError(_("The policy '%s' cannot be used: %s"), argv[0], error->message);
    if (!(state = replSyncStateLoad(argv[0], &error)))
        return replClientError(_("What earlier runs noted cannot be read: %s"), error->message);
    replSyncReportInit(&report);
    status = replSyncRun(client, policy, state, &options, &report);
    replSyncReportPrint(client, &report, status);
    replSyncReportClear(&report);
    return status;
}

static const GOptionEntry replSyncEntries[] = {
    {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &replSyncDryRun, N_("say what would be done, and do nothing"),
     NULL},
    {"no-wait", 0, 0, G_OPTION_ARG_NONE, &replSyncNoWait, N_("begin what can begin now, and end"), NULL},
    {"allow-delete", 0, 0, G_OPTION_ARG_INT, &replSyncAllowDelete,
     /* xgettext:no-c-format */
     N_("replicas that may be deleted in this run, instead of 10 % of all"), N_("NUMBER")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

const ReplCommand replCmdSync = {
    .name = "sync",
    .args = "POLICY",
    .summary = N_("keep images in regions as a policy says"),
    .description = N_("The policy is a file; virt-replicate(1) describes it. Running this again, or twice at "
                      "once, does no\n"
                      "harm."),
    .examples = (const char *const[]){"virt-replicate sync golden.policy --dry-run",
                                      "virt-replicate sync /etc/virt-replicate/golden.policy --quiet", NULL},
    .entries = replSyncEntries,
    .min = 1,
    .max = 1,
    .run = replSyncCommand,
};
