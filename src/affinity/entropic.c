/* affinity/entropic.c: the affinity with one perplexity for every row (Hinton & Roweis 2002).
 *
 *     p_j = exp(-(d_j - d_min) / eps) / sum_l exp(-(d_l - d_min) / eps),   eps such that H(p) = log perplexity (nats)
 *
 * With beta = 1 / eps, D_j = d_j - d_min, S = sum exp(-beta D), E and V the mean and the variance of D under p:
 *     H = log S + beta E,   dH / d(log beta) = -beta^2 V,
 * so H falls with log beta and a Newton step on log beta, clipped to 3 and kept inside a bracket, needs 6 evaluations
 * on average. Subtracting the nearest distance keeps S at least 1: nothing underflows. An
 * evaluation is one pass over the row: of long rows in float until the entropy is right to 1e-5, then once in double.
 * With zero_diag = false a point's distance to itself is one of the d_j; nothing else changes. */
#include "affinity/builtin.h"
#include "affinity/row.h"

#include <math.h>

typedef struct entropic_params {
    double  perplexity;
    int64_t max_iter, sparsity, reference, zero_diag;
} entropic_params;

#define AT(field) offsetof(entropic_params, field)
static const ne_option entropic_options[] = {
    {.name   = "perplexity",
     .type   = NE_OPT_REAL,
     .offset = AT(perplexity),
     .preset = "30",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .unit   = "neighbors",
     .help   = "effective number of neighbors of each point: exp of the entropy of its affinities"},
    {.name   = "max_iter_affinity",
     .type   = NE_OPT_INT,
     .offset = AT(max_iter),
     .preset = "100",
     .min    = 1,
     .max    = 1e6,
     .help   = "most evaluations of the search for a row's bandwidth"},
    {.name   = "sparsity",
     .type   = NE_OPT_BOOL,
     .offset = AT(sparsity),
     .preset = "true",
     .help   = "affinities to the 3 * perplexity nearest neighbors only; false: to all points"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = AT(zero_diag),
     .preset = "true",
     .help   = "no affinity of a point to itself; false: it is one of its own neighbors, over all pairs only"},
    {.name    = "reference",
     .type    = NE_OPT_CHOICE,
     .offset  = AT(reference),
     .preset  = "none",
     .choices = "none|torchdr",
     .help    = "torchdr: every default, and the treatment of corner cases, as in TorchDR 0.5"},
};

enum {
    FEW        = 256, /* distances for which double is fast enough */
    MOST_ROUGH = 20
};
#define NEAR  1e-6
#define ROUGH 1e-5 /* error in the entropy down to which sums in float serve */

/* The three numbers of a row, which need not be sorted: see row_values(). */
void entropic_search(const row_view *r, double perplexity, int64_t max_iter, double tol, double dual[ROW_DUALS])
{
    const row_nearest nearest = row_find_nearest(r);
    const double      target = log(perplexity), least = (double)nearest.distance, others = (double)row_others(r);

    dual[0] = least;
    if ((double)nearest.tied == others || perplexity >= others) {
        dual[1] = INFINITY;
        dual[2] = others;
    } else if ((double)nearest.tied >= perplexity) {
        dual[1] = 0; /* the entropy cannot fall below log(tied): the limit of a vanishing bandwidth */
        dual[2] = (double)nearest.tied;
    } else {
        const int  few    = r->count < FEW;
        row_search search = {-INFINITY, INFINITY};
        row_sums   sums   = few ? row_exponentials(r, least, 0) : row_exponentials_rough(r, least, 0);
        double     u      = log(sums.d / others); /* log eps */
        double     at     = NAN;
        const int  fits   = fabs(u) < 30; /* a square of a distance is a float then */
        int        rough = !few && fits, moved = 1;
        if (!fits) u = log(row_exponentials(r, least, 0).d / others);
        for (int64_t t = 0; t < max_iter && moved; t++) {
            const double beta = exp(-u);
            sums              = rough ? row_exponentials_rough(r, least, beta) : row_exponentials(r, least, beta);
            const double mean = sums.d / sums.s, variance = sums.dd / sums.s - mean * mean;
            at                 = u;
            const double f     = log(sums.s) + beta * mean - target;
            const double slope = beta * beta * variance;
            if (fabs(f) < tol) break;
            if (!rough && fabs(f) < NEAR * fmin(slope, 1)) { /* the last step leaves its square; d mass = mean mass */
                u -= f / slope;
                sums.s -= beta * sums.d * f / slope;
                at = u;
                break;
            }
            if (rough && (fabs(f) < ROUGH || t == MOST_ROUGH)) {
                row_search_step(&search, f, slope, &u);
                search = (row_search){-INFINITY, INFINITY}; /* its signs were rough */
                rough  = 0;
            } else if (!(moved = row_search_step(&search, f, slope, &u)) && rough) {
                search = (row_search){-INFINITY, INFINITY};
                rough  = 0;
                moved  = 1;
            }
        }
        dual[1] = exp(u);
        dual[2] = at == u ? sums.s : row_exponentials(r, least, exp(-u)).s;
    }
}

static void find(const void *params, const row_view *r, double dual[ROW_DUALS])
{
    const entropic_params *p = params;
    entropic_search(r, p->reference ? floor(p->perplexity) : p->perplexity, p->max_iter, 1e-12, dual);
}

static ne_status entropic_weights(const void *params, size_t n, size_t count, const float *distances, float *values,
                                  double *bandwidth)
{
    (void)n;
    row_rule_weights(find, params, count, distances, values, bandwidth);
    return NE_OK;
}

static ne_status entropic_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    return row_rule_solve(find, params, ((const entropic_params *)params)->zero_diag != 0, pairs, solution);
}

static ne_status entropic_rows(const void *params, size_t n, size_t self, int32_t across, const float *distances,
                               const double *dual, float *values)
{
    return row_rule_rows(((const entropic_params *)params)->zero_diag != 0, n, self, across, distances, dual, values);
}

static int entropic_has_diagonal(const void *params)
{
    return !((const entropic_params *)params)->zero_diag;
}

static size_t entropic_neighbors(const void *params, size_t n)
{
    const entropic_params *p    = params;
    const size_t           most = p->reference && n > 3 ? n - 2 : n - 1;
    const double           want = p->reference ? fmax(2, 3 * floor(p->perplexity)) : ceil(3 * p->perplexity);
    return !p->sparsity ? n - 1 : want < (double)most ? (size_t)want : most;
}

const ne_affinity_ops affinity_entropic = {
    .struct_size    = sizeof(ne_affinity_ops),
    .name           = "entropic",
    .help           = "each row a Gaussian whose bandwidth gives it the same perplexity, the input affinity of t-SNE",
    .options        = entropic_options,
    .option_count   = sizeof entropic_options / sizeof *entropic_options,
    .option_size    = sizeof(ne_option),
    .params_size    = sizeof(entropic_params),
    .neighbors      = entropic_neighbors,
    .weights        = entropic_weights,
    .row_sum_is_one = 1,
    .dual_count     = ROW_DUALS,
    .dual_names     = row_dual_names,
    .solve          = entropic_solve,
    .rows           = entropic_rows,
};

const affinity_builtin builtin_entropic = {.ops = &affinity_entropic, .has_diagonal = entropic_has_diagonal};
