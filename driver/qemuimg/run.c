/*
 * run.c: qemu-img is run once, within limits, and followed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qemuimg/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-glib/json-glib.h>

#include "base/error.h"
#include "base/fd.h"
#include "qemuimg/child.h"

#define REPL_RUN_MAX_OUTPUT_BYTES (1U << 20)
#define REPL_RUN_MAX_MESSAGE_BYTES 4096U
#define REPL_RUN_TICK_MS 50
/* The watch is asked for blocks of at most this. */
#define REPL_RUN_BLOCK_BYTES (G_GUINT64_CONSTANT(2) << 20)

typedef struct {
    const ReplQemuRun *run;
    const char *what;
    ReplQemuChild child;
    GString *out, *errors;
    guint64 base_bytes;  /* of the meter's file before */
    guint64 moved_bytes; /* told to the watch */
    gint64 started_us;
    guint64 seen;     /* sum of all signs of progress */
    double seenCpu_s; /* when there was the last one */
} ReplQemuWatch;

int
replQemuProgress(const char *text)
{
    const char *p = g_strrstr(text, "/100%)");
    guint64 whole, part;

    if (!p)
        return -1;
    while (p > text && (g_ascii_isdigit(p[-1]) || p[-1] == '.'))
        p--;
    whole = g_ascii_strtoull(p, (char **)&p, 10);
    part = *p == '.' && g_ascii_isdigit(p[1]) && g_ascii_isdigit(p[2])
               ? (guint64)((p[1] - '0') * 10 + (p[2] - '0'))
               : 0;
    return whole >= 100 ? 10000 : (int)(whole * 100 + part);
}

int
replQemuNumber(const char *json, const char *key, guint64 *value)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root, *node;

    if (!json_parser_load_from_data(parser, json, -1, NULL) || !(root = json_parser_get_root(parser)) ||
        !JSON_NODE_HOLDS_OBJECT(root))
        return -1;
    node = json_object_get_member(json_node_get_object(root), key);
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64 ||
        json_node_get_int(node) < 0)
        return -1;
    *value = (guint64)json_node_get_int(node);
    return 0;
}

/* Takes what there is; at most @max bytes are kept: the first ones, or the @last. */
static gboolean
replRunDrain(int fd, GString *text, gsize max, gboolean last)
{
    char buf[4096];
    gboolean any = FALSE;
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && (last || text->len < max))
            g_string_append_len(text, buf, last ? n : (gssize)MIN((gsize)n, max - text->len));
        if (text->len > max)
            g_string_erase(text, 0, (gssize)(text->len - max));
        any = any || n > 0;
    }
    return any;
}

static guint64
replRunMeter(const ReplQemuRun *run)
{
    struct stat st;

    return run->meterFd >= 0 && fstat(run->meterFd, &st) == 0 ? (guint64)st.st_blocks * 512 : 0;
}

/* How much of the whole is done, as far as one can see from outside. */
static guint64
replRunMoved(ReplQemuWatch *w)
{
    guint64 grown = replRunMeter(w->run);
    guint64 moved = grown > w->base_bytes ? grown - w->base_bytes : 0;
    int percent = w->run->watch ? replQemuProgress(w->out->str) : -1;

    w->seen += moved != w->moved_bytes;
    if (percent > 0)
        moved = MAX(moved, (guint64)((double)w->run->total_bytes * percent / 10000));
    /* Only the latest progress matters. */
    if (w->run->watch && w->out->len > 4096)
        g_string_erase(w->out, 0, (gssize)w->out->len - 64);
    return MIN(moved, w->run->total_bytes);
}

/* Asks the watch for the next @more bytes, of which qemu-img may write many between two looks, and tells them piece by
 * piece: the watch may wait long for all of them. */
static int
replRunTell(ReplQemuWatch *w, guint64 more, GError **err)
{
    const ReplCopyWatch *watch = w->run->watch;

    do {
        guint64 part = MIN(more, REPL_RUN_BLOCK_BYTES);

        if (watch->admit && watch->admit(watch->opaque, part, err) < 0)
            return -1;
        if (part > 0 && watch->advance)
            watch->advance(watch->opaque, part);
        w->moved_bytes += part;
        more -= part;
    } while (more > 0);
    return 0;
}

/* Tells the watch of everything up to @moved_bytes, with the child stopped meanwhile. */
static int
replRunFollow(ReplQemuWatch *w, guint64 moved_bytes, GError **err)
{
    const ReplCopyWatch *watch = w->run->watch;
    int ret;

    if (!watch)
        return 0;
    if (watch->admit)
        replQemuChildSignal(&w->child, SIGSTOP);
    ret = replRunTell(w, moved_bytes > w->moved_bytes ? moved_bytes - w->moved_bytes : 0, err);
    if (watch->admit)
        replQemuChildSignal(&w->child, SIGCONT);
    return ret;
}

static int
replRunTooLong(const ReplQemuWatch *w, const char *kind, guint limit_s, GError **err)
{
    replErrorSet(err, VIR_ERR_OPERATION_FAILED,
                 _("qemu-img was ended at volume '%s': it took more than %u seconds %s"), w->what, limit_s,
                 kind);
    return -1;
}

static int
replRunCheckTime(ReplQemuWatch *w, gboolean alive, GError **err)
{
    double cpu_s;

    if (w->run->wall_s && g_get_monotonic_time() - w->started_us > w->run->wall_s * G_USEC_PER_SEC)
        return replRunTooLong(w, _("in all"), w->run->wall_s, err);
    if (!w->run->stall_s || (cpu_s = replQemuChildCpu(&w->child)) < 0)
        return 0;
    if (alive)
        w->seenCpu_s = cpu_s;
    else if (cpu_s - w->seenCpu_s > w->run->stall_s)
        return replRunTooLong(w, _("without any progress"), w->run->stall_s, err);
    return 0;
}

/* Follows the child until it has ended by itself. */
static int
replRunLoop(ReplQemuWatch *w, GError **err)
{
    gboolean ended;

    do {
        struct pollfd fds[] = {{w->child.outFd, POLLIN, 0}, {w->child.errFd, POLLIN, 0}};
        guint64 seen = w->seen;
        gboolean alive;

        ended = replQemuChildEnded(&w->child);
        if (!ended)
            poll(fds, G_N_ELEMENTS(fds), REPL_RUN_TICK_MS);
        alive = replRunDrain(w->child.outFd, w->out, REPL_RUN_MAX_OUTPUT_BYTES, FALSE);
        alive = replRunDrain(w->child.errFd, w->errors, REPL_RUN_MAX_MESSAGE_BYTES, TRUE) || alive;
        if (ended)
            return 0;
        if (replRunFollow(w, replRunMoved(w), err) < 0 ||
            replRunCheckTime(w, alive || seen != w->seen, err) < 0)
            return -1;
        /* Pipes that are closed at both ends make poll() return at once: no spinning until it is reaped. */
        if ((fds[0].revents & POLLHUP) || (fds[0].revents & POLLIN))
            g_usleep(2000);
    } while (!ended);
    return 0;
}

/* What qemu-img said, fit for a message: one line, printable, and without the chain that it repeats in full (of
 * which there may be only the end). */
static char *
replRunMessage(const GString *errors)
{
    const char *node = g_strrstr_len(errors->str, (gssize)errors->len, "}': ");
    const char *start = node ? node + strlen("}': ") : errors->str;
    g_autofree char *valid = g_utf8_make_valid(start, (gssize)(errors->len - (gsize)(start - errors->str)));
    char *p;

    g_strchomp(valid);
    for (p = valid; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = *p == '\n' ? ' ' : '?';
    }
    return g_steal_pointer(&valid);
}

static int
replRunJudge(ReplQemuWatch *w, int *status, GError **err)
{
    g_autofree char *message = replRunMessage(w->errors);
    int how = w->child.status;

    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGXCPU)
        return replRunTooLong(w, _("of CPU time"), w->run->cpu_s, err);
    if (WIFSIGNALED(how)) {
        replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("qemu-img was ended by signal %d at volume '%s': %s"),
                     WTERMSIG(how), w->what, message);
        return -1;
    }
    if (status)
        *status = WEXITSTATUS(how);
    if (WEXITSTATUS(how) == 0 || (status && WEXITSTATUS(how) < 125))
        return 0;
    replErrorSet(err, VIR_ERR_OPERATION_FAILED, _("qemu-img failed with status %d at volume '%s': %s"),
                 WEXITSTATUS(how), w->what, message);
    return -1;
}

int
replQemuImgRun(const ReplQemuCommand *command, const ReplQemuRun *run, const char *what, char **output,
               int *status, GError **err)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) errors = g_string_new(NULL);
    ReplQemuWatch w = {.run = run, .what = what, .out = out, .errors = errors};
    int ret;

    w.base_bytes = replRunMeter(run);
    w.started_us = g_get_monotonic_time();
    /* End the child at once when the job is cancelled. */
    if (run->watch && run->watch->admit && run->watch->admit(run->watch->opaque, 0, err) < 0)
        return -1;
    if (replQemuChildStart(&w.child, command, run, err) < 0)
        return -1;
    ret = replRunLoop(&w, err);
    replQemuChildEnd(&w.child);
    if (ret < 0 || replRunJudge(&w, status, err) < 0)
        return -1;
    if ((!status || *status == 0) && replRunFollow(&w, run->total_bytes, err) < 0)
        return -1;
    if (output)
        *output = g_string_free(g_steal_pointer(&out), FALSE);
    return 0;
}
