/* What has no AIO call: open, check, close, and reads by pread(2).
 *
 * openat2(2) resolves beneath the root, so that neither ".." nor a symbolic
 * link leads out of it. O_NONBLOCK keeps a FIFO or a leased file from holding
 * the thread; only regular files are handed out. A file of up to `load_limit`
 * bytes is read here and now and its descriptor closed again: one trip
 * instead of two, and the page cache keeps it for the next process.
 */
#define _GNU_SOURCE
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

/* The kernel's own numbers and layouts, for the headers of older systems. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define HOW_NO_XDEV 0x01
#define HOW_NO_MAGICLINKS 0x02
#define HOW_BENEATH 0x08
#define HOW_CACHED 0x20
#define STATX_BASIC 0x07ffu
#define STATX_DIRECT_ALIGN 0x2000u
#define LOAD_TRIES 3

struct how {
    uint64_t flags, mode, resolve;
};

struct timestamp {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};

struct statx_answer {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, spare0;
    uint64_t inode, size, blocks, attributes_mask;
    struct timestamp atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mount;
    uint32_t direct_memory_align, direct_offset_align;
    uint64_t spare[12];
};
_Static_assert(sizeof(struct statx_answer) == 256, "statx(2) fills 256 bytes");

static int open_beneath(int root, const char *path, uint64_t flags, uint64_t resolve)
{
    struct how how = {.flags = flags | O_CLOEXEC,
                      .resolve = HOW_BENEATH | HOW_NO_MAGICLINKS | resolve};
    long fd;
    int tries = 3;
    do  /* EAGAIN: a rename ran beside the walk (openat2(2)) */
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN && !(resolve & HOW_CACHED) && tries-- > 0);
    return fd < 0 ? -errno : (int)fd;
}

static int64_t nanoseconds(const struct timestamp *time)
{
    return time->seconds * 1000000000 + time->nanoseconds;
}

/* Fills facts; returns the alignment for direct I/O that statx(2) tells, 0
 * for "not with this file", or -1 where the kernel or filesystem is silent. */
static int64_t learn(int fd, struct facts *facts)
{
    struct statx_answer answer;
    memset(&answer, 0, sizeof answer);
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | 0x4000 /* AT_STATX_DONT_SYNC */,
                STATX_BASIC | STATX_DIRECT_ALIGN, &answer) < 0)
        return -errno - 1;
    facts->device = (uint64_t)answer.dev_major << 32 | answer.dev_minor;
    facts->inode = answer.inode;
    facts->size = answer.size;
    facts->mtime_ns = nanoseconds(&answer.mtime);
    facts->ctime_ns = nanoseconds(&answer.ctime);
    facts->mode = answer.mode;
    if (!(answer.mask & STATX_DIRECT_ALIGN))
        return -1;
    return answer.direct_offset_align;
}

/* Reads the extent map, so that io_submit() will not have to: ext4 does it on
 * the first call, XFS on the second, and nobody minds the other. */
static void warm_extents(int fd)
{
    struct fiemap map = {.fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_CACHE};
    (void)ioctl(fd, FS_IOC_FIEMAP, &map);
    (void)lseek(fd, 0, SEEK_HOLE);
}

static enum why_buffered make_direct(int fd, struct job *job, int64_t align)
{
    struct timespec now;
    int flags = fcntl(fd, F_GETFL);

    if (!job->want_direct)
        return BUFFERED_ASKED;
    if (align == 0)
        return BUFFERED_REFUSED;
    /* A file that was just written has pages to be written back, for which a
     * direct read waits; and it is in the page cache anyway. */
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age = now.tv_sec * 1000000000LL + now.tv_nsec - job->facts.ctime_ns;
    if (age < job->settle_ns && -age < job->settle_ns)
        return BUFFERED_YOUNG;
    /* O_NOATIME spares the read an update of the inode, but is the owner's. */
    if (fcntl(fd, F_SETFL, flags | O_DIRECT | O_NOATIME) < 0
        && fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
        return BUFFERED_REFUSED;
    job->facts.offset_align = align > 0 ? (uint32_t)align : 4096;
    warm_extents(fd);
    return DIRECT;
}

/* Up to `size` bytes at `offset`; fewer only at the end of the file. */
static int64_t read_whole(int fd, char *to, size_t size, int64_t offset)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, to + got, size - got, offset + (int64_t)got);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EINVAL && (fcntl(fd, F_GETFL) & O_DIRECT)) {
            (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_DIRECT);
            continue;
        }
        if (n < 0)
            return -errno;
        got += (size_t)n;
    }
    return (int64_t)got;
}

/* The content of a small file, all of one version: the facts before and
 * after the read agree, or we read again. */
static int64_t load(int fd, struct job *job)
{
    for (int i = 0; i < LOAD_TRIES; i++) {
        struct facts before = job->facts;
        char *content = malloc(before.size + 1);
        if (content == NULL)
            return -ENOMEM;
        int64_t got = read_whole(fd, content, before.size, 0);
        if (got >= 0 && learn(fd, &job->facts) < -1)
            got = -EIO;
        if (got < 0) {
            free(content);
            return got;
        }
        if ((uint64_t)got == before.size && before.size == job->facts.size
            && before.ctime_ns == job->facts.ctime_ns) {
            job->content = content;
            return got;
        }
        free(content);
        if (job->facts.size > job->load_limit)
            return -EBUSY;
    }
    return -EBUSY;
}

/* A walk stopped at the border of a mount: how much of the path leads there?
 * 0 if it is no mount but a way out of the root. Opens nothing (O_PATH), and
 * looks only at what is cached, as the root of a mount always is: the other
 * device may be the one that does not answer. */
static uint32_t find_crossing(struct job *job)
{
    for (uint32_t i = 1; i <= job->path_length; i++) {
        char kept = job->path[i];
        if (kept != '/' && kept != '\0')
            continue;
        job->path[i] = '\0';
        int stays = open_beneath(job->root, job->path, O_PATH, HOW_NO_XDEV);
        int beneath = stays == -EXDEV ? open_beneath(job->root, job->path, O_PATH, HOW_CACHED) : 0;
        job->path[i] = kept;
        if (stays >= 0)
            close(stays);
        if (stays == -EXDEV) {
            if (beneath >= 0)
                close(beneath);
            return beneath >= 0 ? i : 0;
        }
        if (stays < 0)
            return 0;
    }
    return 0;
}

static int open_for(struct job *job, uint64_t flags)
{
    if (strlen(job->path) != job->path_length)
        return -EINVAL;  /* a NUL inside would name another file */
    int fd = open_beneath(job->root, job->path, flags, job->stay ? HOW_NO_XDEV : 0);
    if (fd == -EXDEV && job->stay)
        job->crossing = find_crossing(job);
    return fd;
}

static int64_t do_open(struct job *job)
{
    int fd = open_for(job, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fd;
    int64_t result = fd, align = learn(fd, &job->facts);
    if (align < -1)
        result = align + 1;
    else if (S_ISDIR(job->facts.mode))
        result = -EISDIR;
    else if (!S_ISREG(job->facts.mode))
        result = -ENXIO;
    else if (job->facts.size <= job->load_limit)
        result = load(fd, job);
    else
        job->facts.why_buffered = make_direct(fd, job, align);
    if (result < 0 || job->content != NULL)
        close(fd);
    return result;
}

static int64_t do_check(struct job *job)
{
    int fd = open_for(job, O_PATH);
    if (fd < 0)
        return fd;
    int64_t known = learn(fd, &job->facts);
    close(fd);
    return known < -1 ? known + 1 : 0;
}

static int64_t do_read(struct group *group, const struct work *work)
{
    int64_t got = 0;
    for (uint32_t n = 0; n < SLOTS_PER_READ && (uint32_t)got < work->size; n++) {
        size_t left = work->size - (uint32_t)got;
        size_t size = left < group->slot_size ? left : group->slot_size;
        int64_t part = read_whole(work->fd, slot_address(group, work->slots[n]), size,
                                  work->offset + got);
        if (part < 0)
            return got > 0 ? got : part;
        got += part;
        if ((size_t)part < size)
            break;
    }
    return got;
}

void *job_thread(void *argument)
{
    struct pool *pool = argument;
    _Atomic bool *stopping = &pool->group->service->stopping;
    struct work work;
    for (;;) {
        if (!queue_pop(&pool->queue, &work)) {
            if (atomic_load(stopping))
                return NULL;
            bell_wait(&pool->bell, &pool->queue, stopping);
            continue;
        }
        int64_t result = 0;
        switch (work.operation) {
        case OP_OPEN: result = do_open(work.job); break;
        case OP_CHECK: result = do_check(work.job); break;
        case OP_CLOSE: result = close(work.fd) < 0 ? -errno : 0; break;
        case OP_READ: result = do_read(pool->group, &work); work.fd = 0; break;
        }
        finish(pool->group, &work, result);
    }
}

int64_t job_open_here(struct job *job)
{
    return do_open(job);
}

int64_t job_check_here(struct job *job)
{
    return do_check(job);
}

struct job *job_new(const char *path, uint32_t length)
{
    struct job *job = calloc(1, sizeof *job + length + 1);
    if (job != NULL) {
        memcpy(job->path, path, length);
        job->path_length = length;
    }
    return job;
}

void job_free(struct job *job)
{
    if (job != NULL)
        free(job->content);
    free(job);
}
