/* cpu/pca_sparse.h: principal components of sparse rows, which stay sparse: the mean is subtracted from products. */
#ifndef NE_CPU_PCA_SPARSE_H
#define NE_CPU_PCA_SPARSE_H

#include "backend/backend.h"

/* Of job->sparse. errors: NE_OUT_OF_RANGE: count is above min(n, d); NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status cpu_pca_sparse(ne_context *context, const pca_job *job);

#endif
