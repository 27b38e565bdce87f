/* cpu/cpu.c: the CPU's table of operations. */
#include "cpu/attract.h"
#include "cpu/knn.h"
#include "cpu/pca.h"
#include "cpu/repulsion.h"
#include "cpu/update.h"

const ne_backend backend_cpu = {
    .name             = "cpu",
    .knn              = cpu_knn,
    .pca              = cpu_pca,
    .attract          = cpu_attract,
    .repulsion_create = cpu_repulsion_create,
    .repulse          = cpu_repulse,
    .repulsion_free   = cpu_repulsion_free,
    .update           = cpu_update,
};
