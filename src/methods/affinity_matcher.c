/* methods/affinity_matcher.c: an input affinity P, an output affinity Q of the embedding, and a loss between them.
 *
 *     cross_entropy_loss   L = -sum_ij P_ij log Q_ij
 *     square_loss          L = sum_ij (P_ij - Q_ij)^2          l2_loss   the root of that
 *
 * Most methods of this library are one such pair: t-SNE is cross_entropy_loss with entropic, student and all pairs as
 * normalisation; SNE the same with gaussian and rows; classical scaling, which is PCA, is square_loss with scalar_product
 * on both sides. This is the plain form of all of them, n^2 pairs and P in memory: for an affinity that has no method of its
 * own, and as the yardstick of those that have one.
 *
 * With q_ij the kernel, Q_ij = exp(-k_ij - l_i), k = -log q, and l_i = log sum_{i != j} q_ij (all), log(n sum_l q_il) (rows)
 * or 0 (none), every loss moves as
 *     dL = -sum_ij B_ij dk_ij,    dL/dz_i = -sum_j (B_ij + B_ji) dk_ij/dz_i,    dk_ij/dz_i = 2 w_ij (z_i - z_j) where k is of s
 *     cross entropy   B_ij = m_i Q_ij - P_ij,             m_i = sum_kl P_kl (all),  n sum_l P_il (rows),  0 (none)
 *     square          B_ij = (2 (Q_ij - P_ij) - t_i) Q_ij,  T_i = sum_j 2 (Q_ij - P_ij) Q_ij,  t_i = sum_k T_k, n T_i, 0
 * (m and t are what the normaliser gives back). The pairs of a point with itself are left out; but those of a kernel of
 * pairs of rows that is not normalised count, as their q_ii moves with z_i.
 *
 * Cost a step: n^2 pairs once for the normalisers, once for T, once for the gradient; 2 ns a pair in two columns. */
#include "affinity/input.h"
#include "base/registry.h"
#include "cpu/elementary.h"
#include "cpu/kernel.h"
#include "cpu/repulse_exact_rows.h"
#include "methods/methods.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    TILE    = KERNEL_TILE,
    PAIRS   = 64,   /* of a kernel of pairs, at a time */
    BLOCK   = 16,   /* rows */
    FEW     = 128,  /* rows for which threads do not pay */
    NOWHERE = 10000 /* k of what does not count: exp(-k) is 0 */
};
enum {
    LOSS_SQUARE        = 0,
    LOSS_CROSS_ENTROPY = 1,
    LOSS_L2            = 2
};
enum {
    OVER_AUTO = 0,
    OVER_ALL  = 1,
    OVER_ROWS = 2,
    OVER_NONE = 3
};

typedef struct matcher_params {
    int64_t loss, over;
    char    affinity_in[NE_NAME_SIZE], affinity_out[NE_NAME_SIZE];
} matcher_params;

typedef struct matcher_state {
    output_kernel kernel;
    int64_t       over;               /* as asked for, or what auto came to */
    int           symmetric;          /* P is */
    size_t        width;              /* n and a tile's rest */
    float        *floats, *l, *m, *t; /* width each; columns past n count nothing */
    float        *columns;            /* c x width: z of the step */
    float        *pairs;              /* for each thread: z_i repeated, and gradients, PAIRS x c each */
    double       *rows;               /* for each thread: the gradient of a row */
    double       *doubles, *log_sum, *mass, *T, *part; /* n each */
    double        scale;                               /* of the gradient: l2 is a root */
    double        whole;                               /* of l2 */
    int           precise;                             /* the loss is wanted in double: of a gradient check */
    double        log_total;                           /* log sum of exp log_sum */
} matcher_state;

static const ne_option matcher_options[] = {
    {.name   = "affinity_in",
     .type   = NE_OPT_NAME,
     .offset = offsetof(matcher_params, affinity_in),
     .preset = "entropic",
     .help   = "affinity of the data"},
    {.name   = "affinity_out",
     .type   = NE_OPT_NAME,
     .offset = offsetof(matcher_params, affinity_out),
     .preset = "student",
     .help   = "affinity of the embedding, one that has a kernel"},
    {.name    = "loss_fn",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(matcher_params, loss),
     .preset  = "square_loss",
     .choices = "square_loss|cross_entropy_loss|l2_loss",
     .help    = "what compares them: sum (P - Q)^2, -sum P log Q, or the root of the first"},
    {.name    = "normalization",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(matcher_params, over),
     .preset  = "auto",
     .choices = "auto|all|rows|none",
     .help = "what the kernel of the embedding is divided by: its sum over all pairs, or n times that over each row; "
             "auto is all for kernels of the distance, none for others"},
};

static const ne_preset matcher_presets[] = {
    {"optimizer", "adam", "adam"}, {"lr", "1", "1"}, {"gains", "false", "false"}, {"max_step", "0", "0"},
    {"max_iter", "1000", "1000"},
};

static ne_status matcher_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const matcher_params  *p   = params;
    matcher_state         *own = state;
    const ne_affinity_ops *out = registry_find(REGISTRY_AFFINITY, terms->affinity_out);
    (void)problem;
    if (!out) return NE_UNKNOWN_NAME;
    if (!out->kernel && !out->pair_kernel) return ne_fail(NE_UNSUPPORTED, "affinity_out: %s has no kernel", out->name);
    own->kernel = output_kernel_of(out, terms->affinity_out_params);
    if (out->pair_kernel) own->kernel = (output_kernel){KERNEL_CUSTOM, 0, out, terms->affinity_out_params};
    own->over = p->over != OVER_AUTO ? p->over : out->pair_kernel ? OVER_NONE : OVER_ALL;
    if (out == &affinity_scalar_product && (own->over != OVER_NONE || p->loss == LOSS_CROSS_ENTROPY))
        return ne_fail(NE_UNSUPPORTED,
                       "affinity_out: scalar_product can be negative, so it takes loss_fn square_loss or "
                       "l2_loss and normalization none");
    terms->dense_affinity = 1;
    terms->keep_order     = 1;
    return NE_OK;
}

static int is_symmetric(const float *p, size_t n)
{
    int is = 1;
    for (size_t i = 0; is && i < n; i++)
        for (size_t j = 0; j < i; j++) is &= p[i * n + j] == p[j * n + i];
    return is;
}

static ne_status matcher_on_affinity(const void *params, const ne_problem *problem, void *state)
{
    const matcher_params *p     = params;
    matcher_state        *own   = state;
    const size_t          n     = problem->n;
    double                total = 0;
    own->width                  = n + TILE;
    own->floats                 = ne_allocate(problem->context, own->width, (3 + problem->c) * sizeof *own->floats);
    own->rows    = ne_allocate(problem->context, (size_t)problem->threads, problem->c * sizeof *own->rows);
    own->doubles = ne_allocate(problem->context, n, 4 * sizeof *own->doubles);
    own->pairs   = ne_allocate(problem->context, (size_t)problem->threads * 2 * PAIRS, problem->c * sizeof *own->pairs);
    if (!own->floats || !own->doubles || !own->pairs || !own->rows) return NE_OUT_OF_MEMORY;
    own->l         = own->floats;
    own->m         = own->l + own->width;
    own->t         = own->m + own->width;
    own->columns   = own->t + own->width;
    own->log_sum   = own->doubles;
    own->mass      = own->log_sum + n;
    own->T         = own->mass + n;
    own->part      = own->T + n;
    own->scale     = 1;
    own->symmetric = is_symmetric(problem->dense_affinity, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            if (j != i) own->mass[i] += (double)problem->dense_affinity[i * n + j];
        total += own->mass[i];
    }
    for (size_t i = 0; i < n && p->loss == LOSS_CROSS_ENTROPY; i++)
        own->m[i] = own->over == OVER_ALL    ? (float)total
                    : own->over == OVER_ROWS ? (float)(own->mass[i] * (double)n)
                                             : 0;
    return NE_OK;
}

static void matcher_clear(ne_context *context, void *state)
{
    matcher_state *own = state;
    ne_release(context, own->floats);
    ne_release(context, own->doubles);
    ne_release(context, own->pairs);
    ne_release(context, own->rows);
}

/* --- A tile: the pairs of row i with `count` columns from j0 on ---------------------------------------------------- */

typedef struct matcher_tile {
    float s[TILE + LANES], k[TILE + LANES], w[TILE + LANES]; /* w: dk/ds; of a kernel of pairs 1 */
    float q[TILE + LANES];                                   /* of a kernel of pairs */
    float p[TILE + LANES], p_across[TILE + LANES];           /* P_ij, P_ji */
    float weight[TILE + LANES];                              /* (B_ij + B_ji) w_ij */
} matcher_tile;

typedef struct tile_sums {
    double loss, t; /* of the losses; sum_j 2 (Q_ij - P_ij) Q_ij */
} tile_sums;

/* Of row i with `count` columns from j0 on; rounded up to LANES, as the columns go on beyond n. */
NE_CLONES static void matcher_distances(size_t c, size_t width, const float *restrict columns, size_t i, size_t j0,
                                        size_t count, float *restrict s)
{
    for (size_t j = 0; j < count; j += LANES) {
        lanes sum = {0};
        for (size_t k = 0; k < c; k++) {
            const lanes d = columns[k * width + i] - lanes_load(columns + k * width + j0 + j);
            sum += d * d;
        }
        lanes_store(s + j, sum);
    }
}

/* k, w, P and what lies across, with rests that count nothing. */
static void fill_tile(const ne_problem *problem, const matcher_state *own, size_t i, size_t j0, size_t count,
                      matcher_tile *tile)
{
    const size_t n = problem->n;
    const float *p = problem->dense_affinity;
    memcpy(tile->p, p + i * n + j0, count * sizeof *tile->p);
    if (own->symmetric) memcpy(tile->p_across, tile->p, count * sizeof *tile->p);
    else
        for (size_t j = 0; j < count; j++) tile->p_across[j] = p[(j0 + j) * n + i];
    matcher_distances(problem->c, own->width, own->columns, i, j0, count, tile->s);
    kernel_slopes(&own->kernel, count, tile->s, tile->w, tile->k);
    for (size_t j = count; j < count + LANES; j++) {
        tile->k[j] = NOWHERE;
        tile->w[j] = tile->p[j] = tile->p_across[j] = 0;
    }
    if (i - j0 < count) { /* wraps to a large number for tiles after i */
        tile->k[i - j0] = NOWHERE;
        tile->w[i - j0] = tile->p[i - j0] = tile->p_across[i - j0] = 0;
    }
}

NE_INLINE double sum_of_lanes(lanes sum)
{
    double total = 0;
    for (size_t l = 0; l < LANES; l++) total += (double)sum[l];
    return total;
}

/* Weights and sums of a tile; l, m and t from column j0 on. */
NE_CLONES static void matcher_weigh(int cross, size_t count, float l_own, float m_own, float t_own,
                                    const float *restrict l, const float *restrict m, const float *restrict t,
                                    matcher_tile *restrict tile, tile_sums *restrict sums)
{
    lanes loss = {0}, t_sum = {0};
    for (size_t j = 0; j < count; j += LANES) {
        const lanes k = lanes_load(tile->k + j), p = lanes_load(tile->p + j), across = lanes_load(tile->p_across + j);
        const lanes q = elementary_exp(-k - l_own), q_across = elementary_exp(-k - lanes_load(l + j));
        lanes       b;
        if (cross) {
            b = m_own * q - p + lanes_load(m + j) * q_across - across;
            loss += p * (k + l_own);
        } else {
            const lanes e = 2.0f * (q - p), e_across = 2.0f * (q_across - across);
            b = (e - t_own) * q + (e_across - lanes_load(t + j)) * q_across;
            loss += (p - q) * (p - q);
            t_sum += e * q;
        }
        lanes_store(tile->weight + j, b * lanes_load(tile->w + j));
    }
    sums->loss += sum_of_lanes(loss);
    sums->t += sum_of_lanes(t_sum);
}

NE_CLONES static double matcher_force(size_t count, float zi, const float *restrict column,
                                      const float *restrict weight)
{
    lanes sum = {0};
    for (size_t j = 0; j < count; j += LANES) sum += lanes_load(weight + j) * (zi - lanes_load(column + j));
    return -2 * sum_of_lanes(sum);
}

/* The same for a kernel of pairs: PAIRS columns at most, in double as such kernels are. */
static void pair_tile(const ne_problem *problem, const matcher_state *own, int cross, const float *z, size_t i,
                      size_t j0, size_t count, double *gradient, tile_sums *sums)
{
    const size_t n = problem->n, c = problem->c;
    const float *p  = problem->dense_affinity;
    float       *zi = own->pairs + (size_t)omp_get_thread_num() * 2 * PAIRS * c, *slope = zi + PAIRS * c, value[PAIRS];
    for (size_t j = 0; j < count; j++) memcpy(zi + j * c, z + i * c, c * sizeof *zi);
    own->kernel.ops->pair_kernel(own->kernel.params, c, count, zi, z + j0 * c, value, gradient ? slope : NULL);
    for (size_t j = 0; j < count; j++) {
        const size_t at = j0 + j;
        if (at == i && own->over != OVER_NONE) continue;
        const double there = (double)p[i * n + at], back = (double)p[at * n + i];
        const double q        = (double)value[j] * exp(-(double)own->l[i]),
                     q_across = (double)value[j] * exp(-(double)own->l[at]);
        double b;
        if (cross) {
            b = (double)own->m[i] * q - there + (double)own->m[at] * q_across - back;
            if (there > 0) sums->loss -= there * log(q);
        } else {
            b = (2 * (q - there) - (double)own->t[i]) * q + (2 * (q_across - back) - (double)own->t[at]) * q_across;
            sums->loss += (there - q) * (there - q);
            sums->t += 2 * (q - there) * q;
        }
        for (size_t k = 0; gradient && k < c; k++) {
            const double part = b * (double)slope[j * c + k];
            if (isfinite(part)) gradient[k] -= part; /* 0 times infinity where q is 0 */
        }
    }
}

/* A whole row; gradient, c of them, may be NULL. */
static tile_sums match_row(const matcher_params *p, const ne_problem *problem, const matcher_state *own, const float *z,
                           size_t i, double *gradient)
{
    const size_t n = problem->n, c = problem->c;
    const int    cross = p->loss == LOSS_CROSS_ENTROPY;
    tile_sums    sums  = {0, 0};
    matcher_tile tile;
    for (size_t k = 0; gradient && k < c; k++) gradient[k] = 0;
    if (own->kernel.ops && own->kernel.ops->pair_kernel) {
        for (size_t j = 0; j < n; j += PAIRS)
            pair_tile(problem, own, cross, z, i, j, n - j < PAIRS ? n - j : PAIRS, gradient, &sums);
        return sums;
    }
    for (size_t j = 0; j < n; j += TILE) {
        const size_t count = n - j < TILE ? n - j : TILE;
        fill_tile(problem, own, i, j, count, &tile);
        matcher_weigh(cross, count, own->l[i], own->m[i], own->t[i], own->l + j, own->m + j, own->t + j, &tile, &sums);
        for (size_t k = 0; gradient && k < c; k++) {
            const float *column = own->columns + k * own->width;
            gradient[k] += matcher_force(count, column[i], column + j, tile.weight);
        }
    }
    return sums;
}

/* --- Hooks --------------------------------------------------------------------------------------------------------- */

static double pair_log_sum(const ne_problem *problem, const matcher_state *own, const float *z, size_t i)
{
    const size_t c = problem->c, n = problem->n;
    double       sum = 0;
    for (size_t j = 0; j < n; j++) {
        float q;
        own->kernel.ops->pair_kernel(own->kernel.params, c, 1, z + i * c, z + j * c, &q, NULL);
        if (j != i) sum += (double)q;
    }
    return log(sum);
}

/* log q of a pair, in double, and the loss of a row by its definition. */
static double precise_log_q(const matcher_state *own, size_t c, const float *zi, const float *zj)
{
    double s = 0;
    for (size_t k = 0; k < c; k++) s += ((double)zi[k] - (double)zj[k]) * ((double)zi[k] - (double)zj[k]);
    return kernel_log_f64(&own->kernel, s, NULL);
}

static double precise_log_sum(const ne_problem *problem, const matcher_state *own, const float *z, size_t i)
{
    const size_t c   = problem->c;
    double       sum = 0;
    for (size_t j = 0; j < problem->n; j++)
        if (j != i) sum += exp(precise_log_q(own, c, z + i * c, z + j * c));
    return log(sum);
}

static double precise_loss(const matcher_params *p, const ne_problem *problem, const matcher_state *own, const float *z,
                           size_t i)
{
    const size_t n = problem->n, c = problem->c;
    const double l    = own->over == OVER_ALL    ? own->log_total
                        : own->over == OVER_ROWS ? own->log_sum[i] + log((double)n)
                                                 : 0;
    double       loss = 0;
    for (size_t j = 0; j < n; j++) {
        const double value = (double)problem->dense_affinity[i * n + j];
        if (j == i) continue;
        const double log_q = precise_log_q(own, c, z + i * c, z + j * c) - l;
        loss += p->loss == LOSS_CROSS_ENTROPY ? -value * log_q : (value - exp(log_q)) * (value - exp(log_q));
    }
    return loss;
}

/* l of every row. */
static ne_status normalise(const ne_problem *problem, matcher_state *own, const float *z)
{
    const size_t         n     = problem->n;
    const repulsion_plan plan  = {.n = n, .c = problem->c, .kernel = &own->kernel, .over_rows = 1};
    double               total = 0, most = -INFINITY;
    ne_status            st = NE_OK;
    if (own->over == OVER_NONE) return NE_OK;
    const int of_pairs = own->kernel.ops && own->kernel.ops->pair_kernel;
    if (of_pairs || own->precise) {
#pragma omp parallel for schedule(dynamic, BLOCK) num_threads(problem->threads) if (n > FEW)
        for (size_t i = 0; i < n; i++)
            own->log_sum[i] = of_pairs ? pair_log_sum(problem, own, z, i) : precise_log_sum(problem, own, z, i);
    } else {
        st = repulse_exact_row_sums(problem->context, &plan, z, own->log_sum);
    }
    for (size_t i = 0; i < n; i++) most = fmax(most, own->log_sum[i]);
    for (size_t i = 0; i < n; i++) total += exp(own->log_sum[i] - most);
    total          = most + log(total);
    own->log_total = total;
    for (size_t i = 0; i < n; i++)
        own->l[i] = (float)(own->over == OVER_ALL ? total : own->log_sum[i] + log((double)n));
    return st;
}

static ne_status matcher_before_gradient(const void *params, const ne_problem *problem, void *state, int64_t step,
                                         const float *z, ne_terms *terms)
{
    const matcher_params *p     = params;
    matcher_state        *own   = state;
    const size_t          n     = problem->n;
    double                total = 0, loss = 0;
    ne_status             st;
    (void)step;
    own->precise = terms->again && !(own->kernel.ops && own->kernel.ops->pair_kernel);
    st           = normalise(problem, own, z);
    for (size_t k = 0; k < problem->c; k++)
        for (size_t i = 0; i < n; i++) own->columns[k * own->width + i] = z[i * problem->c + k];
    if (st != NE_OK || p->loss == LOSS_CROSS_ENTROPY || (p->loss == LOSS_SQUARE && own->over == OVER_NONE)) return st;
#pragma omp parallel for schedule(dynamic, BLOCK) num_threads(problem->threads) if (n > FEW)
    for (size_t i = 0; i < n; i++) {
        const tile_sums sums = match_row(p, problem, own, z, i, NULL);
        own->T[i]            = sums.t;
        own->part[i]         = own->precise ? precise_loss(p, problem, own, z, i) : sums.loss;
    }
    for (size_t i = 0; i < n; i++) {
        total += own->T[i];
        loss += own->part[i];
    }
    for (size_t i = 0; i < n; i++)
        own->t[i] = own->over == OVER_ALL ? (float)total : own->over == OVER_ROWS ? (float)(own->T[i] * (double)n) : 0;
    own->whole = sqrt(loss);
    if (p->loss == LOSS_L2) own->scale = own->whole > 0 ? 0.5 / own->whole : 0;
    return st;
}

static ne_status matcher_whole_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                    size_t row0, size_t row1, float *gradient, double *loss)
{
    const matcher_params *p   = params;
    const matcher_state  *own = state;
    const size_t          c   = problem->c;
    double               *row = own->rows + (size_t)omp_get_thread_num() * c;
    *loss                     = 0;
    for (size_t i = row0; i < row1; i++) {
        const double of_row = match_row(p, problem, own, z, i, row).loss;
        *loss += own->precise ? precise_loss(p, problem, own, z, i) : of_row;
        for (size_t k = 0; k < c; k++) gradient[i * c + k] = (float)(own->scale * row[k]);
    }
    if (p->loss == LOSS_L2) *loss = row0 == 0 ? own->whole : 0;
    return NE_OK;
}

const ne_method_ops method_affinity_matcher = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "affinity_matcher",
    .help                 = "any affinity of the data, any of the embedding, and a loss between them, over all pairs",
    .affinity_in          = "entropic",
    .affinity_out         = "student",
    .options              = matcher_options,
    .option_count         = sizeof matcher_options / sizeof *matcher_options,
    .option_size          = sizeof(ne_option),
    .presets              = matcher_presets,
    .preset_count         = sizeof matcher_presets / sizeof *matcher_presets,
    .params_size          = sizeof(matcher_params),
    .state_size           = sizeof(matcher_state),
    .plan                 = matcher_plan,
    .on_affinity_computed = matcher_on_affinity,
    .whole_loss           = matcher_whole_loss,
    .clear                = matcher_clear,
    .before_gradient      = matcher_before_gradient,
};
