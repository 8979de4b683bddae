/* Looking for a file's siblings, as seldom as can be.
 *
 * Hardly any file has one, and to find that out a filesystem must search the
 * directory's blocks, once for each ending: with ext4 these three walks that
 * lead nowhere cost as much as the open itself. So where many files are asked
 * for, the directory is read once, and as long as its ctime stays what it was
 * only those endings are looked for that occur there. Every name that comes or
 * goes changes that ctime, and nobody can set it back; mtime can be set.
 *
 * Where a filesystem does not know such times well (some of FUSE, FAT, images
 * with one time for all), a sibling that comes is seen within a minute: so
 * long a directory is believed. Until then its file is sent as it is.
 *
 * To read n names takes what n / 16 files with three endings take, or less, and
 * two more for that it is opened and closed. So a directory is read when that
 * many have been asked for in it, and at the worst costs once more what has been
 * spent already; and by a thread that has handed over its job.
 */
#define _GNU_SOURCE
#include "siblings.h"

#include "clock.h"
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY_BITS 12            /* of so many, 2 to that, something is known at once */
#define SPREADING 0x9e3779b97f4a7c15ULL  /* Fibonacci hashing (Knuth, volume 3, section 6.4) */
#define LEAST_ASKED 16               /* before it is worth reading a directory whose size tells nothing */
#define FEW_NAMES 64                 /* one that may be small, or on a filesystem that says so of all */
#define OPENING_FILES 2              /* which opening and closing it takes */
#define NAMES_PER_FILE 16
#define BYTES_PER_NAME 64            /* of a directory's size, where that says something */
#define MOST_NAMES 1000000
#define BELIEVED_NS 60000000000LL

struct directory {
    uint64_t device, inode;
    int64_t ctime_ns;
    char endings[ENDINGS_BYTES];
    int64_t until_ns;        /* by the monotonic clock, `occurring` is believed; 0: it is not known */
    uint64_t occurring;      /* a bit for each ending */
    uint64_t asked;          /* since it was read last */
    uint64_t names;          /* the most that were read */
    bool reading;            /* somebody does; until then nobody else takes its place */
};

/* What is known of a directory is true for all groups. */
static struct directory known[1 << DIRECTORY_BITS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t spared;

static struct directory *place_of(const struct facts *facts)
{
    return &known[(facts->inode ^ facts->device) * SPREADING >> (64 - DIRECTORY_BITS)];
}

static bool is_of(const struct directory *directory, const struct facts *facts, const char *endings)
{
    return directory->inode == facts->inode && directory->device == facts->device
        && memcmp(directory->endings, endings, ENDINGS_BYTES) == 0;
}

/* One that is younger may stay the same while names come and go. */
static bool is_settled(int64_t ctime_ns, int64_t grain_ns)
{
    return now_by(CLOCK_REALTIME) - ctime_ns >= grain_ns;
}

static bool is_worth_reading(const struct directory *directory, uint64_t size)
{
    uint64_t names = size / BYTES_PER_NAME;
    if (names < directory->names)
        names = directory->names;
    uint64_t worth = names < FEW_NAMES ? LEAST_ASKED : OPENING_FILES + names / NAMES_PER_FILE;
    return directory->asked >= worth && names <= MOST_NAMES;
}

/* A bit for each of the job's endings that may occur in the directory. `to_be_read` is set if the
 * caller is to read it, and has taken that upon itself. Nobody waits here for a thread that the
 * kernel has taken off the processor. */
static uint64_t may_occur(const struct facts *facts, const struct job *job, _Atomic bool *taken,
                          bool *to_be_read)
{
    const char *endings = job->endings;
    uint64_t bits = UINT64_MAX;
    if (pthread_mutex_trylock(&lock) != 0)
        return bits;
    struct directory *directory = place_of(facts);
    int64_t now = now_by(CLOCK_MONOTONIC_COARSE);
    if (!is_of(directory, facts, endings) && !directory->reading && directory->until_ns <= now) {
        *directory = (struct directory){.device = facts->device, .inode = facts->inode};
        memcpy(directory->endings, endings, ENDINGS_BYTES);
    }
    if (is_of(directory, facts, endings) && !directory->reading) {
        if (directory->ctime_ns == facts->ctime_ns && now < directory->until_ns) {
            bits = directory->occurring;
        } else {
            directory->ctime_ns = facts->ctime_ns;
            directory->until_ns = 0;
            directory->asked++;
            *to_be_read = is_worth_reading(directory, facts->size)
                          && is_settled(facts->ctime_ns, job->keep_after_ns)
                          && !atomic_exchange(taken, true);
            directory->reading = *to_be_read;
        }
    }
    pthread_mutex_unlock(&lock);
    return bits;
}

static void has_been_read(const struct unread *unread, uint64_t occurring, uint64_t names, bool believed)
{
    pthread_mutex_lock(&lock);
    struct directory *directory = place_of(&unread->facts);
    directory->reading = false;
    directory->asked = 0;
    if (directory->names < names)
        directory->names = names;
    directory->occurring = occurring;
    if (believed)
        directory->until_ns = now_by(CLOCK_MONOTONIC_COARSE) + BELIEVED_NS;
    pthread_mutex_unlock(&lock);
    atomic_store(unread->taken, false);
}

/* --- asking ------------------------------------------------------------ */

/* The directory that has the job's file, as a path from its root. */
static void parent_of(const struct job *job, char *path)
{
    const char *slash = strrchr(job->path, '/');
    size_t length = slash ? (size_t)(slash - job->path) : 0;
    memcpy(path, job->path, length);
    path[length] = '\0';
}

static uint64_t worth_looking_for(const struct job *job, struct unread *unread)
{
    char parent[job->path_length + 1];
    struct facts facts;
    bool to_be_read = false;
    parent_of(job, parent);
    if (!learn_directory(job->root, parent, &facts))
        return UINT64_MAX;
    uint64_t bits = may_occur(&facts, job, unread->taken, &to_be_read);
    if (to_be_read) {
        unread->facts = facts;
        memcpy(unread->endings, job->endings, ENDINGS_BYTES);
        unread->fd = walk_to(job, *parent ? parent : ".", O_RDONLY | O_NONBLOCK | O_DIRECTORY);
        if (unread->fd < 0)
            has_been_read(unread, 0, 0, false);
    }
    return bits;
}

/* By mtime alone. Where a build gives all files the same one, a sibling of the
 * version before is as new as that of this one; but ctimes do not tell them
 * apart either, for a tar or a layer of an image is unpacked in any order. So
 * such a site has to have its siblings made with each deploy. */
static bool is_sibling(const struct job *job, const char *path)
{
    struct facts facts;
    int fd = walk_to(job, path, O_PATH);
    if (fd < 0)
        return false;
    bool is = learn(fd, &facts) >= -1 && S_ISREG(facts.mode) && facts.mtime_ns >= job->facts.mtime_ns;
    close(fd);
    return is;
}

void learn_siblings(struct job *job, struct unread *unread)
{
    if (*job->endings == '\0')
        return;
    char path[job->path_length + ENDINGS_BYTES];
    memcpy(path, job->path, job->path_length);
    uint64_t wanted = worth_looking_for(job, unread);
    uint32_t bit = 1, not_wanted = 0;
    for (const char *ending = job->endings; *ending; ending += strlen(ending) + 1, bit <<= 1) {
        if (!(wanted & bit)) {
            not_wanted++;
            continue;
        }
        strcpy(path + job->path_length, ending);
        if (is_sibling(job, path))
            job->facts.siblings |= bit;
    }
    if (not_wanted > 0)
        atomic_fetch_add_explicit(&spared, not_wanted, memory_order_relaxed);
}

uint64_t siblings_spared(void)
{
    return atomic_load_explicit(&spared, memory_order_relaxed);
}

/* --- reading ----------------------------------------------------------- */

/* A bit for each ending that the name has. Some filesystems take capitals for small letters. */
static uint64_t endings_of(const char *name, const char *endings)
{
    size_t length = strlen(name);
    uint64_t bits = 0, bit = 1;
    for (const char *ending = endings; *ending; ending += strlen(ending) + 1, bit <<= 1) {
        size_t ends = strlen(ending);
        if (length >= ends && strcasecmp(name + length - ends, ending) == 0)
            bits |= bit;
    }
    return bits;
}

static uint64_t all_of(const char *endings)
{
    uint64_t bits = 0;
    for (const char *ending = endings; *ending; ending += strlen(ending) + 1)
        bits = bits << 1 | 1;
    return bits;
}

static bool is_still(int fd, const struct facts *before)
{
    struct facts now;
    return learn_directory(fd, "", &now) && now.inode == before->inode && now.device == before->device
        && now.ctime_ns == before->ctime_ns;
}

void read_names(struct unread *unread, const _Atomic bool *stopping)
{
    uint64_t occurring = 0, names = 0, all = all_of(unread->endings);
    DIR *directory = fdopendir(unread->fd);
    if (directory == NULL) {
        close(unread->fd);
        has_been_read(unread, 0, 0, false);
        return;
    }
    bool believed = is_still(dirfd(directory), &unread->facts);
    while (believed && occurring != all) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            believed = errno == 0;
            break;
        }
        occurring |= endings_of(entry->d_name, unread->endings);
        believed = ++names <= MOST_NAMES && !atomic_load_explicit(stopping, memory_order_relaxed);
    }
    believed = believed && is_still(dirfd(directory), &unread->facts);
    has_been_read(unread, occurring, names, believed);
    closedir(directory);
}
