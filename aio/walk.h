/* From a root and a path to a descriptor, and what statx(2) says of it. */
#ifndef HEADRACE_WALK_H
#define HEADRACE_WALK_H

#include "kernel.h"

#include <stdbool.h>

/* Opens what the job's path, or another path, names beneath its root; a
 * negative errno if that fails. Where a mount is in the way, job->crossing
 * tells how much of the path leads there. */
int walk(struct job *, uint64_t flags);
int walk_to(const struct job *, const char *path, uint64_t flags);

/* Fills facts; returns the alignment for direct I/O that statx(2) tells, 0
 * for "not with this file", -1 where the kernel or filesystem is silent, or
 * -errno - 1. */
int64_t learn(int fd, struct facts *);

/* The same of a directory, from the root, and from a server if it is there; "" is the root itself.
 * Links and mounts are followed wherever they lead: good for its identity and ctime, and no more. */
bool learn_directory(int root, const char *path, struct facts *);

#endif
