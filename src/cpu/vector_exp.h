/* cpu/vector_exp.h: exp(x) for x <= 0 as arithmetic that a compiler vectorises.
 *
 *     x = (k + f) log 2 with |f| <= 1/2,   exp(x) = 2^k exp(f log 2)
 *
 * The rest r = x - k log 2 in two parts (Cody & Waite 1980), then the Taylor series to r^12: |r| <= 0.347, remainder
 * below 2e-16. Relative error below 4e-16 for x >= -700; smaller x, and -infinity, give 0. About 20 operations. */
#ifndef NE_CPU_VECTOR_EXP_H
#define NE_CPU_VECTOR_EXP_H

#include "base/clones.h"

#include <stdint.h>
#include <string.h>

NE_INLINE double vector_exp(double x)
{
    /* A mask, and no choice between doubles: of that gcc makes a branch, and no vector. */
    const uint64_t keep = UINT64_C(0) - (uint64_t)(x >= -700);
    uint64_t       bits;
    double         bounded;
    memcpy(&bits, &x, sizeof bits);
    bits &= keep;
    memcpy(&bounded, &bits, sizeof bounded);
    const double shifted = bounded * 1.4426950408889634 + 0x1.8p52; /* rounds to an integer in the low bits */
    const double k       = shifted - 0x1.8p52;
    const double r       = (bounded - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
    double       sum     = 1.0 / 479001600;
    double       power;

    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    memcpy(&bits, &shifted, sizeof bits);
    bits = ((bits + 1023) << 52) & keep;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* exp of the lesser of x and 700, so that it is finite. */
NE_INLINE double vector_exp_finite(double x)
{
    const double   most  = 700;
    const uint64_t under = UINT64_C(0) - (uint64_t)(x < most);
    uint64_t       bits, cap;
    double         bounded;
    memcpy(&bits, &x, sizeof bits);
    memcpy(&cap, &most, sizeof cap);
    bits = (bits & under) | (cap & ~under);
    memcpy(&bounded, &bits, sizeof bounded);
    return vector_exp(bounded);
}

#endif
