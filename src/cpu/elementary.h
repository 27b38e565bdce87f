/* cpu/elementary.h: log and exp on lanes. The polynomials are minimax fits of our own; both functions use only what
 * AVX has in eight lanes: integer arithmetic other than bitwise came with AVX2, which NE_CLONES does not name. */
#ifndef NE_CPU_ELEMENTARY_H
#define NE_CPU_ELEMENTARY_H

#include "cpu/lanes.h"

/* log x for normal x > 0; relative error below 1e-7, also near 1.
 * x = 2^e (1 + r), sqrt(1/2) <= 1 + r < sqrt(2);  log(1 + r) = r - r^2 / 2 + r^3 P(r). */
NE_INLINE lanes elementary_log(lanes x)
{
    const lanes_int bits  = (lanes_int)x;
    const lanes     above = (lanes)((bits & 0x007fffff) | 0x3f800000); /* in [1, 2); halve it and add 1 to e if high */
    const lanes_int high  = above > 1.41421356f;                       /* -1 where it holds */
    const lanes     e =
        __builtin_convertvector(bits & 0x7f800000, lanes) * 0x1p-23f - 127.0f - __builtin_convertvector(high, lanes);
    const lanes r = above - (lanes)((lanes_int)(0.5f * above) & high) - 1.0f, r2 = r * r;
    lanes       p = 0.0870043770f * r - 0.142674872f;
    p             = p * r + 0.149147674f;
    p             = p * r - 0.165775846f;
    p             = p * r + 0.199630638f;
    p             = p * r - 0.250013370f;
    p             = p * r + 0.333339107f;
    /* log 2 in two parts: the first has few bits, so e times it is exact. */
    return (r + (r2 * r * p - 0.5f * r2 - e * 2.12194440e-4f)) + e * 0.693359375f;
}

/* exp x for x <= 88; relative error below 1e-7, and 0 below -87, where exp x is less than 2e-38.
 * x = k log 2 + r, |r| <= log(2) / 2;  exp r = 1 + r + r^2 P(r). */
NE_INLINE lanes elementary_exp(lanes x)
{
    const lanes_int keep  = x > -87.0f;
    const lanes     in    = (lanes)((lanes_int)x & keep);
    const lanes     k     = (in * 1.44269504f + 12582912.0f) - 12582912.0f; /* adding 1.5 * 2^23 rounds to an integer */
    const lanes     r     = (in - k * 0.693359375f) + k * 2.12194440e-4f;
    const lanes     power = (lanes)(__builtin_convertvector((k + 127.0f) * 0x1p23f, lanes_int) & keep);
    lanes           p     = 0.00138145986f * r + 0.00836871688f;
    p                     = p * r + 0.0416683880f;
    p                     = p * r + 0.166665206f;
    p                     = p * r + 0.499999934f;
    return (r + r * r * p + 1.0f) * power;
}

#endif
