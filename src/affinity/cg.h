/* affinity/cg.h: conjugate gradients with a preconditioner (Hestenes & Stiefel 1952), for the Newton steps of the solvers.
 * Matrix free: a product is a visit of all pairs. */
#ifndef NE_AFFINITY_CG_H
#define NE_AFFINITY_CG_H

#include "base/context.h"

typedef struct cg_system {
    size_t count;
    ne_status (*product)(void *user, const double *v, double *to);
    void (*precondition)(void *user, const double *v, double *to);
    void   *user;
    double *work; /* 4 count */
} cg_system;

/* x = A^-1 b from x = 0, until the residual in the preconditioner's norm has fallen to tolerance times that of b, or
 * after most products; stops early where A turns out not to be positive along a direction. errors: those of product. */
ne_status cg_solve(const cg_system *system, const double *b, double tolerance, int most, double *x);

double cg_dot(size_t count, const double *a, const double *b);

#endif
