/* cpu/knn_faiss.h: neighbors found by faiss, through the plug-in libne-faiss.so. */
#ifndef NE_CPU_KNN_FAISS_H
#define NE_CPU_KNN_FAISS_H

#include "cpu/knn_exact.h"

/* index and distance: count x k, each row ascending by (distance, index); distances are the metric's own. *recall: on a
 * sample of rows; it is not made to reach search->recall, the options decide.
 * errors: NE_OUT_OF_RANGE: options of ivfpq that the shape of x does not allow; NE_UNSUPPORTED: no plug-in, another version of it, or a metric that euclidean distances do not order;
 * NE_OUT_OF_MEMORY; NE_CANCELLED; NE_NOT_CONVERGED: the index found fewer than k neighbors of a row; NE_INTERNAL: faiss
 * says so. */
ne_status knn_faiss(ne_context *context, const knn_search *search, const faiss_options *options, int32_t *index,
                    float *distance, double *recall, int *exact);
/* What it takes of the context beside its result, for estimates. */
double knn_faiss_bytes(double n, double width, double k, const faiss_options *options);

#endif
