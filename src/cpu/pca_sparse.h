/* cpu/pca_sparse.h: principal components of sparse rows, which stay sparse: the mean is subtracted from products. */
#ifndef NE_CPU_PCA_SPARSE_H
#define NE_CPU_PCA_SPARSE_H

#include "backend/backend.h"

/* Of job->sparse. errors: NE_OUT_OF_RANGE: count is above min(n, d); NE_OUT_OF_MEMORY; NE_NOT_CONVERGED. */
ne_status cpu_pca_sparse(ne_context *context, const pca_job *job);

/* What it takes at most, beside what the job has, for estimates: n rows of d columns with so many entries. */
double cpu_pca_sparse_bytes(const ne_context *context, double n, double d, double entries, int32_t dtype, double count);

#endif
