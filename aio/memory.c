/* Memory for slots. A first direct read into an untouched huge page waits
 * milliseconds for it to be zeroed, so a thread touches the pages beforehand:
 * from the low end, where the first slots are taken, and no further than the
 * caller may soon go, so that memory that is never needed is never used. */
#define _GNU_SOURCE
#include "memory.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void *populate(void *argument)
{
    struct memory *memory = argument;
    size_t at = 0;
    /* Zeroing pages is work for whatever processor has nothing better to do. */
    struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    while (!atomic_load(&memory->stop) && at < memory->bytes) {
        if (at >= atomic_load(&memory->wanted)) {
            (void)sem_wait(&memory->more);
            continue;
        }
        size_t left = memory->bytes - at;
        /* Before Linux 5.14 there is no such call; then the reads pay. */
        if (madvise(memory->base + at, left < HUGE_PAGE ? left : HUGE_PAGE, MADV_POPULATE_WRITE) < 0)
            break;
        at += HUGE_PAGE;
    }
    return NULL;
}

void memory_want(struct memory *memory, size_t slots)
{
    size_t bytes = slots * memory->slot_size;
    if (bytes > atomic_load(&memory->wanted)) {
        atomic_store(&memory->wanted, bytes);
        sem_post(&memory->more);
    }
}

/* The pages that were lent stay with whoever has them, until they have left. What is left over of
 * a huge page counts as memory in use: the kernel takes it back when it is short of memory, and
 * nobody has a page of it any more. */
char *memory_to_fill(struct memory *memory, uint32_t slot)
{
    char *at = memory_slot(memory, slot);
    if (memory_is_lent(memory, slot)) {
        if (madvise(at, memory->slot_size, MADV_DONTNEED) < 0)
            abort();  /* or one file's bytes would leave as another's; lender_new() has tried it */
        (void)madvise(at, memory->slot_size, MADV_POPULATE_WRITE);
        atomic_store(&memory->lent[slot], false);
    }
    return at;
}

static struct memory *memory_map(size_t slots, size_t slot_size)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    memory->slot_size = slot_size;
    memory->mapped = MAP_FAILED;
    if (!__builtin_mul_overflow(slots, slot_size, &memory->bytes)
        && !__builtin_add_overflow(memory->bytes, HUGE_PAGE, &memory->mapped_bytes))
        memory->mapped = mmap(NULL, memory->mapped_bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory->mapped != MAP_FAILED && (memory->lent = calloc(slots, sizeof *memory->lent)) != NULL)
        return memory;
    if (memory->mapped != MAP_FAILED)
        munmap(memory->mapped, memory->mapped_bytes);
    free(memory);
    return NULL;
}

struct memory *memory_new(size_t slots, size_t slot_size)
{
    struct memory *memory = memory_map(slots, slot_size);
    if (memory == NULL)
        return NULL;
    memory->base = (char *)(((uintptr_t)memory->mapped + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
    (void)madvise(memory->base, memory->bytes, MADV_HUGEPAGE);
    /* A page that is shared with a child while a read lands in it may get
     * the bytes on the child's side only: open(2), under O_DIRECT. */
    (void)madvise(memory->base, memory->bytes, MADV_DONTFORK);

    sem_init(&memory->more, 0, 0);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    memory->populating = pthread_create(&memory->thread, NULL, populate, memory) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return memory;
}

char *memory_base(const struct memory *memory)
{
    return memory->base;
}

void memory_free(struct memory *memory)
{
    atomic_store(&memory->stop, true);
    sem_post(&memory->more);
    if (memory->populating)
        pthread_join(memory->thread, NULL);
    sem_destroy(&memory->more);
    munmap(memory->mapped, memory->mapped_bytes);
    free(memory->lent);
    free(memory);
}
