/* The walk from a root to a file, by openat2(2), so that nothing leads out.
 *
 * RESOLVE_BENEATH refuses every absolute link, also one that ends within the
 * root, and every ".." that goes above it, also if the link then comes back.
 * Such a link is followed by itself, its end's real path is compared with
 * the root's, and then opened again beneath the root with no link allowed:
 * whatever is swapped meanwhile, what is opened lies within.
 */
#define _GNU_SOURCE
#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's own numbers and layouts, for the headers of older systems. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define HOW_NO_XDEV 0x01
#define HOW_NO_MAGICLINKS 0x02
#define HOW_NO_SYMLINKS 0x04
#define HOW_BENEATH 0x08
#define HOW_CACHED 0x20
#define DONT_SYNC 0x4000  /* AT_STATX_DONT_SYNC */
#define STATX_BASIC 0x07ffu
#define STATX_DIRECT_ALIGN 0x2000u

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

static const uint64_t how_links[] = {
    [LINKS_WITHIN] = HOW_BENEATH,
    [LINKS_FOLLOW] = 0,
    [LINKS_DENY] = HOW_BENEATH | HOW_NO_SYMLINKS,
};

static int open_how(int root, const char *path, uint64_t flags, uint64_t resolve)
{
    struct how how = {.flags = flags | O_CLOEXEC, .resolve = HOW_NO_MAGICLINKS | resolve};
    long fd;
    int tries = 3;
    do  /* EAGAIN: a rename ran beside the walk (openat2(2)) */
        fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN && !(resolve & HOW_CACHED) && tries-- > 0);
    return fd < 0 ? -errno : (int)fd;
}

static bool real_path(int fd, char path[PATH_MAX])
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, PATH_MAX - 1);
    if (length <= 0 || path[0] != '/')
        return false;
    path[length] = '\0';
    return true;
}

/* Where the path leads if every link is followed, if that is within the root. */
static int open_by_real_path(int root, const char *path, uint64_t flags, uint64_t resolve)
{
    char base[PATH_MAX], real[PATH_MAX];
    int end = open_how(root, path, O_PATH, 0);
    if (end < 0)
        return -EXDEV;
    bool known = real_path(end, real) && real_path(root, base);
    close(end);
    size_t length = known ? strlen(base) : 0;
    if (length == 1)
        length = 0;  /* the root of all: the slash is the next one */
    if (!known || strncmp(real, base, length) != 0 || (real[length] != '/' && real[length] != '\0'))
        return -EXDEV;
    const char *rest = real[length] == '/' && real[length + 1] != '\0' ? real + length + 1 : ".";
    return open_how(root, rest, flags, HOW_BENEATH | HOW_NO_SYMLINKS | resolve);
}

/* Where links may lead anywhere, an absolute one that passes another mount on
 * its way is no crossing if it ends on the root's own device. */
static int open_on_device(int root, const char *path, uint64_t flags)
{
    struct facts here, there;
    int fd = open_how(root, path, O_PATH, 0);
    if (fd < 0)
        return fd;
    bool same = learn(root, &here) >= -1 && learn(fd, &there) >= -1 && here.device == there.device;
    close(fd);
    return same ? open_how(root, path, flags, 0) : -EXDEV;
}

int walk_to(const struct job *job, const char *path, uint64_t flags)
{
    uint64_t stay = job->stay ? HOW_NO_XDEV : 0;
    int fd = open_how(job->root, path, flags, how_links[job->links] | stay);
    if (fd == -EXDEV && job->links == LINKS_WITHIN)
        fd = open_by_real_path(job->root, path, flags, stay);
    else if (fd == -EXDEV && job->links == LINKS_FOLLOW)
        fd = open_on_device(job->root, path, flags);
    return fd;
}

/* A walk stopped at the border of a mount: how much of the path leads there?
 * 0 if it is no mount but a way out of the root. Opens nothing (O_PATH), and
 * looks only at what is cached, as the root of a mount always is: the other
 * device may be the one that does not answer. */
static uint32_t find_crossing(struct job *job)
{
    uint64_t links = how_links[job->links];
    for (uint32_t i = 1; i <= job->path_length; i++) {
        char kept = job->path[i];
        if (kept != '/' && kept != '\0')
            continue;
        job->path[i] = '\0';
        int stays = open_how(job->root, job->path, O_PATH, links | HOW_NO_XDEV);
        int leads = 0;
        if (stays == -EXDEV && job->links != LINKS_FOLLOW)
            leads = open_how(job->root, job->path, O_PATH, links | HOW_CACHED);
        job->path[i] = kept;
        if (stays >= 0)
            close(stays);
        if (leads > 0)
            close(leads);
        if (stays == -EXDEV)
            return leads >= 0 ? i : 0;
        if (stays < 0)
            return 0;
    }
    return 0;
}

int walk(struct job *job, uint64_t flags)
{
    if (strlen(job->path) != job->path_length)
        return -EINVAL;  /* a NUL inside would name another file */
    int fd = walk_to(job, job->path, flags);
    if (fd == -EXDEV && job->stay)
        job->crossing = find_crossing(job);
    return fd;
}

static int64_t nanoseconds(const struct timestamp *time)
{
    return time->seconds * 1000000000 + time->nanoseconds;
}

static int64_t look(int at, const char *path, int flags, struct facts *facts)
{
    struct statx_answer answer;
    memset(&answer, 0, sizeof answer);
    if (syscall(SYS_statx, at, path, AT_EMPTY_PATH | flags, STATX_BASIC | STATX_DIRECT_ALIGN, &answer) < 0)
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

int64_t learn(int fd, struct facts *facts)
{
    return look(fd, "", DONT_SYNC, facts);
}

bool learn_directory(int root, const char *path, struct facts *facts)
{
    return look(root, path, AT_NO_AUTOMOUNT, facts) >= -1 && S_ISDIR(facts->mode);
}
