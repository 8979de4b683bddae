/* From a root and a path to a descriptor, and what statx(2) says of it. */
#ifndef HEADRACE_WALK_H
#define HEADRACE_WALK_H

#include "kernel.h"

/* Opens what the job's path, or another path, names beneath its root; a
 * negative errno if that fails. Where a mount is in the way, job->crossing
 * tells how much of the path leads there. */
int walk(struct job *, uint64_t flags);
int walk_to(const struct job *, const char *path, uint64_t flags);

/* Fills facts; returns the alignment for direct I/O that statx(2) tells, 0
 * for "not with this file", -1 where the kernel or filesystem is silent, or
 * -errno - 1. */
int64_t learn(int fd, struct facts *);

/* Sets a bit for each sibling that job->endings names and that is a file no
 * older than the job's own. */
void learn_siblings(struct job *);

#endif
