/* cpu/knn_cells.h: rows in cells of near rows, for searches that look at a few cells only. */
#ifndef NE_CPU_KNN_CELLS_H
#define NE_CPU_KNN_CELLS_H

#include "cpu/knn_sketch.h"

typedef struct knn_cells {
    size_t count;
    int32_t *
        order; /* rows by cell, ids ascending within each: order[position] = id. Cells are in an order in which the next
                        one is mostly near, so neighbors in position are near in space across cells too */
    int32_t *start;   /* count + 1: positions of cell c are [start[c], start[c + 1]) */
    float   *square;  /* of the packed rows, by position */
    size_t   columns; /* of the sketch: what a centre has */
    float   *centre;  /* count x columns */
    float   *half;    /* |centre|^2 / 2 */
} knn_cells;

/* Cells of the sketch, whose rows are put into panels in cell order.
 * errors: NE_OUT_OF_MEMORY. Clear a failed one too. Inside blas_enter(). */
ne_status knn_cells_create(ne_context *context, const knn_rows *rows, uint64_t seed, knn_sketch *sketch,
                           knn_cells *made);
void      knn_cells_clear(const ne_allocator *mem, knn_cells *cells);
/* What cells and panels take at most while they are made, the sketch's rows included, and afterwards, for estimates. */
double knn_cells_bytes(const ne_context *context, double n, double sketch_width, double *kept);
double knn_cells_count(double n);

/* |centre|^2 / 2 - row . centre, which has the order of the distance, for `rows` rows `stride` apart and all cells:
 * value is rows x count. */
void knn_cells_values(const knn_cells *cells, const float *row, size_t rows, size_t stride, float *value);
/* The cells that a row visits, nearest first, until they hold at least `scan` rows: returns their number, ids in visit
 * (count entries). value: the row's count values; key: count entries of scratch. */
size_t knn_cells_nearest(const knn_cells *cells, const float *value, size_t scan, uint64_t *key, uint32_t *visit);

/* The most cells that any row can visit until they hold `scan` rows; key: count entries of scratch. */
size_t knn_cells_most(const knn_cells *cells, size_t scan, uint64_t *key);

#endif
