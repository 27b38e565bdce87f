/* tests/hooks.h: a method's hooks called as the loop calls them, on an affinity and an embedding of the test's own. */
#ifndef NE_TESTS_HOOKS_H
#define NE_TESTS_HOOKS_H

#include "base/options.h"
#include "base/registry.h"
#include "layout.h"

#include <string.h>

enum {
    HOOKS_BLOCK = 1024
};

typedef struct hooks {
    ne_context          *context;
    const ne_method_ops *ops;
    option_set           options;
    void                *params, *output_params, *state;
    int64_t             *order;
    ne_problem           problem;
    ne_terms             terms;
    int64_t              step; /* of hooks_gradient(): the same is the same step evaluated again */
} hooks;

/* Options may be set between this and hooks_start(). */
static inline hooks hooks_open(const ne_method_ops *ops, size_t n, size_t c, int64_t threads)
{
    hooks                  h   = {.context = layout_context(threads), .ops = ops};
    const ne_affinity_ops *out = ops->affinity_out ? registry_find(REGISTRY_AFFINITY, ops->affinity_out) : NULL;
    ck_assert_ptr_nonnull(ne_type_name("method", 0)); /* registers what is built in */
    if (ops->affinity_out && !out) out = registry_find(REGISTRY_AFFINITY, ops->affinity_out);
    h.params = calloc(1, ops->params_size + 1);
    h.state  = calloc(1, ops->state_size + 1);
    h.order  = malloc(n * sizeof *h.order);
    ck_assert(h.params && h.state && h.order);
    ck_assert_int_eq(options_add(&h.context->memory, &h.options, ops->name, ops->options, ops->option_count,
                                 ops->option_size, h.params),
                     NE_OK);
    if (out) {
        h.output_params = calloc(1, out->params_size + 1);
        ck_assert_int_eq(options_add(&h.context->memory, &h.options, out->name, out->options, out->option_count,
                                     out->option_size, h.output_params),
                         NE_OK);
    }
    ck_assert_int_eq(options_reset(&h.options), NE_OK);
    for (size_t i = 0; i < n; i++) h.order[i] = (int64_t)i;
    h.problem = (ne_problem){.struct_size = sizeof h.problem,
                             .n           = n,
                             .c           = c,
                             .row1        = n,
                             .order       = h.order,
                             .max_iter    = 100,
                             .threads     = (int32_t)threads,
                             .context     = h.context};
    h.terms   = (ne_terms){.struct_size         = sizeof h.terms,
                           .affinity_out        = ops->affinity_out,
                           .affinity_out_params = h.output_params,
                           .attract             = 1,
                           .repulse             = 1};
    return h;
}

static inline ne_status hooks_start(hooks *h)
{
    ne_status st = h->ops->plan ? h->ops->plan(h->params, &h->problem, h->state, &h->terms) : NE_OK;
    if (st == NE_OK && h->ops->on_affinity_computed)
        st = h->ops->on_affinity_computed(h->params, &h->problem, h->state);
    return st;
}

/* Gradient (n x c) and loss of both sides at z, in the loop's blocks of rows from its threads. */
static inline double hooks_gradient(hooks *h, const float *z, float *gradient)
{
    const size_t  n = h->problem.n, c = h->problem.c;
    const int64_t blocks = (int64_t)((n + HOOKS_BLOCK - 1) / HOOKS_BLOCK);
    float        *other  = calloc(n * c, sizeof *other);
    double       *part = calloc((size_t)blocks, sizeof *part), loss = 0;
    int           failed = 0;
    ck_assert(other && part);
    if (h->ops->before_gradient)
        failed |= h->ops->before_gradient(h->params, &h->problem, h->state, h->step, z, &h->terms) != NE_OK;
#pragma omp        parallel for schedule(dynamic, 1) num_threads(h->problem.threads)
    for (int64_t b = 0; b < blocks; b++) {
               const size_t from = (size_t)b * HOOKS_BLOCK, to = from + HOOKS_BLOCK < n ? from + HOOKS_BLOCK : n;
               double       more = 0;
               ne_status    st;
               if (h->ops->whole_loss) {
                   st = h->ops->whole_loss(h->params, &h->problem, h->state, z, from, to, gradient, &part[b]);
        } else {
                   st = h->ops->attractive_gradient(h->params, &h->problem, h->state, z, from, to, gradient);
                   if (st == NE_OK) st = h->ops->repulsive_gradient(h->params, &h->problem, h->state, z, from, to, other);
            if (st == NE_OK) st = h->ops->attractive_loss(h->params, &h->problem, h->state, z, from, to, &part[b]);
            if (st == NE_OK) st = h->ops->repulsive_loss(h->params, &h->problem, h->state, z, from, to, &more);
            part[b] += more;
        }
               if (st != NE_OK) {
#pragma omp atomic write
            failed = 1;
        }
    }
    ck_assert_int_eq(failed, 0);
    for (int64_t b = 0; b < blocks; b++) loss += part[b];
    for (size_t i = 0; i < n * c; i++) gradient[i] += other[i];
    free(other);
    free(part);
    return loss;
}

static inline void hooks_close(hooks *h)
{
    if (h->ops->clear) h->ops->clear(h->context, h->state);
    options_clear(&h->context->memory, &h->options);
    free(h->params);
    free(h->output_params);
    free(h->state);
    free(h->order);
    ne_context_free(h->context);
}

/* |got - central differences of the loss| / |central differences|, over all coordinates of at most `most` rows. */
static inline double hooks_difference(hooks *h, float *z, double width, size_t most)
{
    const size_t n = h->problem.n, c = h->problem.c;
    float       *gradient = calloc(n * c, sizeof *gradient), *scratch = calloc(n * c, sizeof *scratch);
    double       apart = 0, size = 0;
    ck_assert(gradient && scratch);
    hooks_gradient(h, z, gradient);
    for (size_t i = 0; i < n * c && i < most * c; i++) {
        const float at = z[i], high = (float)((double)at + width), low = (float)((double)at - width);
        z[i]               = high;
        const double above = hooks_gradient(h, z, scratch);
        z[i]               = low;
        const double below = hooks_gradient(h, z, scratch);
        z[i]               = at;
        const double slope = (above - below) / ((double)high - (double)low);
        apart += (slope - (double)gradient[i]) * (slope - (double)gradient[i]);
        size += slope * slope;
    }
    free(gradient);
    free(scratch);
    return sqrt(apart / size);
}

/* --- The four points of the golden values. */

static const double golden_z[8]  = {0, 0, 1, 0, 0, 2, 1.5, -1};
static const double golden_p[16] = {0, .15, .10, 0, .2, 0, 0, .05, .125, .125, 0, 0, .2, .05, 0, 0}; /* directed */

/* (P + P^T) / 2 of it, dense and as CSR. */
typedef struct golden_affinity {
    float   dense[16], val[16];
    int32_t col[16];
    int64_t start[5];
    ne_csr  csr;
} golden_affinity;

static inline void golden_make(golden_affinity *p)
{
    int64_t entries = 0;
    for (size_t i = 0; i < 4; i++) {
        p->start[i] = entries;
        for (size_t j = 0; j < 4; j++) {
            const float value   = (float)((golden_p[i * 4 + j] + golden_p[j * 4 + i]) / 2);
            p->dense[i * 4 + j] = value;
            if (value > 0) {
                p->col[entries]   = (int32_t)j;
                p->val[entries++] = value;
            }
        }
    }
    p->start[4] = entries;
    p->csr      = (ne_csr){sizeof p->csr, 4, 4, p->start, p->col, p->val, NE_F32, NE_HOST};
}

/* A symmetric affinity of n points that sums to 1, with a zero diagonal. */
static inline float *hooks_dense_affinity(size_t n)
{
    float   *p     = calloc(n * n, sizeof *p);
    uint64_t state = 11;
    double   total = 0;
    ck_assert_ptr_nonnull(p);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            const double value = pow(data_unit(&state), 3);
            p[i * n + j] = p[j * n + i] = (float)value;
            total += 2 * value;
        }
    for (size_t i = 0; i < n * n; i++) p[i] = (float)((double)p[i] / total);
    return p;
}

#endif
