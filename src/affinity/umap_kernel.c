/* affinity/umap_kernel.c: UMAP's kernel in the plane, and the fit of its two numbers (McInnes, Healy & Melville 2018).
 *
 *     q(s) = 1 / (1 + a s^b),   s = |z_i - z_j|^2
 *
 * a and b are those whose curve is nearest, in least squares at 300 equidistant x = sqrt(s) of [0, 3 spread], to
 *     psi(x) = 1 where x < min_dist, exp(-(x - min_dist) / spread) beyond.
 * Levenberg-Marquardt (Marquardt 1963) on (log a, b) from a = b = 1: two unknowns, so the normal equations by hand. */
#include "affinity/input.h"

#include <math.h>

typedef struct curve_params {
    double a, b, min_dist, spread;
    double fitted_a, fitted_b; /* no options: what prepare() found; 0 before */
} curve_params;

#define AT(field) offsetof(curve_params, field)
static const ne_option curve_options[] = {
    {.name   = "min_dist",
     .type   = NE_OPT_REAL,
     .offset = AT(min_dist),
     .preset = "0.1",
     .min    = 0,
     .max    = 1e6,
     .help   = "distance below which points in the embedding are as near as can be; shapes the kernel"},
    {.name   = "spread",
     .type   = NE_OPT_REAL,
     .offset = AT(spread),
     .preset = "1",
     .min    = 0,
     .max    = 1e6,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "scale of the embedding; shapes the kernel together with min_dist"},
    {.name   = "a",
     .type   = NE_OPT_REAL,
     .offset = AT(a),
     .preset = "auto",
     .min    = 0,
     .max    = 1e12,
     .flags  = NE_OPT_AUTO | NE_OPT_MIN_OPEN,
     .help   = "of the kernel 1 / (1 + a s^b); auto: fitted to min_dist and spread, together with b"},
    {.name   = "b",
     .type   = NE_OPT_REAL,
     .offset = AT(b),
     .preset = "auto",
     .min    = 0,
     .max    = 100,
     .flags  = NE_OPT_AUTO | NE_OPT_MIN_OPEN,
     .help   = "of the kernel 1 / (1 + a s^b); auto: fitted to min_dist and spread, together with a"},
};

enum {
    POINTS = 300
};

typedef struct normal_equations {
    double cost, g[2], h[3]; /* residuals squared; J^T r; J^T J as (00, 01, 11); for (log a, b) */
} normal_equations;

static normal_equations curve_errors(double spread, double min_dist, double a, double b)
{
    normal_equations e = {0};
    for (int q = 0; q < POINTS; q++) {
        const double x   = 3 * spread * q / (POINTS - 1);
        const double psi = x < min_dist ? 1 : exp(-(x - min_dist) / spread);
        const double t = x > 0 ? a * pow(x, 2 * b) : 0, value = 1 / (1 + t), r = value - psi;
        const double ja = -t * value * value, jb = x > 0 ? 2 * log(x) * ja : 0;
        e.cost += r * r;
        e.g[0] += ja * r;
        e.g[1] += jb * r;
        e.h[0] += ja * ja;
        e.h[1] += ja * jb;
        e.h[2] += jb * jb;
    }
    return e;
}

ne_status umap_fit_ab(double spread, double min_dist, double *a, double *b)
{
    double           p = 0, q = 1, damping = 1e-3; /* log a and b */
    normal_equations e       = curve_errors(spread, min_dist, 1, 1);
    int              settled = 0;

    for (int t = 0; t < 500 && !settled; t++) {
        const double h0 = e.h[0] * (1 + damping), h2 = e.h[2] * (1 + damping), det = h0 * h2 - e.h[1] * e.h[1];
        const double dp = -(h2 * e.g[0] - e.h[1] * e.g[1]) / det, dq = -(h0 * e.g[1] - e.h[1] * e.g[0]) / det;
        const normal_equations next = curve_errors(spread, min_dist, exp(p + dp), q + dq);
        if (next.cost <= e.cost && q + dq > 0) {
            settled = fabs(dp) < 1e-10 && fabs(dq) < 1e-10;
            p += dp;
            q += dq;
            e       = next;
            damping = fmax(damping / 10, 1e-12);
        } else {
            settled = damping > 1e12; /* no step gains: rounding is all that is left */
            damping *= 10;
        }
    }
    if (!settled || !isfinite(p) || !isfinite(q))
        return ne_fail(NE_NOT_CONVERGED, "min_dist: no a and b fit %g with spread %g", min_dist, spread);
    *a = exp(p);
    *b = q;
    return NE_OK;
}

static ne_status curve_check(const void *params, size_t n)
{
    const curve_params *p  = params;
    ne_status           st = NE_OK;
    (void)n;
    if (isnan(p->a) != isnan(p->b))
        st = ne_fail(NE_INVALID_ARGUMENT, "%s: auto, and %s is given; both or neither", isnan(p->a) ? "a" : "b",
                     isnan(p->a) ? "b" : "a");
    else if (isnan(p->a) && p->min_dist > 3 * p->spread)
        st = ne_fail(NE_OUT_OF_RANGE, "min_dist: %g is above 3 * spread, %g", p->min_dist, 3 * p->spread);
    return st;
}

ne_status umap_kernel_ab(const void *params, double *a, double *b)
{
    const curve_params *p  = params;
    ne_status           st = curve_check(params, 0);
    if (st == NE_OK && isnan(p->a)) {
        st = umap_fit_ab(p->spread, p->min_dist, a, b);
    } else if (st == NE_OK) {
        *a = p->a;
        *b = p->b;
    }
    return st;
}

static ne_status curve_prepare(void *params)
{
    curve_params *p = params;
    return umap_kernel_ab(p, &p->fitted_a, &p->fitted_b);
}

/* Where b < 1 the slope grows without bound towards s = 0; the force slope * |z_i - z_j| has the limit 0 at best, and
 * is 0 at s = 0 by symmetry. */
static void curve_kernel(const void *params, size_t count, const float *s, float *q, float *slope)
{
    const curve_params *p = params;
    double              a = p->fitted_a, b = p->fitted_b;
    if (!(a > 0)) umap_kernel_ab(params, &a, &b); /* not prepared: right all the same, and slow */
    for (size_t i = 0; i < count; i++) {
        const double at = (double)s[i], t = at > 0 ? a * pow(at, b) : 0;
        q[i]     = (float)(1 / (1 + t));
        slope[i] = at > 0 ? (float)fmin(b * t / (at * (1 + t)), 1e30) : 0;
    }
}

const ne_affinity_ops affinity_umap_kernel = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "umap_kernel",
    .help         = "kernel 1 / (1 + a s^b) fitted to min_dist and spread, the output affinity of UMAP",
    .options      = curve_options,
    .option_count = sizeof curve_options / sizeof *curve_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(curve_params),
    .check        = curve_check,
    .kernel       = curve_kernel,
    .prepare      = curve_prepare,
};
