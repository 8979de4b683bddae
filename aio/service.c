/* Birth and death of a service and its groups, and the way in and out. */
#define _GNU_SOURCE
#include "group.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define STACK_BYTES (256 * 1024)  /* our frames are small; the sanitizers' are not */

struct service *service_new(uint32_t flags)
{
    struct service *service = calloc(1, sizeof *service);
    if (service == NULL)
        return NULL;
    service->flags = flags;
    service->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (service->eventfd < 0) {
        free(service);
        return NULL;
    }
    return service;
}

int service_eventfd(const struct service *service)
{
    return service->eventfd;
}

/* --- threads ---------------------------------------------------------- */

static bool pool_grow(struct pool *pool, void *(*run)(void *))
{
    sigset_t all, before;
    pthread_attr_t attributes;
    if (pool->started >= pool->limit)
        return false;
    /* Signals are the loop's business: a thread of ours never takes one. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool started = pthread_create(&pool->threads[pool->started], &attributes, run, pool) == 0;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool->started += started;
    return started;
}

bool pool_start(struct pool *pool, struct group *group, uint32_t limit, void *(*run)(void *))
{
    pool->group = group;
    pool->limit = limit < MAX_POOL_THREADS ? limit : MAX_POOL_THREADS;
    return queue_init(&pool->queue, MAX_OUTSTANDING) && (run == NULL || pool_grow(pool, run));
}

static void group_free(struct group *group)
{
    free(group->openers.queue.cells);
    free(group->readers.queue.cells);
    free(group->submitter.queue.cells);
    free(group->done.cells);
    free(group);
}

struct group *group_new(struct service *service, struct memory *memory, uint32_t depth, uint32_t openers,
                        uint32_t readers)
{
    if (service->groups == MAX_GROUPS) {
        errno = EAGAIN;
        return NULL;
    }
    struct group *group = aligned_alloc(64, sizeof *group);
    if (group == NULL)
        return NULL;
    memset(group, 0, sizeof *group);
    group->service = service;
    group->memory = memory;
    if (!queue_init(&group->done, MAX_OUTSTANDING)
        || !pool_start(&group->readers, group, readers, NULL)
        || !pool_start(&group->openers, group, openers > 0 ? openers : 1, job_thread)) {
        group_free(group);
        errno = EAGAIN;
        return NULL;
    }
    service->group[service->groups++] = group;
    native_setup(group, depth);
    return group;
}

/* Waits for the threads of a pool until `deadline`; counts those that stay. */
static int pool_join(struct pool *pool, const struct timespec *deadline)
{
    int asleep = 0;
    bell_ring(&pool->bell, INT_MAX);
    for (uint32_t i = 0; i < pool->started; i++)
        asleep += pthread_timedjoin_np(pool->threads[i], NULL, deadline) != 0;
    return asleep;
}

/* Nobody takes delivery: what was opened is closed again, unless a disk is
 * dead, for then so may be the close. */
static void discard(const struct completion *done, bool dead)
{
    for (struct job *job = done->job, *next; job != NULL; job = next) {
        next = job->next;
        if (!dead && job->kind == JOB_OPEN && job->content == NULL && job->result >= 0)
            close((int)job->result);
        if (!job->kept)
            job_free(job);
    }
}

int service_close(struct service *service, int milliseconds)
{
    struct completion done[64];
    struct timespec deadline;
    int asleep = 0;
    uint32_t unfinished = 0;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += milliseconds / 1000;
    deadline.tv_nsec += milliseconds % 1000 * 1000000L;
    deadline.tv_sec += deadline.tv_nsec / 1000000000L;
    deadline.tv_nsec %= 1000000000L;

    atomic_store(&service->stopping, true);
    for (uint32_t i = 0; i < service->groups; i++) {
        asleep += pool_join(&service->group[i]->submitter, &deadline);
        asleep += pool_join(&service->group[i]->openers, &deadline);
        asleep += pool_join(&service->group[i]->readers, &deadline);
    }
    /* Reads in flight still write to the caller's memory. */
    for (;;) {
        for (int n; (n = service_reap(service, done, 64)) > 0;)
            for (int i = 0; i < n; i++)
                discard(&done[i], asleep > 0);
        unfinished = 0;
        for (uint32_t i = 0; i < service->groups; i++)
            unfinished += service->group[i]->flying + atomic_load(&service->group[i]->posix_reads);
        struct timespec now, pause = {0, 1000000};
        clock_gettime(CLOCK_REALTIME, &now);
        if (unfinished == 0 || now.tv_sec > deadline.tv_sec
            || (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec))
            break;
        nanosleep(&pause, NULL);
    }
    if (asleep > 0 || unfinished > 0)
        return asleep + (int)unfinished;

    for (uint32_t i = 0; i < service->groups; i++) {
        if (service->group[i]->depth > 0)
            syscall(SYS_io_destroy, service->group[i]->context);
        group_free(service->group[i]);
    }
    close(service->eventfd);
    free(service);
    return 0;
}

/* --- in --------------------------------------------------------------- */

/* Whoever is to do it hears of it in group_pass_on() or group_flush(). */
static int enqueue(struct group *group, struct pool *pool, const struct work *work)
{
    /* The bound also keeps `done` from ever being full. */
    if (group->outstanding >= MAX_OUTSTANDING || !queue_push(&pool->queue, work))
        return -EAGAIN;
    group->outstanding++;
    pool->unheard++;
    return 0;
}

int group_job(struct group *group, uint64_t tag, struct job *job)
{
    struct work work = {.tag = tag, .job = job, .operation = OP_JOB};
    return enqueue(group, &group->openers, &work);
}

static int read_native(struct group *group, const struct work *work)
{
    if (group->flying >= group->depth)
        return -EAGAIN;
    int refused = enqueue(group, &group->submitter, work);
    group->flying += refused == 0;
    return refused;
}

static int read_posix(struct group *group, struct work *work)
{
    if (group->outstanding >= MAX_OUTSTANDING || work->size > group->memory->slot_size)
        return -EAGAIN;
    group->outstanding++;
    group->flying++;
    posix_read(group, work);
    return 0;
}

static int read_by_thread(struct group *group, const struct work *work)
{
    /* Where no reader can be started the openers read. */
    bool reader = group->readers.started > 0 || pool_grow(&group->readers, job_thread);
    return enqueue(group, reader ? &group->readers : &group->openers, work);
}

int group_read(struct group *group, uint32_t way, uint64_t tag, int fd, uint64_t inode, int64_t offset,
               uint32_t size, uint32_t slot0, uint32_t slot1, uint32_t slot2, uint32_t slot3)
{
    struct work work = {.tag = tag, .inode = inode, .offset = offset, .fd = fd, .size = size,
                        .slots = {slot0, slot1, slot2, slot3}, .operation = OP_READ, .way = way};
    switch (work.way) {
    case READ_NATIVE: return read_native(group, &work);
    case READ_POSIX: return read_posix(group, &work);
    case READ_THREAD:
    case READ_CACHED: break;
    }
    return read_by_thread(group, &work);
}

/* What was there before this turn and has not been taken yet is, at its end,
 * for one thread more: those that were woken for it may be asleep in the disk. */
static void wake(struct pool *pool, uint32_t share, bool turn_ends, void *(*run)(void *))
{
    uint32_t wanted = (pool->unheard + share - 1) / share;
    pool->fresh += pool->unheard;
    pool->unheard = 0;
    if (turn_ends) {
        wanted += queue_length(&pool->queue) > pool->fresh;
        pool->fresh = 0;
    }
    if (wanted == 0)
        return;
    uint32_t there = atomic_load(&pool->bell.sleepers);
    while (there < wanted && pool_grow(pool, run))
        there++;
    bell_ring(&pool->bell, (int)wanted);
}

static void wake_all(struct group *group, uint32_t jobs_per_thread, bool turn_ends)
{
    wake(&group->submitter, 1, turn_ends, native_submitter);
    wake(&group->openers, jobs_per_thread, turn_ends, job_thread);
    wake(&group->readers, 1, turn_ends, job_thread);
}

void group_pass_on(struct group *group, uint32_t jobs_per_thread)
{
    wake_all(group, jobs_per_thread, false);
}

int group_flush(struct group *group, uint32_t jobs_per_thread)
{
    wake_all(group, jobs_per_thread, true);
    struct pool *openers = &group->openers;
    bool more = openers->started < openers->limit || atomic_load(&openers->bell.sleepers) > 0;
    return more && !queue_empty(&openers->queue);
}

/* --- out -------------------------------------------------------------- */

void finish(struct group *group, struct work *work, int64_t result)
{
    work->offset = result;
    queue_push(&group->done, work);  /* never full: see enqueue() */
    if (atomic_exchange(&group->service->signalled, 1) == 0) {
        uint64_t one = 1;
        /* Fails only if the counter is near 2^64, and then it is readable. */
        ssize_t written = write(group->service->eventfd, &one, sizeof one);
        (void)written;
    }
}

int service_reap(struct service *service, struct completion *out, int room)
{
    uint64_t count;
    struct work work;
    int n = 0;

    /* How many there were does not matter: we look until there are none. */
    ssize_t got = read(service->eventfd, &count, sizeof count);
    (void)got;
    atomic_exchange(&service->signalled, 0);
    for (uint32_t i = 0; i < service->groups; i++) {
        struct group *group = service->group[i];
        if (group->flying > 0 && group->depth > 0) {
            int reaped = native_reap(group, out + n, room - n);
            group->flying -= (uint32_t)reaped;
            group->outstanding -= (uint32_t)reaped;
            n += reaped;
        }
        while (n < room && queue_pop(&group->done, &work)) {
            /* A native read comes back this way if the submitter could not place it. */
            if (work.operation == OP_READ && (work.way == READ_NATIVE || work.way == READ_POSIX))
                group->flying--;
            group->outstanding--;
            out[n++] = (struct completion){work.tag, work.offset, work.job};
        }
    }
    return n;
}
