/* A directory is read, each name looked at, all sorted, and packed into one
 * piece of memory: for each record mtime (8 bytes, seconds), size (8), length
 * of the name (2), whether it is a directory (1), and the name.
 */
#define _GNU_SOURCE
#include "list.h"

#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct record {
    char *name;
    int64_t mtime;
    uint64_t size;
    bool directory;
};

struct list {
    struct record *records;
    uint32_t count, room;
    size_t name_bytes;
};

/* Of a link, what it leads to, if the job's policy lets it. */
static bool look(int directory, const char *name, struct job *job, struct record *record)
{
    struct stat found;
    if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return false;
    if (S_ISLNK(found.st_mode)) {
        struct facts facts;
        char path[job->path_length + strlen(name) + 2];
        memcpy(path, job->path, job->path_length);
        path[job->path_length] = '/';
        strcpy(path + job->path_length + 1, name);
        int fd = walk_to(job, path, O_PATH);
        if (fd < 0)
            return false;
        bool known = learn(fd, &facts) >= -1;
        close(fd);
        if (!known)
            return false;
        found.st_mode = facts.mode;
        found.st_size = (off_t)facts.size;
        found.st_mtim.tv_sec = facts.mtime_ns / 1000000000;
    }
    record->directory = S_ISDIR(found.st_mode);
    record->size = record->directory ? 0 : (uint64_t)found.st_size;
    record->mtime = found.st_mtim.tv_sec;
    return record->directory || S_ISREG(found.st_mode);
}

static int add(struct list *list, const struct record *record, const char *name)
{
    if (list->count == MOST_RECORDS)
        return -E2BIG;
    if (list->count == list->room) {
        uint32_t room = list->room ? 2 * list->room : 64;
        struct record *grown = realloc(list->records, room * sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        list->records = grown;
        list->room = room;
    }
    struct record *added = &list->records[list->count];
    *added = *record;
    added->name = strdup(name);
    if (added->name == NULL)
        return -ENOMEM;
    list->name_bytes += strlen(name);
    list->count++;
    return 0;
}

static int by_name(const struct record *a, const struct record *b)
{
    int order = strcasecmp(a->name, b->name);
    return order ? order : strcmp(a->name, b->name);
}

static int compare(const void *left, const void *right, void *argument)
{
    const struct record *a = left, *b = right;
    const struct job *job = argument;
    if (a->directory != b->directory)
        return a->directory ? -1 : 1;
    int order = 0;
    if (job->order == ORDER_SIZE)
        order = (a->size > b->size) - (a->size < b->size);
    else if (job->order == ORDER_TIME)
        order = (a->mtime > b->mtime) - (a->mtime < b->mtime);
    else
        order = by_name(a, b);
    if (job->descending)
        order = -order;
    return order ? order : by_name(a, b);
}

static int64_t pack(const struct list *list, struct job *job)
{
    char *to = malloc(list->count * RECORD_HEAD + list->name_bytes + 1);
    if (to == NULL)
        return -ENOMEM;
    job->content = to;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct record *record = &list->records[i];
        uint16_t length = (uint16_t)strlen(record->name);  /* at most NAME_MAX */
        memcpy(to, &record->mtime, 8);
        memcpy(to + 8, &record->size, 8);
        memcpy(to + 16, &length, 2);
        to[18] = (char)record->directory;
        memcpy(to + RECORD_HEAD, record->name, length);
        to += RECORD_HEAD + length;
    }
    job->content_size = (uint64_t)(to - job->content);
    job->count = list->count;
    return 0;
}

int64_t list_directory(int fd, struct job *job, const _Atomic bool *stopping)
{
    struct list list = {0};
    int64_t result = 0;
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        result = -errno;
        close(fd);
        return result;
    }
    while (result == 0) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (atomic_load_explicit(stopping, memory_order_relaxed))
            result = -ECANCELED;
        struct record record;
        if (result == 0 && look(dirfd(directory), entry->d_name, job, &record))
            result = add(&list, &record, entry->d_name);
    }
    closedir(directory);
    if (result == 0) {
        if (list.count > 1)
            qsort_r(list.records, list.count, sizeof *list.records, compare, job);
        result = pack(&list, job);
    }
    for (uint32_t i = 0; i < list.count; i++)
        free(list.records[i].name);
    free(list.records);
    return result;
}
