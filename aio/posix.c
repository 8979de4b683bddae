/* Reads by POSIX AIO, for comparison only. In glibc that is threads of its own: at most 20, one
 * request at a time for each descriptor, and another thread for each notification (aio(7)). */
#define _GNU_SOURCE
#include "group.h"

#include <aio.h>
#include <errno.h>

struct posix_read {
    struct aiocb block;
    struct group *group;
    struct work work;
};

static void finished(union sigval value)
{
    struct posix_read *read = value.sival_ptr;
    int error = aio_error(&read->block);
    ssize_t got = aio_return(&read->block);
    struct group *group = read->group;
    finish(group, &read->work, error != 0 ? -error : got);
    free(read);
    atomic_fetch_sub(&group->posix_reads, 1);  /* last: from now on the group may be freed */
}

/* glibc's aio_read() only puts it on a list: what sleeps is a thread of glibc's. Where it cannot
 * have one, the read has failed, and comes back as such. */
void posix_read(struct group *group, struct work *work)
{
    struct posix_read *read = calloc(1, sizeof *read);
    if (read == NULL) {
        finish(group, work, -ENOMEM);
        return;
    }
    atomic_fetch_add(&group->posix_reads, 1);
    read->group = group;
    read->work = *work;
    read->block = (struct aiocb){
        .aio_fildes = work->fd,
        .aio_offset = work->offset,
        .aio_buf = memory_to_fill(group->memory, work->slots[0]),
        .aio_nbytes = work->size,
        .aio_sigevent = {.sigev_notify = SIGEV_THREAD,
                         .sigev_notify_function = finished,
                         .sigev_value = {.sival_ptr = read}},
    };
    if (aio_read(&read->block) < 0) {
        atomic_fetch_sub(&group->posix_reads, 1);
        finish(group, work, -errno);
        free(read);
    }
}
