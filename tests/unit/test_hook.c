/*
 * test_hook.c: the program at the end of jobs: what it gets, and that it holds up nobody
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/hook.h"

typedef struct {
    char *dir;
    char *program;
    char *out; /* what the program writes */
} Fixture;

static gint freed;

static void
setUp(Fixture *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("repl-hook-XXXXXX", NULL);
    g_assert_nonnull(f->dir);
    f->program = g_build_filename(f->dir, "hook", NULL);
    f->out = g_build_filename(f->dir, "out", NULL);
    freed = 0;
}

static void
tearDown(Fixture *f, gconstpointer data)
{
    g_autofree char *child = g_build_filename(f->dir, "child", NULL);

    g_unlink(f->program);
    g_unlink(f->out);
    g_unlink(child);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);
    g_free(f->dir);
    g_free(f->program);
    g_free(f->out);
}

static void
writeProgram(const Fixture *f, const char *body)
{
    g_autofree char *text = g_strdup_printf("#!/bin/sh\ncd '%s'\n%s\n", f->dir, body);

    g_assert_true(g_file_set_contents(f->program, text, -1, NULL));
    g_assert_cmpint(chmod(f->program, 0700), ==, 0);
}

static char *
makeXml(void *opaque)
{
    return g_strdup(opaque);
}

static void
noteFreed(void *opaque)
{
    g_free(opaque);
    g_atomic_int_inc(&freed);
}

static void
tell(ReplHook *hook, const char *id, const char *xml)
{
    replHookTell(hook, id, "completed", makeXml, g_strdup(xml), noteFreed);
}

static void
waitFor(gint count)
{
    gint64 end = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;

    while (g_atomic_int_get(&freed) < count) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(2000);
    }
}

static char *
contents(const char *path)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static void
testGets(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, REPL_HOOK_LIMIT_ms);
    g_autofree char *big = g_strnfill(3 << 20, 'x');
    g_autofree char *out = NULL;
    g_autofree char *expected =
        g_strdup_printf("an-id completed end - /usr/sbin:/usr/bin:/sbin:/bin\n%s", big);

    writeProgram(f, "echo \"$* $PATH\" >out; cat >>out");
    tell(hook, "an-id", big);
    waitFor(1);
    out = contents(f->out);
    g_assert_cmpstr(out, ==, expected);
    replHookFree(hook);
}

/* One that is not there costs nothing, not even the XML. */
static char *
noXml(void *opaque)
{
    g_assert_not_reached();
    return NULL;
}

static void
testAbsent(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, REPL_HOOK_LIMIT_ms);

    replHookTell(hook, "id", "failed", noXml, g_strdup("x"), noteFreed);
    waitFor(1);
    replHookFree(hook);
}

/* A program that never ends, nor reads, delays nobody, and is ended with what it has started. */
static void
testLimit(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, 300);
    g_autofree char *path = g_build_filename(f->dir, "child", NULL);
    g_autofree char *child = NULL;
    gint64 began = g_get_monotonic_time();
    guint i;

    writeProgram(f, "sleep 1000 & echo $! >child; trap '' TERM; sleep 1000");
    tell(hook, "id", "x");
    g_assert_cmpint(g_get_monotonic_time() - began, <, 200000);
    waitFor(1);
    child = contents(path);
    for (i = 0; i < 500 && kill(atoi(child), 0) == 0; i++)
        g_usleep(10000);
    g_assert_cmpint(kill(atoi(child), 0), <, 0);
    g_assert_cmpint(errno, ==, ESRCH);
    replHookFree(hook);
}

/* What the program leaves running ends with it. */
static void
testLeftBehind(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, REPL_HOOK_LIMIT_ms);
    g_autofree char *path = g_build_filename(f->dir, "child", NULL);
    g_autofree char *child = NULL;
    guint i;

    writeProgram(f, "sleep 1000 & echo $! >child");
    tell(hook, "id", "x");
    waitFor(1);
    child = contents(path);
    for (i = 0; i < 500 && kill(atoi(child), 0) == 0; i++)
        g_usleep(10000);
    g_assert_cmpint(kill(atoi(child), 0), <, 0);
    replHookFree(hook);
}

static void
testStop(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, REPL_HOOK_LIMIT_ms);
    g_autofree char *path = g_build_filename(f->dir, "child", NULL);
    gint64 began;
    guint i;

    writeProgram(f, "echo $$ >child; sleep 1000");
    for (i = 0; i < 1; i++)
        tell(hook, "id", "x");
    while (!g_file_test(path, G_FILE_TEST_EXISTS))
        g_usleep(2000);
    began = g_get_monotonic_time();
    replHookFree(hook);
    g_assert_cmpint(g_get_monotonic_time() - began, <, 5 * G_TIME_SPAN_SECOND);
    g_assert_cmpint(freed, ==, 1);
}

/* In order, and none is lost when many end at once. */
static void
testOrder(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, REPL_HOOK_LIMIT_ms);
    g_autofree char *out = NULL;
    guint i;

    writeProgram(f, "printf %s \"$1\" >>out");
    for (i = 0; i < 9; i++) {
        g_autofree char *id = g_strdup_printf("%u", i);

        tell(hook, id, "");
    }
    waitFor(9);
    out = contents(f->out);
    g_assert_cmpstr(out, ==, "012345678");
    replHookFree(hook);
}

/* One that talks without end is heard, not remembered. */
static void
testTalks(Fixture *f, gconstpointer data)
{
    ReplHook *hook = replHookNew(f->program, REPL_HOOK_LIMIT_ms);

    writeProgram(f, "head -c 5000000 /dev/zero | tr '\\0' x >&2");
    tell(hook, "id", "x");
    waitFor(1);
    replHookFree(hook);
}

#define ADD(name, func) g_test_add("/hook/" name, Fixture, NULL, setUp, func, tearDown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("gets", testGets);
    ADD("absent", testAbsent);
    ADD("limit", testLimit);
    ADD("left-behind", testLeftBehind);
    ADD("stop", testStop);
    ADD("order", testOrder);
    ADD("talks", testTalks);
    return g_test_run();
}
