/*
 * main.c: virt-replicate: options, help, and which command it is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "nearest.h"

static ReplClient replMain;
static gboolean replMainVersion;
static char replMainHelpOption[] = "--help";

static const GOptionEntry replMainEntries[] = {
    {"connect", 'c', 0, G_OPTION_ARG_STRING, &replMain.uri, N_("connect to a hypervisor or storage daemon"),
     N_("URI")},
    {"readonly", 'r', 0, G_OPTION_ARG_NONE, &replMain.readonly, N_("connect read-only"), NULL},
    {"quiet", 'q', 0, G_OPTION_ARG_NONE, &replMain.quiet, N_("print nothing when it works"), NULL},
    {"json", 0, 0, G_OPTION_ARG_NONE, &replMain.json, N_("print JSON, events as a line each"), NULL},
    {"no-color", 0, 0, G_OPTION_ARG_NONE, &replMain.noColor,
     N_("no colours (also: NO_COLOR in the environment)"), NULL},
    {"ascii", 0, 0, G_OPTION_ARG_NONE, &replMain.ascii, N_("draw with ASCII characters only"), NULL},
    {"width", 0, 0, G_OPTION_ARG_INT, &replMain.width, N_("columns to use, also in a pipe"), N_("COLUMNS")},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

static const GOptionEntry replMainOwnEntries[] = {
    {"version", 'V', 0, G_OPTION_ARG_NONE, &replMainVersion, N_("print the version and end"), NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
};

/* libvirt would print errors by itself. */
static void
replMainNoErrors(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static const ReplCommand *
replMainFind(const char *name)
{
    const ReplCommand *const *command;

    for (command = replCommands; *command; command++) {
        if (strcmp((*command)->name, name) == 0)
            return *command;
    }
    return NULL;
}

static void
replMainAddOptions(GPtrArray *words, const GOptionEntry *entries)
{
    for (; entries && entries->long_name; entries++)
        g_ptr_array_add(words, g_strconcat("--", entries->long_name, NULL));
}

/* An option that GOption does not like; of one that it does not know the nearest is said. */
static int
replMainBadOption(const GError *error, const GOptionEntry *entries)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    const char *option = strstr(error->message, "--");
    g_autofree char *word = option ? g_strndup(option, strcspn(option, " =\n")) : NULL;
    const char *near;

    if (!g_error_matches(error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION) || !word)
        return replClientError("%s", error->message);
    replMainAddOptions(words, entries);
    replMainAddOptions(words, replMainEntries);
    g_ptr_array_add(words, NULL);
    near = replNearest(word, (const char *const *)words->pdata);
    if (near)
        return replClientError(_("There is no option '%s'. Did you mean '%s'?"), word, near);
    return replClientError(_("There is no option '%s': '%s --help' lists them all"), word, g_get_prgname());
}

static GOptionGroup *
replMainGroup(void)
{
    GOptionGroup *group = g_option_group_new("general", _("Options of every command:"),
                                             _("Show options of every command"), NULL, NULL);

    g_option_group_add_entries(group, replMainEntries);
    g_option_group_set_translation_domain(group, GETTEXT_PACKAGE);
    return group;
}

/* --help without a command. */
static char *
replMainHelp(void)
{
    GString *text = g_string_new(_("Commands:\n"));
    const ReplCommand *const *command;

    for (command = replCommands; *command; command++) {
        if ((*command)->summary)
            g_string_append_printf(text, "  %-10s %s\n", (*command)->name, _((*command)->summary));
    }
    g_string_append(
        text, _("\nTo begin with:\n"
                "  virsh pool-list --all                       what pools there are\n"
                "  virt-replicate label POOL REGION            make a pool a region; two are needed\n"
                "  virt-replicate copy IMAGE --to REGION       replicate an image to the other one\n"
                "\n'virt-replicate COMMAND --help' has an example of each command. An image is named by\n"
                "[region:]name, by its id or the beginning of it, or by pool/volume."));
    return g_string_free(text, FALSE);
}

static int
replMainUnknown(const char *name)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    const ReplCommand *const *command;
    const char *near;

    for (command = replCommands; *command; command++) {
        if ((*command)->summary)
            g_ptr_array_add(words, (gpointer)(*command)->name);
    }
    g_ptr_array_add(words, NULL);
    near = replNearest(name, (const char *const *)words->pdata);
    if (near)
        return replClientError(_("There is no command '%s'. Did you mean '%s'?"), name, near);
    return replClientError(_("There is no command '%s': 'virt-replicate --help' lists them all"), name);
}

/* Options in front of the command. NULL: the program has done all that was asked for, or failed
 * (@status). */
static const ReplCommand *
replMainFirst(int *argc, char ***argv, int *status)
{
    g_autoptr(GOptionContext) context = g_option_context_new(_("COMMAND [ARGUMENT…]"));
    g_autofree char *help = replMainHelp();
    g_autoptr(GError) error = NULL;
    const ReplCommand *command;

    g_option_context_set_summary(
        context, _("Replicate disk images with their snapshot chains between regions, which are "
                   "storage pools of libvirt."));
    g_option_context_set_description(context, help);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_translation_domain(context, GETTEXT_PACKAGE);
    g_option_context_add_main_entries(context, replMainEntries, GETTEXT_PACKAGE);
    g_option_context_add_main_entries(context, replMainOwnEntries, GETTEXT_PACKAGE);
    *status = REPL_EXIT_DONE;
    if (!g_option_context_parse(context, argc, argv, &error)) {
        *status = replMainBadOption(error, replMainOwnEntries);
        return NULL;
    }
    if (replMainVersion) {
        printf("virt-replicate %s\n", REPL_VERSION);
        return NULL;
    }
    if (*argc < 2 || (*argc == 2 && strcmp((*argv)[1], "help") == 0)) {
        g_autofree char *text = g_option_context_get_help(context, TRUE, NULL);

        fputs(text, *argc < 2 ? stderr : stdout);
        *status = *argc < 2 ? REPL_EXIT_FAILED : REPL_EXIT_DONE;
        return NULL;
    }
    if (*argc >= 3 && strcmp((*argv)[1], "help") == 0) { /* as virsh has it */
        (*argv)[1] = (*argv)[2];
        (*argv)[2] = replMainHelpOption;
    }
    if (!(command = replMainFind((*argv)[1])))
        *status = replMainUnknown((*argv)[1]);
    return command;
}

static GOptionContext *
replMainContext(const ReplCommand *command)
{
    GOptionContext *context = g_option_context_new(command->args);
    GString *description = g_string_new(command->description ? _(command->description) : "");
    const char *const *example;

    g_string_append(description, command->description ? _("\n\nExamples:") : _("Examples:"));
    for (example = command->examples; *example; example++)
        g_string_append_printf(description, "\n  %s", *example);
    g_option_context_set_summary(context, command->summary ? _(command->summary) : "");
    g_option_context_set_description(context, description->str);
    g_string_free(description, TRUE);
    if (command->entries)
        g_option_context_add_main_entries(context, command->entries, GETTEXT_PACKAGE);
    g_option_context_add_group(context, replMainGroup());
    return context;
}

static bool
replMainWantsHelp(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

/* --help of a command shows the common options, too: in GOption's own way they would be hidden in a
 * group. */
static int
replMainParse(const ReplCommand *command, int *argc, char ***argv)
{
    g_autoptr(GOptionContext) context = replMainContext(command);
    g_autofree char *program = g_strdup_printf("virt-replicate %s", command->name);
    g_autoptr(GError) error = NULL;
    int count;

    g_set_prgname(program);
    g_option_context_set_help_enabled(context, FALSE);
    if (replMainWantsHelp(*argc, *argv)) {
        g_autofree char *text = g_option_context_get_help(context, FALSE, NULL);

        fputs(text, stdout);
        return -1;
    }
    if (!g_option_context_parse(context, argc, argv, &error))
        return replMainBadOption(error, command->entries);
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        (*argv)++;
        (*argc)--;
    }
    count = *argc - 1;
    if (count < command->min || (command->max >= 0 && count > command->max))
        return replClientError(_("Usage: virt-replicate %s%s%s ('virt-replicate %s --help' says more)"),
                               command->name, *command->args ? " " : "", command->args, command->name);
    return REPL_EXIT_DONE;
}

static int
replMainConnect(ReplClient *client, const ReplCommand *command)
{
    const char *uri = client->uri ? client->uri : g_getenv("VIRSH_DEFAULT_CONNECT_URI");

    client->conn = virConnectOpenAuth(uri, virConnectAuthPtrDefault, client->readonly ? VIR_CONNECT_RO : 0);
    if (!client->conn)
        return replClientFailWith(NULL, virGetLastError());
    return command->stock || replClientHasModule(client) ? REPL_EXIT_DONE : REPL_EXIT_FAILED;
}

static int
replMainRun(const ReplCommand *command, int argc, char **argv)
{
    int status = command->raw ? REPL_EXIT_DONE : replMainParse(command, &argc, &argv);

    if (status != REPL_EXIT_DONE)
        return MAX(status, 0);
    replTermInit(&replMain.out, STDOUT_FILENO, replMain.noColor, replMain.ascii, replMain.width);
    virSetErrorFunc(NULL, replMainNoErrors);
    if (virInitialize() < 0)
        return replClientError(_("libvirt cannot be used"));
    if (!command->offline && replMainConnect(&replMain, command) != REPL_EXIT_DONE)
        return REPL_EXIT_FAILED;
    status = command->run(&replMain, argc - 1, argv + 1);
    if (replMain.secrets)
        virConnectClose(replMain.secrets);
    if (replMain.conn)
        virConnectClose(replMain.conn);
    if (fflush(stdout) != 0 || ferror(stdout))
        return replClientError(_("The output could not be written"));
    return status;
}

int
main(int argc, char **argv)
{
    const ReplCommand *command;
    int status;

    /* A daemon that ends while it is written to is an error to be said. */
    signal(SIGPIPE, SIG_IGN);
    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, REPL_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_set_prgname("virt-replicate");
    if (!(command = replMainFirst(&argc, &argv, &status)))
        return status;
    return replMainRun(command, argc - 1, argv + 1);
}
