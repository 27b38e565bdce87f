/* affinity/sinkhorn.c: a kernel made doubly stochastic (Sinkhorn & Knopp 1967; Cuturi 2013).
 *
 *     P_ij = (1/n) exp(f_i + f_j + log k_ij),   f such that n P has rows, and so columns, that sum to 1
 *
 * With M = n P and its row sums r, solved is log r(f) = 0. While some r is far from 1, the symmetric sweep f <- f - log r / 2
 * of Feydy et al. (2019) costs one visit and halves the distance; then Newton's step, (diag(r) + M) s = -r log r, whose
 * matrix is the Hessian of the convex dual and whose right side, unlike its gradient 1 - r, keeps a row with next to no mass
 * from stepping by 1 / r. Steps are by conjugate gradients, at most 5 long, and have to lower |log r|; a sweep, which never
 * moves away from the solution, takes the place of one that does not. Where eps is small the start is the solution of four
 * times the eps, and so on up: M is all but sparse then, and the products run over the pairs that count.
 * Sums are in float, see scaled_row.h, until they are as near to 1 as floats can tell; the last ones are in double. Memory
 * is linear, but for the list: see pair_list_most(). */
#include "affinity/builtin.h"
#include "affinity/cg.h"
#include "affinity/dual.h"
#include "affinity/log_kernel.h"
#include "affinity/pair_list.h"
#include "affinity/scaled_row.h"

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
    SWEEPS = 12, /* at most, of each eps */
    TRIES  = 5   /* lengths of a step */
};
#define EASY       10.0 /* spread of log k from which sweeps make a good start */
#define FAR        1.0  /* |log r| above which a sweep does what a Newton step would */
#define COARSE     0.1  /* residual at which a larger eps has served its purpose */
#define FLOAT_GOOD 1e-6 /* residual that float can tell from 0; ten times that where logarithms are in float, too */

typedef struct sinkhorn_state {
    const sinkhorn_params *params;
    const ne_pairs        *pairs;
    log_kernel             kernel;
    size_t                 n;
    double                *f, *lr, *kept, *kept_lr; /* lr = log r; those before a step */
    double                *step, *rhs, *work;
    float                 *high, *low; /* f in two floats */
    int32_t               *above;      /* SCALED_LEVELS a row */
    double                *count;      /* terms of each row that go into the list */
    float                  least;      /* which those are: above it */
    scaled_kernel          scaled;
    int                    exact;   /* sums are in double */
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

/* --- Visits. */

/* How far log k falls, and the f that makes the row's largest term 1, were all rows alike. */
static ne_status start_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s    = user;
    const kernel_row      r    = row_of(s, row, c);
    double                most = 0, fall;
    if (!kernel_is_defined(&s->kernel, &r))
        return ne_fail(NE_INVALID_ARGUMENT, "base_kernel: student needs distances above -1, row %zu has smaller ones",
                       row);
    fall            = kernel_spread(&s->kernel, &r, &most);
    s->step[row]    = fall;
    s->kept_lr[row] = -0.5 * most;
    return NE_OK;
}

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s = user;
    const kernel_row      r = row_of(s, row, c), self = {1, 1, c + row};
    double                sum;
    if (scaled_sum(&s->scaled, &r, row, &sum, s->above + row * SCALED_LEVELS)) {
        if (s->exact) sum = kernel_sum(&s->kernel, &r, s->f[row], s->f);
        s->lr[row] = log(sum);
    } else {
        s->lr[row] = s->f[row] + kernel_log_sum(&s->kernel, &r, s->f);
    }
    s->hessian.own[row] = s->params->zero_diag ? 0 : kernel_sum(&s->kernel, &self, 2 * s->f[row], NULL);
    return NE_OK;
}

static ne_status list_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s  = user;
    const kernel_row      r  = row_of(s, row, c);
    const int64_t         at = s->hessian.list.start[row];
    scaled_list(&s->scaled, &r, row, s->least, (size_t)(s->hessian.list.start[row + 1] - at), s->hessian.list.col + at,
                s->hessian.list.w + at);
    return NE_OK;
}

static ne_status product_row(void *user, size_t row, const float *c)
{
    const sinkhorn_state *s = user;
    const kernel_row      r = row_of(s, row, c);
    s->hessian.to[row] =
        s->hessian.diagonal[row] * s->hessian.v[row] + scaled_product(&s->scaled, &r, row, s->hessian.narrow);
    return NE_OK;
}

/* lr and the counts at f. */
static ne_status evaluate(sinkhorn_state *s)
{
    scaled_split(s->n, s->f, s->high, s->low);
    s->scaled = scaled_kernel_of(&s->kernel, s->high, s->low);
    return ne_pairs_visit(s->pairs, sum_row, s);
}

/* --- Steps. */

/* The list of the lowest level for which there is room; what is left out stays on the diagonal. */
static ne_status make_list(sinkhorn_state *s)
{
    const size_t most = pair_list_most(s->pairs, 1);
    int          level;
    for (level = 0; level < SCALED_LEVELS; level++) {
        size_t pairs = 0;
        for (size_t i = 0; i < s->n; i++) pairs += (size_t)s->above[i * SCALED_LEVELS + (size_t)level];
        if (pairs <= most) break;
    }
    pair_list_clear(&ne_pairs_context(s->pairs)->memory, &s->hessian.list);
    if (level == SCALED_LEVELS) return NE_OK;
    s->least = scaled_level[level];
    for (size_t i = 0; i < s->n; i++) s->count[i] = s->above[i * SCALED_LEVELS + (size_t)level];
    const ne_status st = pair_list_new(&ne_pairs_context(s->pairs)->memory, s->n, s->count, most, 1, &s->hessian.list);
    return st == NE_OK && s->hessian.list.col ? ne_pairs_visit(s->pairs, list_row, s) : st;
}

static double square(const sinkhorn_state *s)
{
    return cg_dot(s->n, s->lr, s->lr);
}

static ne_status sweep(sinkhorn_state *s, const double *f, const double *lr)
{
    for (size_t i = 0; i < s->n; i++) s->f[i] = f[i] - 0.5 * lr[i];
    return evaluate(s);
}

/* lr is that at f, before and after. */
static ne_status newton(sinkhorn_state *s, double residual, double goal)
{
    const size_t n       = s->n;
    cg_system    system  = dual_system(&s->hessian, s->work);
    const double before  = square(s);
    double       longest = 0, t;
    int          moved   = 0;
    ne_status    st      = make_list(s);

    if (st != NE_OK) return st;
    for (size_t i = 0; i < n; i++) {
        const double r         = exp(fmin(s->lr[i], 700));
        s->rhs[i]              = -r * s->lr[i];
        s->hessian.diagonal[i] = r + 1e-12;
    }
    st = cg_solve(&system, s->rhs, fmax(fmin(1e-2, residual), fmin(0.1, 0.1 * goal / residual)),
                  s->hessian.list.col ? 1000 : 100, s->step);
    for (size_t i = 0; i < n; i++) longest = fmax(longest, fabs(s->step[i]));
    memcpy(s->kept, s->f, n * sizeof *s->f);
    memcpy(s->kept_lr, s->lr, n * sizeof *s->lr);
    t = longest > 5 ? 5 / longest : 1;
    for (int tries = 0; tries < TRIES && !moved && st == NE_OK; tries++, t /= 2) {
        for (size_t i = 0; i < n; i++) s->f[i] = s->kept[i] + t * s->step[i];
        st    = evaluate(s);
        moved = square(s) <= (1 - 0.1 * t) * before;
    }
    return st == NE_OK && !moved ? sweep(s, s->kept, s->kept_lr) : st;
}

/* From f to a residual max |r - 1| below tol. */
static ne_status settle(sinkhorn_state *s, double tol, ne_solution *solution)
{
    const double good   = FLOAT_GOOD * (s->scaled.student ? 10 : 1);
    double       best   = INFINITY;
    int          sweeps = 0, stuck = 0;
    ne_status    st = evaluate(s);

    while (st == NE_OK) {
        double largest = 0, residual = 0;
        for (size_t i = 0; i < s->n; i++) {
            largest  = fmax(largest, fabs(s->lr[i]));
            residual = fmax(residual, fabs(expm1(s->lr[i])));
        }
        stuck              = residual < 0.9 * best ? 0 : stuck + 1;
        best               = fmin(best, residual);
        solution->residual = residual;
        solution->met      = residual < tol;
        if (!s->exact && (residual < fmax(tol, good) || (stuck > 3 && residual < 100 * good)) && tol < COARSE) {
            s->exact = 1;
            best     = INFINITY;
            st       = evaluate(s);
            continue;
        }
        if (solution->met || solution->n_iter >= s->params->max_iter || (s->exact && stuck > 20 && residual < 1e-9))
            break;
        if (ne_pairs_progress(s->pairs, solution->n_iter, s->params->max_iter)) {
            st = ne_fail(NE_CANCELLED, "cancelled in the affinity");
            break;
        }
        st = largest > FAR && sweeps++ < SWEEPS ? sweep(s, s->f, s->lr) : newton(s, residual, tol);
        solution->n_iter++;
    }
    return st;
}

static ne_status iterate(sinkhorn_state *s, ne_solution *solution)
{
    const double scale  = s->kernel.scale;
    double       spread = 0, factor = 1;
    ne_status    st = ne_pairs_visit(s->pairs, start_row, s);

    if (st != NE_OK || solution->started) return st == NE_OK ? settle(s, s->params->tol, solution) : st;
    for (size_t i = 0; st == NE_OK && i < s->n; i++) spread += s->step[i] / (double)s->n;
    while (spread / factor > EASY) factor *= 4;
    s->kernel.scale = scale / factor;
    for (size_t i = 0; st == NE_OK && i < s->n; i++) s->f[i] = s->kept_lr[i] / factor;
    for (; st == NE_OK && factor > 1; factor /= 4) {
        st              = settle(s, COARSE, solution);
        s->kernel.scale = scale * 4 / factor;
        for (size_t i = 0; i < s->n; i++) s->f[i] *= 4; /* f eps is what changes little */
    }
    return st == NE_OK ? settle(s, s->params->tol, solution) : st;
}

static ne_status sinkhorn_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    const ne_allocator *mem = &ne_pairs_context(pairs)->memory;
    const size_t        n   = ne_pairs_rows(pairs);
    sinkhorn_state s    = {.params = params, .pairs = pairs, .kernel = kernel_of(params), .n = n, .f = solution->dual};
    double        *real = memory_new(mem, n, 12 * sizeof *real);
    float         *low  = memory_zero(mem, n, 3 * sizeof *low);
    ne_status      st   = NE_OUT_OF_MEMORY;

    s.above = memory_zero(mem, n, SCALED_LEVELS * sizeof *s.above);
    if (real && low && s.above) {
        s.lr      = real;
        s.kept    = real + n;
        s.kept_lr = real + 2 * n;
        s.step    = real + 3 * n;
        s.rhs     = real + 4 * n;
        s.work    = real + 5 * n;
        s.count   = real + 9 * n;
        s.high    = low;
        s.low     = low + n;
        s.hessian = (dual_hessian){.pairs    = pairs,
                                   .n        = n,
                                   .diagonal = real + 10 * n,
                                   .own      = real + 11 * n,
                                   .narrow   = low + 2 * n,
                                   .row      = product_row,
                                   .user     = &s};
        st        = iterate(&s, solution);
    }
    pair_list_clear(mem, &s.hessian.list);
    memory_free(mem, real);
    memory_free(mem, low);
    memory_free(mem, s.above);
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

const affinity_builtin builtin_sinkhorn = {.ops = &affinity_sinkhorn, .listed = 1};
