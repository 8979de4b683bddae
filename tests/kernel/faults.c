/* A disk with a bad place, between the program and the kernel: for LD_PRELOAD.
 *
 * Reads of one file come back as from such a disk. What they are to come back
 * with stands in a file that is mapped here and in the test (faults.py), so
 * that it can change while the program runs.
 *
 * Completions are normally read from the ring in memory, where nobody can
 * come between. So the look at a new ring fails, and they are fetched by
 * io_getevents(2). The clock of this program is ahead, so that files that
 * were just written are old enough for direct I/O and for the cache.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_SECONDS 100
#define MOST_DOOMED 1024

enum kind { HEALTHY, FAIL, CUT, REFUSE };

struct plan {  /* see faults.py */
    uint64_t device, inode;
    int64_t first, end;      /* the bad place */
    int64_t error;           /* of FAIL and REFUSE */
    _Atomic int64_t kind;
    _Atomic int64_t left;    /* how often still */
    _Atomic int64_t native, by_thread;  /* how often so far */
};

static struct plan *plan;
static __thread bool context_is_new;

static long (*real_syscall)(long, ...);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_pipe2)(int[2], int);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    real_pread = (ssize_t (*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    real_pipe2 = (int (*)(int[2], int))dlsym(RTLD_NEXT, "pipe2");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("FAULTS");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *there = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    plan = there == MAP_FAILED ? NULL : there;
    close(fd);
}

/* Whether a read touches the bad place. A file system that does not take
 * direct reads (EINVAL) takes others. */
static bool touches(enum kind kind, int fd, int64_t offset, int64_t size)
{
    struct stat facts;
    if (plan == NULL || plan->kind != kind || offset >= plan->end || offset + size <= plan->first)
        return false;
    if (fstat(fd, &facts) < 0 || facts.st_dev != plan->device || facts.st_ino != plan->inode)
        return false;
    return kind == CUT || plan->error != EINVAL || (fcntl(fd, F_GETFL) & O_DIRECT);
}

static bool strike(_Atomic int64_t *count)
{
    if (atomic_fetch_sub(&plan->left, 1) <= 0) {
        atomic_fetch_add(&plan->left, 1);
        return false;
    }
    atomic_fetch_add(count, 1);
    return true;
}

/* --- reads of threads ------------------------------------------------- */

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    bool fails = touches(FAIL, fd, offset, (int64_t)size);
    if (fails && offset >= plan->first && strike(&plan->by_thread)) {
        errno = (int)plan->error;
        return -1;
    }
    bool cut = !fails && touches(CUT, fd, offset, (int64_t)size) && offset < plan->first
               && strike(&plan->by_thread);
    /* Up to the bad place all is well, and the next read begins there. */
    if (cut || (fails && offset < plan->first && plan->left > 0))
        size = (size_t)(plan->first - offset);
    return real_pread(fd, to, size, offset);
}

/* --- native reads ----------------------------------------------------- */

static struct { uint64_t tag; int64_t error; } doomed[MOST_DOOMED];
static int dooms;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static void doom(uint64_t tag)
{
    pthread_mutex_lock(&guard);
    if (dooms == MOST_DOOMED)
        abort();
    doomed[dooms].tag = tag;
    doomed[dooms++].error = plan->error;
    pthread_mutex_unlock(&guard);
}

static void tell(struct io_event *event)
{
    pthread_mutex_lock(&guard);
    for (int i = 0; i < dooms; i++)
        if (doomed[i].tag == event->data) {
            event->res = -doomed[i].error;
            doomed[i] = doomed[--dooms];
            break;
        }
    pthread_mutex_unlock(&guard);
}

static int64_t size_of(const struct iocb *iocb)
{
    const struct iovec *pieces = (const struct iovec *)(uintptr_t)iocb->aio_buf;
    int64_t size = 0;
    for (uint64_t i = 0; i < iocb->aio_nbytes; i++)
        size += (int64_t)pieces[i].iov_len;
    return size;
}

static void shorten(struct iocb *iocb, int64_t size)
{
    struct iovec *pieces = (struct iovec *)(uintptr_t)iocb->aio_buf;
    uint64_t n = 0;
    for (; size > 0 && n < iocb->aio_nbytes; n++) {
        if ((int64_t)pieces[n].iov_len > size)
            pieces[n].iov_len = (size_t)size;
        size -= (int64_t)pieces[n].iov_len;
    }
    iocb->aio_nbytes = n;
}

static long submit(aio_context_t context, long n, struct iocb **iocbs)
{
    for (long i = 0; i < n; i++) {
        struct iocb *iocb = iocbs[i];
        int fd = (int)iocb->aio_fildes;
        int64_t offset = iocb->aio_offset, size = size_of(iocb);
        if (touches(REFUSE, fd, offset, size) && (i > 0 || strike(&plan->native))) {
            if (i > 0)  /* the kernel takes those before it, and says nothing of it yet */
                return real_syscall(SYS_io_submit, context, i, iocbs);
            errno = (int)plan->error;
            return -1;
        }
        if (touches(CUT, fd, offset, size) && offset < plan->first && strike(&plan->native))
            shorten(iocb, plan->first - offset);
        else if (touches(FAIL, fd, offset, size) && strike(&plan->native))
            doom(iocb->aio_data);
    }
    return real_syscall(SYS_io_submit, context, n, iocbs);
}

long syscall(long number, ...)
{
    long a[6], result;
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_io_submit && plan != NULL)
        return submit((aio_context_t)a[0], a[1], (struct iocb **)a[2]);
    result = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (number == SYS_io_setup)
        context_is_new = result == 0;
    if (number == SYS_io_getevents) {
        context_is_new = false;  /* of a service that was told not to look at its ring */
        for (long i = 0; i < result; i++)
            tell((struct io_event *)a[3] + i);
    }
    return result;
}

int pipe2(int ends[2], int flags)
{
    if (context_is_new) {
        context_is_new = false;
        errno = EMFILE;
        return -1;
    }
    return real_pipe2(ends, flags);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = real_clock_gettime(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += AHEAD_SECONDS;
    return result;
}
