/*
 * quickluks.c: for qemu-img processes that make encrypted test images, by LD_PRELOAD: key derivation that is cheap at once
 *
 * qemu-img measures by the thread's processor time how many rounds take as long as it was told to. That costs seconds, and
 * fails where the kernel's ticks are too coarse ("Unable to get accurate CPU usage"). Here each look at that time is
 * 1,000 s after the one before, so the least number of rounds is found to be enough.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((visibility("default"))) int
getrusage(__rusage_who_t who, struct rusage *usage)
{
    static int looks;
    int rc = syscall(SYS_getrusage, who, usage);

    if (rc == 0 && who == RUSAGE_THREAD)
        usage->ru_utime.tv_sec += 1000 * __atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED);
    return rc;
}
