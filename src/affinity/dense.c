/* affinity/dense.c: see dense.h. */
#include "affinity/dense.h"

#include "affinity/pair_list.h"
#include "base/view.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* --- One row of values. */

static ne_status directed_row(const dense_affinity *a, size_t row, int32_t across, const float *distances,
                              float *values)
{
    return a->ops->rows(a->params, a->pairs->n, row, across, distances, a->solution.dual, values);
}

static void unite(size_t n, const float *across, float *values)
{
    for (size_t j = 0; j < n; j++) {
        const double p = (double)values[j], q = (double)across[j];
        values[j] = (float)(p + q - p * q);
    }
}

static void average(size_t n, const float *across, double scale, float *values)
{
    for (size_t j = 0; j < n; j++) values[j] = (float)(0.5 * scale * ((double)values[j] + (double)across[j]));
}

/* values is not distances. */
static ne_status make_row(const dense_affinity *a, size_t row, const float *distances, float *values)
{
    const size_t n      = a->pairs->n;
    float       *across = a->scratch + (size_t)omp_get_thread_num() * 2 * n;
    ne_status    st     = directed_row(a, row, 0, distances, values);

    if (st != NE_OK || a->ops->combine == NE_COMBINE_NONE) return st;
    if (a->own->symmetric) {
        for (size_t j = 0; j < n; j++) values[j] = (float)(a->scale * (double)values[j]);
    } else if (a->combined && (st = directed_row(a, row, 1, distances, across)) == NE_OK) {
        if (a->ops->combine == NE_COMBINE_UNION) unite(n, across, values);
        else average(n, across, a->scale, values);
    } else if (a->ops->combine == NE_COMBINE_MEAN) {
        for (size_t j = 0; j < n; j++) values[j] = (float)(a->scale * (double)values[j]);
    }
    return st;
}

/* --- What the mean is divided by, where rows do not sum to 1: one more visit. */

typedef struct sum_job {
    const dense_affinity *a;
    double               *sum; /* n */
} sum_job;

static ne_status sum_row(void *user, size_t row, const float *distances)
{
    const sum_job *job    = user;
    const size_t   n      = job->a->pairs->n;
    float         *values = job->a->scratch + (size_t)omp_get_thread_num() * 2 * n;
    ne_status      st     = directed_row(job->a, row, 0, distances, values);
    job->sum[row]         = 0;
    for (size_t j = 0; j < n; j++) job->sum[row] += (double)values[j];
    return st;
}

static ne_status find_scale(dense_affinity *a)
{
    const size_t n   = a->pairs->n;
    ne_status    st  = NE_OK;
    double       sum = 0;

    a->scale = 1;
    if (a->ops->combine != NE_COMBINE_MEAN) return NE_OK;
    if (a->ops->row_sum_is_one) {
        sum = (double)n;
    } else {
        sum_job job = {a, memory_new(&a->context->memory, n, sizeof *job.sum)};
        st          = job.sum ? ne_pairs_visit(a->pairs, sum_row, &job) : NE_OUT_OF_MEMORY;
        for (size_t i = 0; st == NE_OK && i < n; i++) sum += job.sum[i];
        memory_free(&a->context->memory, job.sum);
    }
    if (st == NE_OK && !(sum > 0)) st = ne_fail(NE_INVALID_ARGUMENT, "%s: the affinities sum to %g", a->ops->name, sum);
    a->scale = 1 / sum;
    return st;
}

/* --- Values that are those of a kernel, tile by tile. */

static int kernel_of(const dense_affinity *a, const double *dual, float_kernel *kernel)
{
    return a->own->kernel && a->own->kernel(a->params, dual, kernel);
}

typedef struct tiles_job {
    const float_kernel *kernel;
    float              *a, *factor; /* n each */
    float              *all;
} tiles_job;

/* Values take the place of distances, and their mirror image that of whatever is there: no visit reads it again. */
static void tile_values(void *user, const pairs_tile *t)
{
    const tiles_job *job  = user;
    const size_t     rows = t->row1 - t->row0, cols = t->col1 - t->col0;
    float            k[PAIRS_TILE * PAIRS_TILE];
    for (size_t r = 0; r < rows; r++) {
        const size_t i  = t->row0 + r;
        float       *to = t->at + r * t->stride, *row = k + r * PAIRS_TILE;
        float_kernel_values(job->kernel, cols, job->a[i], 1, job->a + t->col0, to, row);
        if (job->kernel->zero_diag && t->row0 == t->col0) row[r] = 0;
        for (size_t c = 0; c < cols; c++) to[c] = job->factor[i] * row[c];
        for (size_t c = 0; c < cols; c++) row[c] *= job->factor[t->col0 + c];
    }
    if (t->row0 != t->col0)
        pairs_mirror(rows, cols, k, PAIRS_TILE, job->all + t->col0 * t->stride + t->row0, t->stride);
}

static ne_status fill_by_tiles(const dense_affinity *a, const float_kernel *kernel)
{
    const ne_allocator *mem = &a->context->memory;
    const size_t        n   = a->pairs->n;
    tiles_job job = {kernel, memory_new(mem, n, sizeof *job.a), memory_new(mem, n, sizeof *job.factor), a->pairs->kept};
    ne_status st  = NE_OUT_OF_MEMORY;
    if (job.a && job.factor) {
        float_kernel_precisions(kernel, 0, n, job.a);
        for (size_t i = 0; i < n; i++) job.factor[i] = float_kernel_factor(kernel, i);
        st = pairs_visit_tiles(a->pairs, tile_values, &job);
    }
    memory_free(mem, job.a);
    memory_free(mem, job.factor);
    return st;
}

/* --- Open, close. */

ne_status dense_open(dense_affinity *a, const knn_params *knn, const ne_dense *x, float *room, size_t stride)
{
    const ne_allocator *mem = &a->context->memory;
    const size_t        n = x->rows, duals = a->ops->dual_count;
    ne_status           st;

    a->own      = affinity_builtin_of(a->ops);
    a->pairs    = NULL;
    a->scratch  = NULL;
    a->solution = (ne_solution){.struct_size = sizeof a->solution, .met = 1};
    if (!a->ops->rows)
        return ne_fail(NE_UNSUPPORTED, "%s: it has no form over all pairs in linear memory", a->ops->name);
    if (a->ops->check && (st = a->ops->check(a->params, n)) != NE_OK) return st;
    if (room && kernel_of(a, NULL, &a->kernel))
        st = pairs_open_values(a->context, knn, &a->kernel, x, a->progress, room, stride, &a->pairs);
    else st = pairs_open(a->context, knn, a->ops->takes_matrix, x, a->progress, room, stride, &a->pairs);
    if (st != NE_OK) goto done;
    a->scratch       = memory_new(mem, 2 * n, (size_t)context_threads(a->context) * sizeof *a->scratch);
    a->solution.dual = memory_zero(mem, n, (duals ? duals : 1) * sizeof *a->solution.dual);
    if (!a->scratch || !a->solution.dual) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if (a->start) memcpy(a->solution.dual, a->start, n * sizeof *a->start);
    a->solution.started = a->start != NULL;
    if (a->ops->solve && (st = a->ops->solve(a->params, a->pairs, &a->solution)) != NE_OK) goto done;
    if (!a->solution.met)
        context_log(a->context, NE_LOG_WARNING, "%s: not converged in %lld iterations, the residual is %.3g",
                    a->ops->name, (long long)a->solution.n_iter, a->solution.residual);
    st = find_scale(a);
done:
    if (st != NE_OK) dense_close(a);
    return st;
}

void dense_close(dense_affinity *a)
{
    memory_free(&a->context->memory, a->scratch);
    memory_free(&a->context->memory, a->solution.dual);
    pairs_close(a->pairs);
    a->scratch       = NULL;
    a->solution.dual = NULL;
    a->pairs         = NULL;
}

/* --- Rows of values, in the place of their distances. */

typedef struct block_job {
    const dense_affinity *a;
    float                *at; /* row row0 */
    size_t                row0, stride;
} block_job;

static ne_status block_row(void *user, size_t row, const float *distances)
{
    const block_job *job    = user;
    const size_t     n      = job->a->pairs->n;
    float           *values = job->a->scratch + ((size_t)omp_get_thread_num() * 2 + 1) * n;
    const ne_status  st     = make_row(job->a, row, distances, values);
    if (st == NE_OK) memcpy(job->at + (row - job->row0) * job->stride, values, n * sizeof *values);
    return st;
}

ne_status dense_rows(dense_affinity *a, size_t most, dense_take take, void *user)
{
    const size_t n  = a->pairs->n;
    ne_status    st = NE_OK;

    for (size_t row0 = 0, row1 = 0; row0 < n && st == NE_OK; row0 = row1) {
        block_job job = {.a = a, .row0 = row0};
        if ((st = pairs_block(a->pairs, row0, &job.at, &job.stride, &row1)) != NE_OK) break;
        st = pairs_visit_block(a->pairs, row0, row1, job.at, job.stride, block_row, &job);
        for (size_t r = row0; take && st == NE_OK && r < row1; r += most) {
            const size_t end = r + most < row1 ? r + most : row1;
            if (take(user, r, end, job.at + (r - row0) * job.stride, job.stride))
                st = ne_fail(NE_CANCELLED, "cancelled at row %zu of the affinity", r);
        }
    }
    return st;
}

/* --- A table with weights() alone: rows are sorted, and the combination works on the whole matrix. */

typedef struct weighed {
    float  distance;
    size_t index;
} weighed;

static int by_distance(const void *p, const void *q)
{
    const weighed *a = p, *b = q;
    const int      d = (a->distance > b->distance) - (a->distance < b->distance);
    return d ? d : (a->index > b->index) - (a->index < b->index);
}

typedef struct weigh_job {
    const ne_affinity_ops *ops;
    const void            *params;
    float                 *p, *values; /* n a thread */
    weighed               *list;       /* n a thread */
    size_t                 n;
} weigh_job;

static ne_status weigh_row(void *user, size_t row, const float *distances)
{
    const weigh_job *job = user;
    const size_t     n = job->n, me = (size_t)omp_get_thread_num() * n;
    weighed         *list   = job->list + me;
    float           *values = job->values + me;
    size_t           count  = 0;
    double           bandwidth;
    for (size_t j = 0; j < n; j++)
        if (j != row) list[count++] = (weighed){distances[j], j};
    qsort(list, count, sizeof *list, by_distance);
    for (size_t j = 0; j < count; j++) values[j] = list[j].distance;
    const ne_status st = job->ops->weights(job->params, n, count, values, values, &bandwidth);
    if (st == NE_OK) {
        for (size_t j = 0; j < count; j++) job->p[row * n + list[j].index] = values[j];
        job->p[row * n + row] = 0;
    }
    return st;
}

static ne_status combine_matrix(const ne_affinity_ops *ops, size_t n, float *p)
{
    double scale = 1;
    if (ops->combine == NE_COMBINE_MEAN) {
        double sum = ops->row_sum_is_one ? (double)n : 0;
        for (size_t e = 0; !ops->row_sum_is_one && e < n * n; e++) sum += (double)p[e];
        if (!(sum > 0)) return ne_fail(NE_INVALID_ARGUMENT, "%s: the affinities sum to %g", ops->name, sum);
        scale = 0.5 / sum;
    }
    for (size_t i = 0; ops->combine != NE_COMBINE_NONE && i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double a = (double)p[i * n + j], b = (double)p[j * n + i];
            p[i * n + j] = p[j * n + i] = (float)(ops->combine == NE_COMBINE_MEAN ? scale * (a + b) : a + b - a * b);
        }
    return NE_OK;
}

static ne_status weigh_all(const dense_affinity *a, const knn_params *knn, const ne_dense *x, float *p)
{
    const ne_allocator *mem     = &a->context->memory;
    const size_t        n       = x->rows;
    const size_t        threads = (size_t)context_threads(a->context);
    ne_pairs           *pairs   = NULL;
    weigh_job           job     = {.ops    = a->ops,
                                   .params = a->params,
                                   .p      = p,
                                   .values = memory_new(mem, n, threads * sizeof *job.values),
                                   .list   = memory_new(mem, n, threads * sizeof *job.list),
                                   .n      = n};
    ne_status           st      = job.values && job.list ? NE_OK : NE_OUT_OF_MEMORY;

    if (st == NE_OK) st = pairs_open(a->context, knn, 0, x, a->progress, p, n, &pairs);
    if (st == NE_OK) st = ne_pairs_visit(pairs, weigh_row, &job);
    if (st == NE_OK) st = combine_matrix(a->ops, n, p);
    pairs_close(pairs);
    memory_free(mem, job.values);
    memory_free(mem, job.list);
    return st;
}

/* --- The whole matrix. */

ne_status dense_matrix(dense_affinity *a, const knn_params *knn, const ne_dense *x, float *room, size_t stride)
{
    const size_t n = x->rows;
    float_kernel kernel;
    ne_status    st;

    if (a->ops->rows) {
        st = dense_open(a, knn, x, room, stride);
        if (st == NE_OK && !a->pairs->values)
            st = kernel_of(a, a->solution.dual, &kernel) ? fill_by_tiles(a, &kernel) : dense_rows(a, n, NULL, NULL);
    } else if (a->ops->matrix) {
        if (a->ops->check && (st = a->ops->check(a->params, n)) != NE_OK) return st;
        st = pairs_open(a->context, knn, a->ops->takes_matrix, x, a->progress, room, stride, &a->pairs);
        if (st == NE_OK) st = a->ops->matrix(a->params, a->pairs, stride, room);
    } else if (a->ops->weights && a->combined && stride == n) {
        if (a->ops->check && (st = a->ops->check(a->params, n)) != NE_OK) return st;
        st = weigh_all(a, knn, x, room);
    } else {
        st = ne_fail(NE_UNSUPPORTED, "%s: %s", a->ops->name,
                     a->ops->weights ? "directed rows need the table's rows()" : "it has no dense input form");
    }
    return st;
}

ne_status affinity_dense(ne_context *context, const ne_affinity_ops *ops, const void *params, const knn_params *knn,
                         const ne_dense *x, const progress *report_to, float *p)
{
    dense_affinity  dense = {.context = context, .ops = ops, .params = params, .combined = 1, .progress = report_to};
    const ne_status st    = dense_matrix(&dense, knn, x, p, x->rows);
    dense_close(&dense);
    return st;
}

/* The rows and, up to PAIRS_DIRECT columns, those by columns, or beyond a block of them in strips; a solver's numbers and
 * rows in work for each thread. Some solvers keep lists of the pairs that matter: with the usual options about 500 a row,
 * of few rows about 0.2 of all. */
double affinity_dense_bytes(const ne_context *context, const ne_affinity_ops *ops, double n, double d)
{
    const affinity_builtin *own = affinity_builtin_of(ops);

    const double block   = d <= PAIRS_DIRECT ? n : fmin(n, PAIRS_BLOCK);
    const double rows    = ops->takes_matrix ? 0 : (n + block) * d * sizeof(float);
    const double threads = context_threads(context) * 2 * n * sizeof(float);
    const double numbers = n * (ops->solve ? 36 : 2) * sizeof(double);
    const double lists   = own->listed ? pair_list_bytes(fmin(500 * n, 0.2 * n * n), own->listed) : 0;
    const double squares = own->bytes ? own->bytes(context, n) : 0;
    return rows + threads + numbers + lists + squares;
}
