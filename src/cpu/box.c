/* cpu/box.c: see box.h. The smallest of numbers does not depend on the order in which they are compared, so threads
 * share the rows as they like. */
#include "cpu/box.h"

#include "base/clones.h"

#include <float.h>

enum {
    PERIOD = 24,
    BLOCK  = 8192
}; /* a multiple of 1, 2 and 3: column (i mod c) always meets the same slot */

/* low, high: of slot i mod PERIOD. bad becomes NaN when a value is not finite. */
NE_CLONES static float box_block(const float *restrict z, size_t count, float *restrict low, float *restrict high)
{
    float  bad[PERIOD] = {0}, sum = 0;
    size_t i = 0;
    for (; i + PERIOD <= count; i += PERIOD) {
#pragma omp simd
        for (int l = 0; l < PERIOD; l++) {
            const float x = z[i + (size_t)l];
            low[l]        = x < low[l] ? x : low[l];
            high[l]       = x > high[l] ? x : high[l];
            bad[l] += x - x;
        }
    }
    for (int l = 0; i < count; i++, l++) {
        low[l]  = z[i] < low[l] ? z[i] : low[l];
        high[l] = z[i] > high[l] ? z[i] : high[l];
        bad[l] += z[i] - z[i];
    }
    for (int l = 0; l < PERIOD; l++) sum += bad[l];
    return sum;
}

box box_of(const ne_context *context, size_t n, size_t c, const float *z)
{
    const size_t count = n * c, step = BLOCK * c, blocks = (count + step - 1) / step;
    box          all = {.finite = 1, .low = {FLT_MAX, FLT_MAX, FLT_MAX}, .high = {-FLT_MAX, -FLT_MAX, -FLT_MAX}};
#pragma omp parallel num_threads(context_threads(context)) if (blocks > 1)
    {
        float low[PERIOD], high[PERIOD], bad = 0;
        for (int l = 0; l < PERIOD; l++) {
            low[l]  = FLT_MAX;
            high[l] = -FLT_MAX;
        }
#pragma omp for schedule(static) nowait
        for (size_t b = 0; b < blocks; b++)
            bad += box_block(z + b * step, count - b * step < step ? count - b * step : step, low, high);
#pragma omp critical(ne_box)
        {
            if (!(bad == 0)) all.finite = 0;
            for (int l = 0; l < PERIOD; l++) {
                const size_t a = (size_t)l % c;
                all.low[a]     = low[l] < all.low[a] ? low[l] : all.low[a];
                all.high[a]    = high[l] > all.high[a] ? high[l] : all.high[a];
            }
        }
    }
    return all;
}

double box_extent(const box *of, size_t c)
{
    double longest = 0;
    for (size_t a = 0; a < c; a++) {
        const double side = (double)of->high[a] - (double)of->low[a];
        longest           = side > longest ? side : longest;
    }
    return longest;
}
