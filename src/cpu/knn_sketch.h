/* cpu/knn_sketch.h: a short form of every row, whose products say nearly who is near.
 *
 *     packed row  ~  (its c first principal coordinates | the length of the rest)
 *     |x_i - x_j|^2 = |x_i|^2 + |x_j|^2 - 2 p_i . p_j - 2 rest_i . rest_j,   rest_i . rest_j ~ rho |rest_i| |rest_j|
 *
 * The squares are those of whole rows, so that only the product of the rests is guessed; near neighbors share some of
 * it, and rho is that share, measured on a sample (knn_sketch_correlate). The last column holds sqrt(rho) |rest|: one
 * product does it all. Short rows, and flat spectra, are their own sketch. */
#ifndef NE_CPU_KNN_SKETCH_H
#define NE_CPU_KNN_SKETCH_H

#include "cpu/knn_rows.h"

typedef struct knn_sketch {
    size_t width;      /* floats a row */
    size_t components; /* columns before the length of the rest, in order of variance; all of them where whole */
    int    whole;      /* rows as packed, all columns */
    float *row;        /* count x width, until knn_cells_create() has put the rows into panels, */
    float *panel; /* SKETCH_PANEL rows each, in cell order, columns together; the last one is filled up with zeros */
    double rho;
} knn_sketch;

enum {
    SKETCH_PANEL = 16
};

/* errors: NE_OUT_OF_MEMORY; NE_NOT_CONVERGED, NE_INTERNAL from LAPACK. Clear a failed one too. Inside blas_enter(). */
ne_status knn_sketch_create(ne_context *context, const knn_rows *rows, uint64_t seed, knn_sketch *made);
void      knn_sketch_clear(const ne_allocator *mem, knn_sketch *sketch);
/* What it takes at most while it is made, and the floats of a row, for estimates: of data with a flat spectrum, whose
 * sketch is the widest. */
double knn_sketch_bytes(const ne_context *context, double n, double width, double *sketch_width);

/* Set rho from near pairs: near[q * k ..] are neighbors of query[q]. Once, after create. */
ne_status knn_sketch_correlate(ne_context *context, const knn_rows *rows, const int32_t *query, size_t queries,
                               const int32_t *near, size_t k, knn_sketch *sketch);

/* -2 times the inner products of four rows with the rows of consecutive panels: value[q * stride + r]. */
void knn_sketch_products(const float *panel, size_t panels, size_t width, const float *const row[4], float *value,
                         size_t stride);
/* The row at a position, out of its panel. */
void knn_sketch_row(const knn_sketch *sketch, size_t position, float *row);

#endif
