/* cpu/knn_sketch.c: see knn_sketch.h.
 *
 * The basis need not be exact, only orthonormal and nearly the best: subspace iteration on a sample X (s x d, kept as
 * its transpose) from random directions, Q <- orth(X^T X Q) (Halko, Martinsson & Tropp 2011, section 4.5), then the
 * principal directions within that space. Panels of constant size are the unit of work, each a product of its own. */
#include "cpu/knn_sketch.h"

#include "base/blas.h"
#include "base/clones.h"
#include "base/random.h"
#include "base/view.h"
#include "cpu/lanes.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    SHORT_ROW  = 64,  /* up to here a row is its own sketch */
    CANDIDATES = 112, /* directions iterated; at most, and not all are kept */
    MOST       = 95,
    SAMPLE     = 4096,
    MANY       = 20000, /* rows from which a second iteration spares more measurements than it costs */
    PANEL      = 128,
    PIECE      = 64,  /* rows projected at a time, and of the sample packed at a time */
    PAIRS      = 16,  /* neighbors of each row of the pilot that rho is learnt from */
    LEAST      = 16,  /* sample rows and directions, however wide a row is */
    WIDE_ROW   = 2048 /* from here on measuring is so dear that every component pays */
};
static const double enough    = 0.9;  /* share of the variance that components must keep */
static const double least_rho = 1e-4; /* not 0: knn_bound.c reads the lengths of the rests from their column */
/* Of the sample, and of the directions with their copy for the QR: fewer of them where rows are wider than 8192. */
static const size_t MOST_BYTES = (size_t)128 << 20;

typedef struct basis {
    size_t  d, samples, directions;
    float  *sample;    /* d x samples: the transpose */
    float  *direction; /* directions x d, orthonormal rows */
    float  *image;     /* directions x samples */
    double *square;    /* d x directions, for the QR */
    double *gram;      /* directions x directions */
    double *variance, *rotation;
} basis;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t sample_rows(size_t n, size_t d)
{
    const size_t fit = larger(MOST_BYTES / (d * sizeof(float)), LEAST);
    return smaller(smaller(n, fit), smaller(SAMPLE, n / 16 + SAMPLE / 4));
}

static size_t direction_rows(size_t samples, size_t d)
{
    const size_t fit = larger(MOST_BYTES / (d * (sizeof(float) + 2 * sizeof(double))), LEAST);
    return smaller(smaller(smaller(CANDIDATES, fit), d), samples);
}

/* Mapped rows that lie apart are asked for all at once, so that they are not waited for one by one. */
static void fetch_sample(const knn_rows *rows, const basis *b, size_t s0, size_t count)
{
    for (size_t s = s0; s < s0 + count && rows->x.place == NE_MAPPED; s++) {
        const size_t i = knn_rows_source(rows, s * rows->count / b->samples);
        view_fetch(&rows->x, i, i + 1);
    }
}

/* Sample rows s0 .. s0 + count - 1, which are evenly spread over all rows, to columns of the transpose. */
static void take_sample(const ne_context *context, const knn_rows *rows, const basis *b, size_t s0, size_t count,
                        float *packed)
{
    const size_t d = b->d;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t s = 0; s < count; s++) {
        const size_t i = (s0 + s) * rows->count / b->samples;
        knn_rows_pack(rows, NULL, i, 1, packed + s * d);
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t j0 = 0; j0 < d; j0 += 16)
        for (size_t s = 0; s < count; s++)
            for (size_t j = j0; j < smaller(j0 + 16, d); j++) b->sample[j * b->samples + s0 + s] = packed[s * d + j];
}

static ne_status basis_create(ne_context *context, const knn_rows *rows, uint64_t seed, basis *b)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d   = rows->width;
    ne_status           st  = NE_OK;
    float              *packed;

    b->d          = d;
    b->samples    = sample_rows(rows->count, d);
    b->directions = direction_rows(b->samples, d);
    packed        = memory_new(mem, PIECE, d * sizeof *packed);
    b->sample     = memory_new(mem, b->samples, d * sizeof *b->sample);
    b->direction  = memory_new(mem, b->directions, d * sizeof *b->direction);
    b->image      = memory_new(mem, b->directions, b->samples * sizeof *b->image);
    b->square     = memory_new(mem, b->directions, d * sizeof *b->square);
    b->gram       = memory_new(mem, b->directions, b->directions * sizeof *b->gram);
    b->rotation   = memory_new(mem, b->directions, b->directions * sizeof *b->rotation);
    b->variance   = memory_new(mem, b->directions, sizeof *b->variance);
    if (!packed || !b->sample || !b->direction || !b->image || !b->square || !b->gram || !b->rotation || !b->variance) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t s0 = 0; s0 < b->samples; s0 += PIECE) {
        const size_t count = smaller(PIECE, b->samples - s0);
        fetch_sample(rows, b, s0, count);
        take_sample(context, rows, b, s0, count, packed);
    }
    for (size_t r = 0; r < b->directions; r++)
        for (size_t j = 0; j < d; j++) {
            const random_block draw = random_draw(seed, STREAM_KNN, 0, r, (uint32_t)j);
            b->direction[r * d + j] = (float)(random_unit(draw.word[0]) - 0.5);
        }
done:
    memory_free(mem, packed);
    return st;
}

static void basis_clear(const ne_allocator *mem, basis *b)
{
    memory_free(mem, b->sample);
    memory_free(mem, b->direction);
    memory_free(mem, b->image);
    memory_free(mem, b->square);
    memory_free(mem, b->gram);
    memory_free(mem, b->rotation);
    memory_free(mem, b->variance);
}

/* image = direction X^T */
static void basis_map(const ne_context *context, basis *b)
{
    const size_t s = b->samples;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t p = 0; p < s; p += PANEL)
        blas_sgemm_nn(b->directions, smaller(PANEL, s - p), b->d, 1, b->direction, b->d, b->sample + p, s, 0,
                      b->image + p, s);
}

/* direction = orth(image X) */
static ne_status basis_iterate(ne_context *context, basis *b)
{
    const size_t d = b->d, s = b->samples, r = b->directions;
    ne_status    st;
    basis_map(context, b);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t p = 0; p < d; p += PANEL)
        blas_sgemm_nt(r, smaller(PANEL, d - p), s, 1, b->image, s, b->sample + p * s, s, 0, b->direction + p, d);
    for (size_t i = 0; i < r; i++)
        for (size_t j = 0; j < d; j++) b->square[j * r + i] = (double)b->direction[i * d + j];
    st = blas_orthonormalise(context, d, r, b->square);
    for (size_t i = 0; i < r && st == NE_OK; i++)
        for (size_t j = 0; j < d; j++) b->direction[i * d + j] = (float)b->square[j * r + i];
    return st;
}

/* Turn the directions into the principal ones of the sample within their span, in order of variance. */
static ne_status basis_turn(ne_context *context, basis *b)
{
    const size_t d = b->d, s = b->samples, r = b->directions;
    float       *gram, *turned, *rotation;
    ne_status    st = NE_OK;

    turned   = memory_new(&context->memory, r, d * sizeof *turned);
    rotation = memory_new(&context->memory, r, 2 * r * sizeof *rotation);
    if (!turned || !rotation) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    gram = rotation + r * r;
    basis_map(context, b);
    blas_sgemm_nt(r, r, s, 1, b->image, s, b->image, s, 0, gram, r);
    for (size_t i = 0; i < r * r; i++) b->gram[i] = (double)gram[i];
    if ((st = blas_eigen_top(context, r, b->gram, r, b->variance, b->rotation)) != NE_OK) goto done;
    for (size_t i = 0; i < r * r; i++) rotation[i] = (float)b->rotation[i];
    blas_sgemm_nn(r, d, r, 1, rotation, r, b->direction, d, 0, turned, d);
    memcpy(b->direction, turned, r * d * sizeof *turned);
done:
    memory_free(&context->memory, turned);
    memory_free(&context->memory, rotation);
    return st;
}

/* How many of the directions keep enough of the variance: one less than a multiple of 16, as the rest has a column. 0
 * where the rows themselves would hardly be longer. */
static size_t basis_choose(const basis *b)
{
    const double share = b->d < WIDE_ROW ? enough : 1;
    double       total = 0, kept = 0;
    size_t       count = 0;
    for (size_t i = 0; i < b->d * b->samples; i++) total += (double)b->sample[i] * (double)b->sample[i];
    while (count < b->directions && count < MOST && kept < share * total) kept += b->variance[count++];
    count = smaller(count / 16 * 16 + 15, smaller(MOST, b->directions));
    return 10 * count >= 7 * b->d ? 0 : count;
}

/* Panels of PIECE rows: packed, projected, and the length of what is left. */
static ne_status project(ne_context *context, const knn_rows *rows, const basis *b, knn_sketch *made)
{
    const size_t d = b->d, c = made->components, threads = (size_t)context_threads(context);
    float       *packed = memory_new(&context->memory, threads * PIECE, d * sizeof *packed);
    if (!packed) return NE_OUT_OF_MEMORY;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i0 = 0; i0 < rows->count; i0 += PIECE) {
        const size_t count = smaller(PIECE, rows->count - i0);
        float       *mine = packed + (size_t)omp_get_thread_num() * PIECE * d, *row = made->row + i0 * made->width;
        for (size_t i = i0; i < i0 + count; i++) view_fetch_next(&rows->x, knn_rows_source(rows, i));
        knn_rows_pack(rows, NULL, i0, count, mine);
        blas_sgemm_nt(count, c, d, 1, mine, d, b->direction, d, 0, row, made->width);
        for (size_t i = i0; i < i0 + count; i++, row += made->width) {
            double kept = 0;
            for (size_t j = 0; j < c; j++) kept += (double)row[j] * (double)row[j];
            row[c] = (float)sqrt(fmax(0, (double)rows->square[i] - kept));
        }
    }
    memory_free(&context->memory, packed);
    return NE_OK;
}

ne_status knn_sketch_create(ne_context *context, const knn_rows *rows, uint64_t seed, knn_sketch *made)
{
    const ne_allocator *mem = &context->memory;
    ne_status           st  = NE_OK;
    basis               b   = {0};

    *made = (knn_sketch){0};
    if (rows->width > SHORT_ROW) {
        if ((st = basis_create(context, rows, seed, &b)) != NE_OK) goto done;
        const int rounds = rows->count < MANY ? 1 : 2;
        for (int round = 0; round < rounds && st == NE_OK; round++) st = basis_iterate(context, &b);
        if (st != NE_OK || (st = basis_turn(context, &b)) != NE_OK) goto done;
        made->components = basis_choose(&b);
    }
    made->whole = made->components == 0;
    if (made->whole) made->components = rows->width;
    made->width = made->whole ? rows->width : made->components + 1;
    made->row   = memory_new(mem, rows->count, made->width * sizeof *made->row);
    if (!made->row) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if (!made->whole) {
        st = project(context, rows, &b, made);
    } else {
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t i = 0; i < rows->count; i++) knn_rows_pack(rows, NULL, i, 1, made->row + i * made->width);
    }
done:
    basis_clear(mem, &b);
    return st;
}

void knn_sketch_clear(const ne_allocator *mem, knn_sketch *sketch)
{
    memory_free(mem, sketch->row);
    memory_free(mem, sketch->panel);
    *sketch = (knn_sketch){0};
}

/* rho minimises sum over near pairs of (rest_i . rest_j - rho |rest_i| |rest_j|)^2. One partial sum a query. */
ne_status knn_sketch_correlate(ne_context *context, const knn_rows *rows, const int32_t *query, size_t queries,
                               const int32_t *near, size_t k, knn_sketch *sketch)
{
    const size_t d = rows->width, threads = (size_t)context_threads(context), width = sketch->width,
                 c   = sketch->components;
    ne_status st     = NE_OK;
    float    *packed = memory_new(&context->memory, threads, 2 * d * sizeof *packed);
    double   *part   = memory_zero(&context->memory, queries, 2 * sizeof *part);
    double    with = 0, of = 0;

    if (!packed || !part) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t q = 0; q < queries; q++) {
        float       *a = packed + (size_t)omp_get_thread_num() * 2 * d, *b = a + d;
        const float *p = sketch->row + (size_t)query[q] * width;
        knn_rows_pack(rows, NULL, (size_t)query[q], 1, a);
        const size_t pairs = smaller(k, PAIRS);
        for (size_t l = 0; l < pairs; l++) {
            const size_t j    = (size_t)near[q * k + l * k / pairs];
            const float *r    = sketch->row + j * width;
            double       rest = 0, lengths = (double)p[c] * (double)r[c];
            knn_rows_pack(rows, NULL, j, 1, b);
            for (size_t t = 0; t < d; t++) rest += (double)a[t] * (double)b[t];
            for (size_t t = 0; t < c; t++) rest -= (double)p[t] * (double)r[t];
            part[2 * q] += rest * lengths;
            part[2 * q + 1] += lengths * lengths;
        }
    }
    for (size_t q = 0; q < queries; q++) {
        with += part[2 * q];
        of += part[2 * q + 1];
    }
    sketch->rho = of > 0 ? fmin(fmax(with / of, least_rho), 1) : least_rho;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < rows->count; i++) sketch->row[i * width + c] *= (float)sqrt(sketch->rho);
done:
    memory_free(&context->memory, packed);
    memory_free(&context->memory, part);
    return st;
}

/* Eight registers of sums, two loads and four broadcasts a column: bound by multiply-adds. A BLAS would pack both sides
 * first, which a few dozen rows do not pay back. The registers are named, not left to the compiler: gcc spills the
 * sums of the same loop over arrays, which takes 2.3 times as long. */
NE_CLONES static void sketch_products(const float *restrict panel, size_t panels, size_t width,
                                      const float *const row[4], float *restrict value, size_t stride)
{
    const float *restrict a = row[0], *restrict b = row[1], *restrict c = row[2], *restrict d = row[3];
    const lanes minus_two = lanes_all(-2);
    for (size_t p = 0; p < panels; p++, value += SKETCH_PANEL) {
        lanes s0 = lanes_all(0), s1 = s0, t0 = s0, t1 = s0, u0 = s0, u1 = s0, v0 = s0, v1 = s0;
        for (size_t j = 0; j < width; j++, panel += SKETCH_PANEL) {
            const lanes x0 = lanes_load_once(panel), x1 = lanes_load_once(panel + LANES);
            const float e = a[j], f = b[j], g = c[j], h = d[j];
            s0 += e * x0;
            s1 += e * x1;
            t0 += f * x0;
            t1 += f * x1;
            u0 += g * x0;
            u1 += g * x1;
            v0 += h * x0;
            v1 += h * x1;
        }
        lanes_store(value, minus_two * s0);
        lanes_store(value + LANES, minus_two * s1);
        lanes_store(value + stride, minus_two * t0);
        lanes_store(value + stride + LANES, minus_two * t1);
        lanes_store(value + 2 * stride, minus_two * u0);
        lanes_store(value + 2 * stride + LANES, minus_two * u1);
        lanes_store(value + 3 * stride, minus_two * v0);
        lanes_store(value + 3 * stride + LANES, minus_two * v1);
    }
}

void knn_sketch_products(const float *panel, size_t panels, size_t width, const float *const row[4], float *value,
                         size_t stride)
{
    sketch_products(panel, panels, width, row, value, stride);
}

void knn_sketch_row(const knn_sketch *sketch, size_t position, float *row)
{
    const float *panel =
        sketch->panel + position / SKETCH_PANEL * SKETCH_PANEL * sketch->width + position % SKETCH_PANEL;
    for (size_t j = 0; j < sketch->width; j++) row[j] = panel[j * SKETCH_PANEL];
}

double knn_sketch_bytes(const ne_context *context, double n, double width, double *sketch_width)
{
    const double samples = (double)sample_rows((size_t)n, (size_t)width);
    const double r = (double)direction_rows((size_t)samples, (size_t)width), most = fmin(MOST, r);
    const int    whole = width <= SHORT_ROW || 10 * most >= 7 * width;
    *sketch_width      = whole ? width : most + 1;
    const double base  = width <= SHORT_ROW ? 0
                                            : (samples * width + r * width + r * samples) * sizeof(float) +
                                                 (r * width + 2 * r * r + r) * sizeof(double);
    const double rows  = n * *sketch_width * sizeof(float);
    const double qr    = (r * width + 65 * r) * sizeof(double); /* its copy of the directions, and LAPACK's room */
    return base + fmax(qr, rows + context_threads(context) * PIECE * width * sizeof(float));
}
