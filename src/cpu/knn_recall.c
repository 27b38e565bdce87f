/* cpu/knn_recall.c: see knn_recall.h. */
#include "cpu/knn_recall.h"

#include "base/random.h"
#include "cpu/knn_bound.h"
#include "cpu/knn_stream.h"

#include <math.h>

enum {
    LEAST = 128, /* rows */
    MOST  = 512
};
static const double affordable = 0.03; /* of the visit's cost */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Costs of a row by bounds are those of knn_pilot.h, with a fiftieth of the rows left to be measured from far-off places
 * in memory. */
static size_t affordable_rows(const knn_search *search, const knn_sketch *sketch, const knn_plan *plan)
{
    const double left = sketch->whole ? (double)search->k : (double)search->rows->count / 50;
    const double one  = knn_pilot_bound_cost(search, sketch, (double)search->rows->count, 4 * left);
    const double rows = affordable * plan->cost * (double)search->rows->count / one;
    return smaller((size_t)fmin(fmax(rows, LEAST), MOST), search->rows->count);
}

/* Mean, and standard error of it, of each row's share of results within its k-th exact distance. */
static void compare(const int32_t *query, const float *exact, size_t k, const float *distance, knn_recall *made)
{
    double sum = 0, squares = 0;
    for (size_t q = 0; q < made->rows; q++) {
        size_t found = 0;
        for (size_t a = 0; a < k; a++) found += distance[(size_t)query[q] * k + a] <= exact[q * k + k - 1];
        const double share = (double)found / (double)k;
        sum += share;
        squares += share * share;
    }
    const double rows = (double)made->rows;
    made->mean        = sum / rows;
    made->error       = rows > 1 ? sqrt(fmax(0, squares / rows - made->mean * made->mean) / (rows - 1)) : 0;
}

ne_status knn_recall_measure(ne_context *context, const knn_search *search, const knn_sketch *sketch,
                             const knn_cells *cells, const knn_plan *plan, uint64_t seed, const float *distance,
                             knn_recall *made)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = search->rows->count, k = search->k;
    const int           bounded = knn_bound_works(search->rows, sketch) && !knn_stream_is_needed(context, search->rows);
    const size_t        rows    = bounded ? affordable_rows(search, sketch, plan) : smaller(n, LEAST);
    ne_status           st      = NE_OK;
    int32_t            *query   = memory_new(mem, rows, sizeof *query);
    int32_t            *index   = memory_new(mem, rows, k * sizeof *index);
    float              *exact   = memory_new(mem, rows, k * sizeof *exact);

    if (!query || !index || !exact) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t q = 0; q < rows; q++) { /* one of each stretch of positions */
        const random_block draw = random_draw(seed, STREAM_KNN, 3, q, 0);
        const size_t       from = q * n / rows, to = (q + 1) * n / rows;
        query[q] = cells->order[from + (size_t)random_below(draw.word[0], draw.word[1], to - from)];
    }
    if (bounded) st = knn_bound(context, search, sketch, cells, query, rows, distance, index, exact, NULL);
    else st = knn_exact_some(context, search, query, rows, index, exact);
    if (st != NE_OK) goto done;
    made->rows = rows;
    compare(query, exact, k, distance, made);
done:
    memory_free(mem, query);
    memory_free(mem, index);
    memory_free(mem, exact);
    return st;
}

double knn_recall_bytes(const ne_context *context, double n, double width, double sketch_width, double k, int bounded)
{
    const double rows = fmin(n, bounded ? MOST : LEAST), results = rows * (1 + 2 * k) * sizeof(float);
    return results + (bounded ? knn_bound_bytes(context, n, sketch_width, k, rows)
                              : knn_exact_some_bytes(context, n, width, k, rows));
}
