/* affinity/pairs.c: see pairs.h. */
#include "affinity/pairs.h"

#include "base/blas.h"
#include "base/registry.h"
#include "base/view.h"
#include "cpu/x86/tile_avx2.h"

#include <limits.h>
#include <math.h>

enum {
    SMALL = 128 /* rows whose visit takes less time than waking threads */
};
static const size_t KEEP_BYTES = (size_t)128 << 20; /* what is kept without being asked for */

/* --- Open -------------------------------------------------------------------------------------------------------- */

static ne_status poll(const ne_pairs *p)
{
    if (!p->poll->cancelled)
        p->poll->cancelled = progress_report(p->progress, "affinity", p->poll->step, p->poll->steps);
    return p->poll->cancelled ? ne_fail(NE_CANCELLED, "cancelled in the affinity") : NE_OK;
}

static ne_status not_finite(const ne_pairs *p)
{
    return ne_fail(NE_INVALID_ARGUMENT, "metric: %s gives a distance that is not finite", p->name);
}

int pairs_may_be_negative(const ne_pairs *p)
{
    return p->matrix || p->kind == METRIC_ANGULAR || p->kind == METRIC_CUSTOM;
}

static ne_status check_matrix(const ne_dense *x)
{
    return x->rows == x->cols
               ? NE_OK
               : ne_fail(NE_INVALID_ARGUMENT, "x: %zu x %zu, a square matrix is needed", x->rows, x->cols);
}

static void read_matrix_row(const ne_dense *x, size_t i, float *row)
{
    for (size_t j = 0; j < x->cols; j++) row[j] = (float)view_get(x, i, j);
}

static ne_status keep(ne_pairs *p)
{
    ne_status st = NE_OK;
    blas_enter();
    for (size_t row0 = 0; row0 < p->n && st == NE_OK; row0 += PAIRS_BLOCK) {
        const size_t row1 = row0 + PAIRS_BLOCK < p->n ? row0 + PAIRS_BLOCK : p->n;
        for (size_t i = row0; p->matrix && i < row1; i++) read_matrix_row(p->matrix, i, p->kept + i * p->stride);
        if (!p->matrix && !pairs_fill_right(p, row0, row1, p->kept, p->stride)) st = not_finite(p);
        if (st == NE_OK) st = poll(p);
    }
    blas_leave();
    return st;
}

/* Room for the rows of a block in strips, where products are made of them. */
static ne_status make_packed(ne_pairs *p)
{
    const int    products = p->kind == METRIC_ANGULAR || (p->square && !p->column);
    const size_t most = p->kept ? PAIRS_BLOCK : PAIRS_TILE, rows = p->n < most ? p->n : most;
    if (!products || !tile_avx2_usable()) return NE_OK;
    p->packed = memory_new(&p->context->memory, (rows + TILE_AVX2_STRIP - 1) / TILE_AVX2_STRIP * TILE_AVX2_STRIP,
                           p->d * sizeof *p->packed);
    return p->packed ? NE_OK : NE_OUT_OF_MEMORY;
}

static ne_status open_pairs(ne_context *context, const knn_params *knn, int takes_matrix, const float_kernel *values,
                            const ne_dense *x, const progress *report_to, float *room, size_t stride, ne_pairs **pairs)
{
    const ne_allocator *mem  = &context->memory;
    ne_pairs           *made = memory_zero(mem, 1, sizeof *made);
    ne_status           st   = NE_OK;

    if (!made) return NE_OUT_OF_MEMORY;
    *made      = (ne_pairs){.context  = context,
                            .progress = report_to,
                            .name     = knn->metric,
                            .n        = x->rows,
                            .d        = x->cols,
                            .kept     = room,
                            .values   = values,
                            .stride   = stride};
    made->poll = memory_zero(mem, 1, sizeof *made->poll);
    if (!made->poll) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    made->poll->steps = 1;
    if (x->rows > INT32_MAX) {
        st = ne_fail(NE_UNSUPPORTED, "n: %zu rows are more than %d", x->rows, INT32_MAX);
        goto done;
    }
    if (takes_matrix) {
        if ((st = check_matrix(x)) != NE_OK) goto done;
        made->matrix = x;
    } else {
        made->metric = registry_find(REGISTRY_METRIC, knn->metric);
        if (!made->metric) {
            st = NE_UNKNOWN_NAME;
            goto done;
        }
        made->kind = metric_kind_of(made->metric);
        if (values && values->kind == FLOAT_RECIPROCAL && pairs_may_be_negative(made)) made->values = NULL;
        if ((st = pairs_take_rows(made, x)) != NE_OK) goto done;
    }
    if (!room && x->rows <= KEEP_BYTES / sizeof(float) / x->rows) {
        made->kept   = memory_new(mem, x->rows * x->rows, sizeof *made->kept);
        made->stride = x->rows;
        made->owned  = 1;
        if (!made->kept) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
    }
    if (!takes_matrix && (st = make_packed(made)) != NE_OK) goto done;
    if (made->kept) {
        st = keep(made);
    } else {
        made->panel = memory_new(mem, x->rows, PAIRS_TILE * sizeof *made->panel);
        if (!made->panel) st = NE_OUT_OF_MEMORY;
    }
done:
    if (st == NE_OK) *pairs = made;
    else pairs_close(made);
    return st;
}

ne_status pairs_open(ne_context *context, const knn_params *knn, int takes_matrix, const ne_dense *x,
                     const progress *report_to, float *room, size_t stride, ne_pairs **pairs)
{
    return open_pairs(context, knn, takes_matrix, NULL, x, report_to, room, stride, pairs);
}

ne_status pairs_open_values(ne_context *context, const knn_params *knn, const float_kernel *values, const ne_dense *x,
                            const progress *report_to, float *room, size_t stride, ne_pairs **pairs)
{
    return open_pairs(context, knn, 0, values, x, report_to, room, stride, pairs);
}

void pairs_close(ne_pairs *p)
{
    if (p) {
        const ne_allocator *mem = &p->context->memory;
        memory_free(mem, p->poll);
        memory_free(mem, p->x);
        memory_free(mem, p->column);
        memory_free(mem, p->square);
        memory_free(mem, p->zero);
        memory_free(mem, p->packed);
        memory_free(mem, p->panel);
        if (p->owned) memory_free(mem, p->kept);
        memory_free(mem, p);
    }
}

/* --- Visit ------------------------------------------------------------------------------------------------------- */

size_t ne_pairs_rows(const ne_pairs *pairs)
{
    return pairs->n;
}

ne_context *ne_pairs_context(const ne_pairs *pairs)
{
    return pairs->context;
}

int ne_pairs_progress(const ne_pairs *pairs, int64_t step, int64_t steps)
{
    pairs->poll->step  = step;
    pairs->poll->steps = steps;
    return poll(pairs) != NE_OK;
}

ne_status pairs_block(const ne_pairs *p, size_t row0, float **at, size_t *stride, size_t *row1)
{
    const size_t chunk = p->kept ? PAIRS_BLOCK : PAIRS_TILE;
    ne_status    st    = NE_OK;

    *row1   = row0 + chunk < p->n ? row0 + chunk : p->n;
    *at     = p->kept ? p->kept + row0 * p->stride : p->panel;
    *stride = p->kept ? p->stride : p->n;
    if (!p->kept && p->matrix) {
        for (size_t i = row0; i < *row1; i++) read_matrix_row(p->matrix, i, p->panel + (i - row0) * p->n);
    } else if (!p->kept) {
        blas_enter();
        if (!pairs_fill(p, row0, *row1, p->panel, p->n)) st = not_finite(p);
        blas_leave();
    }
    return st == NE_OK ? poll(p) : st;
}

/* The error text belongs to a worker: the first bad row is visited again in the caller's thread, which gets the text. */
ne_status pairs_visit_block(const ne_pairs *p, size_t row0, size_t row1, const float *at, size_t stride,
                            ne_pairs_fn visit, void *user)
{
    const int threads = p->n < SMALL ? 1 : context_threads(p->context);
    size_t    failed  = row1;
    ne_status st      = NE_OK;
#pragma omp parallel for schedule(dynamic, 4) num_threads(threads) reduction(min : failed)
    for (size_t i = row0; i < row1; i++)
        if (visit(user, i, at + (i - row0) * stride) != NE_OK && i < failed) failed = i;
    if (failed < row1) {
        st = visit(user, failed, at + (failed - row0) * stride);
        if (st == NE_OK) st = ne_fail(NE_INTERNAL, "affinity: row %zu failed once and not twice", failed);
    }
    return st;
}

ne_status ne_pairs_visit(const ne_pairs *p, ne_pairs_fn visit, void *user)
{
    ne_status st = NE_OK;
    for (size_t row0 = 0, row1 = 0; row0 < p->n && st == NE_OK; row0 = row1) {
        float *at;
        size_t stride;
        st = pairs_block(p, row0, &at, &stride, &row1);
        if (st == NE_OK) st = pairs_visit_block(p, row0, row1, at, stride, visit, user);
    }
    return st;
}

/* --- Tiles ------------------------------------------------------------------------------------------------------- */

/* Of tile row t: those of the rows above it. */
static size_t tiles_before(size_t tiles, size_t t)
{
    return t * tiles - t * (t > 0 ? t - 1 : 0) / 2;
}

size_t pairs_tile_total(const ne_pairs *p)
{
    const size_t tiles = p->n / PAIRS_TILE + (p->n % PAIRS_TILE != 0);
    return tiles * (tiles + 1) / 2;
}

static size_t end_of(const ne_pairs *p, size_t begin, size_t most)
{
    return begin + most < p->n ? begin + most : p->n;
}

/* Those of the tile rows [row0, row1), whose distances are at `at`. */
static void visit_tiles(const ne_pairs *p, size_t row0, size_t row1, float *at, size_t stride, pairs_tile_fn visit,
                        void *user)
{
    const size_t  tiles = p->n / PAIRS_TILE + (p->n % PAIRS_TILE != 0), first = row0 / PAIRS_TILE;
    const int64_t wide = (int64_t)(tiles - first);
    const int64_t high = (int64_t)((row1 - row0 + PAIRS_TILE - 1) / PAIRS_TILE);
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->n < SMALL ? 1 : context_threads(p->context))
    for (int64_t t = 0; t < high * wide; t++) {
        const size_t r = first + (size_t)(t / wide), c = first + (size_t)(t % wide);
        if (c < r) continue;
        const pairs_tile tile = {.index  = tiles_before(tiles, r) + c - r,
                                 .row0   = r * PAIRS_TILE,
                                 .row1   = end_of(p, r * PAIRS_TILE, PAIRS_TILE),
                                 .col0   = c * PAIRS_TILE,
                                 .col1   = end_of(p, c * PAIRS_TILE, PAIRS_TILE),
                                 .at     = at + (r * PAIRS_TILE - row0) * stride + c * PAIRS_TILE,
                                 .stride = stride};
        visit(user, &tile);
    }
}

ne_status pairs_visit_tiles(const ne_pairs *p, pairs_tile_fn visit, void *user)
{
    const size_t high = p->kept ? PAIRS_BLOCK : PAIRS_TILE;
    ne_status    st   = NE_OK;
    for (size_t row0 = 0; row0 < p->n && st == NE_OK; row0 += high) {
        const size_t row1 = end_of(p, row0, high);
        if (!p->kept && p->matrix) {
            for (size_t i = row0; i < row1; i++) read_matrix_row(p->matrix, i, p->panel + (i - row0) * p->n);
        } else if (!p->kept) {
            blas_enter();
            if (!pairs_fill_from(p, row0, row1, row0, p->panel, p->n)) st = not_finite(p);
            blas_leave();
        }
        if (st == NE_OK)
            visit_tiles(p, row0, row1, p->kept ? p->kept + row0 * p->stride : p->panel, p->kept ? p->stride : p->n,
                        visit, user);
        if (st == NE_OK) st = poll(p);
    }
    return st;
}
