/* The disk service, as the caller sees it.
 *
 * A service is one eventfd and any number of groups. A group is one device:
 * an AIO context with a submitter thread, a few openers and a few readers.
 * One thread (the caller's event loop) makes every call below; none of them
 * sleeps and none makes a system call on a file. What the caller asks for is
 * put on a queue without a lock; what is finished comes back from
 * service_reap() after the eventfd has become readable.
 *
 * Results are as the kernel gives them: a count of bytes (or a descriptor),
 * or a negative errno. No thread of the service ever touches Python.
 */
#ifndef HEADRACE_KERNEL_H
#define HEADRACE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define SLOTS_PER_READ 4      /* what one read may fill */
#define MAX_OUTSTANDING 1024  /* requests a group holds at once, of all kinds */
#define MAX_GROUPS 64
#define MOST_RECORDS 1000000  /* in a list: E2BIG beyond */
#define RECORD_HEAD 19        /* bytes before the name, see list.c */

struct service;
struct group;

/* What is known of a file from the moment it was opened. Times are
 * nanoseconds since the epoch. `offset_align` is what direct I/O wants of
 * offsets and lengths, in bytes; 0 means that this file is read buffered.
 * `why_buffered` says why, as one of the BUFFERED_* reasons; of what was read
 * whole, BUFFERED_YOUNG if it may since have changed again within the grain
 * of its ctime. `siblings` has a
 * bit for each of the job's endings, from the lowest. */
struct facts {
    uint64_t device, inode;
    int64_t ctime_ns;
    uint64_t size;
    int64_t mtime_ns;
    uint32_t mode, offset_align, why_buffered, siblings;
};
enum why_buffered { DIRECT = 0, BUFFERED_ASKED, BUFFERED_YOUNG, BUFFERED_REFUSED };

/* What is done with a path:
 * OPEN    the regular file, as a descriptor, or whole in `content` if small;
 * CHECK   facts only: 1 if they are what this job found before, else 0;
 * HASH    facts and the digest of all that is in the file;
 * LIST    a directory, as records in `content`;
 * FOLLOW  the directory that `path` names by now takes the place of the
 *         descriptor `root`, if it is another one: 1 if so, else 0;
 * CLOSE   descriptors: they lie in `path`, as many int32_t as there are. */
enum job_kind { JOB_OPEN = 0, JOB_CHECK, JOB_HASH, JOB_LIST, JOB_FOLLOW, JOB_CLOSE };
/* Whether symbolic links may lead anywhere beneath the root, anywhere at
 * all, or nowhere. */
enum links { LINKS_WITHIN = 0, LINKS_FOLLOW, LINKS_DENY };
enum order { ORDER_NAME = 0, ORDER_SIZE, ORDER_TIME };

/* A request that names a path. The caller makes it with job_new(), sets the
 * fields of the first half, or has them as a model's are, gets it back from
 * service_reap() and frees it, or hands it over again.
 * Those that are linked by `next` are done by one thread, one after the
 * other, and come back together: the first is what is handed over. */
struct job {
    struct job *next;
    uint32_t kind;
    uint32_t kept;          /* 1: the caller frees it, also if service_close() comes first */
    int32_t root;           /* descriptor of the directory nothing may leave */
    uint32_t stay;          /* 1: do not cross into another mount */
    uint32_t links;
    uint32_t want_direct;   /* 1: open with O_DIRECT if the file allows it */
    uint32_t want_digest;   /* 1: also of what is read whole */
    uint32_t load_limit;    /* a file of at most so many bytes is read whole */
    int64_t settle_ns;      /* a file whose ctime is younger is read buffered */
    int64_t keep_after_ns;  /* what has a younger ctime may change again and keep it */
    uint32_t order, descending;  /* of a list: directories first, then so */
    char endings[64];       /* of siblings: each ends in NUL, the last one in two */

    int64_t result;
    int64_t took_ns;        /* by the wall */
    struct facts facts;
    unsigned char digest[16];
    char *content;          /* the whole of a small file, or a list */
    uint64_t content_size;
    uint32_t count;         /* of records */
    uint32_t crossing;      /* -EXDEV: bytes of the path up to another mount; 0: an escape */
    uint32_t path_length;
    char path[];            /* relative to root, ends in NUL */
};

/* One finished request. `tag` is the caller's own. */
struct completion {
    uint64_t tag;
    int64_t result;
    struct job *job;        /* of group_job() only; `result` is that of the first of them */
};

enum service_flags { SERVICE_NO_RING = 1 };  /* reap by io_getevents, always */

/* NULL with errno set if the eventfd cannot be had. */
struct service *service_new(uint32_t flags);
int service_eventfd(const struct service *);

/* Fills `out` with at most `room` completions; fewer means that no more are
 * there. Never waits. */
int service_reap(struct service *, struct completion *out, int room);

/* Stops all threads, waiting `milliseconds` for them; returns how many are
 * still asleep in the kernel. At 0 everything is freed; otherwise nothing
 * is, for those threads may yet wake, and the caller is expected to leave
 * by _exit(). */
int service_close(struct service *, int milliseconds);

/* Memory for slots: private (a direct read into it must never meet a fork),
 * in huge pages if they can be had, and faulted in by a thread of its own as
 * far as memory_want() says. */
struct memory;
struct memory *memory_new(size_t slots, size_t slot_size);
char *memory_base(const struct memory *);
void memory_want(struct memory *, size_t slots);
void memory_free(struct memory *);

/* One device. It reads into the slots of `memory`, which must outlive the
 * service. `depth` is the most reads in flight by AIO; 0 means none, as does
 * a refusal by the kernel, whose errno group_aio_error() then tells. NULL
 * with errno set if no thread can be had. */
struct group *group_new(struct service *, struct memory *, uint32_t depth, uint32_t openers, uint32_t readers);
int group_aio_error(const struct group *);
int group_uses_ring(const struct group *);  /* 1: completions are read without a system call */

struct job *job_new(const char *path, uint32_t length);
struct job *job_like(const struct job *model, const char *path, uint32_t length);
void job_free(struct job *);

/* How many siblings have not been looked for, by anybody in this process, because no name in their
 * directory ends so. */
uint64_t siblings_spared(void);

/* Does it in the calling thread, which sleeps for as long as the disk
 * pleases: for comparison only. */
int64_t job_here(struct job *);

/* How a read is made:
 * READ_NATIVE  by AIO, for a descriptor with O_DIRECT;
 * READ_THREAD  by pread(2), as the descriptor is;
 * READ_CACHED  by pread(2) and through the page cache, also where the descriptor has O_DIRECT;
 * READ_POSIX   by aio_read(3), for comparison: into one slot at most. */
enum read_way { READ_NATIVE = 0, READ_THREAD, READ_CACHED, READ_POSIX };

/* All return 0, or -EAGAIN when the group holds all it can. What is read natively, and handed over
 * together, goes to the device by inode and offset: files that were written one after the other mostly
 * lie side by side, and the kernel makes one request of those. Who was first among them no longer
 * counts: they are as few as the device is given at once. */
int group_job(struct group *, uint64_t tag, struct job *);
int group_read(struct group *, uint32_t way, uint64_t tag, int fd, uint64_t inode, int64_t offset,
               uint32_t size, uint32_t slot0, uint32_t slot1, uint32_t slot2, uint32_t slot3);

/* Wakes threads for what was asked for: nothing is done before. To wake one,
 * and to let it sleep again, costs more than an open that finds all in memory,
 * so one may do well for several jobs. */
void group_pass_on(struct group *, uint32_t jobs_per_thread);

/* The same, at the end of a turn. If a thread has to wait for the disk, the
 * others do not wait for it: as long as jobs have not been taken and there
 * are threads for them, 1 is returned, and each call wakes one more. */
int group_flush(struct group *, uint32_t jobs_per_thread);

#define SLOTS_PER_LOAN 8
#define SHORTEST_LOAN 65536  /* bytes: to copy what is shorter is no dearer */

/* Sends slots without copying them; for one thread. To be made before a slot
 * is used. NULL with errno set where the kernel has not what it takes, or
 * forbids it. */
struct lender;
struct lender *lender_new(struct memory *);
void lender_free(struct lender *);

/* Sends `head`, and then `size` bytes of `count` full slots, which are at most
 * SLOTS_PER_LOAN, one after the other, from `lead` in the first one on, to a
 * socket that does not block; returns how many of both together it took, or a
 * negative errno. What is short is copied all the same. */
int64_t lender_send(struct lender *, int sock, const char *head, uint32_t head_size, const uint32_t *slots,
                    uint32_t count, uint32_t lead, uint32_t size);

#endif
