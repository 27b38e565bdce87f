/* cpu/knn_approximate.c: see knn_approximate.h.
 *
 *   sketch   a short form of every row                              knn_sketch.h
 *   cells    rows in cells of about 128                             knn_cells.h
 *   pilot    exact neighbors of some rows, and so the cheapest plan  knn_pilot.h
 *   visit    every row: cells nearby by sketch, the best in full    knn_visit.h
 *   recall   exact neighbors of other rows tell how good that was   knn_recall.h
 *
 * Where no plan reaches the recall, or exact search costs less, exact search is what is done, by bounds (knn_bound.h) or
 * pair by pair (knn_exact.h), as the pilot says; but not of mapped data beyond a buffer, which it would read hundreds of
 * times: there the best plan that can be had is taken. */
#include "cpu/knn_approximate.h"

#include "base/blas.h"
#include "cpu/knn_bound.h"
#include "cpu/knn_recall.h"
#include "cpu/knn_stream.h"
#include "cpu/knn_visit.h"

#include <math.h>

enum {
    TRIES = 3
};
static const double RADII = 0.9; /* recall of an answer that is but the start of an exact one */

typedef struct means {
    knn_pilot  pilot;
    knn_sketch sketch;
    knn_cells  cells;
    int        streamed;
} means;

static ne_status means_create(ne_context *context, const knn_search *search, means *m)
{
    const knn_rows  *rows  = search->rows;
    const knn_pilot *pilot = &m->pilot;
    ne_status        st    = knn_pilot_create(context, search, search->seed, &m->pilot);
    if (st == NE_OK) st = knn_sketch_create(context, rows, search->seed, &m->sketch);
    if (st == NE_OK && !m->sketch.whole)
        st = knn_sketch_correlate(context, rows, pilot->query, pilot->queries, pilot->index, pilot->k, &m->sketch);
    return st != NE_OK ? st : knn_cells_create(context, rows, search->seed, &m->sketch, &m->cells);
}

static void means_clear(const ne_allocator *mem, means *m)
{
    knn_sketch_clear(mem, &m->sketch);
    knn_cells_clear(mem, &m->cells);
    knn_pilot_clear(mem, &m->pilot);
}

/* A plan for the target; of a search that has to do without exact search for less, where none gets there. */
static ne_status make_plan(ne_context *context, const knn_search *search, const means *m, double target, knn_plan *plan)
{
    ne_status st = knn_pilot_plan(context, search, &m->sketch, &m->cells, &m->pilot, target, plan);
    if (!m->streamed) return st;
    for (; st == NE_OK && isinf(plan->cost) && target > 0; target -= 0.05)
        st = knn_pilot_plan(context, search, &m->sketch, &m->cells, &m->pilot, fmax(target - 0.05, 0), plan);
    const size_t most = knn_stream_most(search->rows, search->k);
    if (plan->keep > most) plan->keep = most;
    return st;
}

/* An answer by plan. *enough: it has the recall that was asked for. *visited: there is one at all. */
static ne_status search_by_plan(ne_context *context, const knn_search *search, const means *m, int32_t *index,
                                float *distance, double *recall, int *enough, int *visited)
{
    const double exact_cost = knn_pilot_exact_cost(search);
    double       raise      = 0;
    knn_plan     last       = {0};
    ne_status    st         = NE_OK;
    for (int a = 0; a < TRIES && !*enough; a++) {
        knn_plan   plan;
        knn_recall measured;
        st = make_plan(context, search, m, fmin(search->recall + raise, 0.5 + 0.5 * search->recall), &plan);
        if (st != NE_OK || (plan.cost >= exact_cost && !m->streamed)) break;
        if (m->streamed && a > 0 && plan.scan <= last.scan && plan.keep <= last.keep)
            break; /* there is no better one */
        last = plan;
        if ((st = knn_visit(context, search, &m->sketch, &m->cells, &plan, index, distance)) != NE_OK) break;
        *visited = 1;
        st       = knn_recall_measure(context, search, &m->sketch, &m->cells, &plan, search->seed, distance, &measured);
        if (st != NE_OK) break;
        *recall = measured.mean;
        *enough = measured.mean >= search->recall;
        raise += search->recall - measured.mean + measured.error;
        context_log(context, NE_LOG_INFO, "knn: %zu rows visited, %zu measured, recall %.4f +- %.4f of %zu rows",
                    plan.scan, plan.keep, measured.mean, measured.error, measured.rows);
    }
    return st;
}

/* What an exact answer by bounds costs a row, learnt from the rows of the pilot, whose radii are known: they are put into
 * distance, count x k. */
static ne_status cost_by_bounds(ne_context *context, const knn_search *search, const means *m, float *distance,
                                double *cost)
{
    const knn_pilot *pilot = &m->pilot;
    const size_t     k     = pilot->k;
    const double     n     = (double)pilot->queries;
    knn_bound_work   work  = {0};
    ne_status        st    = NE_OK;
    float           *again = memory_new(&context->memory, pilot->queries, k * sizeof *again);

    if (!again) return NE_OUT_OF_MEMORY;
    for (size_t q = 0; q < pilot->queries; q++)
        distance[(size_t)pilot->query[q] * k + k - 1] = pilot->distance[q * k + k - 1];
    st = knn_bound(context, search, &m->sketch, &m->cells, pilot->query, pilot->queries, distance, NULL, again, &work);
    *cost = knn_pilot_bound_cost(search, &m->sketch, work.bounded / n, work.measured / n);
    memory_free(&context->memory, again);
    return st;
}

/* *finished: 0 where pair by pair would be faster, or nothing is known of where to look. The approximate answer that gives the
 * radii may be a cheap one. */
static ne_status search_by_bounds(ne_context *context, const knn_search *search, const means *m, int visited,
                                  int32_t *index, float *distance, int *finished)
{
    double    cost = INFINITY;
    knn_plan  plan = {0};
    ne_status st   = NE_OK;

    if (m->streamed || !knn_bound_may_pay(search->rows, search->k) || m->sketch.whole ||
        !knn_bound_works(search->rows, &m->sketch))
        return NE_OK;
    st = cost_by_bounds(context, search, m, distance, &cost);
    if (st == NE_OK && !visited) st = make_plan(context, search, m, RADII, &plan);
    if (st != NE_OK || !(plan.cost + cost < knn_pilot_exact_cost(search))) return st;
    if (!visited) st = knn_visit(context, search, &m->sketch, &m->cells, &plan, index, distance);
    if (st == NE_OK) st = knn_bound(context, search, &m->sketch, &m->cells, NULL, 0, distance, index, distance, NULL);
    *finished = st == NE_OK;
    return st;
}

ne_status knn_approximate(ne_context *context, const knn_search *search, int32_t *index, float *distance,
                          double *recall, int *exact)
{
    const knn_rows *rows     = search->rows;
    const int       complete = search->recall >= 1;
    ne_status       st       = NE_OK;
    means           m        = {.streamed = knn_stream_is_needed(context, rows)};
    int             enough = 0, visited = 0, finished = 0;

    *recall = 1;
    *exact  = 1;
    if (rows->space == KNN_INNER || (complete && (m.streamed || !knn_bound_may_pay(rows, search->k))))
        return knn_exact(context, search, index, distance);
    blas_enter();
    if ((st = means_create(context, search, &m)) != NE_OK) goto done;
    if (!complete) st = search_by_plan(context, search, &m, index, distance, recall, &enough, &visited);
    if (st != NE_OK) goto done;
    if (m.streamed && !enough) {
        context_log(context, NE_LOG_WARNING,
                    "recall: %.4f of %.4f is reached, and x is too large to be searched exactly", *recall,
                    search->recall);
        enough = 1;
    }
    *exact = !enough;
    if (!enough) {
        *recall = 1;
        st      = search_by_bounds(context, search, &m, visited, index, distance, &finished);
        if (st != NE_OK || finished) goto done;
        means_clear(&context->memory, &m); /* whose place the lists of exact search take */
        st = knn_exact(context, search, index, distance);
    }
done:
    blas_leave();
    means_clear(&context->memory, &m);
    return st;
}

double knn_approximate_bytes(const ne_context *context, double n, double width, double k, int bounded)
{
    double       sketch_width, kept;
    const double sample = knn_exact_some_bytes(context, n, width, k, knn_pilot_queries(n));
    const double sketch = knn_sketch_bytes(context, n, width, &sketch_width);
    const double cells  = knn_cells_bytes(context, n, sketch_width, &kept);
    const double after  = fmax(knn_visit_bytes(context, n, sketch_width, k),
                               knn_recall_bytes(context, n, width, sketch_width, k, bounded));
    const double search = kept + fmax(knn_pilot_plan_bytes(n, k), after);
    return knn_pilot_bytes(n, k) + fmax(fmax(sample, sketch), fmax(cells, search));
}
