/* cpu/curve.c: see curve.h.
 *
 * A key is as many bits as name a cell of the finest grid, and no more, so that small layouts are sorted in one or two
 * passes. The sort is by digits, least significant first, with counts and moves shared out in parts: stable, so its
 * outcome does not depend on how many parts there are. */
#include "cpu/curve.h"

#include "base/clones.h"

#include <math.h>
#include <string.h>

enum {
    BATCH   = 128, /* points whose keys are made together */
    DIGIT   = 11,  /* bits per pass of the sort */
    BUCKETS = 1 << DIGIT
};

void curve_clear(ne_context *context, curve *of)
{
    const ne_allocator *mem = &context->memory;
    memory_free(mem, of->order);
    memory_free(mem, of->order_spare);
    memory_free(mem, of->key);
    memory_free(mem, of->key_spare);
    *of = (curve){0};
}

static ne_status reserve(ne_context *context, curve *to, size_t n)
{
    const ne_allocator *mem    = &context->memory;
    ne_status           status = NE_OK;
    if (n > to->capacity) {
        int ok = 1;
        curve_clear(context, to);
        ok &= (to->order = memory_new(mem, n, sizeof *to->order)) != NULL;
        ok &= (to->order_spare = memory_new(mem, n, sizeof *to->order)) != NULL;
        ok &= (to->key = memory_new(mem, n, sizeof *to->key)) != NULL;
        ok &= (to->key_spare = memory_new(mem, n, sizeof *to->key)) != NULL;
        if (ok) to->capacity = n;
        else status = NE_OUT_OF_MEMORY;
    }
    return status;
}

/* The bits of v, one or two zeros between each and the next. */
static uint64_t spread_2d(uint64_t v)
{
    v = (v | v << 16) & 0x0000ffff0000ffff;
    v = (v | v << 8) & 0x00ff00ff00ff00ff;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0f;
    v = (v | v << 2) & 0x3333333333333333;
    return (v | v << 1) & 0x5555555555555555;
}

static uint64_t spread_3d(uint64_t v)
{
    v = (v | v << 32) & 0x001f00000000ffff;
    v = (v | v << 16) & 0x001f0000ff0000ff;
    v = (v | v << 8) & 0x100f00f00f00f00f;
    v = (v | v << 4) & 0x10c30c30c30c30c3;
    return (v | v << 2) & 0x1249249249249249;
}

/* Coordinates of cells in a grid of 2^levels a side become their places on the Hilbert curve, with the bits dealt
 * out to the columns: Skilling's algorithm, its conditions as masks. From the top level down, the lower bits are
 * turned so that a curve through the cell of this level enters and leaves it at the right corners; then a Gray code. */
NE_CLONES static void curve_hilbert(size_t c, int levels, uint32_t (*restrict cell)[BATCH])
{
    for (int level = levels - 1; level > 0; level--) {
        const uint32_t below = ((uint32_t)1 << level) - 1;
        for (size_t k = 0; k < c; k++) {
#pragma omp simd
            for (size_t i = 0; i < BATCH; i++) {
                const uint32_t high     = 0 - (cell[k][i] >> level & 1); /* all ones where the bit is set */
                const uint32_t exchange = (cell[0][i] ^ cell[k][i]) & below & ~high;
                cell[k][i] ^= exchange;
                cell[0][i] ^= exchange | (below & high);
            }
        }
    }
    for (size_t k = 1; k < c; k++)
        for (size_t i = 0; i < BATCH; i++) cell[k][i] ^= cell[k - 1][i];
    for (size_t i = 0; i < BATCH; i++) {
        uint32_t parity = cell[c - 1][i]; /* of each bit and all above it */
        for (int shift = 1; shift < 32; shift *= 2) parity ^= parity >> shift;
        for (size_t k = 0; k < c; k++) cell[k][i] ^= parity >> 1;
    }
}

/* The finest grid has 2^levels cells a side. */
static void key_rows(curve *to, size_t c, const float *z, const box *within, double scale, int levels, size_t first,
                     size_t last)
{
    const double most = ldexp(1, levels) - 1;
    for (size_t base = first; base < last; base += BATCH) {
        const size_t count          = last - base < BATCH ? last - base : BATCH;
        uint32_t     cell[3][BATCH] = {{0}};
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < c; k++) {
                const double x = ((double)z[(base + i) * c + k] - (double)within->low[k]) * scale;
                cell[k][i]     = (uint32_t)(int32_t)(x < most ? x : most);
            }
        curve_hilbert(c, levels, cell);
        for (size_t i = 0; i < count; i++) {
            uint64_t key = 0;
            for (size_t k = 0; k < c; k++) key = key << 1 | (c == 2 ? spread_2d(cell[k][i]) : spread_3d(cell[k][i]));
            to->key[base + i]   = key;
            to->order[base + i] = (uint32_t)(base + i);
        }
    }
}

/* --- The sort. */

typedef struct sort_arrays {
    uint64_t *key, *key_to;
    uint32_t *order, *order_to;
} sort_arrays;

static void sort_count(const uint64_t *key, size_t first, size_t last, int shift, uint64_t mask, uint32_t *count)
{
    memset(count, 0, BUCKETS * sizeof *count);
    for (size_t i = first; i < last; i++) count[(key[i] >> shift) & mask]++;
}

/* Counts of each part become the places where its first point of a bucket goes. */
static void sort_places(uint32_t *count, size_t parts)
{
    uint32_t place = 0;
    for (size_t b = 0; b < BUCKETS; b++)
        for (size_t p = 0; p < parts; p++) {
            const uint32_t here    = count[p * BUCKETS + b];
            count[p * BUCKETS + b] = place;
            place += here;
        }
}

static void sort_move(const sort_arrays *a, size_t first, size_t last, int shift, uint64_t mask, uint32_t *place)
{
    for (size_t i = first; i < last; i++) {
        const uint32_t to = place[(a->key[i] >> shift) & mask]++;
        a->key_to[to]     = a->key[i];
        a->order_to[to]   = a->order[i];
    }
}

/* count: BUCKETS for each of the parts that the points are shared out in, which are as many as the threads. */
static void sort_by_key(curve *to, size_t n, int bits, int threads, uint32_t *count)
{
    const int      passes = (bits + DIGIT - 1) / DIGIT, width = passes ? (bits + passes - 1) / passes : 0;
    const uint64_t mask  = ((uint64_t)1 << width) - 1;
    const size_t   parts = (size_t)threads;

#pragma omp parallel num_threads(threads)
    {
        sort_arrays a = {to->key, to->key_spare, to->order, to->order_spare};
        for (int shift = 0; shift < passes * width; shift += width) {
#pragma omp for schedule(static)
            for (size_t p = 0; p < parts; p++)
                sort_count(a.key, n * p / parts, n * (p + 1) / parts, shift, mask, count + p * BUCKETS);
#pragma omp single
            {
                sort_places(count, parts);
            }
#pragma omp for schedule(static)
            for (size_t p = 0; p < parts; p++)
                sort_move(&a, n * p / parts, n * (p + 1) / parts, shift, mask, count + p * BUCKETS);
            a = (sort_arrays){a.key_to, a.key, a.order_to, a.order};
        }
    }
    if (passes % 2) {
        uint64_t *key   = to->key;
        uint32_t *order = to->order;
        to->key         = to->key_spare;
        to->order       = to->order_spare;
        to->key_spare   = key;
        to->order_spare = order;
    }
}

ne_status curve_sort(ne_context *context, curve *to, size_t n, size_t c, const float *z, const box *within,
                     double width)
{
    const size_t blocks  = (n + CURVE_BLOCK - 1) / CURVE_BLOCK;
    const int    threads = curve_threads(context, n), deepest = c == 2 ? 31 : 21;
    const double side     = box_extent(within, c);
    const double halvings = side > width ? ceil(log2(side / width)) : 0;
    const int    levels   = halvings < deepest ? (int)halvings : deepest;
    const double scale    = side > 0 ? ldexp(1, levels) / side : 0;
    uint32_t    *count    = memory_new(&context->memory, (size_t)threads * BUCKETS, sizeof *count);
    ne_status    status   = count ? reserve(context, to, n) : NE_OUT_OF_MEMORY;

    if (status == NE_OK) {
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t b = 0; b < blocks; b++) {
            const size_t last = (b + 1) * CURVE_BLOCK;
            key_rows(to, c, z, within, scale, levels, b * CURVE_BLOCK, last < n ? last : n);
        }
        sort_by_key(to, n, levels * (int)c, threads, count);
    }
    memory_free(&context->memory, count);
    return status;
}
