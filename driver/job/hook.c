/*
 * hook.c: a program of the administrator's, run at the end of each job
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "job/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"

/* What the program said last is worth so much of a log line. */
#define REPL_HOOK_SAID_MAX_bytes 1024
#define REPL_HOOK_LOOK_ms 20

typedef struct {
    char *id;
    char *ended;
    char *(*xml)(void *opaque);
    void *opaque;
    GDestroyNotify free;
} ReplHookEnd;

struct ReplHook {
    /* fixed after creation */
    char *program;
    guint limit_ms;

    ReplLock lock;   /* guards all below; woken when something is to be done */
    GThread *thread; /* NULL: not started yet */
    GQueue waiting;  /* of ReplHookEnd */
    gboolean stop;
};

static void
replHookEndFree(gpointer opaque)
{
    ReplHookEnd *end = opaque;

    g_free(end->id);
    g_free(end->ended);
    if (end->free)
        end->free(end->opaque);
    g_free(end);
}

static gboolean
replHookStops(ReplHook *hook)
{
    REPL_GUARD(&hook->lock);

    return hook->stop;
}

/* --- the child --- */

typedef struct {
    const char *program;
    char *const *argv;
    int in, out;
    pid_t parent;
    sigset_t mask; /* of a fresh process */
} ReplHookPlan;

/* Only what is safe after fork() in a process with threads is called here. */
G_GNUC_NORETURN static void
replHookExec(const ReplHookPlan *plan)
{
    static const char *const env[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct sigaction action = {.sa_handler = SIG_DFL};
    int null = open("/dev/null", O_WRONLY);
    int i;

    for (i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != plan->parent || setsid() < 0 || null < 0 ||
        dup2(plan->in, 0) < 0 || dup2(null, 1) < 0 || dup2(plan->out, 2) < 0)
        _exit(126);
    syscall(SYS_close_range, 3, ~0U, 0);
    sigprocmask(SIG_SETMASK, &plan->mask, NULL);
    execve(plan->program, plan->argv, (char **)env);
    _exit(127);
}

/* The text as a file, so that no thread has to feed a pipe while the hook reads. */
static int
replHookInput(const char *text)
{
    g_auto(ReplFd) fd = memfd_create("storage-replication", MFD_CLOEXEC);

    if (fd < 0 || replPwriteFull(fd, text, strlen(text), 0) < 0)
        return -1;
    return replFdSteal(&fd);
}

static pid_t
replHookStart(const ReplHook *hook, const ReplHookEnd *end, const char *text, int out)
{
    char *const argv[] = {hook->program, end->id, end->ended, (char *)"end", (char *)"-", NULL};
    g_auto(ReplFd) in = replHookInput(text);
    ReplHookPlan plan = {.program = hook->program, .argv = argv, .in = in, .out = out, .parent = getpid()};
    sigset_t all, before;
    pid_t pid;

    if (in < 0)
        return -1;
    sigemptyset(&plan.mask);
    sigfillset(&all);
    /* No handler of the daemon runs in the child. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if ((pid = fork()) == 0)
        replHookExec(&plan);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* Takes what the program says; the end of a long speech is dropped. */
static void
replHookListen(int fd, GString *said)
{
    char buf[512];
    ssize_t len;

    while ((len = read(fd, buf, sizeof(buf))) > 0) {
        if (said->len < REPL_HOOK_SAID_MAX_bytes)
            g_string_append_len(said, buf, MIN((gsize)len, REPL_HOOK_SAID_MAX_bytes - said->len));
    }
}

/* Waits for the end of @pid, or for the limit, or until the daemon stops. Returns whether it ended by itself; it is left to
 * be reaped. */
static gboolean
replHookWait(ReplHook *hook, pid_t pid, int fd, GString *said)
{
    gint64 deadline_us = g_get_monotonic_time() + hook->limit_ms * G_GINT64_CONSTANT(1000);

    for (;;) {
        struct pollfd watch = {.fd = fd, .events = POLLIN};
        siginfo_t info = {.si_pid = 0};
        int rc = waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT);

        replHookListen(fd, said);
        if (rc == 0 && info.si_pid == pid)
            return TRUE;
        if ((rc < 0 && errno != EINTR) || g_get_monotonic_time() >= deadline_us || replHookStops(hook))
            return FALSE;
        /* The pipe ends when the program closes it, which may be long before it ends. */
        if (poll(&watch, 1, REPL_HOOK_LOOK_ms) > 0 && !(watch.revents & POLLIN))
            g_usleep(REPL_HOOK_LOOK_ms * 1000);
    }
}

static void
replHookReport(const ReplHook *hook, const ReplHookEnd *end, gboolean ended, int status, GString *said)
{
    g_autofree char *words = g_utf8_make_valid(g_strchomp(said->str), -1);

    if (!ended)
        replWarn("The hook '%s' for image %s was ended after %u s", hook->program, end->id,
                 hook->limit_ms / 1000);
    else if (WIFSIGNALED(status))
        replWarn("The hook '%s' for image %s was ended by signal %d", hook->program, end->id,
                 WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        replWarn("The hook '%s' for image %s failed with status %d: %s", hook->program, end->id,
                 WEXITSTATUS(status), words);
}

static void
replHookRun(ReplHook *hook, const ReplHookEnd *end)
{
    g_autoptr(GString) said = g_string_new(NULL);
    g_autofree char *text = NULL;
    g_auto(ReplFd) out = -1;
    g_auto(ReplFd) in = -1;
    gboolean ended;
    int status = 0;
    int ends[2];
    pid_t pid;

    if (access(hook->program, X_OK) < 0)
        return;
    text = end->xml(end->opaque);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        replWarn("The hook '%s' cannot be started: %s", hook->program, g_strerror(errno));
        return;
    }
    in = ends[0];
    out = ends[1];
    if (fcntl(in, F_SETFL, O_NONBLOCK) < 0 || (pid = replHookStart(hook, end, text ? text : "", out)) < 0) {
        replWarn("The hook '%s' cannot be started: %s", hook->program, g_strerror(errno));
        return;
    }
    replFdClose(replFdSteal(&out));
    ended = replHookWait(hook, pid, in, said);
    /* What the program has started ends with it. It is reaped behind that, or its number could be another's by then. */
    (void)kill(-pid, SIGKILL);
    /* Alone, too: it may not yet have come to setsid(). */
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (ended || !replHookStops(hook))
        replHookReport(hook, end, ended, status, said);
}

/* --- the thread --- */

static ReplHookEnd *
replHookNext(ReplHook *hook)
{
    REPL_GUARD(&hook->lock);

    while (!hook->stop && g_queue_is_empty(&hook->waiting))
        replLockWait(&hook->lock);
    return hook->stop ? NULL : g_queue_pop_head(&hook->waiting);
}

static gpointer
replHookThread(gpointer opaque)
{
    ReplHook *hook = opaque;
    ReplHookEnd *end;

    while ((end = replHookNext(hook))) {
        replHookRun(hook, end);
        replHookEndFree(end);
    }
    return NULL;
}

ReplHook *
replHookNew(const char *program, guint limit_ms)
{
    ReplHook *hook = g_new0(ReplHook, 1);

    hook->program = g_strdup(program);
    hook->limit_ms = limit_ms;
    replLockInit(&hook->lock);
    g_queue_init(&hook->waiting);
    return hook;
}

void
replHookStop(ReplHook *hook)
{
    GThread *thread;

    replLockTake(&hook->lock);
    hook->stop = TRUE;
    thread = g_steal_pointer(&hook->thread);
    replLockWake(&hook->lock);
    replLockDrop(&hook->lock);
    if (thread)
        g_thread_join(thread);
    if (!g_queue_is_empty(&hook->waiting))
        replWarn("The hook '%s' was not run for %u ended jobs: the daemon stops", hook->program,
                 g_queue_get_length(&hook->waiting));
    g_queue_clear_full(&hook->waiting, replHookEndFree);
}

void
replHookFree(ReplHook *hook)
{
    replHookStop(hook);
    replLockClear(&hook->lock);
    g_free(hook->program);
    g_free(hook);
}

void
replHookTell(ReplHook *hook, const char *id, const char *ended, char *(*xml)(void *opaque), void *opaque,
             GDestroyNotify free)
{
    ReplHookEnd *end = g_new0(ReplHookEnd, 1);
    g_autoptr(GError) err = NULL;
    gboolean taken;

    end->id = g_strdup(id);
    end->ended = g_strdup(ended);
    end->xml = xml;
    end->opaque = opaque;
    end->free = free;
    replLockTake(&hook->lock);
    if (!hook->thread && !hook->stop)
        hook->thread = replThreadNew("repl-hook", replHookThread, hook, &err);
    taken = hook->thread && !hook->stop && g_queue_get_length(&hook->waiting) < REPL_HOOK_WAITING_MAX;
    if (taken)
        g_queue_push_tail(&hook->waiting, end);
    replLockWake(&hook->lock);
    replLockDrop(&hook->lock);
    if (taken)
        return;
    replWarn("The hook '%s' is not run for image %s: %s", hook->program, id,
             err ? err->message : "too many wait for it, or the daemon stops");
    replHookEndFree(end);
}
