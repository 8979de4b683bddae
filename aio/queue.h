/* How requests travel between the loop and the threads.
 *
 * queue: D. Vyukov's bounded MPMC queue. Each cell carries the number of the
 * turn it is good for, so that a push or a pop is one compare-and-swap and
 * nobody ever holds a lock while the kernel takes it off the processor.
 *
 * bell: a futex(2) to sleep on until there is work. Ringing it costs a system
 * call only if someone sleeps. The order of the sequentially consistent
 * operations below is what makes it safe: either the sleeper sees the new
 * count and looks again, or the ringer sees the sleeper and wakes it.
 */
#ifndef HEADRACE_QUEUE_H
#define HEADRACE_QUEUE_H

#include "kernel.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum operation { OP_JOB, OP_READ };

struct work {
    uint64_t tag;
    uint64_t inode;     /* of the file that is read */
    int64_t offset;     /* of the read; after it is done: its result */
    struct job *job;
    int32_t fd;
    uint32_t size;
    uint32_t slots[SLOTS_PER_READ];
    enum operation operation;
    enum read_way way;  /* of a read */
};

struct cell {
    _Atomic uint32_t turn;
    struct work work;
};

struct queue {
    struct cell *cells;
    uint32_t mask;
    _Alignas(64) _Atomic uint32_t head;
    _Alignas(64) _Atomic uint32_t tail;
};

/* `capacity` is a power of two. */
static inline bool queue_init(struct queue *queue, uint32_t capacity)
{
    queue->cells = calloc(capacity, sizeof *queue->cells);
    if (queue->cells == NULL)
        return false;
    queue->mask = capacity - 1;
    for (uint32_t i = 0; i < capacity; i++)
        atomic_init(&queue->cells[i].turn, i);
    atomic_init(&queue->head, 0);
    atomic_init(&queue->tail, 0);
    return true;
}

static inline bool queue_push(struct queue *queue, const struct work *work)
{
    uint32_t at = atomic_load_explicit(&queue->tail, memory_order_relaxed);
    for (;;) {
        struct cell *cell = &queue->cells[at & queue->mask];
        int32_t lead = (int32_t)(atomic_load_explicit(&cell->turn, memory_order_acquire) - at);
        if (lead < 0)
            return false;  /* full */
        if (lead > 0) {
            at = atomic_load_explicit(&queue->tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&queue->tail, &at, at + 1,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed)) {
            cell->work = *work;
            atomic_store_explicit(&cell->turn, at + 1, memory_order_release);
            return true;
        }
    }
}

static inline bool queue_pop(struct queue *queue, struct work *work)
{
    uint32_t at = atomic_load_explicit(&queue->head, memory_order_relaxed);
    for (;;) {
        struct cell *cell = &queue->cells[at & queue->mask];
        int32_t lead = (int32_t)(atomic_load_explicit(&cell->turn, memory_order_acquire) - (at + 1));
        if (lead < 0)
            return false;  /* empty */
        if (lead > 0) {
            at = atomic_load_explicit(&queue->head, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&queue->head, &at, at + 1,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed)) {
            *work = cell->work;
            atomic_store_explicit(&cell->turn, at + queue->mask + 1, memory_order_release);
            return true;
        }
    }
}

/* How much is in it, as far as the one who pushes can tell. */
static inline uint32_t queue_length(struct queue *queue)
{
    return atomic_load(&queue->tail) - atomic_load(&queue->head);
}

static inline bool queue_empty(struct queue *queue)
{
    uint32_t at = atomic_load(&queue->head);
    return (int32_t)(atomic_load(&queue->cells[at & queue->mask].turn) - (at + 1)) < 0;
}

struct bell {
    _Atomic uint32_t rung;
    _Atomic uint32_t sleepers;
};

static inline void bell_ring(struct bell *bell, int wake)
{
    atomic_fetch_add(&bell->rung, 1);
    if (atomic_load(&bell->sleepers) > 0)
        syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, wake, NULL, NULL, 0);
}

/* Sleeps until the bell rings, unless `queue` has work or `stop` is set. */
static inline void bell_wait(struct bell *bell, struct queue *queue, _Atomic bool *stop)
{
    atomic_fetch_add(&bell->sleepers, 1);
    uint32_t seen = atomic_load(&bell->rung);
    if (queue_empty(queue) && !atomic_load(stop))
        syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&bell->sleepers, 1);
}

#endif
