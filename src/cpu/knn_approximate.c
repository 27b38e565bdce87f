/* cpu/knn_approximate.c: see knn_approximate.h.
 *
 *   sketch   a short form of every row                              knn_sketch.h
 *   cells    rows in cells of about 128                             knn_cells.h
 *   pilot    exact neighbors of some rows, and so the cheapest plan  knn_pilot.h
 *   visit    every row: cells nearby by sketch, the best in full    knn_visit.h
 *
 * Where no plan reaches the recall, or exact search costs less, exact search is what is done. */
#include "cpu/knn_approximate.h"

#include "base/blas.h"
#include "cpu/knn_visit.h"

#include <math.h>

enum {
    TRIES = 3
};

ne_status knn_approximate(ne_context *context, const knn_search *search, int32_t *index, float *distance,
                          double *recall, int *exact)
{
    const ne_allocator *mem    = &context->memory;
    const knn_rows     *rows   = search->rows;
    ne_status           st     = NE_OK;
    knn_sketch          sketch = {0};
    knn_cells           cells  = {0};
    knn_pilot           pilot  = {0};

    *recall = 1;
    *exact  = 1;
    if (search->recall >= 1 || rows->space == KNN_INNER) return knn_exact(context, search, index, distance);
    blas_enter();
    if ((st = knn_pilot_create(context, search, search->seed, &pilot)) != NE_OK) goto done;
    if ((st = knn_sketch_create(context, rows, search->seed, &sketch)) != NE_OK) goto done;
    if (!sketch.whole &&
        (st = knn_sketch_correlate(context, rows, pilot.query, pilot.queries, pilot.index, pilot.k, &sketch)) != NE_OK)
        goto done;
    if ((st = knn_cells_create(context, rows, search->seed, &sketch, &cells)) != NE_OK) goto done;
    /* The plan was fitted to the sample, so it aims a little higher than asked; and again, should that not do. */
    for (int a = 1; a <= TRIES && *exact; a++) {
        const double target = fmin(search->recall + 0.005 * a, 0.5 + 0.5 * search->recall);
        knn_plan     plan;
        if ((st = knn_pilot_plan(context, search, &sketch, &cells, &pilot, target, &plan)) != NE_OK) goto done;
        if (plan.cost >= knn_pilot_exact_cost(search)) break;
        if ((st = knn_visit(context, search, &sketch, &cells, &plan, index, distance)) != NE_OK) goto done;
        *recall = knn_pilot_recall(&pilot, distance);
        *exact  = *recall < search->recall;
        context_log(context, NE_LOG_INFO, "knn: %zu rows visited, %zu measured, recall %.4f", plan.scan, plan.keep,
                    *recall);
    }
    if (*exact) { /* whose lists take the place of what was made so far */
        knn_sketch_clear(mem, &sketch);
        knn_cells_clear(mem, &cells);
        knn_pilot_clear(mem, &pilot);
        st      = knn_exact(context, search, index, distance);
        *recall = 1;
    }
done:
    blas_leave();
    knn_sketch_clear(mem, &sketch);
    knn_cells_clear(mem, &cells);
    knn_pilot_clear(mem, &pilot);
    return st;
}

double knn_approximate_bytes(const ne_context *context, double n, double width, double k)
{
    double       sketch_width, kept;
    const double sample = knn_exact_some_bytes(context, n, width, k, knn_pilot_queries(n));
    const double sketch = knn_sketch_bytes(context, n, width, &sketch_width);
    const double cells  = knn_cells_bytes(context, n, sketch_width, &kept);
    const double search = kept + fmax(knn_pilot_plan_bytes(n, k), knn_visit_bytes(context, n, sketch_width, k));
    return knn_pilot_bytes(n, k) + fmax(fmax(sample, sketch), fmax(cells, search));
}
