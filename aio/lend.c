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
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIPE_BYTES (256 * 1024)

struct lender {
    struct memory *memory;
    int in, out, nowhere;
    size_t room;  /* bytes */
};

/* The pipe is empty whenever nobody is in here. */
static bool discard(struct lender *lender, int64_t left)
{
    while (left > 0) {
        ssize_t gone = splice(lender->out, NULL, lender->nowhere, NULL, (size_t)left, 0);
        if (gone <= 0)
            return false;
        left -= gone;
    }
    return true;
}

static int64_t put(struct lender *lender, char *from, size_t size)
{
    struct iovec piece = {from, size < lender->room ? size : lender->room};
    return vmsplice(lender->in, &piece, 1, SPLICE_F_NONBLOCK);
}

struct lender *lender_new(struct memory *memory)
{
    int ends[2], error;
    struct lender *lender = calloc(1, sizeof *lender);
    if (lender == NULL)
        return NULL;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        free(lender);
        return NULL;
    }
    lender->memory = memory;
    lender->out = ends[0];
    lender->in = ends[1];
    /* A user may have so many bytes in pipes, and then gets small ones. */
    (void)fcntl(lender->in, F_SETPIPE_SZ, PIPE_BYTES);
    int room = fcntl(lender->in, F_GETPIPE_SZ);
    lender->room = room > 0 ? (size_t)room : 1;
    lender->nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    /* gVisor has no vmsplice(2), and a filter of system calls may forbid it. */
    if (lender->nowhere >= 0 && put(lender, memory->base, 1) == 1 && discard(lender, 1))
        return lender;
    error = errno;
    lender_free(lender);
    errno = error;
    return NULL;
}

void lender_free(struct lender *lender)
{
    close(lender->in);
    close(lender->out);
    if (lender->nowhere >= 0)
        close(lender->nowhere);
    free(lender);
}

int64_t lender_send(struct lender *lender, int sock, const char *head, uint32_t head_size,
                    uint32_t slot, uint32_t lead, uint32_t size)
{
    int64_t sent = 0;
    if (head_size > 0) {
        sent = send(sock, head, head_size, MSG_MORE | MSG_NOSIGNAL);
        if (sent < (int64_t)head_size)
            return sent < 0 ? -errno : sent;
    }
    char *from = memory_slot(lender->memory, slot) + lead;
    atomic_store(&lender->memory->lent[slot], true);
    for (uint32_t at = 0; at < size;) {
        int64_t held = put(lender, from + at, size - at);
        if (held <= 0)
            return sent > 0 ? sent : -errno;
        unsigned more = at + held < size ? SPLICE_F_MORE : 0;
        ssize_t moved = splice(lender->out, NULL, sock, NULL, (size_t)held, SPLICE_F_NONBLOCK | more);
        int error = moved < 0 ? errno : 0;
        if (moved > 0) {
            at += (uint32_t)moved;
            sent += moved;
            held -= moved;
        }
        if (held > 0) {  /* the socket is full */
            if (!discard(lender, held))
                abort();  /* the next answer would begin with this one's bytes */
            return sent > 0 ? sent : -error;
        }
    }
    return sent;
}
