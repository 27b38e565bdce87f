/* base/random.h: counter-based random numbers, Philox 4x32-10 (Salmon, Moraes, Dror & Shaw, SC 2011).
 *
 * A number is a pure function of (seed, stream, step, row, slot): no state, so threads, ranks and the order of rows
 * cannot change it. Streams keep the uses of one seed apart. */
#ifndef NE_BASE_RANDOM_H
#define NE_BASE_RANDOM_H

#include <math.h>
#include <stdint.h>

typedef enum random_stream {
    STREAM_INIT     = 1,
    STREAM_KNN      = 2,
    STREAM_PCA      = 3,
    STREAM_NEGATIVE = 4,
    STREAM_SAMPLE   = 5,
    STREAM_METHOD   = 6
} random_stream;

typedef struct random_block {
    uint32_t word[4];
} random_block;

static inline random_block random_draw(uint64_t seed, uint32_t stream, uint32_t step, uint64_t row, uint32_t slot)
{
    uint32_t c0 = (uint32_t)row, c1 = (uint32_t)(row >> 32), c2 = step, c3 = slot;
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32) ^ (stream * 0x85EBCA6Bu);
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    const random_block out = {{c0, c1, c2, c3}};
    return out;
}

/* An integer in [0, bound), bound > 0, from 64 random bits by multiply-shift: bias below bound / 2^64. */
static inline uint64_t random_below(uint32_t high, uint32_t low, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)(((uint64_t)high << 32) | low) * bound) >> 64);
}

/* A number in (0, 1) with 32 bits. */
static inline double random_unit(uint32_t word)
{
    return ((double)word + 0.5) * 0x1p-32;
}

/* Two independent standard normal numbers (Box & Muller 1958). */
static inline void random_normal(uint32_t a, uint32_t b, double out[2])
{
    const double radius = sqrt(-2 * log(random_unit(a))), angle = 6.283185307179586 * random_unit(b);
    out[0] = radius * cos(angle);
    out[1] = radius * sin(angle);
}

#endif
