/* What a thread does for a job, and what it shares with reads. */
#ifndef HEADRACE_JOBS_H
#define HEADRACE_JOBS_H

#include "siblings.h"

#include <stdatomic.h>
#include <stdbool.h>

/* The first job and all that are linked to it; the result of the first. Where it pays, `unread` is set
 * to a directory for read_names(), after the job has been handed over. */
int64_t do_job(struct job *, struct unread *unread, const _Atomic bool *stopping);

/* Up to `size` bytes at `offset`; fewer only at the end of the file. */
int64_t read_whole(int fd, char *to, size_t size, int64_t offset);

#endif
