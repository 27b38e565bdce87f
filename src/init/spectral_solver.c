/* init/spectral_solver.c: subspace iteration with a Chebyshev filter (Zhou, Saad, Tiago & Chelikowsky 2006).
 *
 * A block X of WIDTH orthonormal vectors is multiplied by T_m((A - centre) / half), with the Chebyshev polynomial that is at
 * most 1 on [-1, bound] and grows like cosh(m acosh(.)) above it, with bound the smallest Ritz value of the block; then X
 * is made orthonormal again and turned into Ritz vectors. The spectrum of a neighbor graph crowds at 1, where Krylov
 * methods with one start vector are slow as well, and find one vector only where an eigenvalue is multiple (a ring); a
 * block has no such trouble, and a row of 8 doubles is one cache line, which is what a gather costs anyway.
 *
 * Cost: one pass over the edges a multiplication, a hundred or two of them; 16 n WIDTH bytes. */
#include "init/spectral_solver.h"

#include "base/blas.h"
#include "base/clones.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH  = 8, /* of a block, or a multiple of it */
    GUARD  = 4, /* vectors beyond those wanted, at least */
    ROWS   = 2048,
    DEGREE = 100,
    MOST   = 1500 /* multiplications */
};

size_t spectral_width(size_t count)
{
    return (count + GUARD + WIDTH - 1) / WIDTH * WIDTH;
}

/* --- Multiplication ---------------------------------------------------------------------------------------------- */

/* y = a (A x - centre x) - b y for rows [row0, row1). */
typedef struct filter_step {
    double a, b, centre;
} filter_step;

NE_INLINE void multiply_rows(size_t width, const spectral_graph *graph, size_t row0, size_t row1, filter_step by,
                             const double *restrict x, double *y)
{
    for (size_t i = row0; i < row1; i++)
        for (size_t k = 0; k < width; k += WIDTH) {
            double sum[WIDTH];
            for (size_t l = 0; l < WIDTH; l++) sum[l] = -by.centre * x[i * width + k + l];
            for (int64_t e = graph->start[i]; e < graph->start[i + 1]; e++) {
                const double  value = graph->val[e];
                const double *from  = x + (size_t)graph->col[e] * width + k;
#pragma omp simd
                for (size_t l = 0; l < WIDTH; l++) sum[l] += value * from[l];
            }
#pragma omp simd
            for (size_t l = 0; l < WIDTH; l++) y[i * width + k + l] = by.a * sum[l] - by.b * y[i * width + k + l];
        }
}

NE_CLONES static void spectral_multiply(size_t width, const spectral_graph *graph, size_t row0, size_t row1,
                                        filter_step by, const double *restrict x, double *y)
{
    if (width == WIDTH) multiply_rows(WIDTH, graph, row0, row1, by, x, y);
    else multiply_rows(width, graph, row0, row1, by, x, y);
}

static void multiply(ne_context *context, size_t width, const spectral_graph *graph, filter_step by, const double *x,
                     double *y)
{
    const size_t blocks = (graph->n + ROWS - 1) / ROWS;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context)) if (blocks > 1)
    for (size_t b = 0; b < blocks; b++)
        spectral_multiply(width, graph, b * ROWS, (b + 1) * ROWS < graph->n ? (b + 1) * ROWS : graph->n, by, x, y);
}

/* --- Products of columns, by blocks of rows added in order -------------------------------------------------------- */

typedef struct spectral_block {
    ne_context           *context;
    const spectral_graph *graph;
    size_t                width, used; /* columns, and those in use; the rest are 0 */
    double               *x, *y;       /* n x width */
    double               *parts;       /* a width x width matrix for each block of rows */
    double               *product, *ritz, *turn;
    double                known; /* |root|^2 */
    uint64_t              seed;
} spectral_block;

static size_t block_end(const spectral_block *s, size_t block)
{
    return (block + 1) * ROWS < s->graph->n ? (block + 1) * ROWS : s->graph->n;
}

static size_t block_count(const spectral_block *s)
{
    return (s->graph->n + ROWS - 1) / ROWS;
}

/* The blocks' first `count` numbers, added up into product. */
static void add_parts(const spectral_block *s, size_t count)
{
    const size_t w = s->width;
    memset(s->product, 0, count * sizeof *s->product);
    for (size_t b = 0; b < block_count(s); b++)
        for (size_t p = 0; p < count; p++) s->product[p] += s->parts[b * w * w + p];
}

/* product (used x used) = x^T y. */
static void block_products(const spectral_block *s)
{
    const size_t w = s->width, used = s->used, blocks = block_count(s);
#pragma omp parallel for schedule(static) num_threads(context_threads(s->context)) if (blocks > 1)
    for (size_t b = 0; b < blocks; b++) {
        double *part = s->parts + b * w * w;
        memset(part, 0, w * w * sizeof *part);
        for (size_t i = b * ROWS; i < block_end(s, b); i++)
            for (size_t p = 0; p < used; p++)
                for (size_t q = 0; q < used; q++) part[p * used + q] += s->x[i * w + p] * s->y[i * w + q];
    }
    add_parts(s, used * used);
}

/* product[0 .. at]: of column `at` of x with columns 0 .. at; product[at + 1]: with the known eigenvector. */
static void column_products(const spectral_block *s, size_t at)
{
    const size_t w = s->width, blocks = block_count(s);
#pragma omp parallel for schedule(static) num_threads(context_threads(s->context)) if (blocks > 1)
    for (size_t b = 0; b < blocks; b++) {
        double *part = s->parts + b * w * w;
        memset(part, 0, w * w * sizeof *part);
        for (size_t i = b * ROWS; i < block_end(s, b); i++) {
            const double *row = s->x + i * w;
            for (size_t p = 0; p <= at; p++) part[p] += row[p] * row[at];
            part[at + 1] += s->graph->root[i] * row[at];
        }
    }
    add_parts(s, at + 2);
}

static void column_draw(const spectral_block *s, size_t at, uint32_t round)
{
    for (size_t i = 0; i < s->graph->n; i++) {
        const random_block r = random_draw(s->seed, STREAM_INIT, round, i, (uint32_t)(1024 + at));
        double             pair[2];
        random_normal(r.word[0], r.word[1], pair);
        s->x[i * s->width + at] = pair[0];
    }
}

/* Takes from column `at` of x what the columns before it and the known eigenvector have of it, or (subtract 0) scales it
 * to length 1. */
static void column_change(const spectral_block *s, size_t at, int subtract)
{
    const size_t w = s->width, n = s->graph->n, blocks = block_count(s);
    const double scale = subtract ? 1 : 1 / sqrt(s->product[at]), known = s->product[at + 1] / s->known;
#pragma omp parallel for schedule(static) num_threads(context_threads(s->context)) if (blocks > 1)
    for (size_t i = 0; i < n; i++) {
        double *row = s->x + i * w, value = row[at] * scale;
        for (size_t p = 0; subtract && p < at; p++) value -= s->product[p] * row[p];
        row[at] = subtract ? value - known * s->graph->root[i] : value;
    }
}

/* Gram & Schmidt, twice for each column. A column of which nothing is left is drawn anew. */
static void orthonormalise(const spectral_block *s, uint32_t round)
{
    enum {
        PASSES = 2,
        DRAWS  = 4
    };
    for (size_t at = 0; at < s->used; at++)
        for (uint32_t draw = 0; draw < DRAWS; draw++) {
            double left = 0;
            for (int pass = 0; pass < PASSES; pass++) {
                double before;
                column_products(s, at);
                before = s->product[at];
                column_change(s, at, 1);
                column_products(s, at);
                left = before > 0 ? s->product[at] / before : 0;
                if (!(left > 1e-24)) break;
            }
            if (left > 0.1) { /* the second pass took nothing of size */
                column_change(s, at, 0);
                break;
            }
            column_draw(s, at, 1000 * (draw + 1) + round);
        }
}

/* x turned into Ritz vectors, values falling, and y = A x with it. *residual is the largest |A x_r - ritz_r x_r| of the
 * first `count`. */
static ne_status rotate(const spectral_block *s, size_t count, double *residual)
{
    const size_t w = s->width, used = s->used, blocks = block_count(s);
    ne_status    st;

    block_products(s);
    for (size_t p = 0; p < used; p++)
        for (size_t q = p; q < used; q++)
            s->product[p * used + q] = (s->product[p * used + q] + s->product[q * used + p]) / 2;
    if ((st = blas_eigen_top(s->context, used, s->product, used, s->ritz, s->turn)) != NE_OK) return st;
#pragma omp parallel for schedule(static) num_threads(context_threads(s->context)) if (blocks > 1)
    for (size_t b = 0; b < blocks; b++) {
        double *part = s->parts + b * w * w, old[SPECTRAL_WIDTH_MOST];
        memset(part, 0, w * w * sizeof *part);
        for (size_t i = b * ROWS; i < block_end(s, b); i++)
            for (int which = 0; which < 2; which++) {
                double *row = (which ? s->y : s->x) + i * w;
                memcpy(old, row, used * sizeof *old);
                for (size_t r = 0; r < used; r++) {
                    row[r] = 0;
                    for (size_t p = 0; p < used; p++) row[r] += s->turn[r * used + p] * old[p];
                }
                for (size_t r = 0; which && r < count; r++) {
                    const double off = row[r] - s->ritz[r] * s->x[i * w + r];
                    part[r] += off * off;
                }
            }
    }
    add_parts(s, count);
    *residual = 0;
    for (size_t r = 0; r < count; r++) *residual = fmax(*residual, sqrt(s->product[r]));
    return isfinite(*residual) ? NE_OK : ne_fail(NE_NOT_CONVERGED, "spectral: numbers that are not finite");
}

/* x = T_degree((A - centre) / half) x, with y as its partner. */
static void filter(spectral_block *s, double bound, int degree)
{
    const double half = (bound + 1) / 2, centre = (bound - 1) / 2;
    multiply(s->context, s->width, s->graph, (filter_step){1 / half, 0, centre}, s->x, s->y);
    for (int k = 1; k < degree; k++) {
        double *swap = s->x;
        multiply(s->context, s->width, s->graph, (filter_step){2 / half, 1, centre}, s->y, s->x);
        s->x = s->y;
        s->y = swap;
    }
    double *swap = s->x;
    s->x         = s->y;
    s->y         = swap;
}

ne_status spectral_solve(ne_context *context, const spectral_graph *graph, size_t count, double tolerance,
                         uint64_t seed, double *vectors, double *work, int *met)
{
    const ne_allocator *mem = &context->memory;
    const size_t        w = spectral_width(count), n = graph->n, wanted = count < n - 1 ? count : n - 1;
    spectral_block      s        = {.context = context,
                                    .graph   = graph,
                                    .width   = w,
                                    .used    = w < n - 1 ? w : n - 1,
                                    .x       = vectors,
                                    .y       = work,
                                    .seed    = seed};
    double              residual = INFINITY;
    int                 products = 0;
    ne_status           st       = NE_OK;

    *met      = 0;
    s.parts   = memory_new(mem, block_count(&s) * w, w * sizeof *s.parts);
    s.product = memory_new(mem, w, w * sizeof *s.product);
    s.turn    = memory_new(mem, w, w * sizeof *s.turn);
    s.ritz    = memory_new(mem, w, sizeof *s.ritz);
    if (!s.parts || !s.product || !s.turn || !s.ritz) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++) s.known += graph->root[i] * graph->root[i];
    memset(s.x, 0, n * w * sizeof *s.x);
    memset(s.y, 0, n * w * sizeof *s.y);
    for (size_t at = 0; at < s.used; at++) column_draw(&s, at, 0);
    for (uint32_t round = 1;; round++) {
        orthonormalise(&s, round);
        multiply(context, w, graph, (filter_step){1, 0, 0}, s.x, s.y);
        if ((st = rotate(&s, wanted, &residual)) != NE_OK) goto done;
        if (residual <= tolerance || products >= MOST) break;
        /* As far as the last of the wanted vectors grows by e^9 against the rest. */
        const double bound = fmax(fmin(s.ritz[s.used - 1], 1 - 1e-9), -0.9), half = (bound + 1) / 2;
        const double growth = acosh(fmax((s.ritz[wanted - 1] - bound) / half + 1, 1 + 1e-9));
        const int    degree = (int)fmin(fmax(ceil(9 / growth), 8), round == 1 ? 20 : DEGREE);
        filter(&s, bound, degree);
        products += degree + 1;
    }
    *met = residual <= tolerance;
    if (s.x != vectors) memcpy(vectors, s.x, n * w * sizeof *vectors);
done:
    memory_free(mem, s.parts);
    memory_free(mem, s.product);
    memory_free(mem, s.turn);
    memory_free(mem, s.ritz);
    return st;
}
