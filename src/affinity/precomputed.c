/* affinity/precomputed.c: a square matrix that is an affinity already: taken as it is, diagonal and scale too. */
#include "affinity/input.h"

#include <string.h>

static ne_status precomputed_rows(const void *params, size_t n, size_t self, int32_t across, const float *entries,
                                  const double *dual, float *values)
{
    (void)params;
    (void)across;
    (void)dual;
    for (size_t j = 0; j < n; j++)
        if (entries[j] < 0)
            return ne_fail(NE_INVALID_ARGUMENT, "x: row %zu, column %zu is %g, an affinity is not negative", self, j,
                           (double)entries[j]);
    memcpy(values, entries, n * sizeof *values);
    return NE_OK;
}

const ne_affinity_ops affinity_precomputed = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "precomputed",
    .help         = "x is an n x n affinity itself, taken as it is; ne_graph_from_csr() takes a sparse one",
    .combine      = NE_COMBINE_NONE,
    .rows         = precomputed_rows,
    .takes_matrix = 1,
};
