/* affinity/pairs_tile.c: one tile of distances; see pairs.h. */
#include "affinity/pairs.h"

#include "affinity/float_kernel.h"
#include "base/blas.h"
#include "base/clones.h"
#include "cpu/lanes.h"
#include "cpu/x86/tile_avx2.h"

#include <math.h>
#include <string.h>

/* sum_j (row_j - column_rj)^2 of one row to the PAIRS_TILE rows of a tile, which fill the registers. */
NE_CLONES static void pairs_differences(const float *restrict row, const float *restrict column, size_t d,
                                        float *restrict out)
{
    float s[PAIRS_TILE] = {0};
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < PAIRS_TILE; r++) {
            const float t = row[j] - column[j * PAIRS_TILE + r];
            s[r] += t * t;
        }
    memcpy(out, s, sizeof s);
}

/* out_j = max(own + square_j + out_j, 0); returns how many have lost too many digits. */
NE_CLONES static int pairs_finish_products(size_t count, float own, const float *restrict square, float *restrict out)
{
    int near = 0;
    for (size_t j = 0; j < count; j++) {
        const float whole = own + square[j], c = whole + out[j];
        near += c < whole * 0.015625f;
        out[j] = c > 0 ? c : 0;
    }
    return near;
}

NE_CLONES static void pairs_root(size_t count, float *x)
{
    for (size_t j = 0; j < count; j++) x[j] = sqrtf(x[j]);
}

/* A tile: the rows of a block by those of another, `own`, which a call has packed if it packs any. */
typedef struct tile_span {
    size_t row0, row1, own0, own1;
} tile_span;

/* factor times the inner products. BLAS gives a product the same bits only in the same place of a tile, so there the
 * later rows are always those of the first matrix. */
static void multiply(const ne_pairs *p, const tile_span *s, const float *packed, float factor, float *out)
{
    const size_t rows = s->row1 - s->row0, cols = s->own1 - s->own0, d = p->d;
    float        across[PAIRS_TILE * PAIRS_TILE];
    if (packed) {
        tile_avx2_products(rows, d, p->x + s->row0 * d, (cols + TILE_AVX2_STRIP - 1) / TILE_AVX2_STRIP, packed, factor,
                           out, PAIRS_TILE);
    } else if (s->row0 > s->own0) {
        blas_sgemm_nt(rows, cols, d, factor, p->x + s->row0 * d, d, p->x + s->own0 * d, d, 0, out, PAIRS_TILE);
    } else {
        blas_sgemm_nt(cols, rows, d, factor, p->x + s->own0 * d, d, p->x + s->row0 * d, d, 0, across, PAIRS_TILE);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++)
                out[r * PAIRS_TILE + c] =
                    s->row0 == s->own0 && c > r ? across[r * PAIRS_TILE + c] : across[c * PAIRS_TILE + r];
    }
}

/* The squares of differences, by products. */
static void fill_products(const ne_pairs *p, const tile_span *s, const float *packed, float *out)
{
    const ne_metric_ops *square = metric_builtin(METRIC_SQEUCLIDEAN);
    const size_t         d      = p->d;
    multiply(p, s, packed, -2, out);
    for (size_t i = s->row0; i < s->row1; i++) {
        float    *row  = out + (i - s->row0) * PAIRS_TILE;
        const int near = pairs_finish_products(s->own1 - s->own0, p->square[i], p->square + s->own0, row);
        for (size_t j = s->own0; near && j < s->own1; j++)
            if (row[j - s->own0] < (p->square[i] + p->square[j]) * 0.015625f)
                row[j - s->own0] = (float)square->distance_f32(p->x + i * d, p->x + j * d, d, NULL);
    }
}

static void fill_cosines(const ne_pairs *p, const tile_span *s, const float *packed, float *out)
{
    fill_products(p, s, packed, out);
    for (size_t i = s->row0; i < s->row1; i++) {
        float *row = out + (i - s->row0) * PAIRS_TILE;
        for (size_t j = s->own0; j < s->own1; j++)
            row[j - s->own0] = p->zero[i] && p->zero[j] ? 0 : p->zero[i] || p->zero[j] ? 1 : 0.5f * row[j - s->own0];
    }
}

/* The function is called once for a pair, the earlier row first. */
static void fill_one_by_one(const ne_pairs *p, const tile_span *s, float *out)
{
    for (size_t i = s->row0; i < s->row1; i++)
        for (size_t j = s->own0; j < s->own1; j++) {
            float *to = out + (i - s->row0) * PAIRS_TILE + j - s->own0;
            if (s->row0 == s->own0 && j < i) *to = out[(j - s->row0) * PAIRS_TILE + i - s->own0];
            else
                *to = (float)p->metric->distance_f32(p->x + (i < j ? i : j) * p->d, p->x + (i < j ? j : i) * p->d, p->d,
                                                     p->metric->user);
        }
}

/* Rows PAIRS_TILE apart; packed: those of own0 on, or NULL. */
static void fill_tile(const ne_pairs *p, const tile_span *s, const float *packed, float *out)
{
    const size_t cols = s->own1 - s->own0;
    switch (p->kind) {
    case METRIC_SQEUCLIDEAN:
    case METRIC_EUCLIDEAN:
        if (!p->column) fill_products(p, s, packed, out);
        for (size_t i = s->row0; p->column && i < s->row1; i++)
            pairs_differences(p->x + i * p->d, p->column + s->own0 * p->d, p->d, out + (i - s->row0) * PAIRS_TILE);
        for (size_t i = s->row0; p->kind == METRIC_EUCLIDEAN && i < s->row1; i++)
            pairs_root(cols, out + (i - s->row0) * PAIRS_TILE);
        break;
    case METRIC_COSINE:
    case METRIC_CORRELATION:
        fill_cosines(p, s, packed, out);
        break;
    case METRIC_ANGULAR:
        multiply(p, s, packed, -1, out);
        break;
    default:
        fill_one_by_one(p, s, out);
        break;
    }
    if (s->row0 == s->own0 && p->kind != METRIC_ANGULAR && p->kind != METRIC_CUSTOM)
        for (size_t i = 0; i < cols; i++) out[i * PAIRS_TILE + i] = 0;
}

/* Infinities and NaNs have all the bits of the exponent. */
NE_CLONES static int pairs_row_is_finite(size_t count, const float *x)
{
    int32_t bad = 0;
    for (size_t j = 0; j < count; j++) {
        int32_t bits;
        memcpy(&bits, x + j, sizeof bits);
        bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    return !bad;
}

static int all_finite(const float *x, size_t rows, size_t cols)
{
    int finite = 1;
    for (size_t i = 0; i < rows; i++) finite &= pairs_row_is_finite(cols, x + i * PAIRS_TILE);
    return finite;
}

/* to[j][i] = from[i][j], in squares of eight, along the rows that are written. */
NE_CLONES static void pairs_transpose(size_t rows, size_t cols, const float *restrict from, size_t from_stride,
                                      float *restrict to, size_t stride)
{
    const size_t whole = rows / LANES * LANES, wide = cols / LANES * LANES;
    for (size_t j = 0; j < wide; j += LANES)
        for (size_t i = 0; i < whole; i += LANES) {
            lanes v[LANES];
            for (size_t k = 0; k < LANES; k++) v[k] = lanes_load(from + (i + k) * from_stride + j);
            lanes_transpose(v);
            for (size_t k = 0; k < LANES; k++) lanes_store(to + (j + k) * stride + i, v[k]);
        }
    for (size_t j = 0; j < cols; j++)
        for (size_t i = j < wide ? whole : 0; i < rows; i++) to[j * stride + i] = from[i * from_stride + j];
}

void pairs_mirror(size_t rows, size_t cols, const float *from, size_t from_stride, float *to, size_t stride)
{
    pairs_transpose(rows, cols, from, from_stride, to, stride);
}

static size_t tile_end(const ne_pairs *p, size_t begin)
{
    return begin + PAIRS_TILE < p->n ? begin + PAIRS_TILE : p->n;
}

static int64_t tile_count(size_t rows)
{
    return (int64_t)(rows / PAIRS_TILE + (rows % PAIRS_TILE != 0));
}

/* Rows [row0, row1) in strips; where there is a place for them. */
static void pack(const ne_pairs *p, size_t row0, size_t row1)
{
    const int64_t strips = (int64_t)((row1 - row0 + TILE_AVX2_STRIP - 1) / TILE_AVX2_STRIP);
    if (!p->packed) return;
#pragma omp parallel for schedule(static) num_threads(context_threads(p->context))
    for (int64_t s = 0; s < strips; s++) {
        const size_t r0 = row0 + (size_t)s * TILE_AVX2_STRIP, left = row1 - r0;
        tile_avx2_pack(left < TILE_AVX2_STRIP ? left : TILE_AVX2_STRIP, p->d, p->x + r0 * p->d,
                       p->packed + (r0 - row0) * p->d);
    }
}

/* What is kept in the place of distances, if that is anything else. */
static void take_values(const ne_pairs *p, const tile_span *s, float *tile)
{
    for (size_t i = s->row0; p->values && i < s->row1; i++) {
        float *row = tile + (i - s->row0) * PAIRS_TILE;
        float_kernel_values(p->values, s->own1 - s->own0, 0, p->values->factor, row, row, row);
        if (p->values->zero_diag && s->row0 == s->own0) row[i - s->own0] = 0;
    }
}

int pairs_fill_from(const ne_pairs *p, size_t row0, size_t row1, size_t first, float *out, size_t stride)
{
    const int64_t tiles = tile_count(p->n);
    int           bad   = 0;
    pack(p, row0, row1);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(p->context)) reduction(| : bad)
    for (int64_t t = (int64_t)(first / PAIRS_TILE); t < tiles; t++) {
        const size_t    j0 = (size_t)t * PAIRS_TILE;
        const tile_span s  = {j0, tile_end(p, j0), row0, row1};
        float           tile[PAIRS_TILE * PAIRS_TILE];
        fill_tile(p, &s, p->packed, tile);
        bad |= !all_finite(tile, s.row1 - s.row0, row1 - row0);
        pairs_mirror(s.row1 - s.row0, row1 - row0, tile, PAIRS_TILE, out + j0, stride);
    }
    return !bad;
}

int pairs_fill(const ne_pairs *p, size_t row0, size_t row1, float *out, size_t stride)
{
    return pairs_fill_from(p, row0, row1, 0, out, stride);
}

/* All tiles of several tile rows in one loop, so that threads wait for each other seldom. */
int pairs_fill_right(const ne_pairs *p, size_t row0, size_t row1, float *all, size_t stride)
{
    const int64_t high = tile_count(row1 - row0), wide = tile_count(p->n - row0);
    int           bad = 0;
    pack(p, row0, row1);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(p->context)) reduction(| : bad)
    for (int64_t t = 0; t < high * wide; t++) {
        const size_t own0 = row0 + (size_t)(t / wide) * PAIRS_TILE, j0 = row0 + (size_t)(t % wide) * PAIRS_TILE;
        if (j0 < own0) continue;
        const tile_span s    = {j0, tile_end(p, j0), own0, tile_end(p, own0)};
        const size_t    rows = s.row1 - j0, cols = s.own1 - own0;
        float           tile[PAIRS_TILE * PAIRS_TILE];
        fill_tile(p, &s, p->packed ? p->packed + (own0 - row0) * p->d : NULL, tile);
        bad |= !all_finite(tile, rows, cols);
        take_values(p, &s, tile);
        for (size_t r = 0; r < rows; r++)
            memcpy(all + (j0 + r) * stride + own0, tile + r * PAIRS_TILE, cols * sizeof *tile);
        if (own0 != j0) pairs_mirror(rows, cols, tile, PAIRS_TILE, all + own0 * stride + j0, stride);
    }
    return !bad;
}
