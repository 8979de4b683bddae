/* Sending memory without copying it.
 *
 * vmsplice(2) puts references to pages into a pipe, splice(2) moves them on
 * to a socket, and no byte is touched on the way. It takes two calls in place
 * of one, so it is for what is long.
 *
 * A page that has been lent lies in queues of the network until whoever it
 * was sent to has taken it. Nobody tells when that is: over the loopback
 * device, and between containers, it is long after it was acknowledged. So
 * what was lent must stay as it is, and memory_to_fill() sees to that.
 */
#define _GNU_SOURCE
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PIPE_BYTES
#define PIPE_BYTES (1024 * 1024)  /* as many as any user may ask for, but not again and again */
#endif

/* The pipe is empty whenever nobody is in here. Without room nothing is lent. */
struct lender {
    struct memory *memory;
    int in, out, nowhere;
    bool has_room;
};

static bool open_pipe(struct lender *lender)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return false;
    lender->out = ends[0];
    lender->in = ends[1];
    /* What a user may have in pipes is limited, and beyond that they are small: a page or two. */
    for (int size = PIPE_BYTES; size >= SHORTEST_LOAN && fcntl(lender->in, F_SETPIPE_SZ, size) < 0;)
        size /= 2;
    lender->has_room = fcntl(lender->in, F_GETPIPE_SZ) >= SHORTEST_LOAN;
    errno = EPERM;
    return lender->has_room;
}

static void close_pipe(struct lender *lender)
{
    close(lender->in);
    close(lender->out);
    lender->in = lender->out = -1;
    lender->has_room = false;
}

static ssize_t put(struct lender *lender, const struct iovec *parts, size_t count)
{
    return vmsplice(lender->in, parts, count, SPLICE_F_NONBLOCK);
}

/* A signal is no reason to stop: whoever it is for hears of it when we are through. */
static ssize_t move(struct lender *lender, int to, size_t size, unsigned flags)
{
    ssize_t moved;
    do
        moved = splice(lender->out, NULL, to, NULL, size, flags);
    while (moved < 0 && errno == EINTR);
    return moved;
}

/* If they cannot be thrown away, the pipe is: the next answer must not begin with them. */
static bool discard(struct lender *lender, size_t left)
{
    while (left > 0) {
        ssize_t gone = move(lender, lender->nowhere, left, 0);
        if (gone <= 0) {
            close_pipe(lender);
            return open_pipe(lender);
        }
        left -= (size_t)gone;
    }
    return true;
}

/* gVisor has no vmsplice(2), a filter of system calls may forbid it, and where memory is locked
 * it cannot be exchanged. */
static bool works(struct lender *lender)
{
    struct memory *memory = lender->memory;
    char byte = 0;
    const struct iovec part = {&byte, 1};
    return put(lender, &part, 1) == 1 && move(lender, lender->nowhere, 1, 0) == 1
           && madvise(memory->base, memory->slot_size, MADV_DONTNEED) == 0;
}

struct lender *lender_new(struct memory *memory)
{
    struct lender *lender = calloc(1, sizeof *lender);
    if (lender == NULL)
        return NULL;
    *lender = (struct lender){.memory = memory, .in = -1, .out = -1};
    lender->nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (lender->nowhere >= 0 && open_pipe(lender) && works(lender))
        return lender;
    int error = errno;
    lender_free(lender);
    errno = error;
    return NULL;
}

void lender_free(struct lender *lender)
{
    int all[] = {lender->in, lender->out, lender->nowhere};
    for (int n = 0; n < 3; n++)
        if (all[n] >= 0)
            close(all[n]);
    free(lender);
}

static int64_t copy(int sock, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent = sendmsg(sock, &message, MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

static size_t bytes_in(const struct iovec *parts, size_t count)
{
    size_t bytes = 0;
    for (size_t n = 0; n < count; n++)
        bytes += parts[n].iov_len;
    return bytes;
}

static void take_off(struct iovec *parts, size_t bytes)
{
    for (; bytes > 0; parts++) {
        size_t here = parts->iov_len < bytes ? parts->iov_len : bytes;
        parts->iov_base = (char *)parts->iov_base + here;
        parts->iov_len -= here;
        bytes -= here;
    }
}

/* Returns how much of them the socket took, or a negative errno. */
static int64_t lend(struct lender *lender, int sock, struct iovec *parts, size_t count)
{
    size_t sent = 0;
    for (size_t left; (left = bytes_in(parts, count)) > 0;) {
        ssize_t held = put(lender, parts, count);
        if (held <= 0)
            return sent > 0 ? (int64_t)sent : -errno;
        unsigned more = (size_t)held < left ? SPLICE_F_MORE : 0;
        ssize_t moved = move(lender, sock, (size_t)held, SPLICE_F_NONBLOCK | more);
        int error = moved < 0 ? errno : 0;
        if (moved > 0)
            sent += (size_t)moved;
        if (moved < held) {  /* the socket is full, or gone */
            (void)discard(lender, (size_t)(moved > 0 ? held - moved : held));
            return sent > 0 ? (int64_t)sent : -error;
        }
        take_off(parts, (size_t)held);
    }
    return (int64_t)sent;
}

int64_t lender_send(struct lender *lender, int sock, const char *head, uint32_t head_size, const uint32_t *slots,
                    uint32_t count, uint32_t lead, uint32_t size)
{
    struct memory *memory = lender->memory;
    struct iovec parts[1 + SLOTS_PER_LOAN] = {{(void *)head, head_size}};
    int64_t ends[SLOTS_PER_LOAN];
    size_t left = size;
    if (count > SLOTS_PER_LOAN)
        return -EINVAL;
    for (uint32_t n = 0; n < count; lead = 0, n++) {
        size_t here = memory->slot_size - lead < left ? memory->slot_size - lead : left;
        parts[1 + n] = (struct iovec){memory_slot(memory, slots[n]) + lead, here};
        left -= here;
        ends[n] = (int64_t)(size - left);
    }
    if (size < SHORTEST_LOAN || !lender->has_room)
        return copy(sock, parts, 1 + count);

    int64_t sent = 0;
    if (head_size > 0) {
        sent = send(sock, head, head_size, MSG_MORE | MSG_NOSIGNAL);
        if (sent < (int64_t)head_size)
            return sent < 0 ? -errno : sent;
    }
    int64_t taken = lend(lender, sock, parts + 1, count);
    int64_t reached = 0;  /* by what the socket has taken: the other slots may be overwritten */
    for (uint32_t n = 0; n < count && reached < taken; reached = ends[n++])
        atomic_store(&memory->lent[slots[n]], true);
    return taken >= 0 ? sent + taken : sent > 0 ? sent : taken;
}
