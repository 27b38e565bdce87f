/* methods/phate.c: distances between the ends of random walks, drawn in few dimensions (Moon et al. 2019).
 *
 *     delta = minus the affinity phate (affinity/phate.c);   D_ij = |z_i - z_j|
 *     L = sqrt(sum_ij (D_ij - delta_ij)^2 / sum_ij delta_ij^2)
 *
 * Minimised by SMACOF (de Leeuw 1977): G_i = (1/n) sum_j (delta_ij / D_ij) (z_i - z_j) minimises a bound on L that touches
 * it at z, so that z <- G never raises L and has no step size. Steps twice as long, z <- 2 G - a z, need about half as many
 * (de Leeuw & Heiser 1980); a, the best scale of z, keeps them from mirroring an error of the scale for ever, and costs
 * nothing: sum delta D and sum D^2 are there. They start from classical scaling of delta (Torgerson 1952), the eigenvectors
 * of -1/2 delta^2 less its row and column means, which are real distances and so make a positive matrix. There is more than
 * one minimum, so the principal components of the data are a second start, and the lower end is kept.
 *
 * Time n^3 for delta, n^2 c for a step. Memory 12 n^2 bytes, most of it for the eigenvectors. */
#include "base/blas.h"
#include "base/clones.h"
#include "base/context.h"
#include "base/view.h"
#include "cpu/pca.h"
#include "methods/methods.h"

#include <math.h>
#include <string.h>

enum {
    BLOCK = 128 /* pairs of a row at a time */
};

#define COARSE 1e-4 /* the tolerance at which two starts are compared */

typedef struct phate_params {
    int64_t n_components, k, t, max_iter;
    double  alpha, tol;
    char    metric[NE_NAME_SIZE];
} phate_params;

typedef struct phate_state {
    double stress, steps;
} phate_state;

static const ne_option phate_options[] = {
    {.name   = "n_components",
     .type   = NE_OPT_INT,
     .offset = offsetof(phate_params, n_components),
     .preset = "2",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "dimensions of the embedding"},
    {.name   = "k",
     .type   = NE_OPT_INT,
     .offset = offsetof(phate_params, k),
     .preset = "5",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "the neighbor whose distance is a point's scale, the point itself being the first"},
    {.name   = "t",
     .type   = NE_OPT_INT,
     .offset = offsetof(phate_params, t),
     .preset = "100",
     .min    = 0,
     .max    = 1e6,
     .unit   = "steps",
     .help   = "length of the random walk: longer ones smooth more"},
    {.name   = "alpha",
     .type   = NE_OPT_REAL,
     .offset = offsetof(phate_params, alpha),
     .preset = "10",
     .min    = 0,
     .max    = 1e3,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "how sharply the kernel falls beyond a point's scale"},
    {.name   = "metric",
     .type   = NE_OPT_NAME,
     .offset = offsetof(phate_params, metric),
     .preset = "euclidean",
     .help   = "distance between rows of the data"},
    {.name   = "max_iter",
     .type   = NE_OPT_INT,
     .offset = offsetof(phate_params, max_iter),
     .preset = "300",
     .min    = 0,
     .max    = 1e9,
     .unit   = "steps",
     .help   = "steps at most; 0: classical scaling"},
    {.name   = "tol",
     .type   = NE_OPT_REAL,
     .offset = offsetof(phate_params, tol),
     .preset = "1e-7",
     .min    = 0,
     .max    = 1,
     .help   = "stop when a step lowers the stress by less than this part of it"},
};

/* --- The distances to draw --------------------------------------------------------------------------------------- */

/* 1: the caller wants no more. */
static int report(const ne_context *context, const phate_params *p, const phate_state *s)
{
    const progress *to = context->reporting;
    return to && to->report && to->report(to->user, "optimize", (int64_t)s->steps, p->max_iter, s->stress, NAN);
}

static ne_status potential_distances(const phate_params *p, ne_context *context, const ne_dense *x, float *delta)
{
    const size_t   n        = x->rows;
    const ne_dense to       = view_of_f32(delta, n, n);
    ne_affinity   *affinity = NULL;
    ne_status      st       = ne_affinity_create(context, "phate", &affinity);
    if (st == NE_OK) st = ne_affinity_set_int(affinity, "k", p->k);
    if (st == NE_OK) st = ne_affinity_set_int(affinity, "t", p->t);
    if (st == NE_OK) st = ne_affinity_set_real(affinity, "alpha", p->alpha);
    if (st == NE_OK) st = ne_affinity_set(affinity, "metric", p->metric);
    if (st == NE_OK && context->reporting)
        st = ne_affinity_set_progress(affinity, context->reporting->report, context->reporting->user);
    if (st == NE_OK) st = ne_affinity_compute_dense(affinity, x, &to);
    if (st == NE_OK)
        for (size_t e = 0; e < n * n; e++) delta[e] = 0 - delta[e];
    ne_affinity_free(affinity);
    return st;
}

/* z (c x n): the c largest eigenvectors by the roots of their eigenvalues. mean: n doubles of scratch. */
static ne_status classical_scaling(ne_context *context, size_t n, size_t c, const float *delta, double *mean, double *z)
{
    const ne_allocator *mem    = &context->memory;
    ne_status           st     = NE_OK;
    double              all    = 0;
    double             *gram   = memory_new(mem, n, n * sizeof *gram);
    double             *values = memory_new(mem, c, sizeof *values);

    if (!gram || !values) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        mean[i] = 0;
        for (size_t j = 0; j < n; j++) {
            const double square = (double)delta[i * n + j] * (double)delta[i * n + j];
            gram[i * n + j]     = square;
            mean[i] += square;
        }
        mean[i] /= (double)n;
    }
    for (size_t i = 0; i < n; i++) all += mean[i];
    all /= (double)n;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) gram[i * n + j] = -0.5 * (gram[i * n + j] - mean[i] - mean[j] + all);
    blas_enter();
    st = pca_eigen_top(context, n, gram, c, 0, values, z);
    blas_leave();
    if (st != NE_OK) goto done;
    for (size_t k = 0; k < c; k++) {
        double *v       = z + k * n;
        size_t  largest = 0;
        for (size_t i = 1; i < n; i++) /* sign: the entry largest in absolute value is positive */
            if (fabs(v[i]) > fabs(v[largest])) largest = i;
        const double scale = (v[largest] < 0 ? -1 : 1) * sqrt(fmax(values[k], 0));
        for (size_t i = 0; i < n; i++) v[i] *= scale;
    }
done:
    memory_free(mem, gram);
    memory_free(mem, values);
    return st;
}

/* z (c x n): the rows of x on their first c principal axes. */
static ne_status data_scaling(ne_context *context, const ne_dense *x, size_t c, double *z)
{
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, d = x->cols;
    ne_status           st   = NE_OK;
    double             *mean = memory_new(mem, d, sizeof *mean), *variance = memory_new(mem, c, sizeof *variance);
    double             *axes = memory_new(mem, c, d * sizeof *axes);

    if (!mean || !variance || !axes) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    pca_job job = {.x = x, .count = c, .seed = 0, .mean = mean, .components = axes, .variance = variance};
    if ((st = context->backend->pca(context, &job)) != NE_OK) goto done;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) {
            double at = 0;
            for (size_t j = 0; j < d; j++) at += (view_get(x, i, j) - mean[j]) * axes[k * d + j];
            z[k * n + i] = at;
        }
done:
    memory_free(mem, mean);
    memory_free(mem, variance);
    memory_free(mem, axes);
    return st;
}

/* --- SMACOF ------------------------------------------------------------------------------------------------------ */

typedef struct row_sums {
    double dot, square; /* sum delta D, sum D^2 */
} row_sums;

/* Of row i: G_i into to (a number every n), and the sums. A pair at one place has no direction and pulls at nothing. */
NE_CLONES static void phate_smacof_row(size_t n, size_t c, size_t i, const float *restrict delta,
                                       const double *restrict z, double *restrict to, row_sums *sums)
{
    double dot = 0, square = 0, s[BLOCK], w[BLOCK];
    for (size_t k = 0; k < c; k++) to[k * n + i] = 0;
    for (size_t j0 = 0; j0 < n; j0 += BLOCK) {
        const size_t count = n - j0 < BLOCK ? n - j0 : BLOCK;
        for (size_t j = 0; j < count; j++) s[j] = 0;
        for (size_t k = 0; k < c; k++) {
            const double at = z[k * n + i], *other = z + k * n + j0;
#pragma omp simd
            for (size_t j = 0; j < count; j++) s[j] += (at - other[j]) * (at - other[j]);
        }
#pragma omp simd reduction(+ : dot, square)
        for (size_t j = 0; j < count; j++) {
            const double d = sqrt(s[j]);
            w[j]           = s[j] > 1e-290 ? (double)delta[j0 + j] / d : 0;
            dot += (double)delta[j0 + j] * d;
            square += s[j];
        }
        for (size_t k = 0; k < c; k++) {
            const double at = z[k * n + i], *other = z + k * n + j0;
            double       sum = 0;
#pragma omp simd reduction(+ : sum)
            for (size_t j = 0; j < count; j++) sum += w[j] * (at - other[j]);
            to[k * n + i] += sum;
        }
    }
    for (size_t k = 0; k < c; k++) to[k * n + i] /= (double)n;
    sums->dot    = dot;
    sums->square = square;
}

/* z (c x n) towards a minimum of L nearby, at its best scale. g: c x n, sums: n, of scratch. s: steps are added. Stops where
 * the caller wants no more, with NE_CANCELLED and z as it is then. */
static ne_status smacof(const phate_params *p, const ne_context *context, size_t n, double tol, const float *delta,
                        double *z, double *g, row_sums *sums, phate_state *s)
{
    const size_t c     = (size_t)p->n_components;
    double       total = 0, scale = 1, before = INFINITY;
    ne_status    st = NE_OK;
    for (size_t i = 0; i < n; i++) {
        double row = 0;
        for (size_t j = 0; j < n; j++) row += (double)delta[i * n + j] * (double)delta[i * n + j];
        total += row;
    }
    for (;; s->steps++) {
        double dot = 0, square = 0;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
        for (size_t i = 0; i < n; i++) phate_smacof_row(n, c, i, delta + i * n, z, g, sums + i);
        for (size_t i = 0; i < n; i++) {
            dot += sums[i].dot;
            square += sums[i].square;
        }
        scale     = square > 0 ? dot / square : 1;
        s->stress = total > 0 ? sqrt(fmax(1 - scale * dot / total, 0)) : 0;
        if (s->steps >= (double)p->max_iter || s->stress >= (1 - tol) * before || !(s->stress > 0)) break;
        if (report(context, p, s)) {
            st = ne_fail(NE_CANCELLED, "cancelled at step %.0f", s->steps);
            break;
        }
        before = s->stress;
        for (size_t e = 0; e < c * n; e++) z[e] = 2 * g[e] - scale * z[e];
    }
    for (size_t e = 0; e < c * n; e++) z[e] *= scale;
    return st;
}

/* --- Hooks ------------------------------------------------------------------------------------------------------- */

static ne_status phate_fit(const void *params, ne_context *context, void *state, const ne_dense *x, const ne_dense *y)
{
    const phate_params *p   = params;
    const ne_allocator *mem = &context->memory;
    const size_t        n = x->rows, c = (size_t)p->n_components;
    ne_status           st    = NE_OK;
    float              *delta = NULL;
    double             *reals = NULL;
    row_sums           *sums  = NULL;

    if (c >= n) return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, n - 1] = [1, %zu]", c, n - 1);
    delta = memory_new(mem, n, n * sizeof *delta);
    if (!delta) return NE_OUT_OF_MEMORY;
    if ((st = potential_distances(p, context, x, delta)) != NE_OK) goto done;
    reals = memory_new(mem, n, 3 * c * sizeof *reals);
    sums  = memory_new(mem, n, sizeof *sums);
    if (!reals || !sums) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    double     *z = reals, *g = reals + n * c, *other = reals + 2 * n * c;
    phate_state s = {0}, other_s = {0};
    if ((st = classical_scaling(context, n, c, delta, g, z)) != NE_OK) goto done;
    st = smacof(p, context, n, fmax(p->tol, COARSE), delta, z, g, sums, &s);
    if (st == NE_OK && c <= x->cols && p->max_iter > 0) {
        if ((st = data_scaling(context, x, c, other)) != NE_OK) goto done;
        st = smacof(p, context, n, fmax(p->tol, COARSE), delta, other, g, sums, &other_s);
        if (other_s.stress < s.stress) {
            s = other_s;
            z = other;
        }
    }
    if (st == NE_OK) st = smacof(p, context, n, p->tol, delta, z, g, sums, &s);
    memcpy(state, &s, sizeof s);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < c; k++) view_set(y, i, k, z[k * n + i]);
done:
    memory_free(mem, delta);
    memory_free(mem, reals);
    memory_free(mem, sums);
    return st;
}

static ne_status phate_get_array(const void *state, const char *name, const double **values, size_t *count)
{
    const phate_state *s      = state;
    const int          stress = strcmp(name, "stress") == 0, steps = strcmp(name, "n_iter") == 0;
    if (!stress && !steps) return ne_fail(NE_UNKNOWN_NAME, "unknown array '%s'; there are stress and n_iter", name);
    *values = stress ? &s->stress : &s->steps;
    *count  = 1;
    return NE_OK;
}

const ne_method_ops method_phate = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "phate",
    .help         = "distances between the ends of random walks by metric scaling (PHATE), in memory of 12 n^2 bytes",
    .options      = phate_options,
    .option_count = sizeof phate_options / sizeof *phate_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(phate_params),
    .state_size   = sizeof(phate_state),
    .fit          = phate_fit,
    .get_array    = phate_get_array,
};
