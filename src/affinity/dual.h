/* affinity/dual.h: Newton's method on a convex dual phi of one number a row, whose gradient is r - 1, r the sums of the rows.
 * What a solver brings is the sums, the value and the Newton step; the line search and the loop are the same for all. */
#ifndef NE_AFFINITY_DUAL_H
#define NE_AFFINITY_DUAL_H

#include "affinity/cg.h"
#include "affinity/pair_list.h"

/* H of a Newton step: a diagonal, and all pairs, those of the list where there is one. */
typedef struct dual_hessian {
    const ne_pairs *pairs;
    size_t          n;
    pair_list       list;
    double         *diagonal, *own; /* n each; own: what the pair (i, i) adds to it */
    ne_pairs_fn     row;            /* without a list: sets to[row] to row `row` of H v */
    void           *user;           /* of row() */
    const double   *v;              /* of the present product */
    float          *narrow;         /* n, NULL if not wanted: v in float */
    double         *to;
} dual_hessian;

/* The system H x = b, its diagonal for a preconditioner. work: 4 n. */
cg_system dual_system(dual_hessian *h, double *work);

typedef struct dual_problem {
    const ne_pairs *pairs;
    size_t          n;
    double         *f, *kept, *r, *step; /* n each: the dual, room for the last one, sums of rows, the direction */
    void           *state;
    void (*prepare)(void *state);       /* before the sums at a new f */
    ne_pairs_fn sum;                    /* a row's r at f, and whatever value() and newton() need */
    double (*value)(const void *state); /* phi at f, from those */
    ne_status (*newton)(void *state, double residual, int *moved); /* a step, by dual_search() */
} dual_problem;

/* Armijo along step from length t on, halved at most tries times; value is phi at f, slope its slope along step, rounding
 * what its values are good to. Sums are of the f it ends at: the one it began with and *moved 0, if no length lowers phi. */
ne_status dual_search(const dual_problem *d, double value, double t, double slope, double rounding, int tries,
                      int *moved);

/* From f to a residual max |r - 1| below tol, in at most `most` steps all in all. errors: NE_CANCELLED. */
ne_status dual_descend(const dual_problem *d, int64_t most, double tol, ne_solution *solution);

#endif
