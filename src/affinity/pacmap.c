/* affinity/pacmap.c: the near pairs of PaCMAP (Wang, Huang, Rudin & Shaposhnik 2021).
 *
 *     S_ij = d_ij^2 / (rho_i rho_j),   rho_i = mean distance to the 4th, 5th and 6th nearest others
 *
 * Of its n_neighbors + 50 nearest each row keeps the n_neighbors with the smallest S, ties by index, with weight 1. Points
 * in sparse regions have a large rho, which makes them nearer. d is the metric's distance, the root of it under
 * sqeuclidean; rows with fewer than 6 others take the mean from the 4th on, or the last. */
#include "affinity/builtin.h"
#include "graph/graph.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

typedef struct pacmap_params {
    int64_t n_neighbors, zero_diag;
} pacmap_params;

static const ne_option pacmap_options[] = {
    {.name   = "n_neighbors",
     .type   = NE_OPT_INT,
     .offset = offsetof(pacmap_params, n_neighbors),
     .preset = "10",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "near pairs of each point"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = offsetof(pacmap_params, zero_diag),
     .preset = "true",
     .help   = "a point is no near pair of itself; false is refused, a graph has no diagonal"},
};

enum {
    EXTRA = 50 /* candidates beyond n_neighbors */
};

typedef struct candidate {
    double  scaled;
    int32_t index;
} candidate;

static int by_scaled(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    const int        s = (x->scaled > y->scaled) - (x->scaled < y->scaled);
    return s ? s : (x->index > y->index) - (x->index < y->index);
}

/* Rows of distances are ascending. */
static ne_status find_scales(const csr *d, int squared, double *rho)
{
    for (size_t i = 0; i < d->rows; i++) {
        const float  *row   = d->val + d->start[i];
        const int64_t count = d->start[i + 1] - d->start[i];
        const int64_t from = count < 4 ? count - 1 : 3, to = count < 6 ? count : 6;
        double        sum = 0;
        if (count > 0 && row[0] < 0)
            return ne_fail(NE_INVALID_ARGUMENT,
                           "metric: row %zu has distance %g to another, a scale takes none below 0", i, (double)row[0]);
        for (int64_t j = from < 0 ? 0 : from; j < to; j++) {
            const double c = fmax((double)row[j], 0);
            sum += squared ? sqrt(c) : c;
        }
        rho[i] = fmax(count > 0 ? sum / (double)(to - from) : 0, 1e-10); /* as in the authors' program */
    }
    return NE_OK;
}

static ne_status pacmap_compute(const void *params, ne_context *context, const ne_graph *distances, ne_graph **affinity)
{
    const ne_allocator *mem  = &context->memory;
    const csr          *d    = &distances->matrix;
    const size_t        want = (size_t)((const pacmap_params *)params)->n_neighbors, n = d->rows;
    const int           squared = strcmp(distances->knn.metric, "sqeuclidean") == 0;
    const int           threads = context_threads(context);
    size_t              longest = 1, entries = 0;
    double             *rho     = memory_new(mem, n, sizeof *rho);
    candidate          *scratch = NULL;
    csr                 made    = {0};
    ne_graph           *handle  = NULL;
    ne_status           st      = NE_OK;

    for (size_t i = 0; i < n; i++) {
        const size_t count = (size_t)(d->start[i + 1] - d->start[i]);
        longest            = count > longest ? count : longest;
        entries += count < want ? count : want;
    }
    scratch = memory_new(mem, longest * (size_t)threads, sizeof *scratch);
    if (!rho || !scratch) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = csr_new(mem, n, entries, &made)) != NE_OK) goto done;
    for (size_t i = 0; i < n; i++) {
        const int64_t count = d->start[i + 1] - d->start[i];
        made.start[i + 1]   = made.start[i] + (count < (int64_t)want ? count : (int64_t)want);
    }
    if ((st = find_scales(d, squared, rho)) != NE_OK) goto done;
#pragma omp parallel for schedule(dynamic, 64) num_threads(threads)
    for (size_t i = 0; i < n; i++) {
        candidate   *list  = scratch + (size_t)omp_get_thread_num() * longest;
        const size_t count = (size_t)(d->start[i + 1] - d->start[i]);
        for (size_t j = 0; j < count; j++) {
            const int32_t index = d->col[d->start[i] + (int64_t)j];
            const double  c     = (double)d->val[d->start[i] + (int64_t)j];
            list[j]             = (candidate){(squared ? c : c * c) / (rho[i] * rho[index]), index};
        }
        qsort(list, count, sizeof *list, by_scaled);
        for (int64_t e = made.start[i]; e < made.start[i + 1]; e++) {
            made.col[e] = list[e - made.start[i]].index;
            made.val[e] = 1;
        }
    }
    if ((st = graph_new(context, &handle)) != NE_OK) goto done;
    handle->kind   = NE_GRAPH_AFFINITY;
    handle->matrix = made;
    made           = (csr){0};
    *affinity      = handle;
done:
    csr_clear(mem, &made);
    memory_free(mem, rho);
    memory_free(mem, scratch);
    return st;
}

static size_t pacmap_neighbors(const void *params, size_t n)
{
    const size_t want = (size_t)((const pacmap_params *)params)->n_neighbors + EXTRA;
    return want < n - 1 ? want : n - 1;
}

static int pacmap_has_diagonal(const void *params)
{
    return !((const pacmap_params *)params)->zero_diag;
}

const ne_affinity_ops affinity_pacmap = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "pacmap",
    .help         = "the neighbors nearest by locally scaled distance, all with weight 1, the near pairs of PaCMAP",
    .options      = pacmap_options,
    .option_count = sizeof pacmap_options / sizeof *pacmap_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(pacmap_params),
    .neighbors    = pacmap_neighbors,
    .compute      = pacmap_compute,
    .combine      = NE_COMBINE_NONE,
};

const affinity_builtin builtin_pacmap = {.ops = &affinity_pacmap, .has_diagonal = pacmap_has_diagonal};
