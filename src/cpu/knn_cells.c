/* cpu/knn_cells.c: k-means (Lloyd) on a sample of the sketches' leading columns, then every row to its nearest centre.
 *
 * A few rounds do: cells only have to be compact, and a search that looks at many cells forgives a bad border. With
 * C = n / 128 cells the assignment is n^2 / 128 short products. */
#include "cpu/knn_cells.h"

#include "base/blas.h"
#include "base/random.h"
#include "cpu/top_k.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    CELL_ROWS   = 128, /* rows a cell on average */
    MOST_CELLS  = 4096,
    COLUMNS     = 32, /* of the sketch */
    CELL_SAMPLE = 32, /* sample rows a cell */
    ROUNDS      = 5,
    PIECE       = 64 /* rows a product */
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void knn_cells_values(const knn_cells *cells, const float *row, size_t rows, size_t stride, float *value)
{
    const size_t c = cells->count;
    for (size_t r = 0; r < rows; r++) memcpy(value + r * c, cells->half, c * sizeof *value);
    blas_sgemm_nt(rows, c, cells->columns, -1, row, stride, cells->centre, cells->columns, 1, value, c);
}

size_t knn_cells_nearest(const knn_cells *cells, const float *value, size_t scan, uint64_t *key, uint32_t *visit)
{
    const size_t c     = cells->count;
    size_t       count = 0, rows = 0, sorted = 0;
    for (size_t a = 0; a < c; a++) key[a] = top_k_key(value[a], (uint32_t)a);
    while (rows < scan && count < c) {
        if (count == sorted) { /* the next ones in order, twice as many each time */
            const size_t more = smaller(2 * sorted + 32, c);
            if (more < c) top_k_select(key + sorted, c - sorted, more - sorted);
            top_k_sort(key + sorted, more - sorted);
            sorted = more;
        }
        const uint32_t cell = top_k_id(key[count]);
        visit[count++]      = cell;
        rows += (size_t)(cells->start[cell + 1] - cells->start[cell]);
    }
    return count;
}

size_t knn_cells_most(const knn_cells *cells, size_t scan, uint64_t *key)
{
    size_t count = 0, rows = 0;
    for (size_t c = 0; c < cells->count; c++) key[c] = (uint64_t)(cells->start[c + 1] - cells->start[c]) << 32 | c;
    top_k_sort(key, cells->count);
    while (count < cells->count && rows < scan) rows += (size_t)(key[count++] >> 32);
    return count;
}

/* Nearest centre of each of `rows` rows that are `stride` apart. scratch: PIECE x count floats a thread. */
static void assign(const ne_context *context, const knn_cells *cells, const float *row, size_t rows, size_t stride,
                   float *scratch, int32_t *cell)
{
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i0 = 0; i0 < rows; i0 += PIECE) {
        const size_t piece = smaller(PIECE, rows - i0);
        float       *value = scratch + (size_t)omp_get_thread_num() * PIECE * cells->count;
        knn_cells_values(cells, row + i0 * stride, piece, stride, value);
        for (size_t r = 0; r < piece; r++) cell[i0 + r] = (int32_t)top_k_least(value + r * cells->count, cells->count);
    }
}

static void half_squares(knn_cells *cells)
{
    for (size_t c = 0; c < cells->count; c++) {
        const float *centre = cells->centre + c * cells->columns;
        double       sum    = 0;
        for (size_t j = 0; j < cells->columns; j++) sum += (double)centre[j] * (double)centre[j];
        cells->half[c] = (float)(sum / 2);
    }
}

/* Lloyd's rounds from random rows of the sample; a cell that loses all its rows keeps its centre. */
static ne_status train(ne_context *context, const float *sample, size_t samples, uint64_t seed, float *scratch,
                       knn_cells *cells)
{
    const ne_allocator *mem = &context->memory;
    const size_t        w = cells->columns, count = cells->count;
    ne_status           st   = NE_OK;
    int32_t            *cell = memory_new(mem, samples, sizeof *cell);
    double             *sum  = memory_new(mem, count, (w + 1) * sizeof *sum);

    if (!cell || !sum) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t c = 0; c < count; c++) { /* one out of each of `count` stretches: no row twice */
        const random_block draw = random_draw(seed, STREAM_KNN, 1, c, 0);
        const size_t       from = c * samples / count, to = (c + 1) * samples / count;
        const size_t       taken = from + (size_t)random_below(draw.word[0], draw.word[1], to - from);
        memcpy(cells->centre + c * w, sample + taken * w, w * sizeof *sample);
    }
    half_squares(cells);
    for (int round = 0; round < ROUNDS; round++) {
        assign(context, cells, sample, samples, w, scratch, cell);
        memset(sum, 0, count * (w + 1) * sizeof *sum);
        for (size_t i = 0; i < samples; i++) {
            double *to = sum + (size_t)cell[i] * (w + 1);
            for (size_t j = 0; j < w; j++) to[j] += (double)sample[i * w + j];
            to[w] += 1;
        }
        for (size_t c = 0; c < count; c++)
            for (size_t j = 0; j < w && sum[c * (w + 1) + w] > 0; j++)
                cells->centre[c * w + j] = (float)(sum[c * (w + 1) + j] / sum[c * (w + 1) + w]);
        half_squares(cells);
    }
done:
    memory_free(mem, cell);
    memory_free(mem, sum);
    return st;
}

/* Centres in the order of a walk that always goes on to the nearest centre not yet visited. */
static ne_status chain(ne_context *context, knn_cells *cells)
{
    const ne_allocator *mem = &context->memory;
    const size_t        w = cells->columns, count = cells->count;
    ne_status           st = NE_OK;
    float         *value = memory_new(mem, count, sizeof *value), *centre = memory_new(mem, count, w * sizeof *centre);
    unsigned char *done_with = memory_zero(mem, count, sizeof *done_with);
    size_t         at        = 0;

    if (!value || !centre || !done_with) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t c = 0; c < count; c++) {
        memcpy(centre + c * w, cells->centre + at * w, w * sizeof *centre);
        done_with[at] = 1;
        knn_cells_values(cells, cells->centre + at * w, 1, w, value);
        for (size_t b = 0; b < count; b++)
            if (done_with[b]) value[b] = INFINITY;
        at = top_k_least(value, count);
    }
    memory_free(mem, cells->centre);
    cells->centre = centre;
    centre        = NULL;
    half_squares(cells);
done:
    memory_free(mem, value);
    memory_free(mem, centre);
    memory_free(mem, done_with);
    return st;
}

/* Sketches into panels, squares and ids into cell order. */
static ne_status sort_rows(ne_context *context, const knn_rows *rows, const int32_t *cell, knn_sketch *sketch,
                           knn_cells *made)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = rows->count, w = sketch->width, panels = (n + SKETCH_PANEL - 1) / SKETCH_PANEL;

    made->order   = memory_new(mem, n, sizeof *made->order);
    made->start   = memory_zero(mem, made->count + 1, sizeof *made->start);
    made->square  = memory_new(mem, n, sizeof *made->square);
    sketch->panel = memory_new(mem, panels, SKETCH_PANEL * w * sizeof *sketch->panel);
    if (!made->order || !made->start || !made->square || !sketch->panel) return NE_OUT_OF_MEMORY;
    for (size_t i = 0; i < n; i++) made->start[cell[i] + 1]++;
    for (size_t c = 0; c < made->count; c++) made->start[c + 1] += made->start[c];
    for (size_t i = 0; i < n; i++) made->order[made->start[cell[i]]++] = (int32_t)i; /* start moves one cell on, */
    memmove(made->start + 1, made->start, made->count * sizeof *made->start);        /* and back */
    made->start[0] = 0;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t p = 0; p < panels; p++) {
        float *panel = sketch->panel + p * SKETCH_PANEL * w;
        memset(panel, 0, SKETCH_PANEL * w * sizeof *panel);
        for (size_t l = 0; l < smaller(SKETCH_PANEL, n - p * SKETCH_PANEL); l++) {
            const size_t id  = (size_t)made->order[p * SKETCH_PANEL + l];
            const float *row = sketch->row + id * w;
            for (size_t j = 0; j < w; j++) panel[j * SKETCH_PANEL + l] = row[j];
            made->square[p * SKETCH_PANEL + l] = rows->square[id];
        }
    }
    memory_free(mem, sketch->row);
    sketch->row = NULL;
    return NE_OK;
}

ne_status knn_cells_create(ne_context *context, const knn_rows *rows, uint64_t seed, knn_sketch *sketch,
                           knn_cells *made)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = rows->count, cells = smaller((n + CELL_ROWS - 1) / CELL_ROWS, MOST_CELLS);
    const size_t        columns = sketch->whole ? sketch->width : smaller(COLUMNS, sketch->components);
    const size_t        samples = smaller(n, cells * CELL_SAMPLE);
    ne_status           st      = NE_OK;
    float              *sample  = memory_new(mem, samples, columns * sizeof *sample);
    float              *scratch = memory_new(mem, (size_t)context_threads(context) * PIECE, cells * sizeof *scratch);
    int32_t            *cell    = memory_new(mem, n, sizeof *cell);

    *made        = (knn_cells){.count = cells, .columns = columns};
    made->centre = memory_new(mem, cells, columns * sizeof *made->centre);
    made->half   = memory_new(mem, cells, sizeof *made->half);
    if (!sample || !scratch || !cell || !made->centre || !made->half) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t s = 0; s < samples; s++)
        memcpy(sample + s * columns, sketch->row + (s * n / samples) * sketch->width, columns * sizeof *sample);
    if ((st = train(context, sample, samples, seed, scratch, made)) != NE_OK) goto done;
    memory_free(mem, sample);
    sample = NULL;
    if ((st = chain(context, made)) != NE_OK) goto done;
    assign(context, made, sketch->row, n, sketch->width, scratch, cell);
    st = sort_rows(context, rows, cell, sketch, made);
done:
    memory_free(mem, sample);
    memory_free(mem, scratch);
    memory_free(mem, cell);
    return st;
}

void knn_cells_clear(const ne_allocator *mem, knn_cells *cells)
{
    memory_free(mem, cells->order);
    memory_free(mem, cells->start);
    memory_free(mem, cells->square);
    memory_free(mem, cells->centre);
    memory_free(mem, cells->half);
    *cells = (knn_cells){0};
}

double knn_cells_count(double n)
{
    return fmin(ceil(n / CELL_ROWS), MOST_CELLS);
}

double knn_cells_bytes(const ne_context *context, double n, double sketch_width, double *kept)
{
    const double cells = knn_cells_count(n), columns = fmin(COLUMNS, sketch_width);
    const double samples = fmin(n, cells * CELL_SAMPLE), panel = n * sketch_width * sizeof(float);
    const double scratch = context_threads(context) * PIECE * cells * sizeof(float);
    *kept                = panel + n * (sizeof(int32_t) + sizeof(float)) + cells * (columns + 2) * sizeof(float);
    return panel + scratch + n * sizeof(int32_t) + fmax(*kept, samples * columns * sizeof(float));
}
