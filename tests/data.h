/* tests/data.h: data that tests make: clusters with Gaussian spread, the same everywhere. */
#ifndef NE_TESTS_DATA_H
#define NE_TESTS_DATA_H

#include <stddef.h>
#include <stdint.h>

/* A linear congruential generator is random enough for test data, and needs nothing of the library. */
static inline double data_unit(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

/* Sum of four uniforms, variance 1: near enough to a normal number. */
static inline double data_normal(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += data_unit(state);
    return (sum - 2) * 1.7320508075688772;
}

/* Row i belongs to cluster i % clusters; centres are `apart` standard deviations from 0 in directions of their own. */
static inline void data_clusters(float *x, size_t n, size_t d, size_t clusters, double apart, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            uint64_t     centre = seed * 1000003 + (i % clusters) * 7919 + j * 104729, own = 0;
            const double c = data_unit(&centre) > 0.5 ? apart : -apart;
            own            = seed + i * 1000033 + j * 7;
            for (int warm = 0; warm < 3; warm++) data_unit(&own);
            x[i * d + j] = (float)(c + data_normal(&own));
        }
}

#endif
