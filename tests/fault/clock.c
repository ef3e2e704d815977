/*
 * clock.c: a daemon whose clock is wrong: preloaded, adds REPL_CLOCK_SHIFT seconds to the time of day
 *
 * What counts from the start of the machine (the monotonic clock) stays as it is.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long
shift(void)
{
    const char *text = getenv("REPL_CLOCK_SHIFT");

    return text ? strtol(text, NULL, 10) : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*next)(clockid_t, struct timespec *);
    int rc;

    if (!next)
        next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    rc = next(clock, now);
    if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift();
    return rc;
}

int
gettimeofday(struct timeval *now, void *zone)
{
    struct timespec is;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &is) < 0)
        return -1;
    *now = (struct timeval){is.tv_sec, is.tv_nsec / 1000};
    return 0;
}

time_t
time(time_t *now)
{
    struct timespec is = {0};

    clock_gettime(CLOCK_REALTIME, &is);
    if (now)
        *now = is.tv_sec;
    return is.tv_sec;
}
