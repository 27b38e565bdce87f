/* cpu/gather.c: see gather.h. */
#include "cpu/gather.h"

#include "base/clones.h"
#include "cpu/lanes.h"

/* A weight by a row of the panel as scalar times lanes, which is one load that fills the register. */
NE_CLONES static void gather_rows_of_lanes(size_t rows, const unsigned char *restrict count,
                                           const unsigned char *restrict at, const float *restrict w,
                                           const float *restrict panel, float *restrict sums)
{
    for (size_t i = 0; i < rows; i++, sums += GATHER_WIDTH) {
        const unsigned char *const end = at + count[i];
        if (at == end) continue;
        lanes a = lanes_load(sums), b = lanes_load(sums + LANES), c = lanes_load(sums + 2 * LANES),
              d = lanes_load(sums + 3 * LANES), s = lanes_load(sums + 4 * LANES), t = lanes_load(sums + 5 * LANES),
              u = lanes_load(sums + 6 * LANES), v = lanes_load(sums + 7 * LANES);
        for (; at < end; at++, w++) {
            const float *row = panel + (size_t)*at * GATHER_WIDTH;
            a += *w * lanes_load(row);
            b += *w * lanes_load(row + LANES);
            c += *w * lanes_load(row + 2 * LANES);
            d += *w * lanes_load(row + 3 * LANES);
            s += *w * lanes_load(row + 4 * LANES);
            t += *w * lanes_load(row + 5 * LANES);
            u += *w * lanes_load(row + 6 * LANES);
            v += *w * lanes_load(row + 7 * LANES);
        }
        lanes_store(sums, a);
        lanes_store(sums + LANES, b);
        lanes_store(sums + 2 * LANES, c);
        lanes_store(sums + 3 * LANES, d);
        lanes_store(sums + 4 * LANES, s);
        lanes_store(sums + 5 * LANES, t);
        lanes_store(sums + 6 * LANES, u);
        lanes_store(sums + 7 * LANES, v);
    }
}

void gather_rows(size_t rows, const unsigned char *count, const unsigned char *at, const float *w, const float *panel,
                 float *sums)
{
    gather_rows_of_lanes(rows, count, at, w, panel, sums);
}
