/* affinity/vector_log.h: log(x) for normal x > 0 in double, as arithmetic that a compiler vectorises.
 *
 *     x = 2^k m, sqrt(1/2) <= m < sqrt(2);  log m = 2 atanh s = 2 (s + s^3 / 3 + s^5 / 5 + ...),  s = (m - 1) / (m + 1)
 *
 * |s| <= 0.172, so the remainder after s^21 is below 1e-18. Relative error below 1e-15, also near 1. */
#ifndef NE_AFFINITY_VECTOR_LOG_H
#define NE_AFFINITY_VECTOR_LOG_H

#include "base/clones.h"

#include <stdint.h>
#include <string.h>

NE_INLINE double vector_log(double x)
{
    /* Adding the distance from sqrt(1/2) to 1 in the bits makes the carry choose k. */
    const uint64_t shift = UINT64_C(0x3ff0000000000000) - UINT64_C(0x3fe6a09e667f3bcd);
    uint64_t       bits, low;
    double         m, k, sum;
    memcpy(&bits, &x, sizeof bits);
    bits += shift;
    low = (bits & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd);
    memcpy(&m, &low, sizeof m);
    bits = (bits >> 52) | UINT64_C(0x4330000000000000); /* 2^52 + exponent + 1023 */
    memcpy(&k, &bits, sizeof k);
    k -= 0x1p52 + 1023;
    const double s = (m - 1) / (m + 1), z = s * s;
    sum = 1.0 / 21;
    sum = sum * z + 1.0 / 19;
    sum = sum * z + 1.0 / 17;
    sum = sum * z + 1.0 / 15;
    sum = sum * z + 1.0 / 13;
    sum = sum * z + 1.0 / 11;
    sum = sum * z + 1.0 / 9;
    sum = sum * z + 1.0 / 7;
    sum = sum * z + 1.0 / 5;
    sum = sum * z + 1.0 / 3;
    return k * 0x1.62e42fefa39efp-1 + (2 * s + 2 * s * z * sum);
}

#endif
