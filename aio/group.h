/* What the files of the service share and the caller does not see. */
#ifndef HEADRACE_GROUP_H
#define HEADRACE_GROUP_H

#include "memory.h"
#include "queue.h"

#include <linux/aio_abi.h>
#include <pthread.h>

#define MAX_POOL_THREADS 32

/* Threads that take work from one queue. They are started when more are
 * wanted than sleep, and stay. */
struct pool {
    struct group *group;
    struct queue queue;
    struct bell bell;
    uint32_t unheard;       /* pieces of work for which the bell has yet to ring */
    uint32_t fresh;         /* that came in this turn, and for which it has rung */
    uint32_t limit, started;
    pthread_t threads[MAX_POOL_THREADS];
};

struct group {
    struct service *service;
    struct memory *memory;

    struct pool openers;    /* open, check, list, close: what has no AIO call */
    struct pool readers;    /* reads where AIO or direct I/O is refused */
    struct pool submitter;  /* one thread at most, which calls io_submit(2) */

    _Atomic bool reads_names;  /* one of them does, for siblings.h */

    aio_context_t context;
    int aio_error;
    bool ring_readable;
    uint32_t depth;

    uint32_t outstanding;   /* all requests; the loop's own count */
    uint32_t flying;        /* of these, reads by AIO of either kind */
    _Atomic uint32_t posix_reads;  /* whose notification is not through yet */
    struct queue done;
};

struct service {
    int eventfd;
    uint32_t flags;
    _Atomic bool stopping;
    _Atomic uint32_t signalled;  /* 1: the eventfd has been written and not yet read */
    uint32_t groups;
    struct group *group[MAX_GROUPS];
};

/* Hands a finished request to the loop; called by the threads. */
void finish(struct group *, struct work *, int64_t result);

bool pool_start(struct pool *, struct group *, uint32_t limit, void *(*run)(void *));

/* threads.c: the body of an opener and of a reader. */
void *job_thread(void *pool);

/* native.c: everything that is Linux AIO. */
void native_setup(struct group *, uint32_t depth);
void *native_submitter(void *pool);
int native_reap(struct group *, struct completion *out, int room);

/* posix.c: reads by POSIX AIO. */
void posix_read(struct group *, struct work *);

#endif
