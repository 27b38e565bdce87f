/* cpu/tree_sums.h: what a run of targets has to add up, in lists, and the loops that add it. */
#ifndef NE_CPU_TREE_SUMS_H
#define NE_CPU_TREE_SUMS_H

#include "cpu/expansion.h"

enum {
    RUN        = 32, /* the most targets that sums are kept for; a multiple of LANES */
    NEAR_CELLS = 576
};

typedef struct tree_sums {
    far_cells    far;    /* to be added to the polynomial */
    local_series series; /* of all cells that are far for the run */
    size_t       near_count, leaf_count;
    uint32_t     near[NEAR_CELLS], leaf[NEAR_CELLS]; /* nodes to be added to each target: by moments, point by point */
    float        potential[RUN], force[3][RUN];
} tree_sums;

/* Each empties the lists that it adds. Targets are [first, last) of the tree's points; c is 2 or 3. */
void tree_sums_add_far(int c, const kernel_numbers *by, tree_sums *sums);
void tree_sums_add_near(const tree *of, const kernel_numbers *by, uint32_t first, uint32_t last, tree_sums *sums);
void tree_sums_add_series(const tree *of, uint32_t first, uint32_t last, tree_sums *sums);
void tree_sums_shift(int c, tree_sums *sums, const float *middle); /* the polynomial, about another middle */

#endif
