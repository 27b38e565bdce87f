/* graph/order.c: see order.h. Morton 1966: interleave the bits of the cell coordinates. */
#include "graph/order.h"

#include <math.h>

enum {
    BITS    = 11,
    BUCKETS = 1 << BITS
};

static uint32_t spread_by_2(uint32_t v)
{
    v &= 0xFFFF;
    v = (v | v << 8) & 0x00FF00FF;
    v = (v | v << 4) & 0x0F0F0F0F;
    v = (v | v << 2) & 0x33333333;
    return (v | v << 1) & 0x55555555;
}

static uint32_t spread_by_3(uint32_t v)
{
    v &= 0x3FF;
    v = (v | v << 16) & 0x030000FF;
    v = (v | v << 8) & 0x0300F00F;
    v = (v | v << 4) & 0x030C30C3;
    return (v | v << 2) & 0x09249249;
}

ne_status order_morton(ne_context *context, size_t n, size_t c, const float *z, int64_t *order)
{
    const size_t used   = c < 3 ? c : 3;
    const double cells  = used == 3 ? 1023 : 65535;
    float        low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {-INFINITY, -INFINITY, -INFINITY};
    double       extent = 0;
    uint64_t    *a = memory_new(&context->memory, n, sizeof *a), *b = memory_new(&context->memory, n, sizeof *b);
    ne_status    st = NE_OK;

    if (!a || !b) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < used; k++) {
            const float v = z[i * c + k];
            if (v < low[k]) low[k] = v;
            if (v > high[k]) high[k] = v;
        }
    for (size_t k = 0; k < used; k++)
        if ((double)high[k] - (double)low[k] > extent) extent = (double)high[k] - (double)low[k];
    const double scale = extent > 0 && isfinite(extent) ? cells / extent : 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t cell[3] = {0, 0, 0}, code;
        for (size_t k = 0; k < used; k++) {
            const double at = ((double)z[i * c + k] - (double)low[k]) * scale;
            cell[k]         = at >= 0 && at <= cells ? (uint32_t)at : 0;
        }
        code = used == 3 ? spread_by_3(cell[0]) | spread_by_3(cell[1]) << 1 | spread_by_3(cell[2]) << 2
                         : spread_by_2(cell[0]) | spread_by_2(cell[1]) << 1;
        a[i] = (uint64_t)code << 32 | (uint32_t)i;
    }
    for (int shift = 32; shift < 64; shift += BITS) {
        size_t count[BUCKETS + 1] = {0};
        for (size_t i = 0; i < n; i++) count[(a[i] >> shift & (BUCKETS - 1)) + 1]++;
        for (size_t k = 0; k < BUCKETS; k++) count[k + 1] += count[k];
        for (size_t i = 0; i < n; i++) b[count[a[i] >> shift & (BUCKETS - 1)]++] = a[i];
        uint64_t *swap = a;
        a              = b;
        b              = swap;
    }
    for (size_t i = 0; i < n; i++) order[i] = (int64_t)(uint32_t)a[i];
done:
    memory_free(&context->memory, a);
    memory_free(&context->memory, b);
    return st;
}

double order_morton_bytes(double n)
{
    return 2 * n * sizeof(uint64_t);
}
