/* methods/methods.h: the built-in methods. Each is a table that goes through ne_method_register() like a user's own. */
#ifndef NE_METHODS_METHODS_H
#define NE_METHODS_METHODS_H

#include "ne.h"

extern const ne_method_ops method_affinity_matcher, method_cosne, method_sne, method_tsnekhorn; /* of all pairs */
extern const ne_method_ops method_infotsne, method_largevis, method_localmap, method_pacmap, method_pca, method_trimap,
    method_tsne, method_umap;
extern const ne_method_ops method_incremental_pca, method_kernel_pca, method_phate; /* without a loop, as pca */

/* What umap's state takes, for estimates. */
double umap_bytes(const void *params, const ne_problem *problem, double *kept);

#endif
