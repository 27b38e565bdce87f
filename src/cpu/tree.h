/* cpu/tree.h: a tree of cells over points in two or three columns, with the moments that a sum over a cell needs.
 *
 * Points are kept as columns in the order of the Hilbert curve, so a cell is a range of them, and nearby points
 * share cache lines. A cell is split into quarters (eighths) until it has few points or is as small as asked for:
 * where the kernel is smooth over a cell, a finer one has nothing to add. So a cluster of equal points is one leaf.
 * A cell with one non-empty child is left out, so there are at most 2 n nodes whatever the layout. Cells of a depth
 * are neighbors in memory: each depth is built, and summed, in parallel. */
#ifndef NE_CPU_TREE_H
#define NE_CPU_TREE_H

#include "cpu/curve.h"

enum {
    TREE_PAD = 16 /* floats after the last point of a column that may be read */
};

typedef struct tree_node {
    float    center[3]; /* mean of its points; the third is 0 in two columns */
    float    radius;    /* at least the largest distance from the center, and sqrt(3) times the root mean square one */
    uint32_t first, last;
    uint32_t child; /* the first of its children, which follow each other; 0 for a leaf */
    uint32_t children;
} tree_node;

/* Sums over the points of a node: their number, sum |x - center|^2, and 2 sum (x - center)(x - center)^T as xx, xy,
 * yy or xx, xy, xz, yy, yz, zz. */
typedef struct tree_moments {
    float weight, trace, second[6];
} tree_moments;

typedef struct tree {
    curve         curve;
    size_t        n, c, capacity; /* of points */
    float         origin[3]; /* a point among many, subtracted from all; the middle of their box may be far from all */
    float        *x[3];      /* columns of the points in the order of the Hilbert curve, relative to origin */
    size_t        nodes, node_capacity;
    tree_node    *node;
    tree_moments *moments;
    int           finite; /* 0: there is a coordinate that is not, and no tree */
} tree;

/* Builds the tree of z, n x c; its memory is kept for the next time. leaf: the most points of a leaf that is wider than
 * `width`. errors: NE_OUT_OF_MEMORY. */
ne_status tree_build(ne_context *context, tree *to, size_t n, size_t c, const float *z, size_t leaf, double width);
void      tree_clear(ne_context *context, tree *of); /* a zeroed tree may be built and cleared */
/* What it takes with a node for every other point, for estimates: real layouts have a third to a half of that. */
double tree_bytes(double n, double c);

#endif
