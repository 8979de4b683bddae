/* What memory is made of, for memory.c and lend.c. */
#ifndef HEADRACE_MEMORY_H
#define HEADRACE_MEMORY_H

#include "kernel.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct memory {
    char *mapped, *base;
    size_t mapped_bytes, bytes, slot_size;
    _Atomic bool *lent;     /* for each slot: its pages may be in queues of the network */

    _Atomic size_t wanted;  /* bytes from the base that are to be touched */
    _Atomic bool stop;
    sem_t more;
    bool populating;
    pthread_t thread;
};

/* Where to read into. What was lent from here is not overwritten: the slot
 * gets other pages first, which takes more than a tenth of a millisecond. */
char *memory_to_fill(struct memory *, uint32_t slot);

static inline char *memory_slot(const struct memory *memory, uint32_t slot)
{
    return memory->base + (size_t)slot * memory->slot_size;
}

static inline bool memory_is_lent(const struct memory *memory, uint32_t slot)
{
    return atomic_load(&memory->lent[slot]);
}

#endif
