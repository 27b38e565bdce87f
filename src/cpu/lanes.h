/* cpu/lanes.h: eight floats as one value, in the vector notation that gcc and clang share: one AVX register in a clone
 * that has them, two SSE or NEON ones elsewhere. Only always-inlined functions may take or return one, since the
 * calling convention for it differs between clones. */
#ifndef NE_CPU_LANES_H
#define NE_CPU_LANES_H

#include "base/clones.h"

#include <stdint.h>

#pragma GCC diagnostic ignored "-Wpsabi" /* a remark about that convention; no call uses it */

enum {
    LANES = 8
};

/* Aligned as a float is, so that any address will do. */
typedef float   lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t lanes_int __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float   lanes_half __attribute__((vector_size(2 * LANES), aligned(4), may_alias));

NE_INLINE lanes lanes_load(const float *from)
{
    return *(const lanes *)from;
}

/* Where two products take the same lanes, gcc would load them twice, once inside each. */
NE_INLINE lanes lanes_load_once(const float *from)
{
    return *(const volatile lanes *)from;
}

NE_INLINE void lanes_store(float *to, lanes a)
{
    *(lanes *)to = a;
}

NE_INLINE lanes lanes_all(float a)
{
    return (lanes){a, a, a, a, a, a, a, a};
}

/* Each is one instruction of AVX. */
#define LANES_LOW(a, b)        __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define LANES_HIGH(a, b)       __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define LANES_LOW_PAIRS(a, b)  __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define LANES_HIGH_PAIRS(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define LANES_LOW_HALF(a, b)   __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define LANES_HIGH_HALF(a, b)  __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15)

/* The integer part of numbers that are not negative and below 2^31. */
NE_INLINE lanes lanes_floor(lanes a)
{
    return __builtin_convertvector(__builtin_convertvector(a, lanes_int), lanes);
}

/* Lane j of v[i] becomes lane i of v[j]. */
NE_INLINE void lanes_transpose(lanes *v)
{
    lanes a[LANES], b[LANES];
    for (int i = 0; i < LANES; i += 2) {
        a[i]     = LANES_LOW(v[i], v[i + 1]);
        a[i + 1] = LANES_HIGH(v[i], v[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        b[i]     = LANES_LOW_PAIRS(a[i], a[i + 2]);
        b[i + 1] = LANES_HIGH_PAIRS(a[i], a[i + 2]);
        b[i + 2] = LANES_LOW_PAIRS(a[i + 1], a[i + 3]);
        b[i + 3] = LANES_HIGH_PAIRS(a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        v[i]     = LANES_LOW_HALF(b[i], b[i + 4]);
        v[i + 4] = LANES_HIGH_HALF(b[i], b[i + 4]);
    }
}

#endif
