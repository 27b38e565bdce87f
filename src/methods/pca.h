/* methods/pca.h: what pca shares with incremental_pca. */
#ifndef NE_METHODS_PCA_H
#define NE_METHODS_PCA_H

#include "ne.h"

/* x = y components + mean, the map back to the data: components c x d, mean d. */
ne_status pca_map_back(const ne_context *context, const double *mean, const double *components, size_t c, size_t d,
                       const ne_dense *y, const ne_dense *x);

#endif
