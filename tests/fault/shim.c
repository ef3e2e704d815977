/*
 * shim.c: system calls of the daemon that fail, or are its last
 *
 * Preloaded into the daemon (LD_PRELOAD, tests/harness/faults.py). What is to happen to which call stands in
 * a page shared with the test (REPL_FAULT_CONTROL names its file), so that a test arms it between two
 * requests. Calls on paths outside the given folders, and all calls of other programs, go through.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "control.h"

static FaultControl *faultControl;

/* Only the daemon itself, not the helpers that inherit its environment. */
__attribute__((constructor)) static void
faultStart(void)
{
    const char *path = getenv("REPL_FAULT_CONTROL");
    const char *name = program_invocation_short_name;
    FaultControl *control;
    int fd;

    if (!path || (strcmp(name, "libvirtd") && strcmp(name, "virtstoraged")))
        return;
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (control != MAP_FAILED && control->magic == FAULT_MAGIC)
        faultControl = control;
}

static void
faultDie(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static int
faultIsBelow(const char *path)
{
    int i;

    for (i = 0; i < FAULT_PREFIXES; i++) {
        const char *prefix = faultControl->prefixes[i];
        size_t len = strlen(prefix);

        /* The folder itself counts, too: directories are synced. And so does FILE.RANDOM.new, which becomes FILE. */
        if (len > 1 && !strncmp(path, prefix, len - 1) && strchr("/.", path[len - 1]))
            return 1;
    }
    return 0;
}

/* The path of a descriptor, or of a name below one. Empty when there is none. */
static void
faultPath(int fd, const char *name, char *path, size_t size)
{
    char proc[64];
    ssize_t len = 0;

    path[0] = '\0';
    if (name && name[0] == '/') {
        snprintf(path, size, "%s", name);
        return;
    }
    if (fd == AT_FDCWD)
        snprintf(proc, sizeof(proc), "/proc/self/cwd");
    else
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    len = syscall(SYS_readlink, proc, path, size - 1);
    if (len < 0)
        len = 0;
    path[len] = '\0';
    if (len > 0 && name && name[0])
        snprintf(path + len, size - len, "/%s", name);
}

static void
faultLog(FaultKind kind, const char *path, int hit)
{
    uint32_t at = __atomic_fetch_add(&faultControl->logged, 1, __ATOMIC_SEQ_CST);
    FaultEntry *entry;
    size_t len = strlen(path);

    if (at >= FAULT_LOG_MAX)
        return;
    entry = &faultControl->log[at];
    entry->kind = kind;
    entry->hit = hit;
    if (len >= sizeof(entry->path))
        path += len - sizeof(entry->path) + 1;
    snprintf(entry->path, sizeof(entry->path), "%s", path);
}

/* One number a call, the same for the same seed and place in the order of calls. */
static uint32_t
faultChance(uint32_t number)
{
    uint64_t x = ((uint64_t)faultControl->seed << 32) + number * 0x9e3779b97f4a7c15ULL;

    x ^= x >> 31;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    x ^= x >> 31;
    return (uint32_t)(x % 1000000);
}

static int
faultIsChosen(uint32_t number)
{
    const FaultControl *c = faultControl;

    if (c->perMillion)
        return faultChance(number) < c->perMillion;
    return number >= c->nth && (c->times == 0 || number < c->nth + c->times);
}

/* Waits for so long, but not after the order was taken back or another one was given. */
static void
faultDelay(int32_t milliseconds)
{
    struct timespec slice = {0, 10 * 1000000L};
    int32_t left;

    for (left = milliseconds; left > 0 && faultControl->action == FAULT_DELAY &&
                              __atomic_load_n(&faultControl->armed, __ATOMIC_SEQ_CST);
         left -= 10)
        nanosleep(&slice, NULL);
}

/* What is to be done to this call: a FaultAction, FAULT_COUNT for nothing. */
static FaultAction
faultAsk(FaultKind kind, int fd, const char *name)
{
    int saved = errno;
    char path[PATH_MAX];
    FaultAction action = FAULT_COUNT;
    uint32_t number;

    if (!faultControl || !__atomic_load_n(&faultControl->armed, __ATOMIC_SEQ_CST) ||
        !(faultControl->calls & (1u << kind)))
        return FAULT_COUNT;
    faultPath(fd, name, path, sizeof(path));
    if (faultIsBelow(path)) {
        number = __atomic_add_fetch(&faultControl->counted, 1, __ATOMIC_SEQ_CST);
        if (faultControl->action != FAULT_COUNT && faultIsChosen(number)) {
            action = faultControl->action;
            __atomic_add_fetch(&faultControl->hits, 1, __ATOMIC_SEQ_CST);
        }
        faultLog(kind, path, action != FAULT_COUNT);
    }
    if (action == FAULT_BEFORE)
        faultDie();
    if (action == FAULT_DELAY)
        faultDelay(faultControl->err);
    errno = saved;
    return action;
}

#define FAULT_NEXT(name)                                                                                     \
    static __typeof__(&name) next;                                                                           \
    if (!next)                                                                                               \
    next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* The body of a call: made or not, then what is left to do. */
#define FAULT_CALL(type, kind, fd, path, call)                                                               \
    do {                                                                                                     \
        FaultAction action = faultAsk(kind, fd, path);                                                       \
        type ret;                                                                                            \
                                                                                                             \
        if (action == FAULT_FAIL) {                                                                          \
            errno = faultControl->err;                                                                       \
            return -1;                                                                                       \
        }                                                                                                    \
        ret = call;                                                                                          \
        if (action == FAULT_BEHIND)                                                                          \
            faultDie();                                                                                      \
        if (action == FAULT_LATE) {                                                                          \
            errno = faultControl->err;                                                                       \
            return -1;                                                                                       \
        }                                                                                                    \
        return ret;                                                                                          \
    } while (0)

#define FAULT_EXPORT __attribute__((visibility("default")))

/* --- open --- */

#define FAULT_OPEN_MODE(flags, mode)                                                                         \
    do {                                                                                                     \
        va_list args;                                                                                        \
                                                                                                             \
        if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                             \
            va_start(args, flags);                                                                           \
            mode = va_arg(args, mode_t);                                                                     \
            va_end(args);                                                                                    \
        }                                                                                                    \
    } while (0)

#define FAULT_DEFINE_OPEN(name)                                                                              \
    FAULT_EXPORT int name(const char *path, int flags, ...)                                                  \
    {                                                                                                        \
        mode_t mode = 0;                                                                                     \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_OPEN_MODE(flags, mode);                                                                        \
        FAULT_CALL(int, FAULT_OPEN, AT_FDCWD, path, next(path, flags, mode));                                \
    }

#define FAULT_DEFINE_OPENAT(name)                                                                            \
    FAULT_EXPORT int name(int fd, const char *path, int flags, ...)                                          \
    {                                                                                                        \
        mode_t mode = 0;                                                                                     \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_OPEN_MODE(flags, mode);                                                                        \
        FAULT_CALL(int, FAULT_OPEN, fd, path, next(fd, path, flags, mode));                                  \
    }

FAULT_DEFINE_OPEN(open)
FAULT_DEFINE_OPEN(open64)
FAULT_DEFINE_OPENAT(openat)
FAULT_DEFINE_OPENAT(openat64)

/* What code compiled with fortification calls. */
#define FAULT_DEFINE_OPEN_2(name)                                                                            \
    extern int name(const char *path, int flags);                                                            \
    FAULT_EXPORT int name(const char *path, int flags)                                                       \
    {                                                                                                        \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_CALL(int, FAULT_OPEN, AT_FDCWD, path, next(path, flags));                                      \
    }

#define FAULT_DEFINE_OPENAT_2(name)                                                                          \
    extern int name(int fd, const char *path, int flags);                                                    \
    FAULT_EXPORT int name(int fd, const char *path, int flags)                                               \
    {                                                                                                        \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_CALL(int, FAULT_OPEN, fd, path, next(fd, path, flags));                                        \
    }

FAULT_DEFINE_OPEN_2(__open_2)
FAULT_DEFINE_OPEN_2(__open64_2)
FAULT_DEFINE_OPENAT_2(__openat_2)
FAULT_DEFINE_OPENAT_2(__openat64_2)

/* --- calls on a descriptor --- */

#define FAULT_DEFINE_FD(type, name, kind, params, args)                                                      \
    extern type name params;                                                                                 \
    FAULT_EXPORT type name params                                                                            \
    {                                                                                                        \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_CALL(type, kind, fd, NULL, next args);                                                         \
    }

FAULT_DEFINE_FD(ssize_t, read, FAULT_READ, (int fd, void *buf, size_t n), (fd, buf, n))
FAULT_DEFINE_FD(ssize_t, __read_chk, FAULT_READ, (int fd, void *buf, size_t n, size_t max), (fd, buf, n, max))
FAULT_DEFINE_FD(ssize_t, pread, FAULT_READ, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at))
FAULT_DEFINE_FD(ssize_t, pread64, FAULT_READ, (int fd, void *buf, size_t n, off64_t at), (fd, buf, n, at))
FAULT_DEFINE_FD(ssize_t, __pread_chk, FAULT_READ, (int fd, void *buf, size_t n, off_t at, size_t max),
                (fd, buf, n, at, max))
FAULT_DEFINE_FD(ssize_t, __pread64_chk, FAULT_READ, (int fd, void *buf, size_t n, off64_t at, size_t max),
                (fd, buf, n, at, max))
FAULT_DEFINE_FD(ssize_t, preadv2, FAULT_READ, (int fd, const struct iovec *v, int n, off_t at, int flags),
                (fd, v, n, at, flags))
FAULT_DEFINE_FD(ssize_t, preadv64v2, FAULT_READ,
                (int fd, const struct iovec *v, int n, off64_t at, int flags), (fd, v, n, at, flags))
FAULT_DEFINE_FD(ssize_t, write, FAULT_WRITE, (int fd, const void *buf, size_t n), (fd, buf, n))
FAULT_DEFINE_FD(ssize_t, pwrite, FAULT_WRITE, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
FAULT_DEFINE_FD(ssize_t, pwrite64, FAULT_WRITE, (int fd, const void *buf, size_t n, off64_t at),
                (fd, buf, n, at))
FAULT_DEFINE_FD(int, fallocate, FAULT_ALLOCATE, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
FAULT_DEFINE_FD(int, fallocate64, FAULT_ALLOCATE, (int fd, int mode, off64_t at, off64_t n),
                (fd, mode, at, n))
FAULT_DEFINE_FD(int, ftruncate, FAULT_TRUNCATE, (int fd, off_t n), (fd, n))
FAULT_DEFINE_FD(int, ftruncate64, FAULT_TRUNCATE, (int fd, off64_t n), (fd, n))
FAULT_DEFINE_FD(int, fsync, FAULT_SYNC, (int fd), (fd))
FAULT_DEFINE_FD(int, fdatasync, FAULT_SYNC, (int fd), (fd))
FAULT_DEFINE_FD(int, fchmod, FAULT_MODE, (int fd, mode_t mode), (fd, mode))
FAULT_DEFINE_FD(int, fchown, FAULT_MODE, (int fd, uid_t u, gid_t g), (fd, u, g))

/* --- calls on a path --- */

#define FAULT_DEFINE_PATH(name, kind, params, args)                                                          \
    FAULT_EXPORT int name params                                                                             \
    {                                                                                                        \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_CALL(int, kind, AT_FDCWD, path, next args);                                                    \
    }

#define FAULT_DEFINE_AT(name, kind, params, args)                                                            \
    FAULT_EXPORT int name params                                                                             \
    {                                                                                                        \
        FAULT_NEXT(name);                                                                                    \
                                                                                                             \
        FAULT_CALL(int, kind, fd, path, next args);                                                          \
    }

FAULT_DEFINE_PATH(rename, FAULT_RENAME, (const char *path, const char *to), (path, to))
FAULT_DEFINE_AT(renameat, FAULT_RENAME, (int fd, const char *path, int fd2, const char *to),
                (fd, path, fd2, to))
FAULT_DEFINE_AT(renameat2, FAULT_RENAME,
                (int fd, const char *path, int fd2, const char *to, unsigned int flags),
                (fd, path, fd2, to, flags))
FAULT_DEFINE_PATH(unlink, FAULT_UNLINK, (const char *path), (path))
FAULT_DEFINE_AT(unlinkat, FAULT_UNLINK, (int fd, const char *path, int flags), (fd, path, flags))
FAULT_DEFINE_PATH(link, FAULT_LINK, (const char *path, const char *to), (path, to))
FAULT_DEFINE_AT(linkat, FAULT_LINK, (int fd, const char *path, int fd2, const char *to, int flags),
                (fd, path, fd2, to, flags))
FAULT_DEFINE_PATH(chmod, FAULT_MODE, (const char *path, mode_t mode), (path, mode))
FAULT_DEFINE_PATH(chown, FAULT_MODE, (const char *path, uid_t u, gid_t g), (path, u, g))
FAULT_DEFINE_PATH(mkdir, FAULT_MKDIR, (const char *path, mode_t mode), (path, mode))
FAULT_DEFINE_AT(mkdirat, FAULT_MKDIR, (int fd, const char *path, mode_t mode), (fd, path, mode))
FAULT_DEFINE_AT(fstatat, FAULT_STAT, (int fd, const char *path, struct stat *st, int flags),
                (fd, path, st, flags))
FAULT_DEFINE_AT(fstatat64, FAULT_STAT, (int fd, const char *path, struct stat64 *st, int flags),
                (fd, path, st, flags))
FAULT_DEFINE_AT(statx, FAULT_STAT, (int fd, const char *path, int flags, unsigned int mask, struct statx *st),
                (fd, path, flags, mask, st))
