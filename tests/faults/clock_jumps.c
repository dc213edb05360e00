/* Makes the wall clock jump a day forth and back every second for whoever preloads this; other clocks are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

#define DAY 86400

static int (*real_gettime)(clockid_t, struct timespec *);

static void jump(struct timespec *t)
{
    struct timespec steady;
    real_gettime(CLOCK_MONOTONIC, &steady);
    t->tv_sec += steady.tv_sec % 2 ? DAY : -DAY;
}

int clock_gettime(clockid_t which, struct timespec *t)
{
    if (!real_gettime)
        real_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real_gettime(which, t);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        jump(t);
    return failed;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
