/* cpu/repulsion.c: see repulsion.h.
 *
 * The choice is by cost on one thread, from the number of points and the layout alone: more threads speed up all three
 * about as much, and the same fit has to take the same way on any machine. It stays with what it has until something
 * else is a quarter cheaper, as layouts change slowly and a grid would have to be made anew. */
#include "cpu/repulsion.h"

#include "cpu/box.h"
#include "cpu/repulse_exact.h"
#include "cpu/repulse_exact_rows.h"
#include "cpu/repulse_grid.h"
#include "cpu/repulse_tree.h"

#include <math.h>

enum {
    WAYS = 3,
    REST = 16,
    FEW  = 128
};

struct repulsion {
    repulsion_plan plan;
    output_kernel  kernel;
    repulse_grid  *grid; /* grid and tree are made when first needed */
    repulse_tree  *tree;
    ne_repulsion   last;
    int            rest; /* steps for which the grid is not tried, after it gave up on a layout */
};

static ne_status need_grid(ne_context *context, repulsion *with)
{
    return with->grid ? NE_OK : repulse_grid_create(context, &with->plan, &with->grid);
}

static ne_status need_tree(ne_context *context, repulsion *with)
{
    return with->tree ? NE_OK : repulse_tree_create(context, &with->plan, &with->tree);
}

ne_status cpu_repulsion_create(ne_context *context, const repulsion_plan *plan, repulsion **made)
{
    ne_status  st   = NE_OK;
    repulsion *with = memory_zero(&context->memory, 1, sizeof *with);
    if (!with) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    with->plan        = *plan;
    with->kernel      = *plan->kernel;
    with->plan.kernel = &with->kernel;
    with->last        = NE_REPULSION_NONE;
    if (plan->over_rows && (plan->method == NE_REPULSION_FFT || plan->method == NE_REPULSION_BARNES_HUT))
        st = ne_fail(NE_UNSUPPORTED, "repulsion: %s cannot normalise over rows, only exact can",
                     plan->method == NE_REPULSION_FFT ? "fft" : "barnes_hut");
    else if (plan->method == NE_REPULSION_FFT) st = need_grid(context, with);
    else if (plan->method == NE_REPULSION_BARNES_HUT && (plan->c < 2 || plan->c > 3))
        st = ne_fail(NE_UNSUPPORTED, "repulsion: barnes_hut works for 2 or 3 components, not %zu", plan->c);
    else if (plan->method == NE_REPULSION_BARNES_HUT) st = need_tree(context, with);
    if (st != NE_OK) goto done;
    *made = with;
    with  = NULL;
done:
    cpu_repulsion_free(context, with);
    return st;
}

void cpu_repulsion_free(ne_context *context, repulsion *with)
{
    if (with) {
        repulse_grid_free(context, with->grid);
        repulse_tree_free(context, with->tree);
        memory_free(&context->memory, with);
    }
}

ne_repulsion cpu_repulsion_last(const repulsion *with)
{
    return with->last;
}

double cpu_repulsion_bytes(const ne_context *context, const repulsion_plan *plan)
{
    const ne_repulsion method = plan->method;
    double             most   = plan->over_rows ? (double)plan->n * sizeof(double) : 0;
    (void)context;
    if (method != NE_REPULSION_EXACT && !plan->over_rows && plan->n > FEW) {
        if (method != NE_REPULSION_BARNES_HUT && repulse_grid_knows(plan)) most += repulse_grid_bytes(plan);
        if (method != NE_REPULSION_FFT) most += repulse_tree_bytes(plan);
    }
    return most;
}

/* --- The choice --------------------------------------------------------------------------------------------------- */

/* Nanoseconds by ne_repulsion for all rows, however many of them are wanted (ranks must agree on the way); infinite for
 * what cannot be used. */
static void costs_set(repulsion *with, const box *around, const float *z, double cost[WAYS + 1])
{
    cost[NE_REPULSION_AUTO]       = INFINITY;
    cost[NE_REPULSION_EXACT]      = repulse_exact_cost(&with->plan, with->plan.n, 1);
    cost[NE_REPULSION_BARNES_HUT] = repulse_tree_cost(&with->plan, box_extent(around, with->plan.c), 1);
    cost[NE_REPULSION_FFT]        = with->grid && !with->rest ? repulse_grid_cost(with->grid, around, z) : INFINITY;
}

static ne_repulsion cheapest(const double cost[WAYS + 1], ne_repulsion last)
{
    ne_repulsion best = NE_REPULSION_EXACT;
    if (cost[NE_REPULSION_BARNES_HUT] < cost[best]) best = NE_REPULSION_BARNES_HUT;
    if (cost[NE_REPULSION_FFT] < cost[best]) best = NE_REPULSION_FFT;
    return last != NE_REPULSION_NONE && cost[best] > 0.75 * cost[last] ? last : best;
}

/* --- A step ------------------------------------------------------------------------------------------------------- */

static void fill_nan(const repulsion *with, repulsion_job *job)
{
    for (size_t i = job->row0 * with->plan.c; i < job->row1 * with->plan.c; i++) job->f[i] = NAN;
    job->normaliser = NAN;
}

static ne_status run(ne_context *context, repulsion *with, ne_repulsion way, const box *around, repulsion_job *job)
{
    ne_status st = NE_OK;
    if (way == NE_REPULSION_FFT) {
        st = repulse_grid_run(context, with->grid, around, job);
    } else if (way == NE_REPULSION_EXACT) {
        st = repulse_exact(context, with->plan.n, with->plan.c, &with->kernel, job);
    } else {
        st = need_tree(context, with);
        if (st == NE_OK) st = repulse_tree_run(context, with->tree, job);
    }
    if (st == NE_OK) with->last = way;
    return st;
}

/* On a grid if that is what was asked for, and it can; else the cheapest way, and another one if the grid gives up. */
static ne_status run_chosen(ne_context *context, repulsion *with, const box *around, repulsion_job *job)
{
    ne_status st             = NE_OK;
    double    cost[WAYS + 1] = {0};
    with->rest -= with->rest > 0;
    if (!with->grid && repulse_grid_knows(&with->plan)) st = need_grid(context, with);
    if (st != NE_OK) goto done;
    costs_set(with, around, job->z, cost);
    ne_repulsion way = cheapest(cost, with->last);
    if (with->plan.method == NE_REPULSION_FFT && cost[NE_REPULSION_FFT] < INFINITY) way = NE_REPULSION_FFT;
    if (with->plan.n <= FEW) way = NE_REPULSION_EXACT; /* cheaper, and a grid is not made for a few lone points */
    st = run(context, with, way, around, job);
    if (st == NE_UNSUPPORTED) {
        with->rest             = REST;
        cost[NE_REPULSION_FFT] = INFINITY;
        st                     = run(context, with, cheapest(cost, NE_REPULSION_NONE), around, job);
    }
done:
    return st;
}

ne_status cpu_repulse(ne_context *context, repulsion *with, repulsion_job *job)
{
    const size_t       n = with->plan.n, c = with->plan.c;
    const ne_repulsion method = with->plan.method;
    ne_status          st     = NE_OK;
    if (with->plan.over_rows) {
        with->last = NE_REPULSION_EXACT;
        st         = repulse_exact_rows(context, &with->plan, job);
    } else if (method == NE_REPULSION_EXACT || c > BOX_AXES) {
        st = run(context, with, NE_REPULSION_EXACT, NULL, job);
    } else {
        const box around = box_of(context, n, c, job->z);
        if (!around.finite) fill_nan(with, job);
        else if (method == NE_REPULSION_BARNES_HUT) st = run(context, with, method, &around, job);
        else st = run_chosen(context, with, &around, job);
    }
    return st;
}
