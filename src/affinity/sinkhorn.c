/* affinity/sinkhorn.c: a kernel made doubly stochastic (Sinkhorn & Knopp 1967; Cuturi 2013).
 *
 *     P_ij = (1/n) exp(f_i + f_j + log k_ij),   f such that n P has rows, and so columns, that sum to 1
 *
 * f is the minimum of the convex phi(f) = (1/2) sum_ij M_ij - sum_i f_i, M = n P, whose gradient is r - 1, r the row sums,
 * and whose Hessian is diag(r) + M. A few of the symmetric sweeps f <- (f - log sum_i k_ij exp(f_i)) / 2 of Feydy et al.
 * (2019), in the log domain, then Newton: its steps by conjugate gradients, at most 5 long, with Armijo's rule. Where eps
 * is small sweeps alone need thousands of passes of n^2 exponentials; Newton from the solution of four times the eps, and
 * so on up, needs a few dozen: M is all but sparse then, and the products run over the pairs that count. Linear memory. */
#include "affinity/cg.h"
#include "affinity/dual.h"
#include "affinity/input.h"
#include "affinity/log_kernel.h"
#include "affinity/pair_list.h"

#include <math.h>
#include <string.h>

typedef struct sinkhorn_params {
    double  eps, tol;
    int64_t max_iter, kernel, zero_diag;
} sinkhorn_params;

#define AT(field) offsetof(sinkhorn_params, field)
static const ne_option sinkhorn_options[] = {
    {.name   = "eps",
     .type   = NE_OPT_REAL,
     .offset = AT(eps),
     .preset = "1",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "entropic regularisation: what distances are divided by"},
    {.name      = "tol_affinity",
     .type      = NE_OPT_REAL,
     .offset    = AT(tol),
     .preset    = "1e-6",
     .reference = "1e-5",
     .min       = 0,
     .max       = 1,
     .flags     = NE_OPT_MIN_OPEN,
     .help      = "largest deviation of a row's sum from 1"},
    {.name   = "max_iter_affinity",
     .type   = NE_OPT_INT,
     .offset = AT(max_iter),
     .preset = "1000",
     .min    = 1,
     .max    = 1e6,
     .help   = "most iterations of the affinity's solver"},
    {.name    = "base_kernel",
     .type    = NE_OPT_CHOICE,
     .offset  = AT(kernel),
     .preset  = "gaussian",
     .choices = "gaussian|student",
     .help    = "exp(-d / eps) or (1 + d)^(-1 / eps)"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = AT(zero_diag),
     .preset = "true",
     .help   = "no affinity of a point to itself"},
};

enum {
    SWEEPS = 5
};
#define EASY       10.0 /* spread of log k from which sweeps make a good start */
#define LEAST_MOST 1e-3 /* a larger one would leave out too much */
#define COARSE     0.1  /* residual at which a larger eps has served its purpose */

typedef struct sinkhorn_state {
    const sinkhorn_params *params;
    const ne_pairs        *pairs;
    log_kernel             kernel;
    size_t                 n;
    double                *f, *r, *step, *work;
    double                *large; /* terms that count in each row */
    double                 least; /* terms that count */
    dual_problem           dual;
    dual_hessian           hessian; /* own: M_ii; diagonal: r, not quite singular */
} sinkhorn_state;

static log_kernel kernel_of(const sinkhorn_params *p)
{
    const log_kernel kernel = {.kind = p->kernel ? LOG_STUDENT : LOG_GAUSSIAN, .scale = 1 / p->eps, .shape = 1};
    return kernel;
}

static kernel_row row_of(const sinkhorn_state *s, size_t row, const float *c)
{
    const kernel_row r = {s->n, s->params->zero_diag ? row : s->n, c};
    return r;
}

static ne_status spread_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s = user;
    const kernel_row      r = row_of(s, row, c);
    if (!kernel_is_defined(&s->kernel, &r))
        return ne_fail(NE_INVALID_ARGUMENT, "base_kernel: student needs distances above -1, row %zu has smaller ones",
                       row);
    s->r[row] = kernel_spread(&s->kernel, &r);
    return NE_OK;
}

static ne_status sweep_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s = user;
    const kernel_row      r = row_of(s, row, c);
    s->r[row]               = -kernel_log_sum(&s->kernel, &r, s->f);
    return NE_OK;
}

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s = user;
    const kernel_row      r = row_of(s, row, c), self = {1, 1, c + row};
    s->r[row]           = kernel_sum(&s->kernel, &r, s->f[row], s->f, s->least, &s->large[row]);
    s->hessian.own[row] = s->params->zero_diag ? 0 : kernel_sum(&s->kernel, &self, 2 * s->f[row], NULL, 0, NULL);
    return NE_OK;
}

static ne_status list_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s  = user;
    const kernel_row      r  = row_of(s, row, c);
    const int64_t         at = s->hessian.list.start[row];
    kernel_list(&s->kernel, &r, s->f[row], s->f, s->least, s->hessian.list.col + at, s->hessian.list.w + at);
    return NE_OK;
}

static ne_status product_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s = user;
    const kernel_row      r = row_of(s, row, c);
    s->hessian.to[row] =
        s->hessian.diagonal[row] * s->hessian.v[row] + kernel_product(&s->kernel, &r, s->f[row], s->f, s->hessian.v);
    return NE_OK;
}

static double value_of(const void *state)
{
    const sinkhorn_state *s   = state;
    double                sum = 0;
    for (size_t i = 0; i < s->n; i++) sum += 0.5 * s->r[i] - s->f[i];
    return sum;
}

/* Where there are too many pairs for a list, the least of them are left out; their diagonal stays. */
static ne_status make_list(sinkhorn_state *s)
{
    const size_t most = pair_list_most(s->pairs, 1);
    ne_status    st   = NE_OK;
    for (; st == NE_OK && s->least < LEAST_MOST; s->least *= 10, st = ne_pairs_visit(s->pairs, sum_row, s)) {
        double pairs = 0;
        for (size_t i = 0; i < s->n; i++) pairs += s->large[i];
        if (pairs <= (double)most) break;
    }
    if (st == NE_OK) st = pair_list_new(&ne_pairs_context(s->pairs)->memory, s->n, s->large, most, 1, &s->hessian.list);
    return st == NE_OK && s->hessian.list.col ? ne_pairs_visit(s->pairs, list_row, s) : st;
}

/* r holds the sums at f; on return those at the new f. *moved is 0 when no step lowers phi. */
static ne_status newton(void *state, double residual, int *moved)
{
    sinkhorn_state *s       = state;
    const size_t    n       = s->n;
    const cg_system system  = dual_system(&s->hessian, s->work + n);
    double         *rhs     = s->work;
    const double    value   = value_of(s);
    double          longest = 0, slope, t, rounding = 0;
    ne_status       st;

    for (size_t i = 0; i < n; i++) {
        rhs[i]                 = 1 - s->r[i];
        s->hessian.diagonal[i] = s->r[i] + 1e-12;
        rounding += 1e-15 * (s->r[i] + fabs(s->f[i]));
    }
    if ((st = make_list(s)) != NE_OK) return st;
    /* Steps are cheap over a list, and visits are not: then they are made exact. */
    st = s->hessian.list.col ? cg_solve(&system, rhs, fmin(1e-2, residual), 1000, s->step)
                             : cg_solve(&system, rhs, fmin(0.1, sqrt(residual)), 100, s->step);
    if (st != NE_OK) return st;
    for (size_t i = 0; i < n; i++) longest = fmax(longest, fabs(s->step[i]));
    slope = -cg_dot(n, rhs, s->step);
    t     = longest > 5 ? 5 / longest : 1;
    return dual_search(&s->dual, value, t, slope, rounding, 40, moved);
}

static ne_status iterate(sinkhorn_state *s, ne_solution *solution)
{
    const double scale  = s->kernel.scale;
    double       spread = 0, factor = 1;
    ne_status    st = ne_pairs_visit(s->pairs, spread_row, s);

    for (size_t i = 0; i < s->n; i++) spread += s->r[i] / (double)s->n;
    while (spread / factor > EASY) factor *= 4;
    s->kernel.scale = scale / factor;
    for (; st == NE_OK && solution->n_iter < SWEEPS && solution->n_iter < s->params->max_iter; solution->n_iter++) {
        st = ne_pairs_visit(s->pairs, sweep_row, s);
        for (size_t i = 0; st == NE_OK && i < s->n; i++) s->f[i] = 0.5 * (s->f[i] + s->r[i]);
    }
    for (; st == NE_OK && factor > 1; factor /= 4) {
        st              = dual_descend(&s->dual, s->params->max_iter, COARSE, solution);
        s->kernel.scale = scale * 4 / factor;
        for (size_t i = 0; i < s->n; i++) s->f[i] *= 4; /* f eps is what changes little */
    }
    return st == NE_OK ? dual_descend(&s->dual, s->params->max_iter, s->params->tol, solution) : st;
}

static ne_status sinkhorn_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    const ne_allocator *mem  = &ne_pairs_context(pairs)->memory;
    const size_t        n    = ne_pairs_rows(pairs);
    sinkhorn_state      s    = {.params = params,
                                .pairs  = pairs,
                                .kernel = kernel_of(params),
                                .n      = n,
                                .f      = solution->dual,
                                .least  = PAIR_LIST_LEAST};
    double             *real = memory_new(mem, n, 11 * sizeof *real);
    ne_status           st   = NE_OUT_OF_MEMORY;

    if (real) {
        s.r       = real + n;
        s.step    = real + 3 * n;
        s.work    = real + 4 * n;
        s.large   = real + 9 * n;
        s.dual    = (dual_problem){.pairs  = pairs,
                                   .n      = n,
                                   .f      = s.f,
                                   .kept   = real,
                                   .r      = s.r,
                                   .step   = s.step,
                                   .state  = &s,
                                   .sum    = sum_row,
                                   .value  = value_of,
                                   .newton = newton};
        s.hessian = (dual_hessian){
            .pairs = pairs, .n = n, .diagonal = real + 10 * n, .own = real + 2 * n, .row = product_row, .user = &s};
        st = iterate(&s, solution);
    }
    pair_list_clear(mem, &s.hessian.list);
    memory_free(mem, real);
    return st;
}

static ne_status sinkhorn_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                               const double *dual, float *values)
{
    const sinkhorn_params *p      = params;
    const log_kernel       kernel = kernel_of(p);
    const kernel_row       r      = {n, p->zero_diag ? self : n, c};
    const column_terms     f      = {dual, 1, 0};
    (void)across;
    log_kernel_values(&kernel, &r, 1 / (double)n, dual[self], &f, values);
    return NE_OK;
}

static const char *const sinkhorn_duals[] = {"dual"};

const ne_affinity_ops affinity_sinkhorn = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "sinkhorn",
    .help         = "a Gaussian or Student kernel scaled to be symmetric and doubly stochastic",
    .options      = sinkhorn_options,
    .option_count = sizeof sinkhorn_options / sizeof *sinkhorn_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(sinkhorn_params),
    .combine      = NE_COMBINE_NONE,
    .dual_count   = 1,
    .dual_names   = sinkhorn_duals,
    .solve        = sinkhorn_solve,
    .rows         = sinkhorn_rows,
};
