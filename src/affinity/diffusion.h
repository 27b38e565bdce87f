/* affinity/diffusion.h: powers and other products of symmetric n x n matrices of floats, of which only the half on and above
 * the diagonal is computed, in tiles; the other half is its mirror image, so that they are symmetric in every bit.
 *
 *     B^t      B without negative entries, as a random walk's: nothing cancels, and a float keeps each entry to 1e-6
 *     a b^T    of rows, where that is symmetric, by matrix products */
#ifndef NE_AFFINITY_DIFFUSION_H
#define NE_AFFINITY_DIFFUSION_H

#include "affinity/pairs.h"

typedef struct square_matrix {
    float *at;
    size_t stride;
} square_matrix;

enum {
    DIFFUSION_TILE = 256 /* rows and columns, at most, of what is finished at once */
};

/* Entries of B that are not above it are taken for 0. */
#define DIFFUSION_LEAST 1e-18f

/* B^t, t >= 1; which of the two matrices it ends in, *b says. Reports its products to the pairs' progress callback.
 * Takes n^2 floats more where most entries of B count, else less than that. errors: NE_OUT_OF_MEMORY, NE_CANCELLED. */
ne_status diffusion_power(const ne_pairs *pairs, int64_t t, square_matrix *b, square_matrix *spare);

/* Rows [i0, i1) of c's columns [j0, j1), on or above the diagonal, just computed. */
typedef void (*diffusion_finish)(void *user, size_t i0, size_t i1, size_t j0, size_t j1, square_matrix c);
/* c = alpha a b^T; a and b have n rows of n numbers. finish may be NULL. errors: NE_CANCELLED, at step `done` of `all`. */
ne_status diffusion_product(const ne_pairs *pairs, float alpha, square_matrix a, square_matrix b, square_matrix c,
                            diffusion_finish finish, void *user, int64_t done, int64_t all);

/* What a power takes, the other matrix included, and what its kernel takes, for estimates: 0.1 of the entries listed. */
double diffusion_bytes(const ne_context *context, double n);

#endif
