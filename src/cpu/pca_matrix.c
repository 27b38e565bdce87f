/* cpu/pca_matrix.c: see pca_matrix.h. The unit of work is a tile or a segment of constant size; what several add to is
 * added in order. */
#include "cpu/pca_matrix.h"

#include "base/blas.h"
#include "base/clones.h"
#include "base/view.h"

#include <omp.h>
#include <string.h>

enum {
    BLOCK    = 256,  /* rows of a partial sum: of means, and of float products */
    STRIPE   = 1024, /* rows of X that are transposed at a time: a multiple of BLOCK */
    TILE     = 96,   /* of the square matrices */
    SEGMENTS = 32,   /* of the rows, each with a sum of its own */
    STRIP    = 16    /* rows that are transposed together: a cache line of each column */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

NE_CLONES static void pca_add_f32(const float *restrict row, size_t d, double *restrict sum)
{
    for (size_t j = 0; j < d; j++) sum[j] += (double)row[j];
}

NE_CLONES static void pca_add_f64(const double *restrict row, size_t d, double weight, double *restrict sum)
{
    for (size_t j = 0; j < d; j++) sum[j] += row[j] * weight;
}

NE_CLONES static void pca_centre_f32(const float *restrict row, const double *restrict mean, size_t d,
                                     double *restrict to)
{
    for (size_t j = 0; j < d; j++) to[j] = (double)row[j] - mean[j];
}

NE_CLONES static void pca_centre_f64(const double *restrict row, const double *restrict mean, size_t d,
                                     double *restrict to)
{
    for (size_t j = 0; j < d; j++) to[j] = row[j] - mean[j];
}

static void centre(const ne_dense *x, const double *mean, size_t i, double *to)
{
    const size_t at = i * view_stride(x);
    if (x->dtype == NE_F32) pca_centre_f32((const float *)x->data + at, mean, x->cols, to);
    else pca_centre_f64((const double *)x->data + at, mean, x->cols, to);
}

ne_status pca_means(ne_context *context, const ne_dense *x, double *mean)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d = x->cols, blocks = (x->rows + BLOCK - 1) / BLOCK, stride = view_stride(x);
    ne_status           st     = NE_OK;
    const double        weight = x->dtype == NE_F32 ? 1 : 1 / (double)x->rows; /* doubles could overflow the sum */
    double             *part   = memory_zero(mem, blocks, d * sizeof *part);

    if (!part) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = b * BLOCK; i < smaller((b + 1) * BLOCK, x->rows); i++) {
            if (x->dtype == NE_F32) pca_add_f32((const float *)x->data + i * stride, d, part + b * d);
            else pca_add_f64((const double *)x->data + i * stride, d, weight, part + b * d);
        }
    memset(mean, 0, d * sizeof *mean);
    for (size_t b = 0; b < blocks; b++)
        for (size_t j = 0; j < d; j++) mean[j] += part[b * d + j];
    for (size_t j = 0; j < d && x->dtype == NE_F32; j++) mean[j] /= (double)x->rows;
done:
    memory_free(mem, part);
    return st;
}

/* --- Square matrices, by tiles of their upper triangle: tile t of `side` by `side` ones. */

static void tile_place(size_t t, size_t side, size_t *row, size_t *col)
{
    *row = 0;
    while (t >= side - *row) {
        t -= side - *row;
        (*row)++;
    }
    *col = *row + t;
}

static void mirror(double *square, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) square[i * n + j] = square[j * n + i];
}

/* One tile of the covariance gains the products of a stripe of `rows` columns of the transpose. */
static void covariance_tile(const void *transpose, int is_float, size_t d, size_t rows, size_t a, size_t b,
                            double *square)
{
    const size_t height = smaller(TILE, d - a), width = smaller(TILE, d - b);
    if (is_float) {
        const float *t = transpose;
        float        product[TILE * TILE];
        for (size_t i = 0; i < rows; i += BLOCK) {
            blas_sgemm_nt(height, width, smaller(BLOCK, rows - i), 1, t + a * STRIPE + i, STRIPE, t + b * STRIPE + i,
                          STRIPE, 0, product, TILE);
            for (size_t r = 0; r < height; r++)
                for (size_t c = 0; c < width; c++) square[(a + r) * d + b + c] += (double)product[r * TILE + c];
        }
    } else {
        const double *t = transpose;
        blas_dgemm_nt(height, width, rows, 1, t + a * STRIPE, STRIPE, t + b * STRIPE, STRIPE, 1, square + a * d + b, d);
    }
}

ne_status pca_covariance(ne_context *context, const ne_dense *x, const double *mean, double *square)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d = x->cols, side = (d + TILE - 1) / TILE, tiles = side * (side + 1) / 2;
    const int           is_float = x->dtype == NE_F32;
    ne_status           st       = NE_OK;
    void               *stripe   = memory_new(mem, d, STRIPE * (is_float ? sizeof(float) : sizeof(double)));
    double             *row      = memory_new(mem, (size_t)context_threads(context) * STRIP, d * sizeof *row);

    if (!stripe || !row) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    memset(square, 0, d * d * sizeof *square);
    for (size_t i0 = 0; i0 < x->rows; i0 += STRIPE) {
        const size_t rows = smaller(STRIPE, x->rows - i0);
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t s = 0; s < rows; s += STRIP) {
            const size_t strip = smaller(STRIP, rows - s);
            double      *mine  = row + (size_t)omp_get_thread_num() * STRIP * d;
            for (size_t i = 0; i < strip; i++) centre(x, mean, i0 + s + i, mine + i * d);
            for (size_t j = 0; j < d; j++)
                for (size_t i = 0; i < strip; i++) {
                    if (is_float) ((float *)stripe)[j * STRIPE + s + i] = (float)mine[i * d + j];
                    else ((double *)stripe)[j * STRIPE + s + i] = mine[i * d + j];
                }
        }
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t t = 0; t < tiles; t++) {
            size_t a, b;
            tile_place(t, side, &a, &b);
            covariance_tile(stripe, is_float, d, rows, a * TILE, b * TILE, square);
        }
    }
    mirror(square, d);
done:
    memory_free(mem, stripe);
    memory_free(mem, row);
    return st;
}

ne_status pca_gram(ne_context *context, const ne_dense *x, const double *mean, double *square)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols, side = (n + TILE - 1) / TILE, tiles = side * (side + 1) / 2;
    ne_status           st  = NE_OK;
    double             *row = memory_new(mem, (size_t)context_threads(context) * 2 * TILE, d * sizeof *row);

    if (!row) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t t = 0; t < tiles; t++) {
        double *left = row + (size_t)omp_get_thread_num() * 2 * TILE * d, *right = left + TILE * d;
        size_t  a, b;
        tile_place(t, side, &a, &b);
        const size_t height = smaller(TILE, n - a * TILE), width = smaller(TILE, n - b * TILE);
        for (size_t i = 0; i < height; i++) centre(x, mean, a * TILE + i, left + i * d);
        for (size_t i = 0; i < width; i++) centre(x, mean, b * TILE + i, right + i * d);
        blas_dgemm_nt(height, width, d, 1, left, d, right, d, 0, square + a * TILE * n + b * TILE, n);
    }
    mirror(square, n);
done:
    memory_free(mem, row);
    return st;
}

/* --- Products with r vectors. Each segment of rows has a sum of its own. */

/* from: r x d, or r x n where rows_are_given: then the products with X are spared. */
static ne_status apply(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                       int rows_are_given, double *to)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols, threads = (size_t)context_threads(context);
    ne_status           st   = NE_OK;
    double             *part = memory_zero(mem, SEGMENTS * r, d * sizeof *part);
    double             *row  = memory_new(mem, threads, BLOCK * (d + r) * sizeof *row);

    if (!part || !row) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t s = 0; s < SEGMENTS; s++) {
        double      *mine = row + (size_t)omp_get_thread_num() * BLOCK * (d + r), *image = mine + BLOCK * d;
        const size_t end = (s + 1) * n / SEGMENTS;
        for (size_t i0 = s * n / SEGMENTS; i0 < end; i0 += BLOCK) {
            const size_t count = smaller(BLOCK, end - i0);
            for (size_t i = 0; i < count; i++) centre(x, mean, i0 + i, mine + i * d);
            if (!rows_are_given) blas_dgemm_nt(r, count, d, 1, from, d, mine, d, 0, image, BLOCK);
            blas_dgemm_nn(r, d, count, 1, rows_are_given ? from + i0 : image, rows_are_given ? n : BLOCK, mine, d, 1,
                          part + s * r * d, d);
        }
    }
    memset(to, 0, r * d * sizeof *to);
    for (size_t s = 0; s < SEGMENTS; s++)
        for (size_t e = 0; e < r * d; e++) to[e] += part[s * r * d + e];
done:
    memory_free(mem, part);
    memory_free(mem, row);
    return st;
}

ne_status pca_apply(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                    double *to)
{
    return apply(context, x, mean, r, from, 0, to);
}

ne_status pca_combine(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                      double *to)
{
    return apply(context, x, mean, r, from, 1, to);
}

/* --- Memory. */

double pca_means_bytes(double n, double d)
{
    return (n / BLOCK + 1) * d * sizeof(double);
}

double pca_covariance_bytes(double d, int is_float, double threads)
{
    return d * STRIPE * (is_float ? sizeof(float) : sizeof(double)) + threads * STRIP * d * sizeof(double);
}

double pca_gram_bytes(double d, double threads)
{
    return threads * 2 * TILE * d * sizeof(double);
}

double pca_apply_bytes(double d, double r, double threads)
{
    return (SEGMENTS * r * d + threads * BLOCK * (d + r)) * sizeof(double);
}
