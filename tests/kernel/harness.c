/* Hammers the disk service from one thread, as a loop does, and checks every
 * byte and errno that comes back; the sanitizers and valgrind look at the
 * rest. A round is a service's whole life, and every third ends in the middle
 * of its work. Usage: harness FOLDER ROUNDS STEPS */
#define _GNU_SOURCE
#include "kernel.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOT ((size_t)64 * 1024)
#define SLOTS 32
#define DEPTH 8
#define BIG (40 * (int64_t)SLOT + 777)
#define SMALL 1000
#define REQUESTS 512
#define SILENCE_MS 120000
#define NO_DESCRIPTOR 1000000
#define LOANS 16
#define CHECK(fact) ((fact) ? (void)0 : fail(#fact, __LINE__))

enum kind { NOTHING, READ, BAD_READ, LOAD, OPEN, LOOK, AGAIN, MISSING, HASH, LIST, FOLLOW, CLOSE, KINDS };

struct request {
    enum kind kind;
    bool orphan, by_aio;
    int64_t offset;
    uint32_t size, used, slot[SLOTS_PER_READ];
};

static struct service *service;
static struct memory *memory;
static struct lender *lender;  /* NULL where the kernel lends nothing */
static struct group *native, *threads;
static struct request requests[REQUESTS];
static bool busy[SLOTS];
static uint32_t outstanding, flying;
static int root, direct, buffered;
static int sender, receiver;
/* What lies in the socket, in order: of so many bytes from there in the file, again and again, from `lead` on. */
static struct { int64_t offset, bytes, lead, size; } loans[LOANS];
static int lent;
static unsigned long bytes_lent;
static uint32_t longest;  /* loan, in slots that it reached */
static unsigned long finished[KINDS], seed = 88172645463325252u;

static void fail(const char *fact, int line)
{
    fprintf(stderr, "harness.c:%d: not so: %s (errno %d)\n", line, fact, errno);
    exit(1);
}

static uint32_t any(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static char byte_at(int64_t offset)
{
    return (char)(offset ^ offset >> 8 ^ (offset >> 16) * 7);
}

static void check_bytes(const char *got, int64_t offset, int64_t size)
{
    for (int64_t i = 0; i < size; i++)
        CHECK(got[i] == byte_at(offset + i));
}

static void make_file(const char *name, int64_t size)
{
    static char content[BIG];
    int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    for (int64_t i = 0; i < size; i++)
        content[i] = byte_at(i);
    CHECK(write(fd, content, (size_t)size) == size && fsync(fd) == 0 && close(fd) == 0);
}

/* It rises when one is left open. */
static int lowest_free_descriptor(void)
{
    int fd = dup(0);
    CHECK(fd >= 0 && close(fd) == 0);
    return fd;
}

#ifdef WITHOUT_OPENAT2  /* valgrind 3.19 does not know it; linked with --wrap=syscall */
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_openat2) {
        const struct open_how *how = (const struct open_how *)c;
        struct stat facts;
        int links = how->resolve & RESOLVE_NO_SYMLINKS ? O_NOFOLLOW : 0;
        int fd = openat((int)a, (const char *)b, (int)how->flags | links);
        if (fd >= 0 && fstat(fd, &facts) == 0 && S_ISLNK(facts.st_mode)) {  /* as O_PATH has it */
            close(fd);
            errno = ELOOP;
            return -1;
        }
        return fd;
    }
    return __real_syscall(number, a, b, c, d, e, f);
}
#endif

/* --- asking ------------------------------------------------------------ */

static int free_request(void)
{
    for (int tag = 0; tag < REQUESTS; tag++)
        if (requests[tag].kind == NOTHING)
            return tag;
    return -1;
}

static void asked(int tag, enum kind kind, int refused)
{
    CHECK(refused == 0);
    requests[tag].kind = kind;
    requests[tag].orphan = any(4) == 0;
    outstanding++;
}

static void ask_path(int tag, enum kind kind)
{
    static const char *const paths[KINDS] = {[MISSING] = "missing", [OPEN] = "big", [HASH] = "big",
                                             [LIST] = ".", [FOLLOW] = "/nowhere"};
    static const enum job_kind kinds[KINDS] = {[LOOK] = JOB_CHECK, [HASH] = JOB_HASH, [LIST] = JOB_LIST,
                                               [FOLLOW] = JOB_FOLLOW};
    const char *path = paths[kind] != NULL ? paths[kind] : "small";
    struct job *job = job_new(path, (uint32_t)strlen(path));
    struct group *group = any(2) ? native : threads;
    CHECK(job != NULL);
    job->root = root;
    job->stay = any(2);
    job->want_direct = any(2);
    job->load_limit = kind == OPEN ? 0 : SMALL;
    job->kind = kinds[kind];
    job->links = any(3);
    job->want_digest = any(2);
    job->order = any(3);
    job->descending = any(2);
    memcpy(job->endings, ".x\0.link\0", 10);
    if (kind == LOOK) {  /* two that are done together */
        job->next = job_new("missing", 7);
        CHECK(job->next != NULL);
        job->next->root = root;
        job->next->kind = JOB_CHECK;
    }
    asked(tag, kind, group_job(group, (uint64_t)tag, job));
}

static void ask_read(int tag, bool bad)
{
    struct request *request = &requests[tag];
    request->by_aio = any(3) > 0 && flying < DEPTH && group_aio_error(native) == 0;
    request->size = any(2) ? 1 + any(SLOTS_PER_READ * SLOT) : (1 + any(SLOTS_PER_READ)) * SLOT;
    request->offset = any((uint32_t)BIG);
    if (request->by_aio) {
        request->size = (request->size + 4095) / 4096 * 4096;
        request->offset = request->offset / 4096 * 4096;
    }
    request->used = 0;
    for (uint32_t slot = any(SLOTS), n = 0; n < SLOTS && request->used * SLOT < request->size; n++, slot++)
        if (!busy[slot % SLOTS])
            request->slot[request->used++] = slot % SLOTS;
    if (request->used == 0)
        return;
    if (request->used * SLOT < request->size)
        request->size = request->used * SLOT;
    for (uint32_t n = 0; n < request->used; n++)
        busy[request->slot[n]] = true;
    flying += request->by_aio;
    const uint32_t *slot = request->slot;
    int fd = bad ? NO_DESCRIPTOR : request->by_aio ? direct : buffered;
    asked(tag, bad ? BAD_READ : READ,
          group_read(request->by_aio ? native : threads,
                     request->by_aio ? READ_NATIVE : any(2) ? READ_THREAD : READ_CACHED, (uint64_t)tag, fd,
                     (uint64_t)any(3), request->offset, request->size, slot[0], slot[1], slot[2], slot[3]));
}

/* --- lending ----------------------------------------------------------- */

/* Whatever has been read into the slots meanwhile. */
static void take_loans(void)
{
    static char got[SLOTS_PER_LOAN * SLOT];
    for (int n = 0; n < lent; n++) {
        CHECK(recv(receiver, got, (size_t)loans[n].size, MSG_WAITALL) == loans[n].size);
        int64_t from = loans[n].lead;
        for (int64_t at = 0, left = loans[n].size; left > 0; from = 0) {
            int64_t here = loans[n].bytes - from < left ? loans[n].bytes - from : left;
            check_bytes(got + at, loans[n].offset + from, here);
            at += here;
            left -= here;
        }
    }
    lent = 0;
}

/* `there` bytes that have been read into the slots, or what is behind some of them; again and again, as
 * often as there is room for in a loan, if they fill their slots. */
static void lend(const struct request *request, int64_t there)
{
    uint32_t used = (uint32_t)((there + SLOT - 1) / SLOT), times = 1;
    if (lender == NULL || lent == LOANS)
        return;
    if (there % SLOT == 0)
        times += any(SLOTS_PER_LOAN / used);
    uint32_t *slots = malloc(times * used * sizeof *slots);
    for (uint32_t n = 0; n < times * used; n++)
        slots[n] = request->slot[n % used];
    int64_t all = times * there;
    uint32_t lead = any(SLOT < (uint32_t)there ? SLOT : (uint32_t)there), size = (uint32_t)all - lead;
    int64_t taken = lender_send(lender, sender, "", 0, slots, times * used, lead, size);
    free(slots);
    CHECK(taken > 0 || taken == -EAGAIN);
    /* They have just been read into. What nobody has may be overwritten. */
    for (uint32_t n = 0; n < used; n++)
        CHECK(memory_is_lent(memory, request->slot[n])
              == (size >= SHORTEST_LOAN && taken > 0 && lead + taken > n * (int64_t)SLOT));
    if (taken > 0) {
        loans[lent].offset = request->offset;
        loans[lent].bytes = there;
        loans[lent].lead = lead;
        loans[lent++].size = taken;
        bytes_lent += taken >= SHORTEST_LOAN ? (unsigned long)taken : 0;
        uint32_t reached = (uint32_t)((lead + (size_t)taken + SLOT - 1) / SLOT);
        longest = reached > longest ? reached : longest;
    }
}

/* --- being told -------------------------------------------------------- */

static void told_read(struct request *request, int64_t result)
{
    int64_t there = BIG - request->offset < request->size ? BIG - request->offset : request->size;
    flying -= request->by_aio;
    for (uint32_t n = 0; n < request->used; n++)
        busy[request->slot[n]] = false;
    CHECK(result == (request->kind == BAD_READ ? -EBADF : there));
    for (uint32_t n = 0; n < request->used && request->kind == READ && !request->orphan; n++) {
        int64_t at = (int64_t)(n * SLOT), left = there - at;
        if (left > (int64_t)SLOT)
            left = SLOT;
        if (left <= 0)
            continue;
        check_bytes(memory_base(memory) + request->slot[n] * SLOT, request->offset + at, left);
    }
    if (request->kind == READ && !request->orphan)
        lend(request, there);
}

static void told_path(struct request *request, int64_t result, struct job *job)
{
    CHECK(job != NULL);
    if (request->kind == MISSING || request->kind == FOLLOW) {
        CHECK(result == -ENOENT);
    } else if (request->kind == HASH) {
        CHECK(result == BIG || result == -ECANCELED);
    } else if (request->kind == LIST) {
        CHECK((result == 0 && job->count >= 2 && job->content_size > 2 * RECORD_HEAD) || result == -ECANCELED);
    } else if (request->kind == OPEN) {
        CHECK(result >= 0 && job->facts.size == (uint64_t)BIG && job->content == NULL);
        int tag = free_request();  /* there is one: its own */
        int32_t fd = (int32_t)result;
        struct job *closing = job_new((const char *)&fd, sizeof fd);
        CHECK(closing != NULL);
        closing->kind = JOB_CLOSE;
        asked(tag, CLOSE, group_job(any(2) ? native : threads, (uint64_t)tag, closing));
    } else {
        CHECK(result == (request->kind == LOAD ? SMALL : request->kind == AGAIN) && job->facts.size == SMALL);
        CHECK(job->facts.siblings == (job->links == LINKS_DENY ? 1 : 3));
        if (request->kind == LOAD && !request->orphan)
            check_bytes(job->content, 0, SMALL);
    }
    if (request->kind == LOOK) {
        CHECK(job->result == 0 && job->next->result == -ENOENT);
        job_free(job->next);
        job->next = NULL;
        int tag = free_request();
        return asked(tag, AGAIN, group_job(native, (uint64_t)tag, job));
    }
    job_free(job);
}

static void reap(bool wait)
{
    struct completion done[5];
    struct pollfd event = {.fd = service_eventfd(service), .events = POLLIN};
    int n;
    if (wait) {
        if (any(2) == 0)
            group_pass_on(any(2) ? native : threads, 1 + any(4));
        group_flush(native, 1 + any(4));
        group_flush(threads, 1 + any(4));
        CHECK(poll(&event, 1, SILENCE_MS) == 1);
    }
    do {
        n = service_reap(service, done, 5);
        for (int i = 0; i < n; i++) {
            CHECK(done[i].tag < REQUESTS);
            struct request *request = &requests[done[i].tag], was = *request;
            request->kind = NOTHING;
            outstanding--;
            finished[was.kind]++;
            if (was.kind == READ || was.kind == BAD_READ)
                told_read(&was, done[i].result);
            else if (was.kind == CLOSE) {
                CHECK(done[i].result == 0);
                job_free(done[i].job);
            } else
                told_path(&was, done[i].result, done[i].job);
        }
    } while (n == 5);
}

/* --- a service's life -------------------------------------------------- */

static void step(void)
{
    static const enum kind paths[] = {LOAD, OPEN, LOOK, MISSING, HASH, LIST, FOLLOW};
    int tag = free_request();
    uint32_t what = any(16);
    if (any(8) == 0)
        take_loans();
    if (what == 0 || tag < 0) {
        reap(outstanding > 0);
    } else if (what == 1) {
        reap(false);
    } else if (what < 6) {
        ask_path(tag, paths[any(7)]);
    } else {
        ask_read(tag, what == 6);
    }
}

static void live(int round, int steps)
{
    memset(requests, 0, sizeof requests);
    memset(busy, 0, sizeof busy);
    outstanding = flying = 0;
    CHECK((service = service_new(round % 2 ? SERVICE_NO_RING : 0)) != NULL);
    CHECK((memory = memory_new(SLOTS, SLOT)) != NULL);
    memory_want(memory, (uint32_t)(round % 5) * SLOTS / 4);
    lender = lender_new(memory);
    CHECK((native = group_new(service, memory, DEPTH, 2, 2)) != NULL);
    CHECK((threads = group_new(service, memory, 0, 1 + any(3), any(4))) != NULL);
    for (int i = 0; i < steps; i++)
        step();
    while (round % 3 > 0 && outstanding > 0)
        reap(true);
    CHECK(service_close(service, SILENCE_MS) == 0);
    if (lender != NULL)
        lender_free(lender);
    memory_free(memory);
    take_loans();  /* they outlive the memory */
}

int main(int count, char **words)
{
    CHECK(count == 4);
    CHECK((root = open(words[1], O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0);
    make_file("big", BIG);
    make_file("small", SMALL);
    make_file("small.x", 1);  /* its siblings */
    (void)unlinkat(root, "small.link", 0);
    CHECK(symlinkat("small.x", root, "small.link") == 0);
    CHECK((buffered = openat(root, "big", O_RDONLY | O_CLOEXEC)) >= 0);
    direct = openat(root, "big", O_RDONLY | O_CLOEXEC | O_DIRECT);  /* not on every file system */
    CHECK(direct >= 0 || (direct = openat(root, "big", O_RDONLY | O_CLOEXEC)) >= 0);
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    receiver = ends[0];
    CHECK(fcntl(sender = ends[1], F_SETFL, O_NONBLOCK) == 0);
    const int wanted = 2 * SLOTS_PER_LOAN * SLOT;
    int room;
    socklen_t size = sizeof room;
    CHECK(setsockopt(sender, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted) == 0);
    CHECK(getsockopt(sender, SOL_SOCKET, SO_SNDBUF, &room, &size) == 0);
    int lowest = lowest_free_descriptor();
    for (int round = 0; round < atoi(words[2]); round++)
        live(round, atoi(words[3]));
    CHECK(lowest_free_descriptor() == lowest);
    for (int kind = READ; kind < KINDS; kind++)
        CHECK(finished[kind] > 0);
    CHECK(lender == NULL || longest == SLOTS_PER_LOAN || room < wanted);  /* an administrator may forbid it */
    printf("%lu reads, %lu opens, %lu files loaded, %lu bytes lent\n", finished[READ], finished[OPEN],
           finished[LOAD], bytes_lent);
    return 0;
}
