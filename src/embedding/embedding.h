/* embedding/embedding.h: the ne_embedding handle, and a fit as it goes on.
 *
 *   create.c    the handle: type, options
 *   input.c     data or graph -> neighbors -> affinity
 *   start.c     state, plan, start
 *   order.c     working order
 *   step.c      the loop
 *   check.c     loss and gradient at any place, and the one held against the other
 *   result.c    what a fit found out
 *   transform.c new rows
 *   estimate.c  the memory of a fit */
#ifndef NE_EMBEDDING_EMBEDDING_H
#define NE_EMBEDDING_EMBEDDING_H

#include "affinity/input.h"
#include "embedding/base_options.h"
#include "embedding/pace.h"
#include "graph/graph.h"

/* All that a step changes, in one block without pointers, so that copying `bytes` bytes out and in again goes back to
 * that step. Offsets are multiples of 64. */
typedef struct loop_state {
    size_t bytes, z_at, u_at, gains_at, second_at, third_at, order_at,
        method_at;    /* 0: the optimizer has no such array */
    int64_t  step;    /* steps taken */
    int64_t  updates; /* since the optimizer's last start */
    int32_t  stopped; /* the gradient norm was below min_grad_norm */
    uint64_t seed;
    double   gradient_norm, rate, normaliser, loss;
} loop_state;

/* What a fit has, besides its state. */
typedef struct fit {
    size_t         n, c;
    csr            p;         /* symmetric, sums to 1, rows and columns in working order */
    edge_groups   *edges;     /* p packed, or NULL */
    int            packs;     /* whether to try */
    double        *bandwidth; /* n, in the caller's order; NULL when the affinity was given */
    float         *attraction, *repulsion;
    repulsion     *repulse;
    loop_state    *state;
    pace           pace;
    ne_problem     problem;
    ne_csr         p_view;
    ne_dense       x;         /* what problem.x points at */
    const ne_csr  *sparse;    /* rows in place of x, while the fit starts; else NULL */
    csr            distances; /* for a method with neighbors(), or as what rows leave out of their draws */
    ne_csr         distances_view;
    float         *dense; /* n x n, for a method that asked for a dense affinity */
    int32_t       *place; /* n, by the caller's index: places on the random circle; NULL without sampling */
    int32_t       *circle, *circle_row;
    float         *kept; /* n x kept_cols, x in the caller's order, with keep_data */
    size_t         kept_cols;
    ne_terms       terms;
    output_kernel  kernel;
    optimizer_rule optimizer;
    double         recall, seconds_knn, seconds_affinity, seconds_init, seconds_optimize;
    double         kl;                              /* NaN until asked for */
    double         loss_attractive, loss_repulsive; /* of the last step that wanted a loss, without their weights */
} fit;

typedef struct type_params { /* parameter blocks of the type's own options and of its affinities' */
    void *method, *input, *output;
} type_params;

/* One of the two affinities, for a type whose options affinity_in and affinity_out can change it. */
typedef struct affinity_choice {
    const ne_affinity_ops **ops;
    void                  **params;
    size_t                  block; /* of the options */
} affinity_choice;

struct ne_embedding {
    ne_context            *context;
    const ne_method_ops   *ops;
    const ne_affinity_ops *input, *output;
    affinity_choice        choose_input, choose_output;
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
/* After option "affinity_in" or "affinity_out" was set: that affinity's options take the place of the last one's. */
ne_status embedding_choose(ne_embedding *embedding, const char *option);
void      embedding_free(ne_embedding *embedding);

/* One of x, rows and graph at least; not both x and rows. */
ne_status embedding_start(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x, const ne_csr *rows);
ne_status embedding_step(ne_embedding *embedding, size_t k);
ne_status embedding_read(const ne_embedding *embedding, const ne_dense *y);
/* See ne_estimate_memory() and ne_estimate_memory_sparse(); entries: NULL for dense rows. */
ne_status embedding_estimate(const ne_embedding *embedding, size_t n, size_t d, int32_t dtype, const size_t *entries,
                             size_t *bytes);
/* x and y are checked, and y has as many rows as x. errors: NE_UNSUPPORTED, NE_NOT_FITTED, NE_INVALID_ARGUMENT. */
ne_status embedding_transform(const ne_embedding *embedding, const ne_dense *x, const ne_dense *y);
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
static inline float *state_second(const loop_state *s)
{
    return s->second_at ? (float *)((char *)(uintptr_t)s + s->second_at) : NULL;
}
static inline float *state_third(const loop_state *s)
{
    return s->third_at ? (float *)((char *)(uintptr_t)s + s->third_at) : NULL;
}
static inline int64_t *state_order(const loop_state *s)
{
    return (int64_t *)((char *)(uintptr_t)s + s->order_at);
}
static inline void *state_method(const loop_state *s)
{
    return (char *)(uintptr_t)s + s->method_at;
}

/* The state of n rows of c columns; its sizes overflow nothing while n <= SIZE_MAX / 64 / c. */
loop_state state_layout(const ne_embedding *e, size_t n, size_t c);
/* What is wrong with so many rows, whatever is in them. */
ne_status fit_check_rows(const ne_embedding *e, size_t n);
/* What is wrong with rows that are sparse. */
ne_status fit_check_sparse(const ne_embedding *e);
/* What plan() makes of the problem; plan->n is 0 where no repulsion of the backend is wanted. */
ne_status fit_plan(const ne_embedding *e, const ne_problem *problem, void *method, ne_terms *terms,
                   output_kernel *kernel, repulsion_plan *plan);
/* Whether attraction is over the edges of P, and may take their weights rounded. */
int           fit_packs(const ne_embedding *e, const ne_terms *terms);
ne_status     fit_check_input(const ne_embedding *e, const ne_graph *graph, const ne_dense *x, const ne_csr *rows,
                              size_t *n);
ne_status     fit_affinity(ne_embedding *e, fit *f, const ne_graph *graph, const ne_dense *x);
void          optimizer_restart(fit *f);
schedule_rule fit_schedule(const ne_embedding *e, const fit *f);
/* The gradient of step s->step: into f->attraction and f->repulsion, with their scales in job, the weights in force in
 * terms; the loss into s->loss. again: see ne_terms. */
ne_status step_gradient(ne_embedding *e, fit *f, const schedule_step *at, int want_loss, int again, ne_terms *terms,
                        update_job *job);

/* Rows, columns and arrays of the fit into Morton order of z. */
ne_status fit_sort(ne_context *context, fit *f);
/* Whether that is due before a step. */
int fit_sort_is_due(size_t n, const ne_terms *terms, int64_t step);
/* What it takes with so many entries of an affinity and of distances (0: there is none), for estimates. */
double fit_sort_bytes(double n, double c, double affinities, double distances);

#endif
