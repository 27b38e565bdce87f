/* affinity/pairs_tile.c: one tile of distances; see pairs.h. */
#include "affinity/pairs.h"
#include "base/blas.h"
#include "base/clones.h"
#include "cpu/lanes.h"

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

/* The squares of differences of rows [i0, i1) and [j0, j1), by products. */
static void fill_products(const ne_pairs *p, size_t i0, size_t i1, size_t j0, size_t j1, float *out, size_t stride)
{
    const ne_metric_ops *square = metric_builtin(METRIC_SQEUCLIDEAN);
    const size_t         d      = p->d;
    blas_sgemm_nt(i1 - i0, j1 - j0, d, -2, p->x + i0 * d, d, p->x + j0 * d, d, 0, out, stride);
    for (size_t i = i0; i < i1; i++) {
        float    *row  = out + (i - i0) * stride;
        const int near = pairs_finish_products(j1 - j0, p->square[i], p->square + j0, row);
        for (size_t j = j0; near && j < j1; j++)
            if (row[j - j0] < (p->square[i] + p->square[j]) * 0.015625f)
                row[j - j0] = (float)square->distance_f32(p->x + i * d, p->x + j * d, d, NULL);
    }
}

static void fill_differences(const ne_pairs *p, size_t i0, size_t i1, size_t j0, size_t j1, float *out, size_t stride)
{
    float row[PAIRS_TILE];
    for (size_t i = i0; i < i1; i++) {
        pairs_differences(p->x + i * p->d, p->column + j0 * p->d, p->d, row);
        memcpy(out + (i - i0) * stride, row, (j1 - j0) * sizeof *row);
    }
}

/* The tile on or above the diagonal. */
static void fill_upper(const ne_pairs *p, size_t i0, size_t i1, size_t j0, size_t j1, float *out, size_t stride)
{
    const size_t d = p->d;
    switch (p->kind) {
    case METRIC_SQEUCLIDEAN:
    case METRIC_EUCLIDEAN:
        if (p->column) fill_differences(p, i0, i1, j0, j1, out, stride);
        else fill_products(p, i0, i1, j0, j1, out, stride);
        for (size_t i = i0; p->kind == METRIC_EUCLIDEAN && i < i1; i++) pairs_root(j1 - j0, out + (i - i0) * stride);
        break;
    case METRIC_COSINE:
    case METRIC_CORRELATION:
        fill_products(p, i0, i1, j0, j1, out, stride);
        for (size_t i = i0; i < i1; i++)
            for (size_t j = j0; j < j1; j++)
                out[(i - i0) * stride + j - j0] = p->zero[i] && p->zero[j]   ? 0
                                                  : p->zero[i] || p->zero[j] ? 1
                                                                             : 0.5f * out[(i - i0) * stride + j - j0];
        break;
    case METRIC_ANGULAR:
        blas_sgemm_nt(i1 - i0, j1 - j0, d, -1, p->x + i0 * d, d, p->x + j0 * d, d, 0, out, stride);
        break;
    default:
        for (size_t i = i0; i < i1; i++)
            for (size_t j = i0 == j0 ? i : j0; j < j1; j++)
                out[(i - i0) * stride + j - j0] =
                    (float)p->metric->distance_f32(p->x + i * d, p->x + j * d, d, p->metric->user);
        break;
    }
    for (size_t i = i0; i0 == j0 && i < i1; i++) {
        if (p->kind != METRIC_ANGULAR && p->kind != METRIC_CUSTOM) out[(i - i0) * stride + i - j0] = 0;
        for (size_t j = j0; j < i; j++) out[(i - i0) * stride + j - j0] = out[(j - i0) * stride + i - j0];
    }
}

static void fill_tile(const ne_pairs *p, size_t i0, size_t i1, size_t j0, size_t j1, float *out, size_t stride)
{
    float across[PAIRS_TILE * PAIRS_TILE];
    if (i0 <= j0) {
        fill_upper(p, i0, i1, j0, j1, out, stride);
    } else {
        fill_upper(p, j0, j1, i0, i1, across, i1 - i0);
        for (size_t i = i0; i < i1; i++)
            for (size_t j = j0; j < j1; j++) out[(i - i0) * stride + j - j0] = across[(j - j0) * (i1 - i0) + i - i0];
    }
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

static int all_finite(const float *x, size_t rows, size_t cols, size_t stride)
{
    int finite = 1;
    for (size_t i = 0; i < rows; i++) finite &= pairs_row_is_finite(cols, x + i * stride);
    return finite;
}

/* to[j][i] = from[i][j], in squares of eight, along the rows that are written. */
NE_CLONES static void pairs_mirror(size_t rows, size_t cols, const float *restrict from, float *restrict to,
                                   size_t stride)
{
    const size_t whole = rows / LANES * LANES, wide = cols / LANES * LANES;
    for (size_t j = 0; j < wide; j += LANES)
        for (size_t i = 0; i < whole; i += LANES) {
            lanes v[LANES];
            for (size_t k = 0; k < LANES; k++) v[k] = lanes_load(from + (i + k) * stride + j);
            lanes_transpose(v);
            for (size_t k = 0; k < LANES; k++) lanes_store(to + (j + k) * stride + i, v[k]);
        }
    for (size_t j = 0; j < cols; j++)
        for (size_t i = j < wide ? whole : 0; i < rows; i++) to[j * stride + i] = from[i * stride + j];
}

static size_t tile_end(const ne_pairs *p, size_t begin)
{
    return begin + PAIRS_TILE < p->n ? begin + PAIRS_TILE : p->n;
}

int pairs_fill(const ne_pairs *p, size_t row0, size_t row1, float *out, size_t stride)
{
    const int64_t tiles = (int64_t)(p->n / PAIRS_TILE + (p->n % PAIRS_TILE != 0));
    int           bad   = 0;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(p->context)) reduction(| : bad)
    for (int64_t t = 0; t < tiles; t++) {
        const size_t j0 = (size_t)t * PAIRS_TILE, j1 = tile_end(p, j0);
        fill_tile(p, row0, row1, j0, j1, out + j0, stride);
        bad |= !all_finite(out + j0, row1 - row0, j1 - j0, stride);
    }
    return !bad;
}

int pairs_fill_right(const ne_pairs *p, size_t row0, float *all, size_t stride)
{
    const size_t  row1  = tile_end(p, row0);
    const int64_t first = (int64_t)(row0 / PAIRS_TILE), tiles = (int64_t)(p->n / PAIRS_TILE + (p->n % PAIRS_TILE != 0));
    int           bad = 0;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(p->context)) reduction(| : bad)
    for (int64_t t = first; t < tiles; t++) {
        const size_t j0 = (size_t)t * PAIRS_TILE, j1 = tile_end(p, j0);
        float       *out = all + row0 * stride + j0;
        fill_upper(p, row0, row1, j0, j1, out, stride);
        bad |= !all_finite(out, row1 - row0, j1 - j0, stride);
        if (row0 != j0) pairs_mirror(row1 - row0, j1 - j0, out, all + j0 * stride + row0, stride);
    }
    return !bad;
}
