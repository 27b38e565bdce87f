/* affinity/pairs.h: ne_pairs, the distances of all pairs of rows, for affinities over all of them.
 *
 * They are computed in square tiles of PAIRS_TILE rows, always the one on or above the diagonal, whose transpose is the
 * other: so the matrix is symmetric in every bit, and no bit depends on the threads or on whether it is kept. Kept, it
 * takes n^2 floats and is computed once; else a panel of rows is computed again at each visit.
 *
 *   sqeuclidean, euclidean, cosine, correlation   |a|^2 + |b|^2 - 2 a.b by matrix products, of rows less the mean row (or
 *                of unit rows). Where the result is below 1/64 of |a|^2 + |b|^2, too much has cancelled, and it is taken
 *                from the differences; so is all of it in few dimensions
 *   angular      -a.b by matrix products
 *   others       by the metric's own function, pair by pair */
#ifndef NE_AFFINITY_PAIRS_H
#define NE_AFFINITY_PAIRS_H

#include "affinity/float_kernel.h"
#include "cpu/metric.h"
#include "graph/knn.h"

enum {
    PAIRS_TILE   = 128,
    PAIRS_DIRECT = 32,  /* up to so many columns differences are as fast as products */
    PAIRS_BLOCK  = 1024 /* kept rows that are computed together; a multiple of PAIRS_TILE */
};

typedef struct pairs_poll {
    int64_t step, steps;
    int     cancelled;
} pairs_poll;

struct ne_pairs {
    ne_context          *context;
    const progress      *progress;
    pairs_poll          *poll; /* where the solver is */
    const ne_metric_ops *metric;
    metric_kind          kind;
    const char          *name;   /* of the metric, for errors */
    const ne_dense      *matrix; /* entries in place of distances, or NULL */
    size_t               n, d;
    float               *x; /* n x d: less the mean row; unit rows; or as they are */
    float *
        column; /* the same in tiles: column j of row r of tile t is column[(t d + j) PAIRS_TILE + r]; few columns only */
    float              *square; /* |x_i|^2, 1 for a zero row among unit rows */
    unsigned char      *zero;   /* which rows are those; NULL: none */
    float              *packed; /* rows of the block that is computed, for tile_avx2.h; NULL where BLAS multiplies */
    float              *kept;   /* n rows, stride apart, or NULL */
    const float_kernel *values; /* is kept in place of distances, or NULL */
    size_t              stride;
    float              *panel; /* PAIRS_TILE x n, where nothing is kept */
    int                 owned; /* kept is ours */
};

/* room: n x n floats to keep them in, stride apart; NULL: kept where that takes little memory. x is checked and finite as
 * f32, and has to outlive the pairs. errors: NE_UNKNOWN_NAME for the metric; NE_INVALID_ARGUMENT for a distance that is
 * not finite; NE_CANCELLED. */
ne_status pairs_open(ne_context *context, const knn_params *knn, int takes_matrix, const ne_dense *x,
                     const progress *report_to, float *room, size_t stride, ne_pairs **pairs);
void      pairs_close(ne_pairs *pairs);
/* The same, but kept in room, which has to be there, and visited are the values of a kernel that needs no more than a
 * distance; distances, and pairs->values is NULL, where it has no value at some. */
ne_status pairs_open_values(ne_context *context, const knn_params *knn, const float_kernel *values, const ne_dense *x,
                            const progress *report_to, float *room, size_t stride, ne_pairs **pairs);
/* 1 unless the metric's distances are known to be 0 at least. */
int pairs_may_be_negative(const ne_pairs *pairs);

/* Visits by hand: the distances of the block that begins at row0, which may be overwritten; then its rows. */
ne_status pairs_block(const ne_pairs *pairs, size_t row0, float **at, size_t *stride, size_t *row1);
ne_status pairs_visit_block(const ne_pairs *pairs, size_t row0, size_t row1, const float *at, size_t stride,
                            ne_pairs_fn visit, void *user);

/* Tiles on and above the diagonal, from several threads: rows [row0, row1) by [col0, col1), which may be overwritten
 * where distances are kept. index counts them: of pairs_tile_total(). */
typedef struct pairs_tile {
    size_t index, row0, row1, col0, col1;
    float *at;
    size_t stride;
} pairs_tile;
typedef void (*pairs_tile_fn)(void *user, const pairs_tile *tile);
size_t    pairs_tile_total(const ne_pairs *pairs);
ne_status pairs_visit_tiles(const ne_pairs *pairs, pairs_tile_fn visit, void *user);

/* pairs_tile.c: rows [row0, row1) with row0 a multiple of PAIRS_TILE, at most that many, into out, n floats a row, stride
 * apart; _from: columns from the tile of column first on; and the part on and above the diagonal of the tile rows [row0,
 * row1), at most PAIRS_BLOCK, with its mirror image, into all n rows. 1 if all is finite. Between blas_enter() and
 * blas_leave(). */
int pairs_fill(const ne_pairs *pairs, size_t row0, size_t row1, float *out, size_t stride);
int pairs_fill_from(const ne_pairs *pairs, size_t row0, size_t row1, size_t first, float *out, size_t stride);
int pairs_fill_right(const ne_pairs *pairs, size_t row0, size_t row1, float *all, size_t stride);
/* to[j][i] = from[i][j]; rows are from_stride and stride apart. */
void pairs_mirror(size_t rows, size_t cols, const float *from, size_t from_stride, float *to, size_t stride);

/* pairs_rows.c: x as the tiles need it. */
ne_status pairs_take_rows(ne_pairs *pairs, const ne_dense *x);

#endif
