/* cpu/knn_faiss_abi.h: what the library and its plug-in libne-faiss.so say to each other. C and C++. The library loads
 * the plug-in when somebody asks for knn=faiss, and has no link to faiss itself. */
#ifndef NE_CPU_KNN_FAISS_ABI_H
#define NE_CPU_KNN_FAISS_ABI_H

#include <stddef.h>
#include <stdint.h>

#define KNN_FAISS_PLUGIN  "libne-faiss.so"
#define KNN_FAISS_SYMBOL  "ne_faiss_search"
#define KNN_FAISS_VERSION "ne_faiss_version" /* an int: KNN_FAISS_ABI of its sources */

enum {
    KNN_FAISS_ABI = 2
};

typedef struct knn_faiss_job {
    const float *rows; /* n x d: the index, and the queries; with ivfpq filled up with zero columns */
    size_t       n, d, k;
    int          threads;
    int64_t      index, nlist, nprobe, hnsw_m, ef_construction, ef_search; /* index: faiss_index */
    int64_t      pq_m, pq_bits;                                            /* pq_m divides d */
    int64_t     *found; /* n x k, nearest by squared euclidean distance first, the row itself among them; -1: none */
    char        *error; /* text where the return value is not 0 */
    size_t       error_size;
} knn_faiss_job;

typedef int (*knn_faiss_search_fn)(const knn_faiss_job *job);

#endif
