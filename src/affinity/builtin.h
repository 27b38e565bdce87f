/* affinity/builtin.h: what the library knows of its own affinities beyond their public tables: hooks whose types are its
 * own, so that the code for all affinities names none of them. One that was registered from outside has no such hook. */
#ifndef NE_AFFINITY_BUILTIN_H
#define NE_AFFINITY_BUILTIN_H

#include "affinity/float_kernel.h"
#include "affinity/input.h"

typedef struct affinity_builtin {
    const ne_affinity_ops *ops;
    /* 1 and the kernel where the values over all pairs are those of one, once the duals are known; dual NULL: where it
     * needs none. 0: rows() has to be asked. */
    int (*kernel)(const void *params, const double *dual, float_kernel *kernel);
    int symmetric; /* 1: rows are so as they are, and no mean of two has to be taken */
    /* 1: a point has an affinity to itself, for which a graph of neighbors has no place. */
    int (*has_diagonal)(const void *params);
    int listed; /* values for each pair in a list of the pairs that matter, which the solver keeps; 0: it keeps none */
    double (*bytes)(const ne_context *context, double n); /* what matrix() takes beside its result, for estimates */
} affinity_builtin;

/* That of the table; one without hooks where there is none. */
const affinity_builtin *affinity_builtin_of(const ne_affinity_ops *ops);

/* Where the tables are. */
extern const affinity_builtin builtin_entropic, builtin_umap, builtin_pacmap, builtin_student, builtin_gaussian;
extern const affinity_builtin builtin_normalized_gaussian, builtin_normalized_student, builtin_self_tuning;
extern const affinity_builtin builtin_magic, builtin_scalar_product;
extern const affinity_builtin builtin_symmetric_entropic, builtin_sinkhorn, builtin_phate;

#endif
