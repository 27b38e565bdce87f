/* cpu/knn_faiss_plugin.cpp: the plug-in libne-faiss.so: nearest neighbors by an index of faiss (Douze et al. 2024). It
 * shares nothing with the library but knn_faiss_abi.h. No exception leaves it. */
#include "cpu/knn_faiss_abi.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <omp.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

namespace {

enum {
    FLAT  = 0,
    IVF   = 1,
    HNSW  = 2,
    IVFPQ = 3
};

void search(const knn_faiss_job *job)
{
    const faiss::Index::idx_t n     = static_cast<faiss::Index::idx_t>(job->n),
                              k     = static_cast<faiss::Index::idx_t>(job->k);
    const int                     d = static_cast<int>(job->d);
    std::unique_ptr<faiss::Index> coarse, index;

    if (job->index == IVF) {
        coarse.reset(new faiss::IndexFlatL2(d));
        auto *ivf = new faiss::IndexIVFFlat(coarse.get(), job->d, static_cast<size_t>(job->nlist));
        index.reset(ivf);
        ivf->cp.min_points_per_centroid = 1; // fewer rows than it likes: no reason to write to stderr
        ivf->nprobe                     = static_cast<size_t>(job->nprobe);
        ivf->train(n, job->rows);
    } else if (job->index == IVFPQ) {
        coarse.reset(new faiss::IndexFlatL2(d));
        auto *ivf = new faiss::IndexIVFPQ(coarse.get(), job->d, static_cast<size_t>(job->nlist),
                                          static_cast<size_t>(job->pq_m), static_cast<size_t>(job->pq_bits));
        index.reset(ivf);
        ivf->cp.min_points_per_centroid    = 1;
        ivf->pq.cp.min_points_per_centroid = 1;
        ivf->nprobe                        = static_cast<size_t>(job->nprobe);
        ivf->train(n, job->rows);
    } else if (job->index == HNSW) {
        auto *hnsw = new faiss::IndexHNSWFlat(d, static_cast<int>(job->hnsw_m));
        index.reset(hnsw);
        hnsw->hnsw.efConstruction = static_cast<int>(job->ef_construction);
        hnsw->hnsw.efSearch       = static_cast<int>(job->ef_search);
    } else {
        index.reset(new faiss::IndexFlatL2(d));
    }
    index->add(n, job->rows);
    std::vector<float> distance(job->n * job->k); /* measured again by the library, in the user's metric */
    index->search(n, job->rows, k, distance.data(), job->found);
}

} // namespace

extern "C" {

extern __attribute__((visibility("default"))) const int ne_faiss_version;
const int                                               ne_faiss_version = KNN_FAISS_ABI;

__attribute__((visibility("default"))) int ne_faiss_search(const knn_faiss_job *job)
{
    const int threads = omp_get_max_threads();
    int       failed  = 0;
    omp_set_num_threads(job->threads);
    try {
        search(job);
    } catch (const std::exception &e) {
        std::snprintf(job->error, job->error_size, "%s", e.what());
        failed = 1;
    } catch (...) {
        std::snprintf(job->error, job->error_size, "an unknown exception");
        failed = 1;
    }
    omp_set_num_threads(threads);
    return failed;
}
}
