/* affinity/umap.c: the fuzzy neighborhoods of UMAP (McInnes, Healy & Melville 2018).
 *
 *     p_j = exp(-(d_j - rho) / sigma),   rho = min d,   sigma such that sum_j p_j = log2(n_neighbors)
 *     P   = p + p^T - p o p^T
 *
 * n_neighbors counts the row itself, so a row has n_neighbors - 1 others. f(u) = sum exp(-(d - rho) exp(-u)), u = log
 * sigma, increases from the number of distances tied at rho to the number of others; Newton from the mean of d - rho needs
 * 5 evaluations. With as many ties as log2(n_neighbors), or more, there is no root: then the limit of a vanishing sigma is
 * taken, 1 on the ties and 0 beyond. umap-learn takes the smallest distance that is not 0 as rho and bounds sigma from
 * below by 1e-3 of the mean distance: sigma_floor. zero_diag = false makes the row itself one of the others, as a rule the
 * nearest: its own p is 1. */
#include "affinity/builtin.h"
#include "affinity/row.h"

#include <math.h>

typedef struct umap_params {
    double  sigma_floor;
    int64_t n_neighbors, max_iter, sparsity, zero_diag;
} umap_params;

#define AT(field) offsetof(umap_params, field)
static const ne_option umap_options[] = {
    {.name   = "n_neighbors",
     .type   = NE_OPT_INT,
     .offset = AT(n_neighbors),
     .preset = "30",
     .min    = 2,
     .max    = 0,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "size of a neighborhood, the point itself counted"},
    {.name      = "max_iter_affinity",
     .type      = NE_OPT_INT,
     .offset    = AT(max_iter),
     .preset    = "100",
     .reference = "1000",
     .min       = 1,
     .max       = 1e6,
     .help      = "most evaluations of the search for a row's bandwidth"},
    {.name   = "sparsity",
     .type   = NE_OPT_BOOL,
     .offset = AT(sparsity),
     .preset = "true",
     .help   = "affinities to the n_neighbors - 1 nearest others only; false: to all points"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = AT(zero_diag),
     .preset = "true",
     .help   = "no affinity of a point to itself; false: it is one of its own neighbors, over all pairs only"},
    {.name   = "sigma_floor",
     .type   = NE_OPT_REAL,
     .offset = AT(sigma_floor),
     .preset = "0",
     .min    = 0,
     .max    = 1,
     .help   = "smallest bandwidth, as a share of the row's mean distance; 0.001 in umap-learn"},
};

/* The three numbers of a row, which need not be sorted: see row_values(). */
static void find(const void *params, const row_view *r, double dual[ROW_DUALS])
{
    const umap_params *p       = params;
    const row_nearest  nearest = row_find_nearest(r);
    const double       target = log2((double)p->n_neighbors), rho = (double)nearest.distance;
    const double       others = (double)row_others(r), mean = row_exponentials(r, rho, 0).d / others; /* of d - rho */
    double             sigma;

    if ((double)nearest.tied == others) {
        sigma = 1; /* any will do */
    } else if (target >= others) {
        sigma = INFINITY;
    } else if ((double)nearest.tied >= target) {
        sigma = 0;
    } else {
        row_search search = {-INFINITY, INFINITY};
        double     u      = log(mean);
        for (int64_t t = 0; t < p->max_iter; t++) {
            const double   beta = exp(-u);
            const row_sums sums = row_exponentials(r, rho, beta);
            const double   f    = sums.s - target;
            if (fabs(f) < 1e-13 * target || !row_search_step(&search, f, beta * sums.d, &u)) break;
        }
        sigma = exp(u);
    }
    dual[0] = rho;
    dual[1] = fmax(sigma, p->sigma_floor * (mean + rho));
    dual[2] = 1;
}

static ne_status umap_weights(const void *params, size_t n, size_t count, const float *distances, float *values,
                              double *bandwidth)
{
    (void)n;
    row_rule_weights(find, params, count, distances, values, bandwidth);
    return NE_OK;
}

static ne_status umap_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    return row_rule_solve(find, params, ((const umap_params *)params)->zero_diag != 0, pairs, solution);
}

static ne_status umap_rows(const void *params, size_t n, size_t self, int32_t across, const float *distances,
                           const double *dual, float *values)
{
    return row_rule_rows(((const umap_params *)params)->zero_diag != 0, n, self, across, distances, dual, values);
}

static int umap_has_diagonal(const void *params)
{
    return !((const umap_params *)params)->zero_diag;
}

static size_t umap_neighbors(const void *params, size_t n)
{
    const umap_params *p = params;
    return p->sparsity && (size_t)p->n_neighbors < n ? (size_t)p->n_neighbors - 1 : n - 1;
}

const ne_affinity_ops affinity_umap = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "umap",
    .help         = "each row an exponential from its nearest neighbor on, both directions united, the input of UMAP",
    .options      = umap_options,
    .option_count = sizeof umap_options / sizeof *umap_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(umap_params),
    .neighbors    = umap_neighbors,
    .weights      = umap_weights,
    .combine      = NE_COMBINE_UNION,
    .dual_count   = ROW_DUALS,
    .dual_names   = row_dual_names,
    .solve        = umap_solve,
    .rows         = umap_rows,
};

const affinity_builtin builtin_umap = {.ops = &affinity_umap, .has_diagonal = umap_has_diagonal};
