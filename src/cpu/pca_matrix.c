/* cpu/pca_matrix.c: see pca_matrix.h. The unit of work is a tile or a segment of constant size; what several add to is
 * added in order. */
#include "cpu/pca_matrix.h"

#include "base/blas.h"
#include "base/clones.h"
#include "base/view.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    BLOCK    = 256,  /* rows of a partial sum: of means, and of float products; */
    LEAST    = 16,   /* where rows are wide so many of them as BLOCK_BYTES hold, and no fewer than this */
    WAVE     = 64,   /* partial sums of means that are held at once, as far as WAVE_BYTES allow */
    PANEL    = 512,  /* columns of a product that one thread owns */
    STRIPE   = 1024, /* rows of X that are transposed at a time: a multiple of BLOCK */
    TILE     = 96,   /* of the square matrices */
    SEGMENTS = 32,   /* of the rows, each with a sum of its own */
    STRIP    = 16    /* rows that are transposed together: a cache line of each column */
};

static const size_t BLOCK_BYTES = (size_t)16 << 20, WAVE_BYTES = (size_t)32 << 20;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t block_rows(size_t row_bytes)
{
    return smaller(BLOCK, larger(BLOCK_BYTES / row_bytes, LEAST));
}

static size_t wave_blocks(size_t d, size_t threads)
{
    return smaller(WAVE, larger(WAVE_BYTES / (d * sizeof(double)), threads));
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

NE_CLONES static void pca_centre_scaled_f32(const float *restrict row, const double *restrict mean, double scale,
                                            size_t d, float *restrict to)
{
    for (size_t j = 0; j < d; j++) to[j] = (float)(((double)row[j] - mean[j]) * scale);
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
    const size_t        wave   = smaller(blocks, wave_blocks(d, (size_t)context_threads(context)));
    const double        weight = x->dtype == NE_F32 ? 1 : 1 / (double)x->rows; /* doubles could overflow the sum */
    double             *part   = memory_new(mem, wave, d * sizeof *part);

    if (!part) return NE_OUT_OF_MEMORY;
    memset(mean, 0, d * sizeof *mean);
    for (size_t b0 = 0; b0 < blocks; b0 += wave) {
        const size_t b1 = smaller(b0 + wave, blocks);
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t b = b0; b < b1; b++) {
            double *sum = part + (b - b0) * d;
            memset(sum, 0, d * sizeof *sum);
            for (size_t i = b * BLOCK; i < smaller((b + 1) * BLOCK, x->rows); i++) {
                view_fetch_next(x, i);
                if (x->dtype == NE_F32) pca_add_f32((const float *)x->data + i * stride, d, sum);
                else pca_add_f64((const double *)x->data + i * stride, d, weight, sum);
            }
        }
        for (size_t b = b0; b < b1; b++)
            for (size_t j = 0; j < d; j++) mean[j] += part[(b - b0) * d + j];
    }
    for (size_t j = 0; j < d && x->dtype == NE_F32; j++) mean[j] /= (double)x->rows;
    memory_free(mem, part);
    return NE_OK;
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
            for (size_t i = 0; i < strip; i++) {
                view_fetch_next(x, i0 + s + i);
                centre(x, mean, i0 + s + i, mine + i * d);
            }
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

static ne_status gram_in_double(ne_context *context, const ne_dense *x, const double *mean, double *square)
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

/* The products of floats in floats, as in the covariance: the rows are what the columns are there. *fits: 0 where squares
 * of such numbers are too large or too small for floats. */
static ne_status gram_in_float(ne_context *context, const ne_dense *x, const double *mean, double *square, int *fits)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, side = (n + TILE - 1) / TILE, tiles = side * (side + 1) / 2;
    double              trace  = 0;
    float              *stripe = memory_new(mem, n, STRIPE * sizeof *stripe);

    if (!stripe) return NE_OUT_OF_MEMORY;
    memset(square, 0, n * n * sizeof *square);
    for (size_t j0 = 0; j0 < x->cols; j0 += STRIPE) {
        const size_t columns = smaller(STRIPE, x->cols - j0);
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t i = 0; i < n; i++)
            pca_centre_scaled_f32((const float *)x->data + i * view_stride(x) + j0, mean + j0, 1, columns,
                                  stripe + i * STRIPE);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t t = 0; t < tiles; t++) {
            size_t a, b;
            tile_place(t, side, &a, &b);
            covariance_tile(stripe, 1, n, columns, a * TILE, b * TILE, square);
        }
    }
    mirror(square, n);
    for (size_t i = 0; i < n; i++) trace += square[i * n + i];
    *fits = trace > 1e-20 && trace < 1e36;
    memory_free(mem, stripe);
    return NE_OK;
}

ne_status pca_gram(ne_context *context, const ne_dense *x, const double *mean, double *square)
{
    int       fits = 0;
    ne_status st   = x->dtype == NE_F32 ? gram_in_float(context, x, mean, square, &fits) : NE_OK;
    return st == NE_OK && !fits ? gram_in_double(context, x, mean, square) : st;
}

/* --- Products with r vectors. */

/* The centred and scaled row i of x, in its own type. */
static void take_row(const ne_dense *x, const double *mean, double scale, size_t i, void *to)
{
    const size_t d = x->cols;
    if (x->dtype == NE_F32) {
        pca_centre_scaled_f32((const float *)x->data + i * view_stride(x), mean, scale, d, to);
    } else {
        centre(x, mean, i, to);
        for (size_t j = 0; j < d && scale != 1; j++) ((double *)to)[j] *= scale;
    }
}

/* What a block of rows adds: the images of its rows, r x BLOCK, then their products with its columns, of which a thread
 * owns a panel at a time. In both, sums over more than one block are in double. */
typedef struct product {
    size_t r, d, rows; /* rows: of a block at most */
    float *from_f32;   /* r x d; of f32 data only */
    void  *block;      /* rows x d, in the type of the data, as the next two */
    void  *image;      /* r x BLOCK */
    void  *panel;      /* per thread r x PANEL */
} product;

static void images(const ne_context *context, const product *p, const double *from, size_t count)
{
    const size_t piece = LEAST; /* rows of the block; for each r products with a whole row */
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t i = 0; i < count; i += piece) {
        const size_t rows = smaller(piece, count - i);
        if (p->from_f32)
            blas_sgemm_nt(p->r, rows, p->d, 1, p->from_f32, p->d, (const float *)p->block + i * p->d, p->d, 0,
                          (float *)p->image + i, BLOCK);
        else
            blas_dgemm_nt(p->r, rows, p->d, 1, from, p->d, (const double *)p->block + i * p->d, p->d, 0,
                          (double *)p->image + i, BLOCK);
    }
}

static void add_products(const ne_context *context, const product *p, size_t count, double *to)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t j0 = 0; j0 < p->d; j0 += PANEL) {
        const size_t width = smaller(PANEL, p->d - j0), mine = (size_t)omp_get_thread_num() * p->r * PANEL;
        if (p->from_f32) {
            float *panel = (float *)p->panel + mine;
            blas_sgemm_nn(p->r, width, count, 1, p->image, BLOCK, (const float *)p->block + j0, p->d, 0, panel, PANEL);
            for (size_t l = 0; l < p->r; l++)
                for (size_t j = 0; j < width; j++) to[l * p->d + j0 + j] += (double)panel[l * PANEL + j];
        } else {
            blas_dgemm_nn(p->r, width, count, 1, p->image, BLOCK, (const double *)p->block + j0, p->d, 1, to + j0,
                          p->d);
        }
    }
}

ne_status pca_apply(ne_context *context, const ne_dense *x, const double *mean, double scale, size_t r,
                    const double *from, double *to)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols, size = x->dtype == NE_F32 ? sizeof(float) : sizeof(double);
    product             p  = {.r = r, .d = d, .rows = smaller(n, block_rows(d * size))};
    ne_status           st = NE_OK;

    if (x->dtype == NE_F32) p.from_f32 = memory_new(mem, r, d * sizeof *p.from_f32);
    p.block = memory_new(mem, p.rows, d * size);
    p.image = memory_new(mem, r, BLOCK * size);
    p.panel = memory_new(mem, (size_t)context_threads(context), r * PANEL * size);
    if ((x->dtype == NE_F32 && !p.from_f32) || !p.block || !p.image || !p.panel) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t e = 0; p.from_f32 && e < r * d; e++) p.from_f32[e] = (float)from[e];
    memset(to, 0, r * d * sizeof *to);
    view_fetch(x, 0, p.rows);
    for (size_t i0 = 0; i0 < n; i0 += p.rows) {
        const size_t count = smaller(p.rows, n - i0);
        view_fetch(x, i0 + p.rows, i0 + 2 * p.rows);
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t i = 0; i < count; i++) take_row(x, mean, scale, i0 + i, (char *)p.block + i * d * size);
        images(context, &p, from, count);
        add_products(context, &p, count, to);
    }
done:
    memory_free(mem, p.from_f32);
    memory_free(mem, p.block);
    memory_free(mem, p.image);
    memory_free(mem, p.panel);
    return st;
}

/* Each segment of rows has a sum of its own. */
ne_status pca_combine(ne_context *context, const ne_dense *x, const double *mean, size_t r, const double *from,
                      double *to)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols, block = block_rows(d * sizeof(double));
    ne_status           st   = NE_OK;
    double             *part = memory_zero(mem, SEGMENTS * r, d * sizeof *part);
    double             *row  = memory_new(mem, (size_t)context_threads(context) * block, d * sizeof *row);

    if (!part || !row) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t s = 0; s < SEGMENTS; s++) {
        double      *mine = row + (size_t)omp_get_thread_num() * block * d;
        const size_t end  = (s + 1) * n / SEGMENTS;
        for (size_t i0 = s * n / SEGMENTS; i0 < end; i0 += block) {
            const size_t count = smaller(block, end - i0);
            for (size_t i = 0; i < count; i++) centre(x, mean, i0 + i, mine + i * d);
            blas_dgemm_nn(r, d, count, 1, from + i0, n, mine, d, 1, part + s * r * d, d);
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

/* --- Sample. */

ne_status pca_sample(ne_context *context, const ne_dense *x, const double *mean, size_t rows, ne_dense *sample,
                     double *scale)
{
    const size_t d = x->cols, size = x->dtype == NE_F32 ? sizeof(float) : sizeof(double);
    double       most = 0;
    char        *copy = memory_new(&context->memory, rows, d * size);

    if (!copy) return NE_OUT_OF_MEMORY;
    for (size_t s = 0; s < rows && x->place == NE_MAPPED; s++)
        view_fetch(x, s * x->rows / rows, s * x->rows / rows + 1);
    for (size_t s = 0; s < rows; s++) {
        const size_t i = s * x->rows / rows;
        memcpy(copy + s * d * size, (const char *)x->data + i * view_row_bytes(x), d * size);
        for (size_t j = 0; j < d; j++) most = fmax(most, fabs(view_get(x, i, j) - mean[j]));
    }
    *sample = x->dtype == NE_F32 ? view_of_f32((const void *)copy, rows, d) : view_of_f64((const void *)copy, rows, d);
    *scale  = most > 0 ? ldexp(1, -(int)fmin(fmax(ceil(log2(most)), -1000), 1000)) : 1;
    return NE_OK;
}

/* --- Memory. */

double pca_means_bytes(double n, double d, double threads)
{
    return fmin(n / BLOCK + 1, (double)wave_blocks((size_t)d, (size_t)threads)) * d * sizeof(double);
}

double pca_covariance_bytes(double d, int is_float, double threads)
{
    return d * STRIPE * (is_float ? sizeof(float) : sizeof(double)) + threads * STRIP * d * sizeof(double);
}

double pca_gram_bytes(double n, double d, int is_float, double threads)
{
    return is_float ? n * STRIPE * sizeof(float) : threads * 2 * TILE * d * sizeof(double);
}

double pca_apply_bytes(double d, int is_float, double r, double threads)
{
    const double size = is_float ? sizeof(float) : sizeof(double);
    const double rows = (double)block_rows((size_t)(d * size));
    return size * ((is_float ? r * d : 0) + rows * d + r * BLOCK + threads * r * PANEL);
}

double pca_combine_bytes(double d, double r, double threads)
{
    const double rows = (double)block_rows((size_t)(d * sizeof(double)));
    return (SEGMENTS * r * d + threads * rows * d) * sizeof(double);
}
