/* init/spectral_solver.h: the largest eigenvectors of a connected graph, but for the one that is known. */
#ifndef NE_INIT_SPECTRAL_SOLVER_H
#define NE_INIT_SPECTRAL_SOLVER_H

#include "base/context.h"

enum {
    SPECTRAL_COUNT_MOST = 60, /* vectors that can be asked for */
    SPECTRAL_WIDTH_MOST = 64
};

/* A = D^(-1/2) W D^(-1/2) of a connected graph of n rows. */
typedef struct spectral_graph {
    size_t         n;
    const int64_t *start; /* n + 1, into col and val */
    const int32_t *col;
    const double  *val;  /* of A */
    const double  *root; /* n: sqrt of the degrees; an eigenvector for eigenvalue 1 */
} spectral_graph;

/* How many vectors are iterated for `count` wanted ones: more, so that what comes next is far from the wanted. */
size_t spectral_width(size_t count);

/* vectors: n x spectral_width(count), row-major; its first min(count, n - 1) columns are the answer, by falling
 * eigenvalue, orthonormal. work: of the same size. n is at least 2, count at most SPECTRAL_COUNT_MOST. `met` is 0 if the tolerance was not reached in time.
 * errors: NE_OUT_OF_MEMORY, NE_NOT_CONVERGED. */
ne_status spectral_solve(ne_context *context, const spectral_graph *graph, size_t count, double tolerance,
                         uint64_t seed, double *vectors, double *work, int *met);

#endif
