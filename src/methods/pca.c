/* methods/pca.c: principal components (Pearson 1901; Hotelling 1933) as a type like the others: no loop, but fit, transform
 * and inverse transform.
 *
 *     y = (x - mean) V^T,   x' = y V + mean,   V the c directions of largest variance, orthonormal rows
 *
 * The sign of each row of V makes its entry largest in absolute value positive. */
#include "backend/backend.h"
#include "base/sparse.h"
#include "base/view.h"
#include "methods/methods.h"
#include "methods/pca.h"

#include <string.h>

typedef struct pca_params {
    int64_t n_components, random_state;
} pca_params;

typedef struct pca_state {
    size_t  c, d;
    double *mean, *components, *variance;
} pca_state;

static const ne_option pca_options[] = {
    {.name   = "n_components",
     .type   = NE_OPT_INT,
     .offset = offsetof(pca_params, n_components),
     .preset = "2",
     .min    = 1,
     .max    = 0,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "components to keep, at most the columns of the data"},
    {.name   = "random_state",
     .type   = NE_OPT_INT,
     .offset = offsetof(pca_params, random_state),
     .preset = "0",
     .min    = 0,
     .max    = 0x1p53,
     .help   = "seed of the randomised solver that large problems use"},
};

static void pca_clear(ne_context *context, void *state)
{
    pca_state *s = state;
    memory_free(&context->memory, s->mean);
    memory_free(&context->memory, s->components);
    memory_free(&context->memory, s->variance);
    *s = (pca_state){0};
}

static ne_status pca_transform(const void *params, const ne_context *context, const void *state, const ne_dense *x,
                               const ne_dense *y)
{
    const pca_state *s = state;
    ne_status        st;
    (void)params;
    if ((st = view_check_shape(x, "x", x->rows, s->d)) != NE_OK ||
        (st = view_check_shape(y, "y", x->rows, s->c)) != NE_OK)
        return st;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < x->rows; i++)
        for (size_t k = 0; k < s->c; k++) {
            double at = 0;
            for (size_t j = 0; j < s->d; j++) at += (view_get(x, i, j) - s->mean[j]) * s->components[k * s->d + j];
            view_set(y, i, k, at);
        }
    return NE_OK;
}

ne_status pca_map_back(const ne_context *context, const double *mean, const double *components, size_t c, size_t d,
                       const ne_dense *y, const ne_dense *x)
{
    ne_status st;
    if ((st = view_check_shape(y, "y", y->rows, c)) != NE_OK || (st = view_check_shape(x, "x", y->rows, d)) != NE_OK)
        return st;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < y->rows; i++)
        for (size_t j = 0; j < d; j++) {
            double at = mean[j];
            for (size_t k = 0; k < c; k++) at += view_get(y, i, k) * components[k * d + j];
            view_set(x, i, j, at);
        }
    return NE_OK;
}

static ne_status pca_inverse(const void *params, const ne_context *context, const void *state, const ne_dense *y,
                             const ne_dense *x)
{
    const pca_state *s = state;
    (void)params;
    return pca_map_back(context, s->mean, s->components, s->c, s->d, y, x);
}

static ne_status pca_transform_sparse(const void *params, const ne_context *context, const void *state, const ne_csr *x,
                                      const ne_dense *y)
{
    const pca_state *s = state;
    ne_status        st;
    (void)params;
    if (x->cols != s->d) return ne_fail(NE_INVALID_ARGUMENT, "x: %zu columns, the fit had %zu", x->cols, s->d);
    if ((st = view_check_shape(y, "y", x->rows, s->c)) != NE_OK) return st;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t k = 0; k < s->c; k++) {
        const double *component = s->components + k * s->d;
        double        middle    = 0;
        for (size_t j = 0; j < s->d; j++) middle += s->mean[j] * component[j];
        for (size_t i = 0; i < x->rows; i++) view_set(y, i, k, sparse_dot(x, i, component) - middle);
    }
    return NE_OK;
}

/* Of one of x and rows, which has d columns. */
static ne_status fit_either(const void *params, ne_context *context, void *state, size_t d, const ne_dense *x,
                            const ne_csr *rows, const ne_dense *y)
{
    const pca_params   *p    = params;
    const ne_allocator *mem  = &context->memory;
    const size_t        c    = (size_t)p->n_components;
    pca_state           made = {.c = c, .d = d};
    ne_status           st   = NE_OK;

    if (c > d) return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, %zu], the columns of x", c, d);
    made.mean       = memory_new(mem, d, sizeof *made.mean);
    made.components = memory_new(mem, c * d, sizeof *made.components);
    made.variance   = memory_new(mem, c, sizeof *made.variance);
    if (!made.mean || !made.components || !made.variance) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    pca_job job = {.x          = x,
                   .sparse     = rows,
                   .count      = c,
                   .seed       = (uint64_t)p->random_state,
                   .mean       = made.mean,
                   .components = made.components,
                   .variance   = made.variance};
    st          = rows ? context->backend->pca_sparse(context, &job) : context->backend->pca(context, &job);
    if (st != NE_OK) goto done;
    st = rows ? pca_transform_sparse(params, context, &made, rows, y) : pca_transform(params, context, &made, x, y);
    if (st != NE_OK) goto done;
    memcpy(state, &made, sizeof made);
    made = (pca_state){0};
done:
    pca_clear(context, &made);
    return st;
}

static ne_status pca_fit(const void *params, ne_context *context, void *state, const ne_dense *x, const ne_dense *y)
{
    return fit_either(params, context, state, x->cols, x, NULL, y);
}

static ne_status pca_fit_sparse(const void *params, ne_context *context, void *state, const ne_csr *x,
                                const ne_dense *y)
{
    return fit_either(params, context, state, x->cols, NULL, x, y);
}

static ne_status pca_get_array(const void *state, const char *name, const double **values, size_t *count)
{
    const pca_state *s  = state;
    ne_status        st = NE_OK;
    if (strcmp(name, "mean") == 0) {
        *values = s->mean;
        *count  = s->d;
    } else if (strcmp(name, "components") == 0) {
        *values = s->components;
        *count  = s->c * s->d;
    } else if (strcmp(name, "explained_variance") == 0) {
        *values = s->variance;
        *count  = s->c;
    } else {
        st = ne_fail(NE_UNKNOWN_NAME, "unknown array '%s'; there are mean, components and explained_variance", name);
    }
    return st;
}

const ne_method_ops method_pca = {
    .struct_size       = sizeof(ne_method_ops),
    .name              = "pca",
    .help              = "principal components: the linear map of largest variance",
    .options           = pca_options,
    .option_count      = sizeof pca_options / sizeof *pca_options,
    .option_size       = sizeof(ne_option),
    .params_size       = sizeof(pca_params),
    .state_size        = sizeof(pca_state),
    .fit               = pca_fit,
    .transform         = pca_transform,
    .inverse_transform = pca_inverse,
    .get_array         = pca_get_array,
    .clear             = pca_clear,
    .fit_sparse        = pca_fit_sparse,
    .transform_sparse  = pca_transform_sparse,
};
