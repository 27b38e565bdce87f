/* cpu/pca.h: principal components of the rows of a matrix. */
#ifndef NE_CPU_PCA_H
#define NE_CPU_PCA_H

#include "backend/backend.h"

/* errors: NE_OUT_OF_RANGE: count is above min(n, d); NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status cpu_pca(ne_context *context, const pca_job *job);

#endif
