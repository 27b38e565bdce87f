/* tests/method_checks.h: what every method that draws pairs of rows has to do, whatever its name. */
#ifndef NE_TESTS_METHOD_CHECKS_H
#define NE_TESTS_METHOD_CHECKS_H

#include "data.h"
#include "embedding/embedding.h"
#include "fault.h"

#include <ne.h>

#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

static inline ne_embedding *checks_open(ne_context **context, const char *method, int threads)
{
    ne_embedding *e = NULL;
    OK(ne_context_create(context));
    OK(ne_context_set_int(*context, "threads", threads));
    OK(ne_embedding_create(*context, method, &e));
    return e;
}

static inline void checks_close(ne_context *context, ne_embedding *e)
{
    ne_embedding_free(e);
    ne_context_free(context);
}

/* --- Hooks of a started fit, called at any layout --------------------------------------------------------------- */

static inline void checks_begin(const ne_embedding *e, int64_t step, ne_terms *terms)
{
    *terms = e->fit->terms;
    OK(e->ops->on_step_begin(e->params.method, &e->fit->problem, state_method(e->fit->state), step, terms));
}

/* terms.attract and terms.repulse at 1. */
static inline double checks_loss(const ne_embedding *e, const float *z)
{
    const fit *f    = e->fit;
    double     loss = 0;
    OK(e->ops->attractive_loss(e->params.method, &f->problem, state_method(f->state), z, 0, f->n, &loss));
    if (e->ops->repulsive_loss)
        OK(e->ops->repulsive_loss(e->params.method, &f->problem, state_method(f->state), z, 0, f->n, &loss));
    return loss;
}

static inline void checks_gradient(const ne_embedding *e, const float *z, float *gradient)
{
    const fit   *f      = e->fit;
    const size_t values = f->n * f->c;
    float       *second = malloc(values * sizeof *second);
    ne_terms     terms  = f->terms;
    ck_assert_ptr_nonnull(second);
    if (e->ops->before_gradient)
        OK(e->ops->before_gradient(e->params.method, &f->problem, state_method(f->state), 0, z, &terms));
    OK(e->ops->attractive_gradient(e->params.method, &f->problem, state_method(f->state), z, 0, f->n, gradient));
    if (e->ops->repulsive_gradient) {
        OK(e->ops->repulsive_gradient(e->params.method, &f->problem, state_method(f->state), z, 0, f->n, second));
        for (size_t i = 0; i < values; i++) gradient[i] += second[i];
    }
    free(second);
}

/* Central differences of the loss in double, at a layout of that extent. A step of h = 2^-8 errs by h^2 / 6 of the third
 * derivative, some 1e-5 of the largest entry; floats by 1e-6 of it. */
static inline void checks_differences(const ne_embedding *e, double extent)
{
    const size_t n = e->fit->n, c = e->fit->c;
    float       *z = malloc(n * c * sizeof *z), *gradient = malloc(n * c * sizeof *gradient);
    uint64_t     random  = 5;
    double       largest = 0;
    ck_assert(z && gradient);
    for (size_t i = 0; i < n * c; i++) z[i] = (float)(extent * data_normal(&random));
    checks_gradient(e, z, gradient);
    for (size_t i = 0; i < n * c; i++) largest = fmax(largest, fabs((double)gradient[i]));
    ck_assert_double_gt(largest, 1e-3);
    for (size_t i = 0; i < n * c; i++) {
        const float at = z[i], up = at + 0x1p-8f, down = at - 0x1p-8f;
        z[i]               = up;
        const double above = checks_loss(e, z);
        z[i]               = down;
        const double below = checks_loss(e, z), want = (above - below) / ((double)up - (double)down);
        z[i] = at;
        ck_assert_double_eq_tol((double)gradient[i], want, 1e-3 * largest);
    }
    free(z);
    free(gradient);
}

/* --- Whole fits -------------------------------------------------------------------------------------------------- */

typedef void (*checks_options)(ne_embedding *e);

/* The bits of a fit with one thread are those with 2, 3 and 7. */
static inline void checks_threads(const char *method, checks_options set, size_t n, size_t c)
{
    static const int threads[] = {1, 2, 3, 7};
    const size_t     d         = 6;
    float *x = malloc(n * d * sizeof *x), *first = malloc(n * c * sizeof *first), *y = malloc(n * c * sizeof *y);
    ck_assert(x && first && y);
    data_clusters(x, n, d, 4, 3, 1);
    for (size_t t = 0; t < 4; t++) {
        ne_context   *context = NULL;
        ne_embedding *e       = checks_open(&context, method, threads[t]);
        set(e);
        OK(ne_embedding_set_int(e, "n_components", (int64_t)c));
        OK(ne_embedding_fit_f32(e, x, n, d, t ? y : first));
        if (t) ck_assert_mem_eq(first, y, n * c * sizeof *y);
        checks_close(context, e);
    }
    free(x);
    free(first);
    free(y);
}

/* n rows, all alike or not: whatever n, a fit ends well and every number is finite. */
static inline void checks_small(const char *method, size_t n, int duplicates)
{
    enum {
        MOST = 64,
        D    = 3
    };
    float         x[MOST * D], y[MOST * 2];
    ne_context   *context = NULL;
    ne_embedding *e       = checks_open(&context, method, 2);
    data_clusters(x, n, D, 2, 2, 3);
    for (size_t i = 0; duplicates && i < n * D; i++) x[i] = x[i % D];
    OK(ne_embedding_fit_f32(e, x, n, D, y));
    for (size_t i = 0; i < n * 2; i++) ck_assert(isfinite(y[i]));
    checks_close(context, e);
}

/* Every allocation fails, alone or with all later ones: the status says so, nothing is lost, and the next fit is sound. */
static inline void checks_memory(const char *method, checks_options set, int sticky)
{
    enum {
        N = 97,
        D = 3
    };
    float              x[N * D], want[N * 2], got[N * 2];
    fault              mem       = {.until = LONG_MAX};
    const ne_allocator allocator = {fault_allocate, fault_release, &mem};
    ne_context        *context   = NULL;
    ne_embedding      *e         = NULL;
    data_clusters(x, N, D, 3, 3, 1);
    OK(ne_context_create_with(&allocator, &context));
    OK(ne_context_set_int(context, "threads", 1));
    OK(ne_embedding_create(context, method, &e));
    set(e);
    OK(ne_embedding_fit_f32(e, x, N, D, want));
    for (long k = 0, fired = 1; fired; k++) {
        const long before  = mem.live;
        mem.sticky         = sticky;
        mem.fired          = 0;
        mem.until          = k;
        const ne_status st = ne_embedding_fit_f32(e, x, N, D, got);
        mem.until          = LONG_MAX;
        mem.sticky         = 0;
        fired              = mem.fired;
        ck_assert_msg(st == (fired ? NE_OUT_OF_MEMORY : NE_OK), "allocation %ld: %s", k, ne_status_name(st));
        ck_assert_int_le(mem.live, before);
        OK(ne_embedding_fit_f32(e, x, N, D, got));
        ck_assert_mem_eq(got, want, sizeof want);
    }
    checks_close(context, e);
    ck_assert_int_eq(mem.live, 0);
}

/* Four clusters, far apart in the data: their rows stay together. */
static inline void checks_clusters(const char *method, size_t n)
{
    const size_t  d = 10;
    float        *x = malloc(n * d * sizeof *x), *y = malloc(n * 2 * sizeof *y);
    int64_t      *label   = malloc(n * sizeof *label);
    ne_context   *context = NULL;
    ne_embedding *e       = checks_open(&context, method, 2);
    double        share   = 0;
    ck_assert(x && y && label);
    data_clusters(x, n, d, 4, 3, 2);
    for (size_t i = 0; i < n; i++) label[i] = (int64_t)(i % 4);
    OK(ne_embedding_fit_f32(e, x, n, d, y));
    const ne_dense view = {sizeof view, y, n, 2, 2, NE_F32, NE_HOST};
    OK(ne_score_knn_label_agreement(context, &view, label, 10, &share));
    ck_assert_double_gt(share, 0.98);
    checks_close(context, e);
    free(x);
    free(y);
    free(label);
}

/* The same data as f64 and with a stride gives the same bits. */
static inline void checks_strides(const char *method, checks_options set)
{
    enum {
        N      = 120,
        D      = 4,
        STRIDE = 7
    };
    float          x[N * D], y[N * 2], other[N * 2];
    static double  wide[N * STRIDE];
    ne_context    *context = NULL;
    ne_embedding  *e       = checks_open(&context, method, 2);
    const ne_dense from    = {sizeof from, wide, N, D, STRIDE, NE_F64, NE_HOST},
                   to      = {sizeof to, other, N, 2, 2, NE_F32, NE_HOST};
    data_clusters(x, N, D, 3, 3, 4);
    for (size_t i = 0; i < N * D; i++) x[i] = roundf(64 * x[i]) / 64; /* distances are exact, in f32 and in f64 */
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < STRIDE; j++) wide[i * STRIDE + j] = j < D ? (double)x[i * D + j] : NAN;
    set(e);
    OK(ne_embedding_set(e, "init", "random"));
    OK(ne_embedding_fit_f32(e, x, N, D, y));
    OK(ne_embedding_fit(e, &from, &to));
    ck_assert_mem_eq(y, other, sizeof y);
    checks_close(context, e);
}

#endif
