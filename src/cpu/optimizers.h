/* cpu/optimizers.h: what cpu/update.c does with a tile of the gradient under torch.optim's rules other than sgd, and with
 * rows on the Poincare ball. */
#ifndef NE_CPU_OPTIMIZERS_H
#define NE_CPU_OPTIMIZERS_H

#include "backend/backend.h"

/* The numbers of a step, worked out in double and narrowed once. */
typedef struct optimizer_numbers {
    optimizer_kind kind;
    float          weight_decay;               /* added to g, times z */
    float          decay;                      /* adamw: what is taken off z, per unit of z */
    float          rate, momentum, keep, mix;  /* mix is 1 - keep; for rmsprop, of the squares */
    float          keep2, mix2, correct2, eps; /* of the squares in adam; correct2 is 1 / sqrt(1 - beta2^t) */
    int            centered;
} optimizer_numbers;

/* job->rule must not be NULL. */
optimizer_numbers optimizer_of(const update_job *job);

/* Does the displacement of z stand in an array of its own? Else it is u. */
int optimizer_displaces(const update_job *job);

/* g of count coordinates, weight decay included, into the state u, second, third and the displacement d of z; d may be u
 * unless optimizer_displaces(). Not for sgd and riemannian_adam. */
void optimizer_tile(const optimizer_numbers *by, size_t count, const float *g, const float *z, float *u, float *second,
                    float *third, float *d);

/* Rows [row0, row1) under riemannian_adam: gradient, state and z. Returns |R|^2, R the Riemannian gradient. *bad counts
 * the coordinates that are no longer finite. */
double optimizer_riemannian(const update_job *job, size_t row0, size_t row1, int *bad);

#endif
