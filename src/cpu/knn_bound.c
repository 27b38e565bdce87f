/* cpu/knn_bound.c: see knn_bound.h.
 *
 * The unit of work is a group of rows that follow each other, in cell order where all rows are asked for, so that they
 * reach mostly the same cells. Every cell's panels go through the cache once a group, against those rows of the group
 * that reach it, four at a time; what survives is measured at once.
 *
 * Rounding. Let u = 2^-24, R the length of packed row i, D its radius, and x_j within D: |x_j| <= R + D. Products of d and
 * of w floats are off by less than 8 sqrt(d) u and 8 sqrt(w) u times the lengths but for a chance below 1e-13 (Higham &
 * Mary, SIAM J. Sci. Comput. 41, 2019), and the basis is that near to orthonormal. So the bound, computed, is at most
 * D^2 + 4 g (R + D)^2 with g = (8 sqrt(d) + 8 sqrt(w) + 64) u, if only the lengths of the rests were right. Their squares
 * are off by less than g |x|^2; r_i is taken that much longer, and what r_j may lack of its true length, at most `lack`
 * of all rows, adds 2 r_i lack. */
#include "cpu/knn_bound.h"

#include "base/clones.h"
#include "cpu/top_k.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>

enum {
    GROUP       = 64,  /* rows, of all rows; results do not depend on it */
    SMALL_GROUP = 16,  /* of some: threads shall have work */
    STRETCH     = 512, /* rows of a cell at a time, whole panels */
    PARTS       = 32   /* how often progress is reported */
};

/* A row that is asked for. */
typedef struct ask {
    size_t id, list, place; /* place: of its result */
    double length, rest;    /* R, r_i */
    double radius;          /* D */
    float  limit;           /* survivors have value + square up to it */
} ask;

typedef struct desk {
    ask           *asks;
    float         *row;     /* GROUP x width */
    float         *of_cell; /* GROUP x cells */
    float         *value;   /* 4 x STRETCH */
    uint8_t        who[GROUP];
    uint32_t       id[STRETCH];
    float          distance[STRETCH];
    knn_bound_work work;
} desk;

typedef struct bound {
    const knn_search *search;
    const knn_sketch *sketch;
    const knn_cells  *cells;
    double            error, lack; /* g and lack, see above */
    double           *reach;       /* of each cell: from its centre to its farthest row, in the columns of the centre */
    int32_t          *position;    /* of each id; NULL where all rows are asked for, by position */
    top_k             lists;       /* GROUP a thread */
    desk             *desks;
    float            *floats;
    ask              *asks;
} bound;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int knn_bound_may_pay(const knn_rows *rows, size_t k)
{
    return rows->space == KNN_EUCLIDEAN && rows->count >= KNN_BOUND_ROWS && rows->width >= KNN_BOUND_COLUMNS &&
           k < rows->count / 16;
}

int knn_bound_works(const knn_rows *rows, const knn_sketch *sketch)
{
    return rows->space == KNN_EUCLIDEAN && (sketch->whole || sketch->rho > 0);
}

/* --- Making. */

static double cell_reach(const bound *b, size_t cell, float *row)
{
    const knn_cells *cells  = b->cells;
    const float     *centre = cells->centre + cell * cells->columns;
    double           most   = 0;
    for (int32_t p = cells->start[cell]; p < cells->start[cell + 1]; p++) {
        double square = 0;
        knn_sketch_row(b->sketch, (size_t)p, row);
        for (size_t j = 0; j < cells->columns; j++) {
            const double difference = (double)row[j] - (double)centre[j];
            square += difference * difference;
        }
        most = fmax(most, square);
    }
    return sqrt(most) * (1 + 1e-6);
}

/* The true length of a rest is below sqrt(rest^2 + error square). */
static double most_lacking(const bound *b, size_t n)
{
    const size_t w    = b->sketch->width;
    double       most = 0;
    for (size_t p = 0; p < n && !b->sketch->whole; p++) {
        const float *panel = b->sketch->panel + p / SKETCH_PANEL * SKETCH_PANEL * w;
        const double rest  = (double)panel[(w - 1) * SKETCH_PANEL + p % SKETCH_PANEL] / sqrt(b->sketch->rho);
        most               = fmax(most, sqrt(rest * rest + b->error * (double)b->cells->square[p]) - rest);
    }
    return most;
}

static ne_status bound_create(ne_context *context, const int32_t *query, bound *b)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        threads = (size_t)context_threads(context), n = b->search->rows->count, w = b->sketch->width,
                 floats = GROUP * w + GROUP * b->cells->count + 4 * STRETCH;
    ne_status st        = top_k_create(mem, threads * GROUP, b->search->k, &b->lists);

    b->error  = (8 * sqrt((double)b->search->rows->width) + 8 * sqrt((double)w) + 64) * 0x1p-24;
    b->reach  = memory_new(mem, b->cells->count, sizeof *b->reach);
    b->desks  = memory_zero(mem, threads, sizeof *b->desks);
    b->floats = memory_new(mem, threads, floats * sizeof *b->floats);
    b->asks   = memory_new(mem, threads, GROUP * sizeof *b->asks);
    if (query) b->position = memory_new(mem, n, sizeof *b->position);
    if (st != NE_OK || !b->reach || !b->desks || !b->floats || !b->asks || (query && !b->position))
        return NE_OUT_OF_MEMORY;
    for (size_t t = 0; t < threads; t++) {
        desk *at    = &b->desks[t];
        at->asks    = b->asks + t * GROUP;
        at->row     = b->floats + t * floats;
        at->of_cell = at->row + GROUP * w;
        at->value   = at->of_cell + GROUP * b->cells->count;
    }
    for (size_t p = 0; p < n && query; p++) b->position[b->cells->order[p]] = (int32_t)p;
#pragma omp parallel for schedule(dynamic, 16) num_threads(context_threads(context))
    for (size_t c = 0; c < b->cells->count; c++) b->reach[c] = cell_reach(b, c, b->desks[omp_get_thread_num()].row);
    b->lack = most_lacking(b, n);
    return NE_OK;
}

static void bound_clear(const ne_allocator *mem, bound *b)
{
    top_k_clear(mem, &b->lists);
    memory_free(mem, b->reach);
    memory_free(mem, b->position);
    memory_free(mem, b->desks);
    memory_free(mem, b->floats);
    memory_free(mem, b->asks);
}

/* --- One group. */

/* `distance` in units of packed rows. */
static double packed_radius(const knn_rows *rows, float distance)
{
    const double unit = 0x1p-24;
    double       square;
    if (rows->unit) square = 2 * (double)distance + 16 * unit; /* 1 - cosine has an absolute error */
    else if (rows->kind == METRIC_EUCLIDEAN) square = (double)distance * rows->scale * (double)distance * rows->scale;
    else square = (double)distance * rows->scale * rows->scale;
    return sqrt(square * (1 + 8 * unit));
}

static void set_radius(const bound *b, ask *of, float distance)
{
    const double all = of->length + (of->radius = packed_radius(b->search->rows, distance));
    of->limit        = (float)(of->radius * of->radius + 4 * b->error * all * all + 2 * of->rest * b->lack -
                        of->length * of->length * (1 - 4 * 0x1p-24)) +
                1e-37f;
}

static void set_ask(bound *b, desk *at, size_t r, size_t position, size_t place, float distance)
{
    const size_t w   = b->sketch->width;
    ask         *a   = &at->asks[r];
    float       *row = at->row + r * w;
    knn_sketch_row(b->sketch, position, row);
    a->id     = (size_t)b->cells->order[position];
    a->list   = (size_t)omp_get_thread_num() * GROUP + r;
    a->place  = place;
    a->length = sqrt((double)b->cells->square[position]);
    a->rest   = 0;
    if (!b->sketch->whole) { /* products then have r_i r_j, in place of rho r_i r_j */
        const double scaled = sqrt(b->sketch->rho), rest = (double)row[w - 1] / scaled;
        a->rest    = sqrt(rest * rest + b->error * a->length * a->length);
        row[w - 1] = (float)(a->rest / scaled);
    }
    set_radius(b, a, distance);
    b->lists.limit[a->list] = distance;
}

/* Ids of rows whose value + square is at most limit: their number. Sixteen at a time, few of which have any. */
NE_CLONES static size_t bound_survivors(const float *restrict value, const float *restrict square,
                                        const int32_t *restrict order, size_t count, float limit, uint32_t *restrict id)
{
    enum {
        TOGETHER = 16
    };
    size_t survivors = 0, l = 0;
    for (; l + TOGETHER <= count; l += TOGETHER) {
        int any = 0;
        for (size_t a = 0; a < TOGETHER; a++) any |= value[l + a] + square[l + a] <= limit;
        for (size_t a = 0; any && a < TOGETHER; a++)
            if (value[l + a] + square[l + a] <= limit) id[survivors++] = (uint32_t)order[l + a];
    }
    for (; l < count; l++)
        if (value[l] + square[l] <= limit) id[survivors++] = (uint32_t)order[l];
    return survivors;
}

static void measure(bound *b, desk *at, ask *of, size_t count)
{
    const float before = b->lists.limit[of->list];
    size_t      kept   = 0;
    for (size_t a = 0; a < count; a++) {
        at->id[kept] = at->id[a];
        kept += !(b->search->skip_self && at->id[a] == of->id);
    }
    knn_rows_distances(b->search->rows, of->id, at->id, kept, at->distance);
    at->work.measured += (double)kept;
    for (size_t a = 0; a < kept; a++)
        if (at->distance[a] <= b->lists.limit[of->list]) top_k_push(&b->lists, of->list, at->distance[a], at->id[a]);
    if (b->lists.limit[of->list] < before) set_radius(b, of, b->lists.limit[of->list]);
}

/* Up to four rows of the group against the positions of a cell. */
static void visit_cell(bound *b, desk *at, const uint8_t *who, size_t count, size_t cell)
{
    const size_t w = b->sketch->width, end = (size_t)b->cells->start[cell + 1];
    const float *row[4];
    for (size_t q = 0; q < 4; q++) row[q] = at->row + who[q < count ? q : 0] * w;
    for (size_t p = (size_t)b->cells->start[cell]; p < end;) { /* whole panels, as in knn_visit.c */
        const size_t first = p / SKETCH_PANEL * SKETCH_PANEL, last = smaller(first + STRETCH, end);
        knn_sketch_products(b->sketch->panel + first * w, (last - first + SKETCH_PANEL - 1) / SKETCH_PANEL, w, row,
                            at->value, STRETCH);
        for (size_t q = 0; q < count; q++) {
            ask         *of    = &at->asks[who[q]];
            const size_t found = bound_survivors(at->value + q * STRETCH + (p - first), b->cells->square + p,
                                                 b->cells->order + p, last - p, of->limit, at->id);
            if (found) measure(b, at, of, found);
        }
        at->work.bounded += (double)(count * (last - p));
        p = last;
    }
}

/* A centre within radius + reach of row i is at most R + D + reach long, whence the error of the square. */
static int is_in_reach(const bound *b, const ask *of, double lead, double reach, float value)
{
    const double to = of->radius + reach, all = 2 * of->length + to;
    return lead + 2 * (double)value <= to * to + 4 * b->error * all * all + 1e-37;
}

/* Should the rounding be worse than said above, a list could lack entries: then every row is measured. */
static void search_pairwise(bound *b, desk *at, ask *of)
{
    const size_t n = b->search->rows->count;
    top_k_reset(&b->lists, of->list, of->list + 1);
    for (size_t j0 = 0; j0 < n; j0 += STRETCH) {
        const size_t count = smaller(STRETCH, n - j0);
        for (size_t l = 0; l < count; l++) at->id[l] = (uint32_t)(j0 + l);
        measure(b, at, of, count);
    }
}

static void search_group(bound *b, desk *at, size_t rows, int32_t *index, float *distance)
{
    const size_t c = b->cells->count, w = b->sketch->width, k = b->search->k;
    double       lead[GROUP] = {0};

    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < b->cells->columns; j++)
            lead[r] += (double)at->row[r * w + j] * (double)at->row[r * w + j];
    knn_cells_values(b->cells, at->row, rows, w, at->of_cell);
    for (size_t cell = 0; cell < c; cell++) {
        size_t count = 0;
        for (size_t r = 0; r < rows; r++) {
            at->who[count] = (uint8_t)r;
            count += (size_t)is_in_reach(b, &at->asks[r], lead[r], b->reach[cell], at->of_cell[r * c + cell]);
        }
        for (size_t q = 0; q < count; q += 4) visit_cell(b, at, at->who + q, smaller(4, count - q), cell);
    }
    for (size_t r = 0; r < rows; r++) {
        ask      *of  = &at->asks[r];
        uint64_t *key = b->lists.key + of->list * b->lists.room;
        if (b->lists.count[of->list] < k) search_pairwise(b, at, of);
        top_k_shrink(&b->lists, of->list);
        top_k_sort(key, k);
        for (size_t a = 0; a < k; a++) {
            if (index) index[of->place * k + a] = (int32_t)top_k_id(key[a]);
            distance[of->place * k + a] = top_k_value(key[a]);
        }
    }
}

ne_status knn_bound(ne_context *context, const knn_search *search, const knn_sketch *sketch, const knn_cells *cells,
                    const int32_t *query, size_t queries, const float *found, int32_t *index, float *distance,
                    knn_bound_work *work)
{
    const size_t k = search->k, group = query ? SMALL_GROUP : GROUP, all = query ? queries : search->rows->count,
                 groups = (all + group - 1) / group, step = query ? groups : (groups + PARTS - 1) / PARTS;
    bound     b  = {.search = search, .sketch = sketch, .cells = cells};
    ne_status st = bound_create(context, query, &b);

    for (size_t g0 = 0; g0 < groups && st == NE_OK; g0 += step) {
        const size_t g1 = smaller(g0 + step, groups);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t g = g0; g < g1; g++) {
            const size_t from = g * group, rows = smaller(group, all - from), t = (size_t)omp_get_thread_num();
            top_k_reset(&b.lists, t * GROUP, t * GROUP + GROUP);
            for (size_t r = 0; r < rows; r++) {
                const size_t id = query ? (size_t)query[from + r] : (size_t)cells->order[from + r];
                set_ask(&b, &b.desks[t], r, query ? (size_t)b.position[id] : from + r, query ? from + r : id,
                        found[id * k + k - 1]);
            }
            search_group(&b, &b.desks[t], rows, index, distance);
        }
        if (!query && progress_report(search->progress, "knn", (int64_t)g1, (int64_t)groups))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    for (int t = 0; t < context_threads(context) && st == NE_OK && work; t++) {
        work->bounded += b.desks[t].work.bounded;
        work->measured += b.desks[t].work.measured;
    }
    bound_clear(&context->memory, &b);
    return st;
}

double knn_bound_bytes(const ne_context *context, double n, double sketch_width, double k, double queries)
{
    const double cells = knn_cells_count(n), floats = GROUP * (sketch_width + cells) + 4 * STRETCH;
    return cells * sizeof(double) + (queries < n ? n * sizeof(int32_t) : 0) +
           context_threads(context) * (floats * sizeof(float) + GROUP * sizeof(ask) + sizeof(desk)) +
           top_k_bytes(context_threads(context) * GROUP, k);
}
