/* affinity/quadratic.c: the doubly stochastic affinity of a quadratic regularisation, which is sparse (Lorenz, Manns &
 * Meyer 2021; Zhang, Mordant, Matsumoto & Schiebinger 2023).
 *
 *     P = S / n,   S_ij = max(f_i + f_j - C_ij, 0) / eps,   f such that the rows r of S sum to 1
 *
 * f is the minimum of psi(f) = (1 / (4 eps)) sum_ij max(f_i + f_j - C_ij, 0)^2 - sum_i f_i, with gradient r - 1: piecewise
 * quadratic, so semismooth Newton: (diag(a) + A) s = eps (1 - r), A the pairs that are active, f_i + f_j > C_ij, and a
 * their number in each row. The start is half the water level of each row alone; where eps is small, the solution of four
 * times the eps, and so on up. The active pairs are few: they are listed once a step, and a product runs over the list;
 * without room for the list, over all pairs. */
#include "affinity/cg.h"
#include "affinity/dual.h"
#include "affinity/input.h"
#include "affinity/pair_list.h"
#include "affinity/vector_log.h"
#include "cpu/lanes.h"

#include <math.h>
#include <string.h>

typedef struct quadratic_params {
    double  eps, tol;
    int64_t max_iter, kernel, zero_diag;
} quadratic_params;

#define AT(field) offsetof(quadratic_params, field)
static const ne_option quadratic_options[] = {
    {.name   = "eps",
     .type   = NE_OPT_REAL,
     .offset = AT(eps),
     .preset = "1",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "quadratic regularisation: larger gives more pairs an affinity"},
    {.name      = "tol_affinity",
     .type      = NE_OPT_REAL,
     .offset    = AT(tol),
     .preset    = "1e-6",
     .reference = "1e-5",
     .min       = 0,
     .max       = 1,
     .flags     = NE_OPT_MIN_OPEN,
     .help      = "largest deviation of a row's sum from 1"},
    {.name      = "max_iter_affinity",
     .type      = NE_OPT_INT,
     .offset    = AT(max_iter),
     .preset    = "200",
     .reference = "1000",
     .min       = 1,
     .max       = 1e6,
     .help      = "most Newton steps of the affinity's solver"},
    {.name    = "base_kernel",
     .type    = NE_OPT_CHOICE,
     .offset  = AT(kernel),
     .preset  = "gaussian",
     .choices = "gaussian|student",
     .help    = "costs are the distances d, or log(1 + d)"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = AT(zero_diag),
     .preset = "true",
     .help   = "no affinity of a point to itself"},
};

#define EASY   0.5 /* eps in units of the mean cost above the least from which the water levels are a good start */
#define COARSE 0.1 /* residual at which a larger eps has served its purpose */

typedef struct quadratic_state {
    const quadratic_params *params;
    double                  eps; /* for now */
    const ne_pairs         *pairs;
    size_t                  n;
    double                 *f, *r, *square, *active, *step, *work;
    float                  *high; /* n: f */
    double                  lost; /* the most that floats make of it and of a sum */
    dual_problem            dual;
    dual_hessian            hessian; /* own: 1 where (i, i) is active */
} quadratic_state;

/* The cost of a pair; 1 + c is positive for every distance that a Student kernel is made of. */
NE_INLINE double cost_of(int64_t student, float c)
{
    return student ? vector_log((double)c > -1 ? 1 + (double)c : 1e-300) : (double)c;
}

typedef struct row_totals {
    double sum, square, active;
} row_totals;

enum {
    GROUP = 32 /* pairs that are looked at together */
};

/* 1 if some of GROUP pairs may be active: level + f_j > c_j but for what floats lose. */
NE_INLINE int may_be_active(const float *restrict c, float level, const float *restrict f)
{
    const lanes all = lanes_all(level);
    lanes_int   any = {0};
    int64_t     bits[LANES / 2];
    for (size_t j = 0; j < GROUP; j += LANES) any |= lanes_load(c + j) < all + lanes_load(f + j);
    memcpy(bits, &any, sizeof bits);
    return ((bits[0] | bits[1]) | (bits[2] | bits[3])) != 0;
}

/* The same as below with f, without a look at the groups that have no active pair; high is f in float, and level_up a
 * level that makes up for what that loses. */
NE_CLONES static row_totals quadratic_sparse_totals(size_t count, const float *restrict c, double level, float level_up,
                                                    const double *restrict f, const float *restrict high)
{
    double       s = 0, q = 0, a = 0;
    const size_t whole = count / GROUP * GROUP;
    for (size_t j = 0; j < count; j += GROUP)
        if (j >= whole || may_be_active(c + j, level_up, high + j))
            for (size_t k = j; k < count && k < j + GROUP; k++) {
                const double t = level + f[k] - (double)c[k], safe = t > 0 ? t : 0;
                s += safe;
                q += safe * safe;
                a += t > 0 ? 1 : 0;
            }
    return (row_totals){s, q, a};
}

/* Sums of max(level + f_j - c_j, 0), of its square, and the number of positive ones; f may be NULL. */
NE_CLONES static row_totals quadratic_totals(int64_t student, size_t count, const float *restrict c, double level,
                                             const double *restrict f)
{
    double s[4] = {0}, q[4] = {0}, a[4] = {0};
    for (size_t j = 0; j < count; j += 4)
        for (size_t k = 0; k < 4 && j + k < count; k++) {
            const double t = level + (f ? f[j + k] : 0) - cost_of(student, c[j + k]), safe = t > 0 ? t : 0;
            s[k] += safe;
            q[k] += safe * safe;
            a[k] += t > 0 ? 1 : 0;
        }
    const row_totals totals = {(s[0] + s[1]) + (s[2] + s[3]), (q[0] + q[1]) + (q[2] + q[3]),
                               (a[0] + a[1]) + (a[2] + a[3])};
    return totals;
}

/* All of the row, or all but itself. */
static row_totals totals_of(const quadratic_state *s, size_t row, const float *c, double level, const double *f)
{
    const int64_t student = s->params->kernel;
    const size_t  end     = s->params->zero_diag ? row : s->n;
    row_totals    t       = quadratic_totals(student, end, c, level, f);
    if (end < s->n) {
        const row_totals u = quadratic_totals(student, s->n - row - 1, c + row + 1, level, f ? f + row + 1 : NULL);
        t                  = (row_totals){t.sum + u.sum, t.square + u.square, t.active + u.active};
    }
    return t;
}

/* The mean cost above the least, which is what eps is measured by, into r. */
static ne_status spread_row(void *user, size_t row, const float *c)
{
    const quadratic_state *s     = user;
    double                 least = INFINITY, sum = 0;
    size_t                 count = 0;
    for (size_t j = 0; j < s->n; j++)
        if (j != row || !s->params->zero_diag) {
            const double cost = cost_of(s->params->kernel, c[j]);
            least             = fmin(least, cost);
            sum += cost;
            count++;
        }
    s->r[row] = sum / (double)count - least;
    return NE_OK;
}

/* The level v with sum_j max(v - c_j, 0) = eps: Newton from above is monotone, and ends in finitely many steps. */
static ne_status start_row(void *user, size_t row, const float *c)
{
    const quadratic_state *s     = user;
    const double           eps   = s->eps;
    double                 least = INFINITY, level;
    for (size_t j = 0; j < s->n; j++)
        if (j != row || !s->params->zero_diag) least = fmin(least, cost_of(s->params->kernel, c[j]));
    level = least + eps;
    for (int t = 0; t < 100; t++) {
        const row_totals totals = totals_of(s, row, c, level, NULL);
        const double     step   = (totals.sum - eps) / totals.active;
        if (!(step > 1e-15 * fabs(level))) break;
        level -= step;
    }
    s->f[row] = 0.5 * level;
    return NE_OK;
}

static row_totals active_totals(const quadratic_state *s, size_t row, const float *c)
{
    const size_t n = s->n, end = s->params->zero_diag ? row : n;
    const double level = s->f[row];
    const float  up    = (float)(level + s->lost);
    if (s->params->kernel) return totals_of(s, row, c, level, s->f);
    row_totals t = quadratic_sparse_totals(end, c, level, up, s->f, s->high);
    if (end < n) {
        const row_totals u =
            quadratic_sparse_totals(n - row - 1, c + row + 1, level, up, s->f + row + 1, s->high + row + 1);
        t = (row_totals){t.sum + u.sum, t.square + u.square, t.active + u.active};
    }
    return t;
}

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const quadratic_state *s = user;
    const row_totals       t = active_totals(s, row, c);
    s->r[row]                = t.sum / s->eps;
    s->square[row]           = t.square;
    s->active[row]           = t.active;
    s->hessian.own[row]      = !s->params->zero_diag && 2 * s->f[row] > cost_of(s->params->kernel, c[row]) ? 1 : 0;
    return NE_OK;
}

static int is_active(const quadratic_state *s, size_t row, size_t j, const float *c)
{
    return s->f[row] + s->f[j] - cost_of(s->params->kernel, c[j]) > 0 && (j != row || !s->params->zero_diag);
}

NE_CLONES static int quadratic_group(const float *restrict c, float level, const float *restrict f)
{
    return may_be_active(c, level, f);
}

static ne_status list_row(void *user, size_t row, const float *c)
{
    const quadratic_state *s  = user;
    int32_t               *to = s->hessian.list.col + s->hessian.list.start[row];
    const float            up = (float)(s->f[row] + s->lost);
    for (size_t j = 0; j < s->n; j += GROUP)
        if (s->params->kernel || j + GROUP > s->n || quadratic_group(c + j, up, s->high + j))
            for (size_t k = j; k < s->n && k < j + GROUP; k++)
                if (is_active(s, row, k, c)) *to++ = (int32_t)k;
    return NE_OK;
}

static ne_status product_row(void *user, size_t row, const float *c)
{
    const quadratic_state *s   = user;
    double                 sum = 0;
    for (size_t j = 0; j < s->n; j++)
        if (s->f[row] + s->f[j] - cost_of(s->params->kernel, c[j]) > 0 && (j != row || !s->params->zero_diag))
            sum += s->hessian.v[j];
    s->hessian.to[row] = s->hessian.diagonal[row] * s->hessian.v[row] + sum;
    return NE_OK;
}

static void prepare(void *state)
{
    quadratic_state *s    = state;
    double           most = 0;
    for (size_t i = 0; i < s->n; i++) {
        s->high[i] = (float)s->f[i];
        most       = fmax(most, fabs(s->f[i]));
    }
    s->lost = 1e-6 * most;
}

static double value_of(const void *state)
{
    const quadratic_state *s   = state;
    double                 sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += s->square[i] / (4 * s->eps) - s->f[i];
    return sum;
}

static ne_status newton(void *state, double residual, int *moved)
{
    quadratic_state *s      = state;
    const size_t     n      = s->n;
    const cg_system  system = dual_system(&s->hessian, s->work + n);
    double          *rhs    = s->work;
    const double     value  = value_of(s);
    double           slope, rounding = 0;
    ne_status        st;

    for (size_t i = 0; i < n; i++) {
        rhs[i] = s->eps * (1 - s->r[i]);
        /* A row that reaches no other is raised by eps: less than it may need, but no more than others can stand. */
        s->hessian.diagonal[i] = s->active[i] > 0 ? s->active[i] + 1e-8 : 1;
        rounding += 1e-15 * (s->square[i] / (4 * s->eps) + fabs(s->f[i]));
    }
    st = pair_list_new(&ne_pairs_context(s->pairs)->memory, n, s->active, pair_list_most(s->pairs, 0), 0,
                       &s->hessian.list);
    if (st != NE_OK) return st;
    if (s->hessian.list.col && (st = ne_pairs_visit(s->pairs, list_row, s)) != NE_OK) return st;
    if ((st = cg_solve(&system, rhs, fmin(0.01, residual), s->hessian.list.col ? 1000 : 200, s->step)) != NE_OK)
        return st;
    slope = -cg_dot(n, rhs, s->step) / s->eps;
    return dual_search(&s->dual, value, 1, slope, rounding, 50, moved);
}

static ne_status iterate(quadratic_state *s, ne_solution *solution)
{
    double    spread = 0, factor = 1;
    ne_status st = NE_OK;

    s->eps = s->params->eps;
    if (solution->started) return dual_descend(&s->dual, s->params->max_iter, s->params->tol, solution);
    st = ne_pairs_visit(s->pairs, spread_row, s);

    for (size_t i = 0; st == NE_OK && i < s->n; i++) spread += s->r[i] / (double)s->n;
    while (s->params->eps * factor < EASY * spread) factor *= 4;
    s->eps = s->params->eps * factor;
    if (st == NE_OK) st = ne_pairs_visit(s->pairs, start_row, s);
    for (; st == NE_OK && factor > 1; factor /= 4) {
        st     = dual_descend(&s->dual, s->params->max_iter, COARSE, solution);
        s->eps = s->params->eps * factor / 4;
    }
    s->eps = s->params->eps;
    return st == NE_OK ? dual_descend(&s->dual, s->params->max_iter, s->params->tol, solution) : st;
}

static ne_status quadratic_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    const ne_allocator *mem  = &ne_pairs_context(pairs)->memory;
    const size_t        n    = ne_pairs_rows(pairs);
    quadratic_state     s    = {.params = params, .pairs = pairs, .n = n, .f = solution->dual};
    double             *real = memory_new(mem, n, 12 * sizeof *real);
    float              *high = memory_new(mem, n, sizeof *high);
    ne_status           st   = NE_OUT_OF_MEMORY;

    if (real && high) {
        s.high    = high;
        s.r       = real + n;
        s.square  = real + 2 * n;
        s.active  = real + 3 * n;
        s.step    = real + 5 * n;
        s.work    = real + 6 * n;
        s.dual    = (dual_problem){.pairs   = pairs,
                                   .n       = n,
                                   .f       = s.f,
                                   .kept    = real,
                                   .r       = s.r,
                                   .step    = s.step,
                                   .state   = &s,
                                   .prepare = prepare,
                                   .sum     = sum_row,
                                   .value   = value_of,
                                   .newton  = newton};
        s.hessian = (dual_hessian){
            .pairs = pairs, .n = n, .diagonal = real + 11 * n, .own = real + 4 * n, .row = product_row, .user = &s};
        st = iterate(&s, solution);
    }
    pair_list_clear(mem, &s.hessian.list);
    memory_free(mem, real);
    memory_free(mem, high);
    return st;
}

static ne_status quadratic_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                                const double *dual, float *values)
{
    const quadratic_params *p     = params;
    const double            scale = 1 / (p->eps * (double)n);
    (void)across;
    for (size_t j = 0; j < n; j++)
        values[j] = (float)(scale * fmax(dual[self] + dual[j] - cost_of(p->kernel, c[j]), 0));
    if (p->zero_diag) values[self] = 0;
    return NE_OK;
}

static const char *const quadratic_duals[] = {"dual"};

const ne_affinity_ops affinity_doubly_stochastic_quadratic = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "doubly_stochastic_quadratic",
    .help         = "symmetric, doubly stochastic and sparse: optimal transport with quadratic regularisation",
    .options      = quadratic_options,
    .option_count = sizeof quadratic_options / sizeof *quadratic_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(quadratic_params),
    .combine      = NE_COMBINE_NONE,
    .dual_count   = 1,
    .dual_names   = quadratic_duals,
    .solve        = quadratic_solve,
    .rows         = quadratic_rows,
};
