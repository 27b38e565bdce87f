/* embedding/embedding.h: the ne_embedding handle, and a fit as it goes on.
 *
 *   create.c    the handle: type, options
 *   start.c     data -> neighbors -> affinity -> start -> working order
 *   step.c      the loop
 *   result.c    what a fit found out */
#ifndef NE_EMBEDDING_EMBEDDING_H
#define NE_EMBEDDING_EMBEDDING_H

#include "affinity/input.h"
#include "embedding/base_options.h"
#include "embedding/pace.h"
#include "graph/graph.h"

/* All that a step changes, in one block without pointers, so that copying `bytes` bytes out and in again goes back to
 * that step. Offsets are multiples of 64. */
typedef struct loop_state {
    size_t   bytes, z_at, u_at, gains_at, order_at, method_at; /* gains_at is 0 without gains */
    int64_t  step;                                             /* steps taken */
    int32_t  stopped;                                          /* the gradient norm was below min_grad_norm */
    uint64_t seed;
    double   gradient_norm, rate, normaliser, loss;
} loop_state;

/* What a fit has, besides its state. */
typedef struct fit {
    size_t        n, c;
    csr           p;         /* symmetric, sums to 1, rows and columns in working order */
    double       *bandwidth; /* n, in the caller's order; NULL when the affinity was given */
    float        *attraction, *repulsion;
    repulsion    *repulse;
    loop_state   *state;
    pace          pace;
    ne_problem    problem;
    ne_csr        p_view;
    ne_terms      terms;
    output_kernel kernel;
    double        recall, seconds_knn, seconds_affinity, seconds_init, seconds_optimize;
    double        kl; /* NaN until asked for */
} fit;

typedef struct type_params { /* parameter blocks of the type's own options and of its affinities' */
    void *method, *input, *output;
} type_params;

struct ne_embedding {
    ne_context            *context;
    const ne_method_ops   *ops;
    const ne_affinity_ops *input, *output;
    option_set             options;
    base_params            base;
    knn_params             knn;
    type_params            params;
    float                 *init; /* the user's start, init_rows x init_cols, or NULL */
    size_t                 init_rows, init_cols;
    progress               progress;
    fit                   *fit;   /* the last fit of an iterative type, or NULL */
    void                  *model; /* the state of a type with a fit hook; NULL before its fit */
    int                    busy;  /* inside a call that may call back */
};

ne_status embedding_new(ne_context *context, const ne_method_ops *ops, ne_embedding **embedding);
void      embedding_free(ne_embedding *embedding);

/* x or graph may be NULL, not both. */
ne_status embedding_start(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x);
ne_status embedding_step(ne_embedding *embedding, size_t k);
ne_status embedding_read(const ne_embedding *embedding, const ne_dense *y);
void      fit_free(ne_context *context, const ne_method_ops *ops, fit *old);

ne_status result_real(const ne_embedding *embedding, const char *name, double *value, int *found);
ne_status result_array(const ne_embedding *embedding, const char *name, double *values, size_t count);
ne_status embedding_gradient(const ne_embedding *embedding, const double *y, double *gradient, double *loss);

/* The arrays of a state. */
static inline float *state_z(const loop_state *s)
{
    return (float *)((char *)(uintptr_t)s + s->z_at);
}
static inline float *state_u(const loop_state *s)
{
    return (float *)((char *)(uintptr_t)s + s->u_at);
}
static inline float *state_gains(const loop_state *s)
{
    return s->gains_at ? (float *)((char *)(uintptr_t)s + s->gains_at) : NULL;
}
static inline int64_t *state_order(const loop_state *s)
{
    return (int64_t *)((char *)(uintptr_t)s + s->order_at);
}
static inline void *state_method(const loop_state *s)
{
    return (char *)(uintptr_t)s + s->method_at;
}

/* Rows, columns and arrays of the fit into Morton order of z. */
ne_status fit_sort(ne_context *context, fit *f);

#endif
