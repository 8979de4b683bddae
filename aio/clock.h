/* The time as one number. */
#ifndef HEADRACE_CLOCK_H
#define HEADRACE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds, by whichever clock clock_gettime(2) knows. */
static inline int64_t now_by(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

#endif
