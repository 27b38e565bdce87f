/* affinity/input.c: see input.h. */
#include "affinity/input.h"

#include "affinity/builtin.h"
#include "graph/graph.h"

enum {
    ROWS = 256
};

ne_status affinity_check_graph(const ne_affinity_ops *ops, const void *params)
{
    const affinity_builtin *own = affinity_builtin_of(ops);
    return own->has_diagonal && own->has_diagonal(params)
               ? ne_fail(NE_UNSUPPORTED, "zero_diag: a graph has no diagonal, and with false each row of %s has one",
                         ops->name)
               : NE_OK;
}

ne_status affinity_apply(ne_context *context, const ne_affinity_ops *ops, const void *params, csr *distances,
                         double *bandwidth)
{
    const size_t  n      = distances->rows;
    const int64_t blocks = (int64_t)(n / ROWS + (n % ROWS != 0));
    size_t       *failed = NULL;
    ne_status     st     = affinity_check_graph(ops, params);
    float        *row    = NULL;
    double        ignored;

    if (st != NE_OK) return st;
    failed = memory_new(&context->memory, (size_t)blocks, sizeof *failed);
    if (!failed) return NE_OUT_OF_MEMORY;
#pragma omp parallel for schedule(dynamic, 4) num_threads(context_threads(context))
    for (int64_t b = 0; b < blocks; b++) {
        const size_t from = (size_t)b * ROWS, to = from + ROWS < n ? from + ROWS : n;
        failed[b] = n;
        for (size_t i = from; i < to && failed[b] == n; i++) {
            double       scale  = 0;
            float       *values = distances->val + distances->start[i];
            const size_t count  = (size_t)(distances->start[i + 1] - distances->start[i]);
            if (ops->weights(params, n, count, values, values, &scale) != NE_OK) failed[b] = i;
            if (bandwidth) bandwidth[i] = scale;
        }
    }
    /* The error text belongs to a worker: the first bad row is done again in the caller's thread, which gets the text. */
    for (int64_t b = 0; b < blocks && st == NE_OK; b++)
        if (failed[b] < n) {
            const size_t i     = failed[b];
            const size_t count = (size_t)(distances->start[i + 1] - distances->start[i]);
            row                = memory_new(&context->memory, count, sizeof *row);
            st                 = !row ? NE_OUT_OF_MEMORY
                                      : ops->weights(params, n, count, distances->val + distances->start[i], row, &ignored);
            if (st == NE_OK) st = ne_fail(NE_INTERNAL, "%s: row %zu failed once and not twice", ops->name, i);
        }
    memory_free(&context->memory, row);
    memory_free(&context->memory, failed);
    return st;
}

ne_status affinity_of_graph(ne_context *context, const ne_affinity_ops *ops, const void *params, const knn_params *knn,
                            csr *distances, double *bandwidth)
{
    ne_graph *from = NULL, *made = NULL;
    ne_status st;

    if (!ops->compute) return affinity_apply(context, ops, params, distances, bandwidth);
    if ((st = graph_new(context, &from)) != NE_OK) return st;
    from->kind   = NE_GRAPH_DISTANCES;
    from->knn    = *knn;
    from->matrix = *distances;
    *distances   = (csr){0};
    st           = ops->compute(params, context, from, &made);
    if (st == NE_OK && made->matrix.rows != from->matrix.rows)
        st = ne_fail(NE_INTERNAL, "%s: %zu rows of affinities for %zu rows", ops->name, made->matrix.rows,
                     from->matrix.rows);
    if (st == NE_OK) {
        *distances   = made->matrix;
        made->matrix = (csr){0};
        for (size_t i = 0; bandwidth && i < distances->rows; i++) bandwidth[i] = 0;
    }
    graph_free(made);
    graph_free(from);
    return st;
}

/* v_ij = a_ij + a_ji - a_ij a_ji on the pattern of A + A^T, whose rows, as those of A, are sorted by column. */
static double entry_at(const csr *a, size_t i, int32_t j)
{
    int64_t low = a->start[i], high = a->start[i + 1];
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (a->col[middle] < j) low = middle + 1;
        else high = middle;
    }
    return low < a->start[i + 1] && a->col[low] == j ? (double)a->val[low] : 0;
}

static void unite(ne_context *context, const csr *a, csr *to)
{
#pragma omp parallel for schedule(dynamic, 256) num_threads(context_threads(context))
    for (size_t i = 0; i < a->rows; i++) {
        int64_t at = a->start[i];
        for (int64_t e = to->start[i]; e < to->start[i + 1]; e++) {
            const int    have = at < a->start[i + 1] && a->col[at] == to->col[e];
            const double p = have ? (double)a->val[at++] : 0, q = entry_at(a, (size_t)to->col[e], (int32_t)i);
            to->val[e] = (float)(p + q - p * q);
        }
    }
}

ne_status affinity_combine(ne_context *context, const ne_affinity_ops *ops, csr *directed, csr *to)
{
    ne_status st;
    if (ops->combine == NE_COMBINE_NONE) {
        st = affinity_keep_directed(context, ops, directed, to);
    } else if (ops->combine == NE_COMBINE_UNION) {
        st = csr_symmetrise(context, directed, 1, to);
        if (st == NE_OK) unite(context, directed, to);
    } else {
        const double sum = ops->row_sum_is_one ? (double)directed->rows : csr_sum(directed);
        st               = sum > 0 ? csr_symmetrise(context, directed, 0.5 / sum, to)
                                   : ne_fail(NE_INVALID_ARGUMENT, "%s: the affinities sum to %g", ops->name, sum);
    }
    return st;
}

ne_status affinity_keep_directed(ne_context *context, const ne_affinity_ops *ops, csr *directed, csr *to)
{
    const double sum = ops->combine != NE_COMBINE_MEAN ? 1
                       : ops->row_sum_is_one           ? (double)directed->rows
                                                       : csr_sum(directed);
    ne_status    st;
    if (!(sum > 0)) return ne_fail(NE_INVALID_ARGUMENT, "%s: the affinities sum to %g", ops->name, sum);
    if ((st = csr_sort_rows(context, directed)) == NE_OK) {
        for (size_t e = 0; sum != 1 && e < directed->entries; e++)
            directed->val[e] = (float)((double)directed->val[e] / sum);
        *to       = *directed;
        *directed = (csr){0};
    }
    return st;
}

output_kernel output_kernel_of(const ne_affinity_ops *ops, const void *params)
{
    output_kernel kernel = {.kind = KERNEL_CUSTOM, .ops = ops, .params = params};
    if (ops == &affinity_student) kernel.kind = KERNEL_STUDENT;
    else if (ops == &affinity_gaussian) kernel.kind = KERNEL_GAUSSIAN;
    else if (ops == &affinity_largevis) kernel.kind = KERNEL_LARGEVIS;
    if (kernel.kind == KERNEL_STUDENT || kernel.kind == KERNEL_GAUSSIAN) kernel.shape = *(const double *)params;
    return kernel;
}
