/* What is in a directory. */
#ifndef HEADRACE_LIST_H
#define HEADRACE_LIST_H

#include "kernel.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Fills job->content with one record for each file and directory that the
 * open directory has, sorted as job->order says, and job->count; 0 or a
 * negative errno. Takes the descriptor. */
int64_t list_directory(int fd, struct job *, const _Atomic bool *stopping);

#endif
