/* cpu/knn_visit.c: see knn_visit.h.
 *
 * The unit of work is a group of GROUP rows that follow each other in cell order: they visit mostly the same cells and
 * have mostly the same neighbors, and everything below rests on that:
 *   1. each row chooses its own cells; each cell has the rows of the group that chose it;
 *   2. one product a cell: the sketches of those rows with those of the cell's; each row keeps its best candidates;
 *   3. candidates are turned round: each row of the visited cells has the rows of the group that want it measured. Its
 *      data comes from memory once, the group's stay in the cache, and four are measured at a time.
 * Cost a row: plan->scan short products and plan->keep distances.
 *
 * Mapped data that are more than a buffer cannot be measured in that order: then the candidates of all rows are kept, and
 * step 3 is knn_stream.h. */
#include "cpu/knn_visit.h"

#include "base/blas.h"
#include "cpu/knn_stream.h"
#include "cpu/top_k.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    GROUP   = 192,
    SLICE   = 16,  /* rows of a group whose distances to all centres are held at once */
    STRETCH = 512, /* rows of a cell at a time, whole panels */
    REPORTS = 32   /* how often progress is reported */
};

/* What one thread works on. */
typedef struct desk {
    size_t    list0;       /* its lists begin here */
    float    *row;         /* GROUP sketches */
    float    *value;       /* SLICE x cells, or 4 x STRETCH */
    uint64_t *key;         /* cells */
    uint32_t *chosen;      /* cells of all rows of the group, those of row r up to chosen_end[r]; GROUP x most_cells */
    uint32_t *chosen_end;  /* GROUP */
    uint32_t *by_cell;     /* rows of the group, those that chose cell c up to by_cell_end[c]; GROUP x most_cells */
    uint32_t *by_cell_end; /* cells + 1 */
    uint32_t *sequence;    /* cells that anybody chose, in the order of the visit */
    size_t    cells;       /* in sequence */
    uint32_t *wanted;      /* places in the lists, those of the p-th visited row up to wanted_end[p]; GROUP x keep */
    uint32_t *wanted_end;  /* most_rows + 1 */
    int       lost;        /* a user's metric gave NaN */
} desk;

typedef struct visit {
    const knn_search *search;
    const knn_sketch *sketch;
    const knn_cells  *cells;
    const knn_plan   *plan;
    size_t            most_cells, most_rows; /* that one row, and one group, can visit */
    top_k             lists;                 /* GROUP a thread */
    desk             *desks;                 /* one a thread */
    float            *floats;
    uint32_t         *words;
    uint64_t         *keys;
    uint64_t         *candidate; /* count x keep where step 3 comes later, else NULL */
    uint32_t         *found;     /* count: how many of them */
} visit;

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void lay_desk(const visit *v, size_t thread, float *floats, uint32_t *words, uint64_t *keys)
{
    const size_t c = v->cells->count, chosen = GROUP * v->most_cells;
    desk        *at = &v->desks[thread];
    at->list0       = thread * GROUP;
    at->row         = floats;
    at->value       = at->row + GROUP * v->sketch->width;
    at->key         = keys;
    at->chosen      = words;
    at->chosen_end  = at->chosen + chosen;
    at->by_cell     = at->chosen_end + GROUP;
    at->by_cell_end = at->by_cell + chosen;
    at->sequence    = at->by_cell_end + c + 1;
    at->wanted      = at->sequence + c;
    at->wanted_end  = at->wanted + GROUP * v->plan->keep;
}

static ne_status visit_create(ne_context *context, visit *v)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        threads = (size_t)context_threads(context), c = v->cells->count, n = v->search->rows->count;
    const size_t        values  = SLICE * c > 4 * STRETCH ? SLICE * c : 4 * STRETCH;
    size_t              largest = 0;
    ne_status           st      = NE_OK;

    v->keys = memory_new(mem, threads, c * sizeof *v->keys);
    if (!v->keys) return NE_OUT_OF_MEMORY;
    for (size_t b = 0; b < c; b++) {
        const size_t size = (size_t)(v->cells->start[b + 1] - v->cells->start[b]);
        largest           = size > largest ? size : largest;
    }
    v->most_cells       = knn_cells_most(v->cells, v->plan->scan, v->keys);
    v->most_rows        = smaller(n, GROUP * (v->plan->scan + largest));
    const size_t floats = GROUP * v->sketch->width + values;
    const size_t words  = 2 * GROUP * v->most_cells + GROUP + 2 * c + 1 + GROUP * v->plan->keep + v->most_rows + 1;
    v->desks            = memory_zero(mem, threads, sizeof *v->desks);
    v->floats           = memory_new(mem, threads, floats * sizeof *v->floats);
    v->words            = memory_new(mem, threads, words * sizeof *v->words);
    st                  = top_k_create(mem, threads * GROUP, v->plan->keep, &v->lists);
    if (!v->desks || !v->floats || !v->words) st = NE_OUT_OF_MEMORY;
    if (knn_stream_is_needed(context, v->search->rows)) {
        v->candidate = memory_new(mem, n, v->plan->keep * sizeof *v->candidate);
        v->found     = memory_new(mem, n, sizeof *v->found);
        if (!v->candidate || !v->found) st = NE_OUT_OF_MEMORY;
    }
    for (size_t t = 0; t < threads && st == NE_OK; t++)
        lay_desk(v, t, v->floats + t * floats, v->words + t * words, v->keys + t * c);
    return st;
}

static void visit_clear(const ne_allocator *mem, visit *v)
{
    top_k_clear(mem, &v->lists);
    memory_free(mem, v->desks);
    memory_free(mem, v->floats);
    memory_free(mem, v->words);
    memory_free(mem, v->keys);
    memory_free(mem, v->candidate);
    memory_free(mem, v->found);
}

/* --- Step 1. */

static void choose_cells(const visit *v, desk *at, size_t from, size_t rows)
{
    const size_t c = v->cells->count, w = v->sketch->width;
    uint32_t     total = 0;

    for (size_t r = 0; r < rows; r++) knn_sketch_row(v->sketch, from + r, at->row + r * w);
    memset(at->by_cell_end, 0, (c + 1) * sizeof *at->by_cell_end);
    for (size_t r = 0; r < rows; r++) {
        if (r % SLICE == 0) knn_cells_values(v->cells, at->row + r * w, smaller(SLICE, rows - r), w, at->value);
        const float *value = at->value + r % SLICE * c;
        const size_t count = knn_cells_nearest(v->cells, value, v->plan->scan, at->key, at->chosen + total);
        for (size_t a = total; a < total + count; a++) at->by_cell_end[at->chosen[a] + 1]++;
        total += (uint32_t)count;
        at->chosen_end[r] = total;
    }
    /* Cells that most rows chose come first: limits are tight early. */
    at->cells = 0;
    for (size_t b = 0; b < c; b++)
        if (at->by_cell_end[b + 1]) at->key[at->cells++] = (uint64_t)(GROUP - at->by_cell_end[b + 1]) << 32 | b;
    top_k_sort(at->key, at->cells);
    for (size_t a = 0; a < at->cells; a++) at->sequence[a] = (uint32_t)at->key[a];
    for (size_t b = 0; b < c; b++) at->by_cell_end[b + 1] += at->by_cell_end[b];
    for (size_t r = 0, a = 0; r < rows; r++)
        for (; a < at->chosen_end[r]; a++) at->by_cell[at->by_cell_end[at->chosen[a]]++] = (uint32_t)r;
    /* by_cell_end[b] is now where b ends */
}

/* --- Step 2. A candidate's id is its place in the sequence of visited rows. */

/* Up to four rows of the group against the positions [start, end) of a cell, whose first row has the given place. */
static void visit_cell(visit *v, desk *at, const uint32_t *who, size_t count, size_t from, size_t start, size_t end,
                       size_t place)
{
    const size_t w = v->sketch->width;
    const float *row[4];
    for (size_t q = 0; q < 4; q++) row[q] = at->row + who[q < count ? q : 0] * w;
    for (size_t p = start; p < end;) { /* whole panels; the rows of other cells at both ends are computed in vain */
        const size_t first = p / SKETCH_PANEL * SKETCH_PANEL, last = smaller(first + STRETCH, end);
        knn_sketch_products(v->sketch->panel + first * w, (last - first + SKETCH_PANEL - 1) / SKETCH_PANEL, w, row,
                            at->value, STRETCH);
        for (size_t q = 0; q < count; q++) {
            const size_t me    = from + who[q];
            float       *value = at->value + q * STRETCH + (p - first);
            if (v->search->skip_self && me >= p && me < last) value[me - p] = NAN; /* never taken */
            top_k_offer_row(&v->lists, at->list0 + who[q], value, v->cells->square + p, last - p,
                            (uint32_t)(place + p - start));
        }
        p = last;
    }
}

static void find_candidates(visit *v, desk *at, size_t from, size_t rows)
{
    size_t place = 0;
    for (size_t a = 0; a < at->cells; a++) {
        const size_t cell = at->sequence[a], start = (size_t)v->cells->start[cell],
                     end     = (size_t)v->cells->start[cell + 1];
        const uint32_t *who  = at->by_cell + (cell ? at->by_cell_end[cell - 1] : 0),
                       *last = at->by_cell + at->by_cell_end[cell];
        for (; who < last; who += 4) visit_cell(v, at, who, smaller(4, (size_t)(last - who)), from, start, end, place);
        place += end - start;
    }
    for (size_t r = 0; r < rows; r++) top_k_shrink(&v->lists, at->list0 + r);
}

/* --- Step 3. */

/* Distances of one visited row, id, to the rows of the group that want it; the entries of their lists become
 * (distance, id). */
static void measure_row(visit *v, desk *at, size_t from, uint32_t id, const uint32_t *wanted, size_t count)
{
    uint64_t *key = v->lists.key + at->list0 * v->lists.room;
    uint32_t  by[GROUP];
    float     distance[GROUP];
    for (size_t l = 0; l < count; l++) by[l] = (uint32_t)v->cells->order[from + wanted[l] / v->lists.room];
    if (v->search->rows->kind == METRIC_CUSTOM) /* which need not be symmetric */
        for (size_t l = 0; l < count; l++) knn_rows_distances(v->search->rows, by[l], &id, 1, &distance[l]);
    else knn_rows_distances(v->search->rows, id, by, count, distance);
    for (size_t l = 0; l < count; l++) {
        key[wanted[l]] = top_k_key(distance[l], id);
        at->lost |= isnan(distance[l]);
    }
}

static void measure(visit *v, desk *at, size_t from, size_t rows)
{
    const size_t    room  = v->lists.room;
    const uint64_t *key   = v->lists.key + at->list0 * room;
    uint32_t       *end   = at->wanted_end;
    size_t          place = 0, visited = 0;

    for (size_t a = 0; a < at->cells; a++)
        visited += (size_t)(v->cells->start[at->sequence[a] + 1] - v->cells->start[at->sequence[a]]);
    memset(end, 0, (visited + 1) * sizeof *end);
    for (size_t r = 0; r < rows; r++)
        for (size_t a = 0; a < v->lists.count[at->list0 + r]; a++) end[top_k_id(key[r * room + a]) + 1]++;
    for (size_t p = 0; p < visited; p++) end[p + 1] += end[p];
    for (size_t r = 0; r < rows; r++)
        for (size_t a = 0; a < v->lists.count[at->list0 + r]; a++)
            at->wanted[end[top_k_id(key[r * room + a])]++] = (uint32_t)(r * room + a);
    for (size_t a = 0; a < at->cells; a++)
        for (int32_t p = v->cells->start[at->sequence[a]]; p < v->cells->start[at->sequence[a] + 1]; p++, place++) {
            const uint32_t first = place ? end[place - 1] : 0;
            if (end[place] > first)
                measure_row(v, at, from, (uint32_t)v->cells->order[p], at->wanted + first, end[place] - first);
        }
}

/* Step 3 put off: ids in place of places. */
static void keep_candidates(const visit *v, desk *at, size_t from, size_t rows)
{
    uint32_t *id     = at->wanted_end; /* of each visited row */
    size_t    places = 0;
    for (size_t a = 0; a < at->cells; a++)
        for (int32_t p = v->cells->start[at->sequence[a]]; p < v->cells->start[at->sequence[a] + 1]; p++)
            id[places++] = (uint32_t)v->cells->order[p];
    for (size_t r = 0; r < rows; r++) {
        const size_t    i = (size_t)v->cells->order[from + r], list = at->list0 + r;
        const uint64_t *key = v->lists.key + list * v->lists.room;
        v->found[i]         = v->lists.count[list];
        for (size_t a = 0; a < v->found[i]; a++) v->candidate[i * v->plan->keep + a] = id[top_k_id(key[a])];
    }
}

/* The k nearest of the measured candidates of row i. */
static void take_nearest(const visit *v, size_t i, uint64_t *key, size_t count, int32_t *index, float *distance)
{
    const size_t k = v->search->k;
    if (count > k) top_k_select(key, count, k);
    top_k_sort(key, k);
    for (size_t a = 0; a < k; a++) {
        index[i * k + a]    = (int32_t)top_k_id(key[a]);
        distance[i * k + a] = top_k_value(key[a]);
    }
}

static void visit_group(visit *v, desk *at, size_t from, size_t rows, int32_t *index, float *distance)
{
    top_k_reset(&v->lists, at->list0, at->list0 + GROUP);
    choose_cells(v, at, from, rows);
    find_candidates(v, at, from, rows);
    if (v->candidate) {
        keep_candidates(v, at, from, rows);
        return;
    }
    measure(v, at, from, rows);
    for (size_t r = 0; r < rows; r++)
        take_nearest(v, (size_t)v->cells->order[from + r], v->lists.key + (at->list0 + r) * v->lists.room,
                     v->lists.count[at->list0 + r], index, distance);
}

/* All rows at once; what the visit has worked on is not needed any more. */
static ne_status measure_later(ne_context *context, visit *v, int32_t *index, float *distance, int *lost)
{
    const size_t n = v->search->rows->count, keep = v->plan->keep;
    ne_status    st;

    top_k_clear(&context->memory, &v->lists);
    st = knn_stream_measure(context, v->search, v->cells->order, keep, v->candidate, v->found);
    for (size_t i = 0; i < n && st == NE_OK; i++)
        for (size_t a = 0; a < v->found[i]; a++) *lost |= isnan(top_k_value(v->candidate[i * keep + a]));
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < (st == NE_OK ? n : 0); i++)
        take_nearest(v, i, v->candidate + i * keep, v->found[i], index, distance);
    return st;
}

ne_status knn_visit(ne_context *context, const knn_search *search, const knn_sketch *sketch, const knn_cells *cells,
                    const knn_plan *plan, int32_t *index, float *distance)
{
    const size_t n = search->rows->count, groups = (n + GROUP - 1) / GROUP, step = (groups + REPORTS - 1) / REPORTS;
    visit        v    = {.search = search, .sketch = sketch, .cells = cells, .plan = plan};
    ne_status    st   = visit_create(context, &v);
    int          lost = 0;

    for (size_t g0 = 0; g0 < groups && st == NE_OK; g0 += step) {
        const size_t g1 = smaller(g0 + step, groups);
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
        for (size_t g = g0; g < g1; g++)
            visit_group(&v, &v.desks[omp_get_thread_num()], g * GROUP, smaller(GROUP, n - g * GROUP), index, distance);
        if (progress_report(search->progress, "knn", (int64_t)g1, (int64_t)groups))
            st = ne_fail(NE_CANCELLED, "knn: cancelled by the progress callback");
    }
    for (int t = 0; t < context_threads(context) && st == NE_OK; t++) lost |= v.desks[t].lost;
    if (st == NE_OK && v.candidate) st = measure_later(context, &v, index, distance, &lost);
    if (st == NE_OK && lost)
        st = ne_fail(NE_INVALID_ARGUMENT, "metric '%s': a distance is not a number", search->rows->metric->name);
    visit_clear(&context->memory, &v);
    return st;
}

double knn_visit_bytes(const ne_context *context, double n, double sketch_width, double k)
{
    const double cells = knn_cells_count(n), threads = context_threads(context), keep = fmin(2 * k, n);
    const double floats = GROUP * sketch_width + fmax(SLICE * cells, 4 * STRETCH);
    const double words  = 2 * GROUP * (cells / 10 + 1) + GROUP + 2 * cells + GROUP * keep + fmin(n, GROUP * n / 10);
    return threads * (cells * sizeof(uint64_t) + floats * sizeof(float) + words * sizeof(uint32_t)) +
           top_k_bytes(threads * GROUP, keep);
}
