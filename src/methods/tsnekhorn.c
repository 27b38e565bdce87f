/* methods/tsnekhorn.c: SNEkhorn with a Student kernel (Van Assel, Vayer, Flamary & Courty, NeurIPS 2023).
 *
 * Both affinities are symmetric with rows of equal mass: P by its two sets of duals (symmetric_entropic), Q by Sinkhorn's
 * iterations. So a point far from the rest weighs no less than others.
 *
 *     q_ij = exp(f_i + f_j - k_ij) / n,   k_ij = ((nu + 1) / 2) log(1 + s_ij / nu),   s_ij = |z_i - z_j|^2,   q_ii = 0
 *     sweep: r_i = -log sum_j exp(f_j - k_ij),   f <- (f + r) / 2     (5 at most a step, from the f of the step before)
 *     L = -sum_ij p_ij log q_ij + sum_ij q_ij     dL/dz_i = 4 sum_j (p_ij - q_ij) w_ij (z_i - z_j),  w = dk/ds, f held fixed
 *
 * With unrolling L = -sum_ij p_ij log q_ij, and the gradient goes back through the sweeps of the step. One sweep, with
 * e_ij = exp(f_i + f_j - k_ij) of the f before it and R_i = sum_j e_ij: a change of k_ij and of f moves the new f_i by
 * 1/2 sum_j (e_ij / R_i) dk_ij and by 1/2 df_i - 1/2 sum_j (e_ij / R_i) df_j. So backwards, from g_i = -2 sum_j p_ij:
 *     h_i = g_i / R_i,   w_ij's factor p_ij grows by (h_i + h_j) e_ij / 4,   g_i <- g_i / 2 - 1/2 sum_j e_ij h_j
 *
 * Cost a step: n^2 pairs for each sweep (and for each sweep back), and n^2 pairs with P for the gradient. For nu = 1 the
 * kernel e^-k is 1 / (1 + s), so that a sweep is a product with a matrix made on the fly, 0.1 ns an entry with AVX, and takes
 * neither logarithm nor exponential. Memory: P, and nothing else of size n^2. Where f is so large that exp f leaves
 * the range of floats, and for other nu, all is done with logarithms.
 *
 * Lanes are columns of P, which streams through once; each row is summed lane by lane in one order, whatever the threads. */
#include "cpu/elementary.h"
#include "methods/methods.h"

#include <math.h>
#include <string.h>

enum {
    SWEEPS = 5,
    TILE   = 1024, /* terms that are summed in float */
    BLOCK  = 16,   /* rows */
    FEW    = 256,  /* rows for which threads do not pay */
    LARGE  = 30    /* |f| that still goes through exp f */
};

typedef struct tsnekhorn_params {
    double  lr_affinity;
    int64_t symmetric, unrolling;
} tsnekhorn_params;

/* One sweep, for the way back. Arrays of n rounded up; what is past n counts nothing. */
typedef struct sweep {
    float  *f, *a;      /* f before it; exp f */
    float  *h, *ah;     /* h, and its product with a */
    double *sum;        /* R_i */
    int     logarithms; /* f is LARGE: a is not set */
} sweep;

typedef struct tsnekhorn_state {
    double  nu;
    size_t  width;   /* n rounded up to LANES */
    float  *columns; /* c x width: z of the step */
    float  *room;
    double *f, *r, *g, *mass;   /* n; mass: row sums of P */
    double *before, *at_step;   /* n: f before the sweeps of a step, and that step + 1 */
    double  diagonal;           /* sum of P_ii */
    sweep   sweeps[SWEEPS + 1]; /* the last one: f after all sweeps */
    size_t  count;
    double *doubles;
} tsnekhorn_state;

static const ne_option tsnekhorn_options[] = {
    {.name   = "unrolling",
     .type   = NE_OPT_BOOL,
     .offset = offsetof(tsnekhorn_params, unrolling),
     .preset = "false",
     .help   = "the gradient goes through Sinkhorn's iterations of the step, too; as a rule slower and no better"},
    {.name   = "symmetric_affinity",
     .type   = NE_OPT_BOOL,
     .offset = offsetof(tsnekhorn_params, symmetric),
     .preset = "true",
     .help   = "true: the symmetric entropic affinity; for the directed one fit a graph of it"},
    {.name   = "lr_affinity_in",
     .type   = NE_OPT_REAL,
     .offset = offsetof(tsnekhorn_params, lr_affinity),
     .preset = "0.1",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "taken for compatibility: the affinity is solved by Newton's method, which has no rate"},
};

/* Of the reference's affinity about half can lie on the diagonal, where Q has nothing to answer it. */
static const ne_preset tsnekhorn_presets[] = {
    {"zero_diag", "true", "false"},
    {"max_iter_affinity", "100", "100"},
    {"tol_affinity", "1e-3", "1e-3"},
    {"min_grad_norm", "1e-7", "1e-4"},
};

static ne_status tsnekhorn_plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    const tsnekhorn_params *p   = params;
    tsnekhorn_state        *own = state;
    (void)problem;
    own->nu               = *(const double *)terms->affinity_out_params; /* of student: degrees_of_freedom */
    terms->dense_affinity = 1;
    terms->keep_order     = 1;
    if (!p->symmetric)
        return ne_fail(NE_UNSUPPORTED,
                       "symmetric_affinity: false has no affinity of its own here; fit a graph of the affinity "
                       "entropic in its place");
    return NE_OK;
}

static ne_status tsnekhorn_on_affinity(const void *params, const ne_problem *problem, void *state)
{
    const tsnekhorn_params *p   = params;
    tsnekhorn_state        *own = state;
    const size_t            n = problem->n, width = (n + LANES - 1) / LANES * LANES;
    const size_t            kept = p->unrolling ? SWEEPS + 1 : 1;
    own->width                   = width;
    own->columns                 = ne_allocate(problem->context, width, problem->c * sizeof *own->columns);
    own->room                    = ne_allocate(problem->context, width, 4 * kept * sizeof *own->room);
    own->doubles                 = ne_allocate(problem->context, n + 1, (5 + kept) * sizeof *own->doubles);
    if (!own->columns || !own->room || !own->doubles) return NE_OUT_OF_MEMORY;
    own->f       = own->doubles;
    own->r       = own->f + n;
    own->g       = own->r + n;
    own->mass    = own->g + n;
    own->before  = own->mass + (1 + kept) * n;
    own->at_step = own->before + n;
    for (size_t t = 0; t <= SWEEPS; t++) { /* without unrolling all are one */
        const size_t at  = p->unrolling ? t : 0;
        float       *at4 = own->room + at * 4 * width;
        own->sweeps[t]   = (sweep){at4, at4 + width, at4 + 2 * width, at4 + 3 * width, own->mass + (1 + at) * n, 0};
    }
    for (size_t t = 0; t < kept; t++)
        for (size_t i = n; i < width; i++) own->sweeps[t].f[i] = -1e30f; /* exp of it is 0 */
    for (size_t i = 0; i < n; i++) {
        const float *row = problem->dense_affinity + i * n;
        for (size_t j = 0; j < n; j++) own->mass[i] += (double)row[j];
        own->diagonal += (double)row[i];
    }
    return NE_OK;
}

static void tsnekhorn_clear(ne_context *context, void *state)
{
    tsnekhorn_state *own = state;
    ne_release(context, own->columns);
    ne_release(context, own->room);
    ne_release(context, own->doubles);
}

/* --- Sinkhorn's sweeps ------------------------------------------------------------------------------------------- */

/* What the rows of a pass have in common. */
typedef struct field {
    size_t       c, width;
    const float *columns;
    float        power, scale, slope; /* (nu + 1) / 2, 1 / nu, power scale */
    float        far;                 /* added to s_ii */
} field;

static field field_of(const ne_problem *problem, const tsnekhorn_state *own)
{
    const double power = (own->nu + 1) / 2;
    const field  of    = {.c       = problem->c,
                          .width   = own->width,
                          .columns = own->columns,
                          .power   = (float)power,
                          .scale   = (float)(1 / own->nu),
                          .slope   = (float)(power / own->nu),
                          .far     = problem->reference ? 1e12f : 1e30f};
    return of;
}

/* s of LANES pairs of row i, j its first; the pair of i with itself is far apart. d: the differences, or NULL. */
NE_INLINE lanes lane_squares(const field *of, size_t c, size_t i, size_t j)
{
    const lanes_int order = {0, 1, 2, 3, 4, 5, 6, 7};
    lanes           s     = {0};
    for (size_t k = 0; k < c; k++) {
        const lanes d = of->columns[k * of->width + i] - lanes_load(of->columns + k * of->width + j);
        s += d * d;
    }
    if (i - j < LANES) { /* wraps to a large number for j after i */
        const lanes_int mine = order == (int32_t)(i - j);
        s += (lanes)((lanes_int)lanes_all(of->far) & mine);
    }
    return s;
}

/* k of s, accurate also where it is small; u = 1 + s / nu is wanted elsewhere. */
NE_INLINE lanes lane_energy(const field *of, lanes s, lanes *u)
{
    const lanes x = s * of->scale;
    *u            = 1.0f + x;
    return of->power * (elementary_log(*u) + (x - (*u - 1.0f)) / *u);
}

NE_INLINE double sum_of_lanes(const double *total)
{
    return ((total[0] + total[4]) + (total[2] + total[6])) + ((total[1] + total[5]) + (total[3] + total[7]));
}

/* sum_j e^-k_ij v_j (nu = 1), or with f: sum_j exp(f_i + f_j - k_ij) v_j. */
NE_INLINE double row_sum(const field *of, size_t c, size_t i, const float *f, const float *v)
{
    double total[LANES] = {0};
    for (size_t from = 0; from < of->width; from += TILE) {
        const size_t to  = of->width - from < TILE ? of->width : from + TILE;
        lanes        sum = {0}, u;
        for (size_t j = from; j < to; j += LANES) {
            const lanes s = lane_squares(of, c, i, j);
            if (f) sum += elementary_exp(f[i] + lanes_load(f + j) - lane_energy(of, s, &u)) * lanes_load(v + j);
            else sum += lanes_load(v + j) / (1.0f + s);
        }
        for (size_t l = 0; l < LANES; l++) total[l] += (double)sum[l];
    }
    return sum_of_lanes(total);
}

NE_CLONES static double tsnekhorn_sum_linear(const field *of, size_t i, const float *v)
{
    return of->c == 2   ? row_sum(of, 2, i, NULL, v)
           : of->c == 3 ? row_sum(of, 3, i, NULL, v)
                        : row_sum(of, of->c, i, NULL, v);
}

NE_CLONES static double tsnekhorn_sum_logs(const field *of, size_t i, const float *f, const float *v)
{
    return of->c == 2 ? row_sum(of, 2, i, f, v) : row_sum(of, of->c, i, f, v);
}

/* to_i = sum_j exp(f_i + f_j - k_ij) v_j, where av is exp(f) v. */
static void sum_rows(const ne_problem *problem, const field *of, const sweep *at, const float *v, const float *av,
                     double *to)
{
    const int64_t n = (int64_t)problem->n;
#pragma omp parallel for schedule(dynamic, BLOCK) num_threads(problem->threads) if (n > FEW)
    for (int64_t i = 0; i < n; i++)
        to[i] = at->logarithms ? tsnekhorn_sum_logs(of, (size_t)i, at->f, v)
                               : (double)at->a[i] * tsnekhorn_sum_linear(of, (size_t)i, av);
}

/* f into a sweep, and 1 into its h. */
static void take_f(const tsnekhorn_state *own, size_t n, sweep *at)
{
    at->logarithms = own->nu != 1;
    for (size_t i = 0; i < n; i++) at->logarithms |= !(fabs(own->f[i]) < LARGE);
    for (size_t i = 0; i < n; i++) {
        at->f[i] = (float)own->f[i];
        at->h[i] = 1;
        if (!at->logarithms) at->a[i] = (float)exp(own->f[i]);
    }
}

/* Sweeps until f and r agree; without unrolling nothing of them is kept but f. */
static void run_sweeps(const ne_problem *problem, const field *of, tsnekhorn_state *own)
{
    const size_t n     = problem->n;
    double       apart = INFINITY;
    for (own->count = 0; own->count < SWEEPS && apart >= 1e-5; own->count++) {
        sweep *at = &own->sweeps[own->count];
        take_f(own, n, at);
        sum_rows(problem, of, at, at->h, at->a, at->sum);
        apart = 0;
        for (size_t i = 0; i < n; i++) {
            const double r = own->f[i] - log(fmax(at->sum[i], 1e-38));
            own->f[i]      = (own->f[i] + r) / 2;
            apart += (own->f[i] - r) * (own->f[i] - r);
        }
        apart = sqrt(apart);
    }
    take_f(own, n, &own->sweeps[own->count]);
}

/* h of every sweep, last to first. */
static void run_back(const ne_problem *problem, const field *of, tsnekhorn_state *own)
{
    const size_t n = problem->n;
    for (size_t i = 0; i < n; i++) own->g[i] = -2 * own->mass[i];
    for (size_t t = own->count; t-- > 0;) {
        sweep *at = &own->sweeps[t];
        for (size_t i = 0; i < n; i++) {
            at->h[i]  = (float)(own->g[i] / at->sum[i]);
            at->ah[i] = at->a[i] * at->h[i];
        }
        sum_rows(problem, of, at, at->h, at->ah, own->r);
        for (size_t i = 0; i < n; i++) own->g[i] = (own->g[i] - own->r[i]) / 2;
    }
}

static ne_status tsnekhorn_before_gradient(const void *params, const ne_problem *problem, void *state, int64_t step,
                                           const float *z, ne_terms *terms)
{
    const tsnekhorn_params *p   = params;
    tsnekhorn_state        *own = state;
    const field             of  = field_of(problem, own);
    for (size_t k = 0; k < of.c; k++)
        for (size_t i = 0; i < problem->n; i++) own->columns[k * own->width + i] = z[i * of.c + k];
    if (terms->again && !p->unrolling) return NE_OK; /* f is a constant */
    /* However often a step is evaluated, it starts from the f of the step before. */
    const int seen = *own->at_step == (double)(step + 1);
    memcpy(seen ? own->f : own->before, seen ? own->before : own->f, problem->n * sizeof *own->f);
    *own->at_step = (double)(step + 1);
    run_sweeps(problem, &of, own);
    if (p->unrolling) run_back(problem, &of, own);
    return NE_OK;
}

/* --- Gradient ---------------------------------------------------------------------------------------------------- */

/* The factor p_ij - e_ij / n, or with unrolling p_ij + (1/4) sum over sweeps of e_ij (h_i + h_j), of LANES pairs. */
NE_INLINE lanes lane_factor(const tsnekhorn_state *own, int logarithms, int unrolled, float share, size_t i, size_t j,
                            lanes p, lanes q, lanes energy, lanes *mass)
{
    if (!unrolled) {
        const sweep *at = &own->sweeps[own->count];
        if (logarithms) *mass = elementary_exp(at->f[i] + lanes_load(at->f + j) - energy) * lanes_load(at->h + j);
        else *mass = at->a[i] * lanes_load(at->a + j) * q;
        return p - share * *mass;
    }
    lanes back = {0};
    for (size_t t = 0; t < own->count; t++) {
        const sweep *at = &own->sweeps[t];
        if (logarithms)
            back += elementary_exp(at->f[i] + lanes_load(at->f + j) - energy) * (at->h[i] + lanes_load(at->h + j));
        else back += at->a[i] * lanes_load(at->ah + j) + at->ah[i] * lanes_load(at->a + j);
    }
    *mass = (lanes){0};
    if (!logarithms) back *= q;
    return p + 0.25f * back;
}

/* Sums over a row, lane by lane: of p k, and of e. */
typedef struct tile_sums {
    double energy[LANES], mass[LANES];
} tile_sums;

/* Columns [from, to) of row i, to - from a multiple of LANES and TILE at most; p is that part of P. */
NE_INLINE void weigh(const tsnekhorn_state *own, const field *of, size_t c, int logarithms, int unrolled, float share,
                     size_t i, size_t from, size_t to, const float *restrict p, float *restrict weight,
                     tile_sums *restrict sums)
{
    lanes energy_sum = {0}, mass_sum = {0};
    for (size_t j = from; j < to; j += LANES) {
        lanes       u, mass;
        const lanes s = lane_squares(of, c, i, j), value = lanes_load(p + (j - from));
        const lanes energy = lane_energy(of, s, &u), q = 1.0f / u;
        const lanes factor = lane_factor(own, logarithms, unrolled, share, i, j, value, q, energy, &mass);
        lanes_store(weight + (j - from), of->slope * factor * q);
        energy_sum += value * energy;
        mass_sum += mass;
    }
    for (size_t l = 0; l < LANES; l++) {
        sums->energy[l] += (double)energy_sum[l];
        sums->mass[l] += (double)mass_sum[l];
    }
}

NE_CLONES static void tsnekhorn_weigh(const tsnekhorn_state *own, const field *of, int logarithms, int unrolled,
                                      float share, size_t i, size_t from, size_t to, const float *restrict p,
                                      float *restrict weight, tile_sums *restrict sums)
{
    if (of->c == 2 && !logarithms && !unrolled) weigh(own, of, 2, 0, 0, share, i, from, to, p, weight, sums);
    else if (of->c == 2 && !logarithms) weigh(own, of, 2, 0, 1, share, i, from, to, p, weight, sums);
    else if (!logarithms) weigh(own, of, of->c, 0, unrolled, share, i, from, to, p, weight, sums);
    else weigh(own, of, of->c, 1, unrolled, share, i, from, to, p, weight, sums);
}

/* sum_j weight_j (own - column_j) */
NE_CLONES static double tsnekhorn_force(size_t count, float own, const float *restrict column,
                                        const float *restrict weight)
{
    lanes  sum = {0};
    double total[LANES];
    for (size_t j = 0; j < count; j += LANES) sum += lanes_load(weight + j) * (own - lanes_load(column + j));
    for (size_t l = 0; l < LANES; l++) total[l] = (double)sum[l];
    return sum_of_lanes(total);
}

static ne_status tsnekhorn_whole_loss(const void *params, const ne_problem *problem, void *state, const float *z,
                                      size_t row0, size_t row1, float *gradient, double *loss)
{
    const tsnekhorn_params *p   = params;
    const tsnekhorn_state  *own = state;
    const field             of  = field_of(problem, own);
    const size_t            n = problem->n, c = problem->c, even = n / LANES * LANES;
    const double            share      = 1 / (double)n;
    int                     logarithms = 0;
    float                   weight[TILE], rest[LANES];
    (void)z;
    for (size_t t = p->unrolling ? 0 : own->count; t <= own->count; t++) logarithms |= own->sweeps[t].logarithms;
    *loss = 0;
    for (size_t i = row0; i < row1; i++) {
        const float *row  = problem->dense_affinity + i * n;
        tile_sums    sums = {{0}, {0}};
        for (size_t k = 0; k < c; k++) gradient[i * c + k] = 0;
        for (size_t from = 0, to; from < of.width; from = to) {
            const float *values = row + from;
            to                  = from == even ? of.width : from + TILE < even ? from + TILE : even;
            if (from == even) { /* a row of P ends here, and the lanes do not */
                for (size_t l = 0; l < LANES; l++) rest[l] = from + l < n ? row[from + l] : 0;
                values = rest;
            }
            tsnekhorn_weigh(own, &of, logarithms, (int)p->unrolling, (float)share, i, from, to, values, weight, &sums);
            for (size_t k = 0; k < c; k++)
                gradient[i * c + k] += (float)(4 * tsnekhorn_force(to - from, own->columns[k * own->width + i],
                                                                   own->columns + k * own->width + from, weight));
        }
        *loss += sum_of_lanes(sums.energy) + own->mass[i] * (log((double)n) - 2 * own->f[i]);
        if (!p->unrolling) *loss += share * sum_of_lanes(sums.mass);
    }
    return NE_OK;
}

const ne_method_ops method_tsnekhorn = {
    .struct_size          = sizeof(ne_method_ops),
    .name                 = "tsnekhorn",
    .help                 = "t-SNE with both affinities doubly stochastic: no point weighs more or less than others",
    .affinity_in          = "symmetric_entropic",
    .affinity_out         = "student",
    .options              = tsnekhorn_options,
    .option_count         = sizeof tsnekhorn_options / sizeof *tsnekhorn_options,
    .option_size          = sizeof(ne_option),
    .presets              = tsnekhorn_presets,
    .preset_count         = sizeof tsnekhorn_presets / sizeof *tsnekhorn_presets,
    .params_size          = sizeof(tsnekhorn_params),
    .state_size           = sizeof(tsnekhorn_state),
    .plan                 = tsnekhorn_plan,
    .on_affinity_computed = tsnekhorn_on_affinity,
    .whole_loss           = tsnekhorn_whole_loss,
    .clear                = tsnekhorn_clear,
    .before_gradient      = tsnekhorn_before_gradient,
};
