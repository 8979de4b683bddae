/* What lies beside a file under its name and an ending: "page.html.br". */
#ifndef HEADRACE_SIBLINGS_H
#define HEADRACE_SIBLINGS_H

#include "kernel.h"

#include <stdatomic.h>
#include <stdbool.h>

#define ENDINGS_BYTES sizeof(((struct job *)0)->endings)

/* A directory whose names should be read, when nobody waits for the thread
 * any more. As many threads are lost to a dead disk as read one: so `taken`,
 * which a group's threads share, lets one of them. */
struct unread {
    _Atomic bool *taken;
    int fd;  /* or -1: there is nothing to be read */
    struct facts facts;
    char endings[ENDINGS_BYTES];
};

/* Sets a bit for each sibling that job->endings names and that is a file no
 * older than the job's own. If that would be quicker by knowing the names in
 * their directory, `unread` says which to read. */
void learn_siblings(struct job *, struct unread *unread);

/* Reads it, and closes it. */
void read_names(struct unread *, const _Atomic bool *stopping);

#endif
