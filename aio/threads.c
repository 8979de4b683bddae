/* The body of an opener and of a reader: jobs, and reads by pread(2). */
#define _GNU_SOURCE
#include "group.h"
#include "jobs.h"

#include <fcntl.h>
#include <stdio.h>

#define SHORTEST_SLICE_NS 100000

/* The same file without O_DIRECT. The link in /proc leads to the open file itself: no path is
 * walked, and no other file can have taken its place. Where there is no /proc, or we may not open
 * it again, the descriptor is used as it is. */
static int reopen_cached(int fd)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int again = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOATIME);
    return again >= 0 ? again : open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int64_t read_into_slots(struct group *group, const struct work *work, int fd)
{
    int64_t got = 0;
    for (uint32_t n = 0; n < SLOTS_PER_READ && (uint32_t)got < work->size; n++) {
        size_t left = work->size - (uint32_t)got;
        size_t size = left < group->memory->slot_size ? left : group->memory->slot_size;
        char *slot = memory_to_fill(group->memory, work->slots[n]);
        int64_t part = read_whole(fd, slot, size, work->offset + got);
        if (part < 0)
            return part;
        got += part;
        if ((size_t)part < size)
            break;
    }
    return got;
}

static int64_t do_read(struct group *group, const struct work *work)
{
    int again = work->way == READ_CACHED ? reopen_cached(work->fd) : -1;
    int64_t got = read_into_slots(group, work, again >= 0 ? again : work->fd);
    if (again >= 0)
        close(again);
    return got;
}

/* What an opener does takes a tenth of a millisecond, and a page may wait for
 * it. By asking for slices that short a thread gets the processor as soon as
 * it wakes, also from a loop that is never done: sched_setattr(2), and EEVDF
 * from Linux 6.12 on; before, nothing changes. Readers have time: they would
 * only take the loop's turns apart. */
static void be_prompt(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;  /* nanoseconds */
    } attributes = {0};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0) {
        attributes.runtime = SHORTEST_SLICE_NS;
        (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
    }
}

void *job_thread(void *argument)
{
    struct pool *pool = argument;
    if (pool == &pool->group->openers)
        be_prompt();
    _Atomic bool *stopping = &pool->group->service->stopping;
    struct work work;
    for (;;) {
        if (!queue_pop(&pool->queue, &work)) {
            if (atomic_load(stopping))
                return NULL;
            bell_wait(&pool->bell, &pool->queue, stopping);
            continue;
        }
        int64_t result = 0;
        struct unread unread = {.taken = &pool->group->reads_names, .fd = -1};
        switch (work.operation) {
        case OP_JOB: result = do_job(work.job, &unread, stopping); break;
        case OP_READ: result = do_read(pool->group, &work); break;
        }
        finish(pool->group, &work, result);
        if (unread.fd >= 0) {
            if (!queue_empty(&pool->queue))
                bell_ring(&pool->bell, 1);  /* this thread would have taken it */
            read_names(&unread, stopping);
        }
    }
}
