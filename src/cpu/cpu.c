/* cpu/cpu.c: the CPU's table of operations. */
#include "cpu/attract.h"
#include "cpu/edge_groups.h"
#include "cpu/knn.h"
#include "cpu/knn_query.h"
#include "cpu/knn_sparse.h"
#include "cpu/negatives.h"
#include "cpu/pca.h"
#include "cpu/pca_sparse.h"
#include "cpu/repulsion.h"
#include "cpu/update.h"

const ne_backend backend_cpu = {
    .name             = "cpu",
    .knn              = cpu_knn,
    .knn_query        = cpu_knn_query,
    .pca              = cpu_pca,
    .knn_sparse       = cpu_knn_sparse,
    .pca_sparse       = cpu_pca_sparse,
    .attract          = cpu_attract,
    .edges_pack       = cpu_edges_pack,
    .edges_free       = cpu_edges_free,
    .repulsion_create = cpu_repulsion_create,
    .repulse          = cpu_repulse,
    .repulsion_free   = cpu_repulsion_free,
    .negatives        = cpu_negatives,
    .update           = cpu_update,
    .knn_bytes        = cpu_knn_bytes,
    .pca_bytes        = cpu_pca_bytes,
    .knn_sparse_bytes = cpu_knn_sparse_bytes,
    .pca_sparse_bytes = cpu_pca_sparse_bytes,
    .edges_bytes      = cpu_edges_bytes,
    .repulsion_bytes  = cpu_repulsion_bytes,
    .negatives_bytes  = cpu_negatives_bytes,
};
