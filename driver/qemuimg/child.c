/*
 * child.c: one child process, made for qemu-img and kept in hand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "qemuimg/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define REPL_CHILD_FIRST_FD 3
/* A secret must fit into its pipe: the child, which reads it, is started after it was written. */
#define REPL_CHILD_MAX_SECRET_BYTES 32768
#define REPL_CHILD_GRACE_MS 200

/* One arena for all of its threads, so that the limit on address space means memory. */
static const char *const replChildEnv[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", "MALLOC_ARENA_MAX=2", NULL};

/* All that the child needs after fork(), when nothing may be allocated any more. */
typedef struct {
    const char *program;
    char **argv;
    const int *fds; /* 0 to 2, then the inputs */
    guint fdCount;
    pid_t parent;
    const ReplQemuRun *run;
    sigset_t mask; /* of a fresh process */
} ReplChildPlan;

static void
replChildLimit(int resource, guint64 soft, guint64 hard)
{
    const struct rlimit limit = {soft, hard};

    if (setrlimit(resource, &limit) < 0)
        _exit(126);
}

/* Puts the descriptors where the command line says, and closes all others. Only what is safe after fork() in a
 * process with threads is called here. */
static void
replChildFds(const ReplChildPlan *plan)
{
    guint i;

    /* First out of the way of each other. */
    for (i = 0; i < plan->fdCount; i++) {
        int high = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, (int)(plan->fdCount + i));

        if (high < 0)
            _exit(126);
        ((int *)plan->fds)[i] = high;
    }
    for (i = 0; i < plan->fdCount; i++) {
        if (dup2(plan->fds[i], (int)i) < 0)
            _exit(126);
    }
    /* Ours are close-on-exec; this is for those that a library of the daemon forgot. */
    syscall(SYS_close_range, plan->fdCount, ~0U, 0);
}

G_GNUC_NORETURN static void
replChildExec(const ReplChildPlan *plan)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    int i;

    for (i = 1; i < NSIG; i++)
        sigaction(i, &action, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != plan->parent)
        _exit(126);
    replChildFds(plan);
    replChildLimit(RLIMIT_CORE, 0, 0);
    if (plan->run->memory_bytes)
        replChildLimit(RLIMIT_AS, plan->run->memory_bytes, plan->run->memory_bytes);
    if (plan->run->cpu_s)
        replChildLimit(RLIMIT_CPU, plan->run->cpu_s, plan->run->cpu_s + 1);
    sigprocmask(SIG_SETMASK, &plan->mask, NULL);
    execve(plan->program, plan->argv, (char **)replChildEnv);
    _exit(127);
}

/* A pipe that holds @secret and nothing more to come. */
static int
replChildSecretPipe(const ReplSecretBuf *secret, GError **err)
{
    int ends[2];
    gboolean ok;

    if (secret->length > REPL_CHILD_MAX_SECRET_BYTES) {
        replErrorSet(err, VIR_ERR_INVALID_SECRET, _("A passphrase of %zu bytes is too long for qemu-img"),
                     secret->length);
        return -1;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make a pipe for qemu-img"));
        return -1;
    }
    ok = write(ends[1], secret->data, secret->length) == (ssize_t)secret->length;
    replFdClose(ends[1]);
    if (ok)
        return ends[0];
    replErrorSetSystem(err, errno, _("Cannot hand a passphrase to qemu-img"));
    replFdClose(ends[0]);
    return -1;
}

static void
replChildFdClear(gpointer fd)
{
    replFdClose(*(int *)fd);
}

/* The child's descriptors from 0 on; those that are @made here are closed with the array. */
static GArray *
replChildInputs(const ReplQemuCommand *command, int out, int errors, GArray *made, GError **err)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    guint i;

    if (null < 0) {
        replErrorSetSystem(err, errno, _("Cannot open '%s'"), "/dev/null");
        return NULL;
    }
    g_array_append_val(made, null);
    g_array_append_val(fds, null);
    g_array_append_val(fds, out);
    g_array_append_val(fds, errors);
    for (i = 0; i < command->inputs->len; i++) {
        const ReplQemuInput *input = &g_array_index(command->inputs, ReplQemuInput, i);
        int fd = input->fd;

        if (input->secret && (fd = replChildSecretPipe(input->secret, err)) < 0)
            return NULL;
        if (input->secret)
            g_array_append_val(made, fd);
        g_array_append_val(fds, fd);
    }
    return g_steal_pointer(&fds);
}

static int
replChildFork(ReplQemuChild *child, const ReplChildPlan *plan, GError **err)
{
    sigset_t all, old;

    /* No handler of the daemon may run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    child->pid = fork();
    if (child->pid == 0)
        replChildExec(plan);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (child->pid > 0)
        return 0;
    child->pid = 0;
    replErrorSetSystem(err, errno, _("Cannot start qemu-img"));
    return -1;
}

/* The two pipes from the child: ours are kept in @child, its ends go to @out and @errors. */
static int
replChildPipes(ReplQemuChild *child, int *out, int *errors, GError **err)
{
    int ends[2], more[2];

    if (pipe2(ends, O_CLOEXEC) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make a pipe for qemu-img"));
        return -1;
    }
    child->outFd = ends[0];
    *out = ends[1];
    if (pipe2(more, O_CLOEXEC) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make a pipe for qemu-img"));
        return -1;
    }
    child->errFd = more[0];
    *errors = more[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(more[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot make a pipe for qemu-img"));
    return -1;
}

int
replQemuChildStart(ReplQemuChild *child, const ReplQemuCommand *command, const ReplQemuRun *run, GError **err)
{
    g_autofree char *program = g_find_program_in_path("qemu-img");
    g_autoptr(GArray) made = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autoptr(GArray) fds = NULL;
    g_auto(ReplFd) out = -1, errors = -1;
    ReplChildPlan plan = {.program = program, .parent = getpid(), .run = run};
    guint i;

    *child = (ReplQemuChild){.outFd = -1, .errFd = -1};
    g_array_set_clear_func(made, replChildFdClear);
    if (!program) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("The program 'qemu-img' is not installed"));
        return -1;
    }
    for (i = 0; i < command->argv->len; i++)
        g_ptr_array_add(argv, g_ptr_array_index(command->argv, i));
    g_ptr_array_add(argv, NULL);
    plan.argv = (char **)argv->pdata;
    if (replChildPipes(child, &out, &errors, err) < 0 ||
        !(fds = replChildInputs(command, out, errors, made, err))) {
        replQemuChildEnd(child);
        return -1;
    }
    plan.fds = (const int *)(void *)fds->data;
    plan.fdCount = fds->len;
    sigemptyset(&plan.mask);
    if (replChildFork(child, &plan, err) == 0)
        return 0;
    replQemuChildEnd(child);
    return -1;
}

gboolean
replQemuChildEnded(ReplQemuChild *child)
{
    pid_t pid;

    if (child->pid == 0)
        return TRUE;
    do {
        pid = waitpid(child->pid, &child->status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return FALSE;
    /* Another thread of the daemon has reaped the child: its status is lost, so report a failure. */
    if (pid < 0)
        child->status = W_EXITCODE(125, 0);
    child->pid = 0;
    return TRUE;
}

void
replQemuChildSignal(const ReplQemuChild *child, int signal)
{
    if (child->pid > 0)
        kill(child->pid, signal);
}

void
replQemuChildEnd(ReplQemuChild *child)
{
    guint waited_ms;

    if (!replQemuChildEnded(child)) {
        replQemuChildSignal(child, SIGTERM);
        replQemuChildSignal(child, SIGCONT);
        for (waited_ms = 0; waited_ms < REPL_CHILD_GRACE_MS && !replQemuChildEnded(child); waited_ms += 5)
            g_usleep(5000);
        replQemuChildSignal(child, SIGKILL);
        while (!replQemuChildEnded(child))
            g_usleep(1000);
    }
    replFdClose(child->outFd);
    replFdClose(child->errFd);
    child->outFd = child->errFd = -1;
}

double
replQemuChildCpu(const ReplQemuChild *child)
{
    struct timespec used;
    clockid_t clock;

    if (child->pid == 0 || clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        return -1;
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}
