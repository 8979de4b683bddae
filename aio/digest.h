/* BLAKE2b with a digest of 16 bytes and no key (RFC 7693). */
#ifndef HEADRACE_DIGEST_H
#define HEADRACE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 16
#define DIGEST_BLOCK 128

struct digest {
    uint64_t state[8];
    uint64_t count;               /* bytes so far: no file has 2^64 */
    unsigned char block[DIGEST_BLOCK];
    size_t filled;                /* of the block */
};

void digest_begin(struct digest *);
void digest_add(struct digest *, const void *bytes, size_t size);
void digest_end(struct digest *, unsigned char out[DIGEST_SIZE]);

#endif
