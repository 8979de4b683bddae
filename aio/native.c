/* Linux AIO by its raw system calls: no library, no header drift.
 *
 * The submitter has a thread of its own, because io_submit(2) sleeps more
 * often than its name admits: for a block of the extent tree, for a free
 * request tag of the device, for the atime, for pages being written back.
 * See io_submit(2), io_getevents(2) and, for the layout of the completion
 * ring, fs/aio.c of the kernel, whose ring is mapped into our memory.
 */
#define _GNU_SOURCE
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#define BATCH 64
#define RING_MAGIC 0xa10a10a1u
#define PATIENCE 200  /* times a millisecond that a kernel without memory is given */

struct ring {
    uint32_t id, nr;
    _Atomic uint32_t head, tail;
    uint32_t magic, compat_features, incompat_features, header_length;
    struct io_event events[];
};

/* Is the context an address where a completion ring of the known layout can
 * be read? gVisor has no such ring, and then the address may not be mapped:
 * so we let write(2) look, which returns EFAULT where we would crash. */
static bool ring_is_readable(aio_context_t context)
{
    struct ring ring;
    int ends[2];
    bool readable = false;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return false;
    if (write(ends[1], (const void *)context, sizeof ring) == sizeof ring
        && read(ends[0], &ring, sizeof ring) == sizeof ring)
        readable = ring.magic == RING_MAGIC && ring.incompat_features == 0
                   && ring.header_length == sizeof ring && ring.nr > 0;
    close(ends[0]);
    close(ends[1]);
    return readable;
}

void native_setup(struct group *group, uint32_t depth)
{
    if (depth == 0)
        return;
    if (syscall(SYS_io_setup, depth, &group->context) < 0) {
        group->aio_error = errno;
        return;
    }
    if (!pool_start(&group->submitter, group, 1, native_submitter)) {
        syscall(SYS_io_destroy, group->context);
        group->aio_error = EAGAIN;
        return;
    }
    group->depth = depth;
    group->ring_readable = !(group->service->flags & SERVICE_NO_RING)
                           && ring_is_readable(group->context);
}

int group_aio_error(const struct group *group)
{
    return group->aio_error;
}

int group_uses_ring(const struct group *group)
{
    return group->ring_readable;
}

/* --- submit ----------------------------------------------------------- */

static bool gets_other_pages(const struct group *group, const struct work *work)
{
    for (uint32_t n = 0; n < SLOTS_PER_READ && n * group->memory->slot_size < work->size; n++)
        if (memory_is_lent(group->memory, work->slots[n]))
            return true;
    return false;
}

static void prepare(struct group *group, const struct work *work, struct iocb *iocb,
                    struct iovec *pieces)
{
    uint32_t left = work->size, n = 0;
    for (; left > 0 && n < SLOTS_PER_READ; n++) {
        uint32_t size = (uint32_t)group->memory->slot_size;
        if (size > left)
            size = left;
        pieces[n] = (struct iovec){memory_to_fill(group->memory, work->slots[n]), size};
        left -= size;
    }
    *iocb = (struct iocb){
        .aio_data = work->tag,
        .aio_lio_opcode = IOCB_CMD_PREADV,
        .aio_fildes = (uint32_t)work->fd,
        .aio_buf = (uint64_t)(uintptr_t)pieces,
        .aio_nbytes = n,
        .aio_offset = work->offset,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)group->service->eventfd,
    };
}

static int by_place(const void *one, const void *other)
{
    const struct work *a = one, *b = other;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return (a->offset > b->offset) - (a->offset < b->offset);
}

/* The kernel takes a prefix of what it is offered, and says of the first one
 * that it did not take what is wrong with it, if asked for it alone. What is
 * ready does not wait until slots have other pages. */
static void submit(struct group *group, struct work *batch, int n)
{
    struct iovec pieces[BATCH][SLOTS_PER_READ];
    struct iocb iocbs[BATCH], *pointers[BATCH];
    int patience = PATIENCE, ready = 0;

    qsort(batch, (size_t)n, sizeof *batch, by_place);
    for (int i = 0; i < n;) {
        for (; ready < n && (ready == i || !gets_other_pages(group, &batch[ready])); ready++) {
            prepare(group, &batch[ready], &iocbs[ready], pieces[ready]);
            pointers[ready] = &iocbs[ready];
        }
        long taken = syscall(SYS_io_submit, group->context, (long)(ready - i), &pointers[i]);
        if (taken > 0) {
            i += (int)taken;
        } else if (taken < 0 && (errno == EAGAIN || errno == ENOMEM) && patience-- > 0) {
            struct timespec pause = {0, 1000000};
            nanosleep(&pause, NULL);
        } else {
            int error = taken < 0 ? errno : EIO;
            finish(group, &batch[i], -error);
            i++;
        }
    }
}

void *native_submitter(void *argument)
{
    struct pool *pool = argument;
    _Atomic bool *stopping = &pool->group->service->stopping;
    struct work batch[BATCH];

    for (;;) {
        int n = 0;
        while (n < BATCH && queue_pop(&pool->queue, &batch[n]))
            n++;
        if (n > 0)
            submit(pool->group, batch, n);
        else if (atomic_load(stopping))
            return NULL;
        else
            bell_wait(&pool->bell, &pool->queue, stopping);
    }
}

/* --- reap ------------------------------------------------------------- */

static int reap_ring(struct group *group, struct completion *out, int room)
{
    struct ring *ring = (struct ring *)group->context;
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    int n = 0;
    while (head != tail && n < room) {
        const struct io_event *event = &ring->events[head];
        out[n++] = (struct completion){event->data, event->res, NULL};
        head = head + 1 == ring->nr ? 0 : head + 1;
    }
    if (n > 0)
        atomic_store_explicit(&ring->head, head, memory_order_release);
    return n;
}

static int reap_by_call(struct group *group, struct completion *out, int room)
{
    struct io_event events[BATCH];
    struct timespec at_once = {0, 0};
    int n = 0;
    while (n < room) {
        long wanted = room - n < BATCH ? room - n : BATCH;
        long got = syscall(SYS_io_getevents, group->context, 0L, wanted, events, &at_once);
        for (long i = 0; i < got; i++)
            out[n++] = (struct completion){events[i].data, events[i].res, NULL};
        if (got < wanted)
            break;
    }
    return n;
}

/* Only the loop may call this: the ring knows one reader. */
int native_reap(struct group *group, struct completion *out, int room)
{
    return group->ring_readable ? reap_ring(group, out, room) : reap_by_call(group, out, room);
}
