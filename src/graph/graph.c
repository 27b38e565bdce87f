/* graph/graph.c: see graph.h. */
#include "graph/graph.h"

#include "base/view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ne_option graph_options[] = {
    {.name   = "n_neighbors",
     .type   = NE_OPT_INT,
     .offset = offsetof(graph_params, n_neighbors),
     .preset = "15",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "neighbors of each row, the row itself not counted"},
    {.name   = "random_state",
     .type   = NE_OPT_INT,
     .offset = offsetof(graph_params, random_state),
     .preset = "0",
     .min    = 0,
     .max    = 0x1p53,
     .help   = "seed of the approximate search"},
};

ne_status graph_new(ne_context *context, ne_graph **graph)
{
    const ne_allocator *mem  = &context->memory;
    ne_status           st   = NE_OK;
    ne_graph           *made = memory_zero(mem, 1, sizeof *made);

    if (!made) return NE_OUT_OF_MEMORY;
    made->context = context;
    context_hold(context);
    made->options.names = &knn_option_names;
    if ((st = options_add(mem, &made->options, "graph", graph_options, sizeof graph_options / sizeof *graph_options,
                          sizeof(ne_option), &made->params)) != NE_OK ||
        (st = options_add(mem, &made->options, "k-NN", knn_options, knn_option_count, sizeof(ne_option), &made->knn)) !=
            NE_OK ||
        (st = options_reset(&made->options)) != NE_OK)
        graph_free(made);
    else *graph = made;
    return st;
}

void graph_free(ne_graph *graph)
{
    if (graph) {
        ne_context *context = graph->context;
        csr_clear(&context->memory, &graph->matrix);
        options_clear(&context->memory, &graph->options);
        memory_free(&context->memory, graph);
        context_release(context);
    }
}

typedef struct neighbor {
    double  value;
    int64_t index;
} neighbor;

static int by_value(const void *a, const void *b)
{
    const neighbor *x = a, *y = b;
    const int       v = (x->value > y->value) - (x->value < y->value);
    return v ? v : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
    const neighbor *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* Sorts one row by index to find repeated columns, then into the order of its kind. */
static ne_status take_row(const char *what, size_t row, size_t n, ne_graph_kind kind, neighbor *list, size_t count)
{
    qsort(list, count, sizeof *list, by_index);
    for (size_t j = 0; j < count; j++) {
        if (list[j].index < 0 || (size_t)list[j].index >= n)
            return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu names column %lld, outside [0, %zu)", what, row,
                           (long long)list[j].index, n);
        if (j > 0 && list[j].index == list[j - 1].index)
            return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu names column %lld twice", what, row,
                           (long long)list[j].index);
        if (!(list[j].value >= 0) || !isfinite((float)list[j].value))
            return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu, column %lld is %g, not a finite number of 0 or more",
                           what, row, (long long)list[j].index, list[j].value);
    }
    if (kind == NE_GRAPH_DISTANCES) qsort(list, count, sizeof *list, by_value);
    return NE_OK;
}

static ne_status check_rows(const char *what, size_t n)
{
    return n < 2           ? ne_fail(NE_INVALID_ARGUMENT, "%s: %zu rows, at least 2 are needed", what, n)
           : n > INT32_MAX ? ne_fail(NE_UNSUPPORTED, "%s: %zu rows are more than %d", what, n, INT32_MAX)
                           : NE_OK;
}

ne_status graph_from_neighbors(ne_context *context, const ne_dense *indices, const ne_dense *distances, csr *to)
{
    const ne_allocator *mem  = &context->memory;
    csr                 made = {0};
    neighbor           *list = NULL;
    ne_status           st;

    if ((st = view_check_integer(indices, "indices")) != NE_OK || (st = view_check(distances, "distances")) != NE_OK ||
        (st = view_check_shape(distances, "distances", indices->rows, indices->cols)) != NE_OK ||
        (st = check_rows("indices", indices->rows)) != NE_OK)
        return st;
    const size_t n = indices->rows, k = indices->cols;
    if (k > n - 1) return ne_fail(NE_INVALID_ARGUMENT, "indices: %zu columns, a row has %zu others", k, n - 1);
    if ((st = csr_new(mem, n, n * k, &made)) != NE_OK) goto done;
    list = memory_new(mem, k, sizeof *list);
    if (!list) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < k; j++) {
            list[j] = (neighbor){view_get(distances, i, j), view_get_integer(indices, i, j)};
            if (list[j].index == (int64_t)i) {
                st = ne_fail(NE_INVALID_ARGUMENT, "indices: row %zu names itself in column %zu", i, j);
                goto done;
            }
        }
        if ((st = take_row("indices", i, n, NE_GRAPH_DISTANCES, list, k)) != NE_OK) goto done;
        made.start[i + 1] = (int64_t)((i + 1) * k);
        for (size_t j = 0; j < k; j++) {
            made.col[i * k + j] = (int32_t)list[j].index;
            made.val[i * k + j] = (float)list[j].value;
        }
    }
    *to  = made;
    made = (csr){0};
done:
    csr_clear(mem, &made);
    memory_free(mem, list);
    return st;
}

ne_status graph_from_distances(ne_context *context, const ne_dense *distances, size_t k, csr *to)
{
    const ne_allocator *mem  = &context->memory;
    csr                 made = {0};
    neighbor           *list = NULL;
    ne_status           st;

    if ((st = view_check(distances, "distances")) != NE_OK ||
        (st = view_check_shape(distances, "distances", distances->rows, distances->rows)) != NE_OK ||
        (st = check_rows("distances", distances->rows)) != NE_OK)
        return st;
    const size_t n = distances->rows;
    if (k < 1 || k > n - 1) return ne_fail(NE_OUT_OF_RANGE, "k: %zu is outside [1, n - 1] with n = %zu", k, n);
    if ((st = csr_new(mem, n, n * k, &made)) != NE_OK) goto done;
    list = memory_new(mem, n - 1, sizeof *list);
    if (!list) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        size_t count = 0;
        for (size_t j = 0; j < n; j++)
            if (j != i) list[count++] = (neighbor){view_get(distances, i, j), (int64_t)j};
        if ((st = take_row("distances", i, n, NE_GRAPH_DISTANCES, list, count)) != NE_OK) goto done;
        made.start[i + 1] = (int64_t)((i + 1) * k);
        for (size_t j = 0; j < k; j++) {
            made.col[i * k + j] = (int32_t)list[j].index;
            made.val[i * k + j] = (float)list[j].value;
        }
    }
    *to  = made;
    made = (csr){0};
done:
    csr_clear(mem, &made);
    memory_free(mem, list);
    return st;
}

static ne_status check_csr(const ne_csr *from)
{
    if (!from || from->struct_size < sizeof *from || !from->start || (from->rows && (!from->col || !from->val)))
        return ne_fail(NE_INVALID_ARGUMENT, "csr: a null pointer, or struct_size is not set");
    if (from->dtype != NE_F32 && from->dtype != NE_F64)
        return ne_fail(NE_INVALID_ARGUMENT, "csr: dtype %d is neither NE_F32 nor NE_F64", (int)from->dtype);
    if (from->place != NE_HOST) return ne_fail(NE_UNSUPPORTED, "csr: only host memory is taken");
    if (from->rows != from->cols)
        return ne_fail(NE_INVALID_ARGUMENT, "csr: %zu x %zu, a square matrix is needed", from->rows, from->cols);
    if (from->start[0] != 0)
        return ne_fail(NE_INVALID_ARGUMENT, "csr: start[0] is %lld, not 0", (long long)from->start[0]);
    for (size_t i = 0; i < from->rows; i++)
        if (from->start[i + 1] < from->start[i])
            return ne_fail(NE_INVALID_ARGUMENT, "csr: start falls from %lld to %lld at row %zu",
                           (long long)from->start[i], (long long)from->start[i + 1], i);
    return check_rows("csr", from->rows);
}

ne_status graph_from_csr(ne_context *context, ne_graph_kind kind, const ne_csr *from, csr *to)
{
    const ne_allocator *mem  = &context->memory;
    csr                 made = {0};
    neighbor           *list = NULL;
    size_t              used = 0, longest = 0;
    ne_status           st = check_csr(from);

    if (st != NE_OK) return st;
    if (kind != NE_GRAPH_DISTANCES && kind != NE_GRAPH_AFFINITY)
        return ne_fail(NE_INVALID_ARGUMENT, "kind: %d is neither distances nor affinity", (int)kind);
    for (size_t i = 0; i < from->rows; i++) {
        const size_t length = (size_t)(from->start[i + 1] - from->start[i]);
        longest             = length > longest ? length : longest;
    }
    if ((st = csr_new(mem, from->rows, (size_t)from->start[from->rows], &made)) != NE_OK) goto done;
    list = memory_new(mem, longest, sizeof *list);
    if (!list) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t i = 0; i < from->rows; i++) {
        size_t count = 0;
        for (int64_t e = from->start[i]; e < from->start[i + 1]; e++)
            if (from->col[e] != (int32_t)i)
                list[count++] = (neighbor){from->dtype == NE_F32 ? (double)((const float *)from->val)[e]
                                                                 : ((const double *)from->val)[e],
                                           from->col[e]};
        if ((st = take_row("csr", i, from->rows, kind, list, count)) != NE_OK) goto done;
        for (size_t j = 0; j < count; j++) {
            made.col[used]   = (int32_t)list[j].index;
            made.val[used++] = (float)list[j].value;
        }
        made.start[i + 1] = (int64_t)used;
    }
    made.entries = used;
    *to          = made;
    made         = (csr){0};
done:
    csr_clear(mem, &made);
    memory_free(mem, list);
    return st;
}
