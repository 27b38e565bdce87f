/* methods/cosne.c: CO-SNE, an embedding in hyperbolic space (Guo, Guo & Yu, CVPR 2022).
 *
 * Points live in the unit ball, with the distance d(y, y') = arccosh(1 + 2 |y - y'|^2 / ((1 - |y|^2)(1 - |y'|^2))). Trees
 * fit there without crowding, as the circumference of a disk grows exponentially with its radius. The kernel is a Cauchy
 * density of the distance, and the distance to the origin should be the norm of the input:
 *
 *     q_ij = gamma / (d_ij^2 + gamma^2)     L_att = sum_ij p_ij log(1 / q_ij)
 *     L_rep = log sum_{i != j} q_ij + (lambda_h / n) sum_i (|x_i|^2 - d(y_i, 0)^2)^2
 *
 * Gradients, with a = 1 - |y|^2, t = 2 s / (a_i a_j), s = |y_i - y_j|^2, h = arccosh(1 + t), r = sqrt(t (t + 2)):
 *
 *     d(h^2)/dy_i = G_ij = (8 / (a_i a_j)) (h / r) (y_i - y_j + (s / a_i) y_i)
 *     dL_att/dy_i = sum_j 2 p_ij G_ij / (h^2 + gamma^2),   dL_rep/dy_i = -(2 / sum (h^2 + gamma^2)^-1) sum_j G_ij / (h^2 + gamma^2)^2 + ...
 *
 * In float: arccosh(1 + t) is log1p(t + r), which loses nothing when t is small, where h / r is 1; and a comes from a sum in
 * double, since near the rim most of its digits cancel.
 *
 * Cost: n^2 pairs a step, of one root, one logarithm and three divisions: 2 ns a pair with AVX. Lanes are targets and
 * sources are broadcast, as in cpu/repulse_exact.c: no sum crosses lanes, and each row is summed in one order. */
#include "cpu/elementary.h"
#include "methods/methods.h"

#include <math.h>

#include <omp.h>

enum {
    ROWS  = 64,
    TILE  = 512,
    EDGES = 64,
    FEW   = 512 /* rows for which threads do not pay */
};

typedef struct cosne_params {
    double  gamma, norm_weight;
    int64_t scale_norms;
} cosne_params;

typedef struct cosne_state {
    double *square;     /* n: |x_i|^2 */
    float  *inverse;    /* n: 1 / (1 - |y_i|^2) of the step */
    float  *force;      /* n x c: sum_j G_ij / (h^2 + gamma^2)^2 of the step */
    float  *room;       /* 4 c ROWS for each thread, see cosne_block */
    double *block_sum;  /* of (h^2 + gamma^2)^-1, for each block of ROWS rows */
    double  normaliser; /* all of it */
} cosne_state;

static const ne_option cosne_options[] = {
    {.name   = "gamma",
     .type   = NE_OPT_REAL,
     .offset = offsetof(cosne_params, gamma),
     .preset = "2",
     .min    = 0,
     .max    = 1e6,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "width of the Cauchy kernel gamma / (d^2 + gamma^2) of hyperbolic distances d"},
    {.name   = "learning_rate_for_h_loss",
     .type   = NE_OPT_REAL,
     .offset = offsetof(cosne_params, norm_weight),
     .preset = "1",
     .min    = 0,
     .max    = 1e30,
     .help   = "weight of the term that makes distances to the origin squared the squared norms of x"},
    {.name      = "scale_norms",
     .type      = NE_OPT_BOOL,
     .offset    = offsetof(cosne_params, scale_norms),
     .preset    = "true",
     .reference = "false",
     .help      = "squared norms in units of their mean: numbers of about 1, as distances in the ball are"},
};

/* TorchDR's rate, at least 50, throws all points to the rim in the first step. */
static const ne_preset cosne_presets[] = {
    {"optimizer", "riemannian_adam", "riemannian_adam"},
    {"lr", "1", "auto"},
    {"init", "hyperbolic", "hyperbolic"},
    {"init_scaling", "0.5", "0.5"},
    {"gains", "false", "false"},
    {"max_step", "0", "0"},
};

static ne_status cosne_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const cosne_params *p = params;
    (void)state;
    terms->manifold   = NE_POINCARE_BALL;
    terms->keep_order = 1; /* square follows the rows */
    if (!problem->x && !problem->sparse && p->norm_weight > 0)
        return ne_fail(NE_UNSUPPORTED,
                       "learning_rate_for_h_loss: %g needs the norms of x, and only a graph was given; 0 does not",
                       p->norm_weight);
    return NE_OK;
}

/* |row|^2 of the caller's matrix. */
static double row_square(const ne_dense *x, size_t row)
{
    const size_t stride = x->stride ? x->stride : x->cols;
    double       sum    = 0;
    for (size_t k = 0; k < x->cols; k++) {
        const size_t at    = row * stride + k;
        const double value = x->dtype == NE_F32 ? (double)((const float *)x->data)[at] : ((const double *)x->data)[at];
        sum += value * value;
    }
    return sum;
}

static double sparse_row_square(const ne_csr *x, size_t row)
{
    double sum = 0;
    for (int64_t e = x->start[row]; e < x->start[row + 1]; e++) {
        const double value = x->dtype == NE_F32 ? (double)((const float *)x->val)[e] : ((const double *)x->val)[e];
        sum += value * value;
    }
    return sum;
}

static ne_status cosne_on_affinity(const void *params, const ne_problem *problem, void *state)
{
    const cosne_params *p    = params;
    cosne_state        *own  = state;
    const size_t        n    = problem->n;
    double              mean = 0;
    own->square              = ne_allocate(problem->context, n, sizeof *own->square);
    own->inverse             = ne_allocate(problem->context, n, sizeof *own->inverse);
    own->force               = ne_allocate(problem->context, n * problem->c, sizeof *own->force);
    own->room      = ne_allocate(problem->context, (size_t)problem->threads * 4 * ROWS, problem->c * sizeof *own->room);
    own->block_sum = ne_allocate(problem->context, (n + ROWS - 1) / ROWS, sizeof *own->block_sum);
    if (!own->square || !own->inverse || !own->force || !own->room || !own->block_sum) return NE_OUT_OF_MEMORY;
    for (size_t i = 0; problem->x && i < n; i++) own->square[i] = row_square(problem->x, (size_t)problem->order[i]);
    for (size_t i = 0; problem->sparse && i < n; i++)
        own->square[i] = sparse_row_square(problem->sparse, (size_t)problem->order[i]);
    for (size_t i = 0; i < n; i++) mean += own->square[i] / (double)n;
    for (size_t i = 0; p->scale_norms && mean > 0 && i < n; i++) own->square[i] /= mean;
    return NE_OK;
}

static void cosne_clear(ne_context *context, void *state)
{
    cosne_state *own = state;
    ne_release(context, own->square);
    ne_release(context, own->inverse);
    ne_release(context, own->force);
    ne_release(context, own->room);
    ne_release(context, own->block_sum);
}

/* 1 - |y|^2, by a sum in double. */
static double rim(const float *y, size_t c)
{
    double square = 0;
    for (size_t k = 0; k < c; k++) square += (double)y[k] * (double)y[k];
    return 1 - square;
}

/* h / r, and h^2 + gamma^2. A t of 0 counts as 1e-30. */
NE_INLINE lanes hyperbolic(lanes t, lanes r, float gamma_square, lanes *denominator)
{
    const lanes x = t + r, u = 1.0f + x, h = elementary_log(u) + (x - (u - 1.0f)) / u;
    *denominator = h * h + gamma_square;
    return h / r;
}

/* --- Repulsion: all pairs ---------------------------------------------------------------------------------------- */

/* Targets as columns of ROWS each, and sums of the same shape. */
typedef struct cosne_block {
    double *force;
    float  *target, *part;
    float   inverse[ROWS], along[ROWS], sum[ROWS];
} cosne_block;

/* Adds TILE sources at most: part_k = sum_j W_ij (y_i - y_j), along = sum_j W_ij s_ij, sum = sum_j (h^2 + gamma^2)^-1 with
 * W_ij = (h / r) / (a_j (h^2 + gamma^2)^2). A pair with itself adds to the sum only. */
NE_INLINE void repulse_pairs(size_t c, size_t count, const float *restrict y, const float *restrict inverse,
                             float gamma_square, cosne_block *restrict block)
{
    for (size_t j = 0; j < count; j++) {
        float       s[ROWS], t[ROWS], r[ROWS];
        const float scale = 2 * inverse[j];
        for (size_t i = 0; i < ROWS; i += LANES) {
            lanes square = {0};
            for (size_t k = 0; k < c; k++) {
                const lanes d = lanes_load(block->target + k * ROWS + i) - y[j * c + k];
                square += d * d;
            }
            const lanes u = square * scale * lanes_load(block->inverse + i) + 1e-30f;
            lanes_store(s + i, square);
            lanes_store(t + i, u);
            lanes_store(r + i, u * (u + 2.0f));
        }
        for (size_t i = 0; i < ROWS; i++) r[i] = sqrtf(r[i]);
        for (size_t i = 0; i < ROWS; i += LANES) {
            lanes       denominator;
            const lanes ratio = hyperbolic(lanes_load(t + i), lanes_load(r + i), gamma_square, &denominator);
            const lanes q = 1.0f / denominator, w = ratio * q * q * inverse[j];
            lanes_store(block->sum + i, lanes_load(block->sum + i) + q);
            lanes_store(block->along + i, lanes_load(block->along + i) + w * lanes_load(s + i));
            for (size_t k = 0; k < c; k++) {
                float      *part = block->part + k * ROWS + i;
                const lanes d    = lanes_load(block->target + k * ROWS + i) - y[j * c + k];
                lanes_store(part, lanes_load(part) + w * d);
            }
        }
    }
}

NE_CLONES static void cosne_repulse_tile(size_t c, size_t count, const float *restrict y, const float *restrict inverse,
                                         float gamma_square, cosne_block *restrict block)
{
    if (c == 2) repulse_pairs(2, count, y, inverse, gamma_square, block);
    else if (c == 3) repulse_pairs(3, count, y, inverse, gamma_square, block);
    else repulse_pairs(c, count, y, inverse, gamma_square, block);
}

/* One block of rows into force; the sum of its (h^2 + gamma^2)^-1, the pairs of a point with itself left out. */
static double repulse_block(const ne_problem *problem, const cosne_state *own, float gamma_square, const float *y,
                            size_t first)
{
    const size_t n = problem->n, c = problem->c, rows = n - first < ROWS ? n - first : ROWS;
    float       *room        = own->room + (size_t)omp_get_thread_num() * 4 * c * ROWS;
    double       along[ROWS] = {0}, sum = 0;
    cosne_block  block = {.force = (double *)(void *)room, .target = room + 2 * c * ROWS, .part = room + 3 * c * ROWS};
    for (size_t i = 0; i < c * ROWS; i++) block.force[i] = 0;
    for (size_t i = 0; i < ROWS; i++) { /* a short block is padded with its first row */
        const size_t row = first + (i < rows ? i : 0);
        for (size_t k = 0; k < c; k++) block.target[k * ROWS + i] = y[row * c + k];
        block.inverse[i] = own->inverse[row];
    }
    for (size_t j = 0; j < n; j += TILE) {
        const size_t count = n - j < TILE ? n - j : TILE;
        for (size_t i = 0; i < c * ROWS; i++) block.part[i] = 0;
        for (size_t i = 0; i < ROWS; i++) block.along[i] = block.sum[i] = 0;
        cosne_repulse_tile(c, count, y + j * c, own->inverse + j, gamma_square, &block);
        for (size_t i = 0; i < c * ROWS; i++) block.force[i] += (double)block.part[i];
        for (size_t i = 0; i < ROWS; i++) along[i] += (double)block.along[i];
        for (size_t i = 0; i < rows; i++) sum += (double)block.sum[i];
    }
    for (size_t i = 0; i < rows; i++) {
        const double by = (double)own->inverse[first + i];
        for (size_t k = 0; k < c; k++)
            own->force[(first + i) * c + k] =
                (float)(8 * by * (block.force[k * ROWS + i] + along[i] * by * (double)y[(first + i) * c + k]));
    }
    return sum - (double)rows * (double)(1 / gamma_square);
}

static ne_status cosne_before_gradient(const void *params, const ne_problem *problem, void *state, int64_t step,
                                       const float *z, ne_terms *terms)
{
    const cosne_params *p      = params;
    cosne_state        *own    = state;
    const size_t        n      = problem->n;
    const int64_t       blocks = (int64_t)((n + ROWS - 1) / ROWS);
    const float         gamma  = (float)p->gamma;
    (void)step;
    (void)terms;
    for (size_t i = 0; i < n; i++) own->inverse[i] = (float)(1 / rim(z + i * problem->c, problem->c));
#pragma omp parallel for schedule(dynamic) num_threads(problem->threads) if (n > FEW)
    for (int64_t b = 0; b < blocks; b++)
        own->block_sum[b] = repulse_block(problem, own, gamma * gamma, z, (size_t)b * ROWS);
    /* The reference counts the pairs of a point with itself. */
    own->normaliser = problem->reference ? (double)n / (p->gamma * p->gamma) : 0;
    for (int64_t b = 0; b < blocks; b++) own->normaliser += own->block_sum[b];
    return NE_OK;
}

/* h^2 and 2 h / r for t, in double. */
static double squared_distance(double t, double *slope)
{
    const double r = sqrt(t * (t + 2)), h = log1p(t + r);
    *slope = r > 0 ? 2 * h / r : 2;
    return h * h;
}

static ne_status cosne_repulsive_gradient(const void *params, const ne_problem *problem, void *state, const float *z,
                                          size_t row0, size_t row1, float *gradient)
{
    const cosne_params *p     = params;
    const cosne_state  *own   = state;
    const size_t        c     = problem->c;
    const double        scale = own->normaliser > 0 ? -2 / own->normaliser : 0;
    for (size_t i = row0; i < row1; i++) {
        const float *y = z + i * c;
        const double a = rim(y, c);
        double       slope;
        const double distance = squared_distance(2 * (1 - a) / a, &slope);
        const double norm = p->norm_weight * (own->square[i] - distance) * slope * -8 / ((double)problem->n * a * a);
        for (size_t k = 0; k < c; k++)
            gradient[i * c + k] = (float)(scale * (double)own->force[i * c + k] + norm * (double)y[k]);
    }
    return NE_OK;
}

/* t of a pair, in double. */
static double pair_t(const float *a, const float *b, size_t c)
{
    double s = 0;
    for (size_t k = 0; k < c; k++) s += ((double)a[k] - (double)b[k]) * ((double)a[k] - (double)b[k]);
    return 2 * s / (rim(a, c) * rim(b, c));
}

/* log of the sum S over all pairs, from pieces that add up: with S = S_0 (1 + e), S_0 the sum of the gradient in float,
 * log S = log S_0 + e up to e^2, and e is at most 1e-6. */
static ne_status cosne_repulsive_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                      size_t row0, size_t row1, double *loss)
{
    const cosne_params *p   = params;
    const cosne_state  *own = state;
    const size_t        n = problem->n, c = problem->c;
    const double        share = (double)(row1 - row0) / (double)n, gamma_square = p->gamma * p->gamma;
    double              sum = problem->reference ? (double)(row1 - row0) / gamma_square : 0, norm = 0, slope;
    for (size_t i = row0; i < row1; i++) {
        const double a = rim(z + i * c, c), distance = squared_distance(2 * (1 - a) / a, &slope);
        norm += (own->square[i] - distance) * (own->square[i] - distance);
        for (size_t j = 0; j < n; j++)
            if (j != i) sum += 1 / (squared_distance(pair_t(z + i * c, z + j * c, c), &slope) + gamma_square);
    }
    *loss = sum / own->normaliser - share + share * log(p->gamma * own->normaliser) + p->norm_weight * norm / (double)n;
    return NE_OK;
}

/* --- Attraction: edges ------------------------------------------------------------------------------------------- */

typedef struct cosne_edges {
    float s[EDGES + LANES], t[EDGES + LANES], r[EDGES + LANES], inverse[EDGES + LANES], weight[EDGES + LANES];
} cosne_edges;

/* weight_e = p_e (h / r) / (a_j (h^2 + gamma^2)) of EDGES edges of one row at most. */
NE_CLONES static void cosne_attract_tile(size_t count, float inverse_own, float gamma_square,
                                         const float *restrict value, cosne_edges *restrict edges)
{
#pragma omp simd
    for (size_t e = 0; e < count; e++) {
        edges->t[e] = 2 * edges->s[e] * inverse_own * edges->inverse[e] + 1e-30f;
        edges->r[e] = sqrtf(edges->t[e] * (edges->t[e] + 2));
    }
    for (size_t e = count; e % LANES; e++) edges->t[e] = edges->r[e] = 1;
    for (size_t e = 0; e < count; e += LANES) {
        lanes       denominator;
        const lanes ratio = hyperbolic(lanes_load(edges->t + e), lanes_load(edges->r + e), gamma_square, &denominator);
        lanes_store(edges->weight + e, ratio / denominator);
    }
#pragma omp simd
    for (size_t e = 0; e < count; e++) edges->weight[e] *= value[e] * edges->inverse[e];
}

static ne_status cosne_attractive_gradient(const void *params, const ne_problem *problem, void *state, const float *z,
                                           size_t row0, size_t row1, float *gradient)
{
    const cosne_params *p            = params;
    const cosne_state  *own          = state;
    const ne_csr       *edges        = problem->affinity;
    const float        *val          = edges->val;
    const size_t        c            = problem->c;
    const float         gamma_square = (float)(p->gamma * p->gamma);
    cosne_edges         tile;
    for (size_t i = row0; i < row1; i++) {
        float *g     = gradient + i * c;
        float  along = 0;
        for (size_t k = 0; k < c; k++) g[k] = 0;
        for (size_t e = (size_t)edges->start[i]; e < (size_t)edges->start[i + 1]; e += EDGES) {
            const size_t   left = (size_t)edges->start[i + 1] - e, count = left < EDGES ? left : EDGES;
            const int32_t *col = edges->col + e;
            for (size_t t = 0; t < count; t++) {
                const float *zj = z + (size_t)col[t] * c;
                float        s  = 0;
                for (size_t k = 0; k < c; k++) s += (z[i * c + k] - zj[k]) * (z[i * c + k] - zj[k]);
                tile.s[t]       = s;
                tile.inverse[t] = own->inverse[col[t]];
            }
            cosne_attract_tile(count, own->inverse[i], gamma_square, val + e, &tile);
            for (size_t t = 0; t < count; t++) {
                const float *zj = z + (size_t)col[t] * c;
                along += tile.weight[t] * tile.s[t];
                for (size_t k = 0; k < c; k++) g[k] += tile.weight[t] * (z[i * c + k] - zj[k]);
            }
        }
        /* 2 p_ij of the formula is the 16. */
        for (size_t k = 0; k < c; k++) g[k] = 16 * own->inverse[i] * (g[k] + along * own->inverse[i] * z[i * c + k]);
    }
    return NE_OK;
}

static ne_status cosne_attractive_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                       size_t row0, size_t row1, double *loss)
{
    const cosne_params *p     = params;
    const ne_csr       *edges = problem->affinity;
    const float        *val   = edges->val;
    const size_t        c     = problem->c;
    double              slope;
    (void)state;
    *loss = 0;
    for (size_t i = row0; i < row1; i++)
        for (int64_t e = edges->start[i]; e < edges->start[i + 1]; e++) {
            const double t = pair_t(z + i * c, z + (size_t)edges->col[e] * c, c);
            *loss += (double)val[e] * (log(squared_distance(t, &slope) + p->gamma * p->gamma) - log(p->gamma));
        }
    return NE_OK;
}

const ne_method_ops method_cosne = {
    .struct_size = sizeof(ne_method_ops),
    .name        = "cosne",
    .help = "CO-SNE: t-SNE in the Poincare ball, where hierarchies have room; distances to the origin follow norms",
    .affinity_in          = "entropic",
    .options              = cosne_options,
    .option_count         = sizeof cosne_options / sizeof *cosne_options,
    .option_size          = sizeof(ne_option),
    .presets              = cosne_presets,
    .preset_count         = sizeof cosne_presets / sizeof *cosne_presets,
    .params_size          = sizeof(cosne_params),
    .state_size           = sizeof(cosne_state),
    .plan                 = cosne_plan,
    .on_affinity_computed = cosne_on_affinity,
    .attractive_gradient  = cosne_attractive_gradient,
    .repulsive_gradient   = cosne_repulsive_gradient,
    .attractive_loss      = cosne_attractive_loss,
    .repulsive_loss       = cosne_repulsive_loss,
    .clear                = cosne_clear,
    .before_gradient      = cosne_before_gradient,
};
