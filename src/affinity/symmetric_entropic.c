/* affinity/symmetric_entropic.c: SEA, the symmetric entropic affinity (Van Assel, Vayer, Flamary & Courty 2023).
 *
 *     P = S / n,  S minimises <C, S> over symmetric S >= 0 with rows summing to 1 and entropies h_i of at least
 *     log perplexity + 1,  h_i = -sum_j S_ij (log S_ij - 1)
 *     S_ij = exp l_ij,   l_ij = (m_i + m_j - 2 C_ij) / (e_i + e_j),   e_i >= 0
 *     F(e, m) = sum_i e_i r_i - (log perplexity + 1) e_i - m_i   is the negative dual: convex, to be minimised
 *     dF/dm_i = r_i - 1,   dF/de_i = h_i - log perplexity - 1,   r_i = sum_j S_ij
 *
 * With w = S / (e_i + e_j) and u_ij = (b_i + b_j) - l_ij (a_i + a_j), the Hessian takes a step (a in e, b in m) to
 *     sum_j w_ij u_ij  (in m),   -sum_j w_ij l_ij u_ij  (in e).
 * Newton in (log e, m) from the directed affinity, the steps by conjugate gradients with the 2 x 2 blocks of the diagonal
 * as preconditioner: three to ten products a step. Values and gradients are summed over all pairs, in double where S is not
 * small. The products only have to point well: they run over the pairs that count, or where these are too many, over all in
 * float.
 * A row whose entropy is above its bound however small e_i is has no bound to meet: its e_i stops at a floor, high
 * enough for the products, whose weights are floats, to tell the curvatures of two such rows apart. A step is
 * two visits of n^2 exponentials; memory is linear, but for the list: see pair_list_most(). */
#include "affinity/builtin.h"
#include "affinity/cg.h"
#include "affinity/pair_list.h"
#include "affinity/pair_sums.h"
#include "affinity/row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct symmetric_params {
    double  perplexity, tol;
    int64_t max_iter, zero_diag, eps_square;
} symmetric_params;

#define AT(field) offsetof(symmetric_params, field)
static const ne_option symmetric_options[] = {
    {.name   = "perplexity",
     .type   = NE_OPT_REAL,
     .offset = AT(perplexity),
     .preset = "30",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MIN_OPEN | NE_OPT_MAX_FROM_N,
     .unit   = "neighbors",
     .help   = "effective number of neighbors of each point: exp of the least entropy of its affinities"},
    {.name      = "tol_affinity",
     .type      = NE_OPT_REAL,
     .offset    = AT(tol),
     .preset    = "1e-6",
     .reference = "1e-3",
     .min       = 0,
     .max       = 1,
     .flags     = NE_OPT_MIN_OPEN,
     .help      = "largest deviation of a row's sum from 1, and of its entropy in nats"},
    {.name      = "max_iter_affinity",
     .type      = NE_OPT_INT,
     .offset    = AT(max_iter),
     .preset    = "100",
     .reference = "500",
     .min       = 1,
     .max       = 1e6,
     .help      = "most Newton steps of the affinity's solver"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = AT(zero_diag),
     .preset = "true",
     .help   = "no affinity of a point to itself"},
    {.name   = "eps_square",
     .type   = NE_OPT_BOOL,
     .offset = AT(eps_square),
     .preset = "true",
     .help =
         "taken for compatibility: it shapes the path of a gradient ascent, and the solution does not depend on it"},
};

typedef struct symmetric_state {
    const symmetric_params *params;
    const ne_pairs         *pairs;
    size_t                  n;
    double                  target, floor;
    double                  near, least;            /* S that are summed in double; that are listed */
    double                 *theta, *m, *e;          /* theta = log e */
    double                 *next_theta, *next_m;    /* tried */
    pair_sums              *sums, *next_sums;       /* of each row */
    double                 *gradient, *step, *work; /* 2 n, 2 n, 8 n: first m, then theta */
    double                 *block;                  /* 3 n: of the preconditioner: mm, mt, tt */
    double                 *extra;                  /* 2 n: what the Hessian's diagonal gets, see linearise() */
    float                  *narrow;                 /* 4 n: m, e, and a step in each */
    pair_list               list;
    double                 *product; /* where the current product goes */
} symmetric_state;

static int is_frozen(const symmetric_state *s, size_t i)
{
    return s->e[i] <= s->floor * 1.000001 && s->sums[i].s - s->sums[i].sl > s->target;
}

/* --- Values and gradients. */

static pair_row row_of(const symmetric_state *s, size_t row, const float *c)
{
    const pair_row r = {
        s->n, s->params->zero_diag ? row : s->n, c, s->m[row], s->e[row], s->m, s->e, s->narrow, s->narrow + s->n};
    return r;
}

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const symmetric_state *s = user;
    const pair_row         r = row_of(s, row, c);
    s->next_sums[row].self   = c[row];
    pair_sums_of(&r, s->near, &s->next_sums[row]);
    return NE_OK;
}

static void take_point(symmetric_state *s)
{
    for (size_t i = 0; i < s->n; i++) {
        s->e[i]             = exp(s->theta[i]);
        s->narrow[i]        = (float)s->m[i];
        s->narrow[s->n + i] = (float)s->e[i];
    }
}

/* F at (theta, m), with the sums of all rows into next_sums. */
static ne_status evaluate(symmetric_state *s, double *value, double *scale)
{
    ne_status st;
    take_point(s);
    st     = ne_pairs_visit(s->pairs, sum_row, s);
    *value = *scale = 0;
    for (size_t i = 0; i < s->n; i++) {
        *value += s->e[i] * (s->next_sums[i].s - s->target) - s->m[i];
        *scale += s->e[i] * (fabs(s->next_sums[i].s) + s->target) + fabs(s->m[i]);
    }
    return st;
}

/* The gradient in (m, theta), what of it counts, and the blocks. The curvature in theta is that in e and e g, of which
 * |e g| is taken; and a row with next to no mass, whose own curvature is next to nothing, steps as one of mass 1 would:
 * by a factor. Both vanish at the solution. S_ii, which the Hessian has twice, comes from e and m. */
static double linearise(symmetric_state *s)
{
    const size_t n        = s->n;
    double       residual = 0;
    for (size_t i = 0; i < n; i++) {
        const pair_sums *t = &s->sums[i];
        const double     g = t->s - t->sl - s->target, e = s->e[i];
        double           w = 0, l = 0;
        if (!s->params->zero_diag) {
            l = (s->m[i] - (double)t->self) / e;
            w = exp(fmin(l, 700)) / (2 * e);
        }
        s->gradient[i]      = t->s - 1;
        s->gradient[n + i]  = is_frozen(s, i) ? 0 : e * g;
        s->extra[i]         = 1e-12 * t->w + fmax(1 - t->s, 0) / (2 * e);
        s->extra[n + i]     = fabs(e * g);
        s->block[i]         = t->w + w + s->extra[i];
        s->block[n + i]     = -e * (t->wl + w * l);
        s->block[2 * n + i] = e * e * (t->wll + w * l * l) + s->extra[n + i];
        residual            = fmax(residual, fmax(fabs(t->s - 1), is_frozen(s, i) ? 0 : fabs(g)));
    }
    return residual;
}

/* --- Products with the Hessian. */

static ne_status product_row(void *user, size_t row, const float *c)
{
    const symmetric_state *s = user;
    const size_t           n = s->n, end = s->params->zero_diag ? row : n;
    const float           *m = s->narrow, *e = m + n, *b = e + n, *a = b + n;
    const float            own[4] = {m[row], e[row], b[row], a[row]};
    double                 sum[2] = {0, 0};
    pair_products_add(end, c, own, m, e, b, a, sum);
    if (end < n)
        pair_products_add(n - row - 1, c + row + 1, own, m + row + 1, e + row + 1, b + row + 1, a + row + 1, sum);
    s->product[row]     = sum[0];
    s->product[n + row] = -sum[1];
    return NE_OK;
}

static ne_status list_row(void *user, size_t row, const float *c)
{
    const symmetric_state *s  = user;
    const pair_row         r  = row_of(s, row, c);
    const int64_t          at = s->list.start[row];
    pair_list_of(&r, s->least, (size_t)(s->list.start[row + 1] - at), s->list.col + at, s->list.w + at, s->list.l + at);
    return NE_OK;
}

/* The list of the lowest level for which there is room. */
static ne_status make_list(symmetric_state *s)
{
    const ne_allocator *mem   = &ne_pairs_context(s->pairs)->memory;
    const size_t        most  = pair_list_most(s->pairs, 2);
    int                 level = 0;
    for (; level < PAIR_LEVELS; level++) {
        size_t pairs = 0;
        for (size_t i = 0; i < s->n; i++) pairs += (size_t)s->sums[i].above[level];
        if (pair_level[level] >= s->near && pairs <= most) break;
    }
    pair_list_clear(mem, &s->list);
    if (level == PAIR_LEVELS) return NE_OK;
    s->least = pair_level[level];
    for (size_t i = 0; i < s->n; i++) s->work[i] = s->sums[i].above[level];
    const ne_status st = pair_list_new(mem, s->n, s->work, most, 2, &s->list);
    return st == NE_OK && s->list.col ? ne_pairs_visit(s->pairs, list_row, s) : st;
}

/* The same over the list; what is left out stays on the diagonal, so that the Hessian stays positive. */
static void product_of_list(symmetric_state *s)
{
    const size_t n       = s->n;
    const int    threads = n < 1024 ? 1 : context_threads(ne_pairs_context(s->pairs));
    const float *b = s->narrow + 2 * n, *a = b + n;
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
    for (size_t i = 0; i < n; i++) {
        const pair_sums *t      = &s->sums[i];
        double           first  = t->w * (double)b[i] - t->wl * (double)a[i];
        double           second = t->wl * (double)b[i] - t->wll * (double)a[i];
        for (int64_t e = s->list.start[i]; e < s->list.start[i + 1]; e++) {
            const size_t j = (size_t)s->list.col[e];
            const float  l = s->list.l[e], u = s->list.w[e] * (b[j] - l * a[j]);
            first += (double)u;
            second += (double)(u * l);
        }
        s->product[i]     = first;
        s->product[n + i] = -second;
    }
}

static ne_status product(void *user, const double *v, double *to)
{
    symmetric_state *s  = user;
    const size_t     n  = s->n;
    ne_status        st = NE_OK;
    for (size_t i = 0; i < n; i++) {
        s->narrow[2 * n + i] = (float)v[i];
        s->narrow[3 * n + i] = is_frozen(s, i) ? 0 : (float)(s->e[i] * v[n + i]);
    }
    s->product = to;
    if (s->list.col) product_of_list(s);
    else st = ne_pairs_visit(s->pairs, product_row, s);
    for (size_t i = 0; i < n; i++) {
        to[i] += s->extra[i] * v[i];
        to[n + i] = is_frozen(s, i) ? v[n + i] : s->e[i] * to[n + i] + s->extra[n + i] * v[n + i];
    }
    return st;
}

static void precondition(void *user, const double *v, double *to)
{
    const symmetric_state *s = user;
    const size_t           n = s->n;
    for (size_t i = 0; i < n; i++) {
        const double mm = s->block[i] * (1 + 1e-9) + 1e-300, mt = s->block[n + i],
                     tt  = s->block[2 * n + i] * (1 + 1e-9);
        const double det = mm * tt - mt * mt;
        if (is_frozen(s, i) || !(det > 0)) {
            to[i]     = v[i] / mm;
            to[n + i] = is_frozen(s, i) ? v[n + i] : tt > 0 ? v[n + i] / tt : 0;
        } else {
            to[i]     = (tt * v[i] - mt * v[n + i]) / det;
            to[n + i] = (mm * v[n + i] - mt * v[i]) / det;
        }
    }
}

/* --- The start: the directed affinity's bandwidths, where they are what a bandwidth should be. */

static ne_status start_row(void *user, size_t self, const float *c)
{
    const symmetric_state *s = user;
    const row_view         r = {s->n, c, s->params->zero_diag ? self : s->n};
    double                 dual[ROW_DUALS];
    entropic_search(&r, s->params->perplexity, 100, 1e-3, dual);
    s->m[self]      = dual[0];
    s->e[self]      = dual[1];
    s->theta[self]  = dual[2];
    s->next_m[self] = row_exponentials_rough(&r, dual[0], 0).d / (double)row_others(&r);
    return NE_OK;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ne_status begin(symmetric_state *s)
{
    const size_t n    = s->n;
    size_t       good = 0;
    double       mean = 0, middle;
    ne_status    st   = ne_pairs_visit(s->pairs, start_row, s);

    if (st != NE_OK) return st;
    for (size_t i = 0; i < n; i++) {
        mean += s->next_m[i] / (double)n;
        if (isfinite(s->e[i]) && s->e[i] > 0) s->work[good++] = s->e[i];
    }
    qsort(s->work, good, sizeof *s->work, ascending);
    middle   = good ? s->work[good / 2] : mean > 0 ? mean : 1;
    s->floor = 1e-6 * middle;
    for (size_t i = 0; i < n; i++) {
        const double e = isfinite(s->e[i]) ? fmin(fmax(s->e[i], 1e-3 * middle), 1e6 * middle) : middle;
        s->m[i] -= e * log(s->theta[i]);
        s->theta[i] = log(e);
    }
    return st;
}

/* --- Newton. */

static void swap(double **a, double **b)
{
    double *const keep = *a;
    *a                 = *b;
    *b                 = keep;
}

/* What is wrong with the rows, in all. */
static double error_of(const symmetric_state *s, const pair_sums *sums)
{
    double total = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double r = sums[i].s - 1, g = sums[i].s - sums[i].sl - s->target;
        total += r * r + (g > 0 && s->e[i] <= s->floor * 1.000001 ? 0 : g * g);
    }
    return total;
}

/* A step along s->step that lowers F enough; 0 in *moved when there is none. */
static ne_status line_search(symmetric_state *s, double *value, int *moved)
{
    const size_t n       = s->n;
    double       longest = 0, t, next, scale;
    const double slope = -cg_dot(2 * n, s->gradient, s->step), error = error_of(s, s->sums);
    const double low = 1e-6 * s->near * (double)n; /* error of F where sums are in float */
    ne_status    st  = NE_OK;

    for (size_t i = 0; i < n; i++) longest = fmax(longest, fabs(s->step[n + i]));
    t      = longest > 2 ? 2 / longest : 1;
    *moved = 0;
    swap(&s->theta, &s->next_theta);
    swap(&s->m, &s->next_m);
    for (int tries = 0; tries < 40 && !*moved && st == NE_OK; tries++, t /= 2) {
        for (size_t i = 0; i < n; i++) {
            s->m[i]     = s->next_m[i] - t * s->step[i];
            s->theta[i] = fmax(s->next_theta[i] - t * s->step[n + i], log(s->floor));
        }
        st     = evaluate(s, &next, &scale);
        *moved = next <= *value + 1e-4 * t * slope + 1e-14 * scale || /* rounding of F is let pass */
                 (next <= *value + low * scale && error_of(s, s->next_sums) < 0.5 * error);
    }
    if (*moved) {
        pair_sums *const keep = s->sums;
        s->sums               = s->next_sums;
        s->next_sums          = keep;
        *value                = next;
    } else {
        swap(&s->theta, &s->next_theta);
        swap(&s->m, &s->next_m);
        take_point(s);
    }
    return st;
}

static ne_status iterate(symmetric_state *s, ne_solution *solution)
{
    const size_t    n      = s->n;
    const cg_system system = {2 * n, product, precondition, s, s->work};
    double          value, scale;
    int             moved = 1;
    ne_status       st    = evaluate(s, &value, &scale);

    memcpy(s->sums, s->next_sums, n * sizeof *s->sums);
    for (solution->n_iter = 0; st == NE_OK; solution->n_iter++) {
        solution->residual = linearise(s);
        solution->met      = solution->residual < s->params->tol;
        if (solution->met || !moved || solution->n_iter == s->params->max_iter) break;
        if (ne_pairs_progress(s->pairs, solution->n_iter, s->params->max_iter)) {
            st = ne_fail(NE_CANCELLED, "cancelled in the affinity");
            break;
        }
        if ((st = make_list(s)) != NE_OK) break;
        /* Steps are cheap over a list, and visits are not: then they are made exact. */
        st = s->list.col ? cg_solve(&system, s->gradient, fmax(1e-3, fmin(1e-2, solution->residual)), 200, s->step)
                         : cg_solve(&system, s->gradient, fmin(0.1, sqrt(solution->residual)), 100, s->step);
        if (st == NE_OK) st = line_search(s, &value, &moved);
    }
    return st;
}

static ne_status symmetric_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    const ne_allocator *mem  = &ne_pairs_context(pairs)->memory;
    const size_t        n    = ne_pairs_rows(pairs);
    symmetric_state     s    = {.params = params, .pairs = pairs, .n = n};
    double             *real = memory_new(mem, n, 22 * sizeof *real);
    pair_sums          *sums = memory_zero(mem, n, 2 * sizeof *sums);
    float              *low  = memory_new(mem, n, 4 * sizeof *low);
    ne_status           st   = real && sums && low ? NE_OK : NE_OUT_OF_MEMORY;

    if (st == NE_OK) {
        s.target     = log(s.params->perplexity) + 1;
        s.near       = fmax(fmin(1e3 * s.params->tol / (double)n, 1e-5), 1e-15);
        s.theta      = real;
        s.m          = real + n;
        s.e          = real + 2 * n;
        s.next_theta = real + 3 * n;
        s.next_m     = real + 4 * n;
        s.gradient   = real + 5 * n;
        s.step       = real + 7 * n;
        s.block      = real + 9 * n;
        s.work       = real + 12 * n;
        s.extra      = real + 20 * n;
        s.sums       = sums;
        s.next_sums  = sums + n;
        s.narrow     = low;
        if ((st = begin(&s)) == NE_OK) st = iterate(&s, solution);
    }
    for (size_t i = 0; st == NE_OK && i < n; i++) {
        solution->dual[2 * i]     = s.e[i];
        solution->dual[2 * i + 1] = s.m[i];
    }
    pair_list_clear(mem, &s.list);
    memory_free(mem, real);
    memory_free(mem, sums);
    memory_free(mem, low);
    return st;
}

static ne_status symmetric_check(const void *params, size_t n)
{
    const double perplexity = ((const symmetric_params *)params)->perplexity;
    return perplexity < (double)n - 1
               ? NE_OK
               : ne_fail(NE_OUT_OF_RANGE, "perplexity: %g is outside (1, n - 1) with n = %zu", perplexity, n);
}

static ne_status symmetric_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                                const double *dual, float *values)
{
    (void)across;
    pair_values(n, c, dual[2 * self + 1], dual[2 * self], dual, 1 / (double)n, values);
    if (((const symmetric_params *)params)->zero_diag) values[self] = 0;
    return NE_OK;
}

static const char *const symmetric_duals[] = {"bandwidth", "dual"};

const ne_affinity_ops affinity_symmetric_entropic = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "symmetric_entropic",
    .help         = "doubly stochastic, each row with the same perplexity at least, the input affinity of SNEkhorn",
    .options      = symmetric_options,
    .option_count = sizeof symmetric_options / sizeof *symmetric_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(symmetric_params),
    .check        = symmetric_check,
    .combine      = NE_COMBINE_NONE,
    .dual_count   = 2,
    .dual_names   = symmetric_duals,
    .solve        = symmetric_solve,
    .rows         = symmetric_rows,
};

const affinity_builtin builtin_symmetric_entropic = {.ops = &affinity_symmetric_entropic, .listed = 2};
