/* What has no AIO call: open, check, hash, list, close.
 *
 * O_NONBLOCK keeps a FIFO or a leased file from holding the thread; only
 * regular files are handed out. A file of up to `load_limit` bytes is read
 * here and now and its descriptor closed again: one trip instead of two, and
 * the page cache keeps it for the next process.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "digest.h"
#include "jobs.h"
#include "list.h"
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOAD_TRIES 3
#define HASHED_AT_ONCE ((size_t)1 << 20)
#define FEW_EXTENTS_BYTES (256 * 1024)  /* up to here hardly any file has more than its inode holds */

/* Reads the extent map, so that io_submit() will not have to: ext4 does it on
 * the first call, XFS on the second, and nobody minds the other. */
static void warm_extents(int fd, uint64_t size)
{
    if (size <= FEW_EXTENTS_BYTES)
        return;
    struct fiemap map = {.fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_CACHE};
    (void)ioctl(fd, FS_IOC_FIEMAP, &map);
    (void)lseek(fd, 0, SEEK_HOLE);
}

static bool is_young(const struct job *job, int64_t now, int64_t within)
{
    int64_t age = now - job->facts.ctime_ns;
    return age < within && -age < within;
}

static enum why_buffered make_direct(int fd, struct job *job, int64_t align)
{
    if (!job->want_direct)
        return BUFFERED_ASKED;
    if (align == 0)
        return BUFFERED_REFUSED;
    /* A file that was just written has pages to be written back, for which a
     * direct read waits; and it is in the page cache anyway. */
    if (is_young(job, now_by(CLOCK_REALTIME), job->settle_ns))
        return BUFFERED_YOUNG;
    /* O_NOATIME spares the read an update of the inode, but is the owner's. */
    if (fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT | O_NOATIME) < 0
        && fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT) < 0)
        return BUFFERED_REFUSED;
    job->facts.offset_align = align > 0 ? (uint32_t)align : 4096;
    warm_extents(fd, job->facts.size);
    return DIRECT;
}

int64_t read_whole(int fd, char *to, size_t size, int64_t offset)
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
    int64_t begun = now_by(CLOCK_REALTIME);
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
            job->content_size = before.size;
            job->facts.why_buffered =
                is_young(job, begun, job->keep_after_ns) ? BUFFERED_YOUNG : DIRECT;
            if (job->want_digest) {
                struct digest digest;
                digest_begin(&digest);
                digest_add(&digest, content, before.size);
                digest_end(&digest, job->digest);
            }
            return got;
        }
        free(content);
        if (job->facts.size > job->load_limit)
            return -EBUSY;
    }
    return -EBUSY;
}

static int64_t do_open(struct job *job, struct unread *unread)
{
    int fd = walk(job, O_RDONLY | O_NONBLOCK | O_NOCTTY);
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
    if (result >= 0)
        learn_siblings(job, unread);
    if (result < 0 || job->content != NULL)
        close(fd);
    return result;
}

static bool is_the_same(const struct facts *one, const struct facts *other)
{
    return one->device == other->device && one->inode == other->inode && one->size == other->size
        && one->mtime_ns == other->mtime_ns && one->ctime_ns == other->ctime_ns
        && one->mode == other->mode && one->siblings == other->siblings;
}

static int64_t do_check(struct job *job, struct unread *unread)
{
    struct facts before = job->facts;
    memset(&job->facts, 0, sizeof job->facts);
    job->crossing = 0;
    int fd = walk(job, O_PATH);
    if (fd < 0)
        return fd;
    int64_t known = learn(fd, &job->facts);
    close(fd);
    if (known < -1)
        return known + 1;
    if (S_ISREG(job->facts.mode))
        learn_siblings(job, unread);
    return is_the_same(&before, &job->facts);
}

static int64_t hash(int fd, struct job *job, const _Atomic bool *stopping)
{
    void *piece;
    if (posix_memalign(&piece, 4096, HASHED_AT_ONCE) != 0)
        return -ENOMEM;
    struct digest digest;
    digest_begin(&digest);
    int64_t got, at = 0;
    do {
        got = atomic_load(stopping) ? -ECANCELED : read_whole(fd, piece, HASHED_AT_ONCE, at);
        if (got > 0) {
            digest_add(&digest, piece, (size_t)got);
            at += got;
        }
    } while (got == (int64_t)HASHED_AT_ONCE);
    free(piece);
    digest_end(&digest, job->digest);
    return got < 0 ? got : at;
}

/* Past the page cache where that can be: what is only hashed need not stay. */
static int64_t do_hash(struct job *job, const _Atomic bool *stopping)
{
    int fd = walk(job, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fd;
    struct facts after;
    int64_t result = 0, align = learn(fd, &job->facts);
    if (align < -1)
        result = align + 1;
    else if (!S_ISREG(job->facts.mode))
        result = -ENXIO;
    if (result == 0) {
        if (align > 0)
            (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_DIRECT);
        result = hash(fd, job, stopping);
    }
    if (result >= 0 && ((uint64_t)result != job->facts.size || learn(fd, &after) < -1
                        || after.size != job->facts.size || after.ctime_ns != job->facts.ctime_ns))
        result = -EBUSY;
    close(fd);
    return result;
}

static int64_t do_list(struct job *job, const _Atomic bool *stopping)
{
    int fd = walk(job, O_RDONLY | O_NONBLOCK | O_DIRECTORY);
    if (fd < 0)
        return fd;
    int64_t known = learn(fd, &job->facts);
    if (known < -1) {
        close(fd);
        return known + 1;
    }
    return list_directory(fd, job, stopping);
}

static int64_t do_follow(const struct job *job)
{
    struct facts old, new;
    int fd = open(job->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int64_t result = 0;
    if (learn(fd, &new) < -1 || learn(job->root, &old) < -1)
        result = -EIO;
    else if (new.device != old.device || new.inode != old.inode)
        result = dup3(fd, job->root, O_CLOEXEC) < 0 ? -errno : 1;
    close(fd);
    return result;
}

static int64_t do_close(const struct job *job)
{
    int64_t result = 0;
    int32_t fd;
    for (uint32_t at = 0; at + sizeof fd <= job->path_length; at += sizeof fd) {
        memcpy(&fd, job->path + at, sizeof fd);
        if (close(fd) < 0)
            result = -errno;
    }
    return result;
}

static int64_t do_one(struct job *job, struct unread *unread, const _Atomic bool *stopping)
{
    switch (job->kind) {
    case JOB_OPEN: return do_open(job, unread);
    case JOB_CHECK: return do_check(job, unread);
    case JOB_HASH: return do_hash(job, stopping);
    case JOB_LIST: return do_list(job, stopping);
    case JOB_FOLLOW: return do_follow(job);
    case JOB_CLOSE: return do_close(job);
    }
    return -EINVAL;
}

int64_t do_job(struct job *first, struct unread *unread, const _Atomic bool *stopping)
{
    for (struct job *job = first; job != NULL; job = job->next) {
        int64_t begun = now_by(CLOCK_MONOTONIC);
        job->result = do_one(job, unread, stopping);
        job->took_ns = now_by(CLOCK_MONOTONIC) - begun;
    }
    return first->result;
}

int64_t job_here(struct job *job)
{
    static const _Atomic bool never;
    _Atomic bool taken = false;
    struct unread unread = {.taken = &taken, .fd = -1};
    int64_t result = do_job(job, &unread, &never);
    if (unread.fd >= 0)
        read_names(&unread, &never);
    return result;
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

struct job *job_like(const struct job *model, const char *path, uint32_t length)
{
    struct job *job = job_new(path, length);
    if (job != NULL)
        memcpy(job, model, offsetof(struct job, result));
    return job;
}

void job_free(struct job *job)
{
    if (job != NULL)
        free(job->content);
    free(job);
}
