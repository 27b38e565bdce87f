/* init/spectral.h: Laplacian eigenmaps of the affinity as a start (Belkin & Niyogi 2003). */
#ifndef NE_INIT_SPECTRAL_H
#define NE_INIT_SPECTRAL_H

#include "graph/csr.h"

/* z (n x c): eigenvectors of I - D^(-1/2) W D^(-1/2) for the smallest eigenvalues above 0, D = diag(W 1), each of length
 * 1 with its entry largest in absolute value positive (the first on ties). W is p, or p + p^T where p is not symmetric;
 * entries are not negative. Components of the graph are embedded one by one, each in a square of area as its number of
 * rows, and the squares stand side by side (with a warning). Columns beyond what a component has are 0.
 *
 * tolerance bounds |A v - lambda v|. After a fixed number of multiplications the vectors are taken as they are, with a
 * warning.
 * errors: NE_OUT_OF_MEMORY; NE_NOT_CONVERGED: more than SPECTRAL_COUNT_MOST columns, or numbers that are not finite. */
ne_status spectral_start(ne_context *context, const csr *p, size_t c, double tolerance, uint64_t seed, float *z);

/* What it takes, for estimates: of a symmetric graph with so many entries. */
double spectral_start_bytes(double n, double entries, size_t c);

#endif
