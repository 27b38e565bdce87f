/* methods/umap_forces.h: UMAP's two forces, under the kernel 1 / (1 + a s^b), s = |z_i - z_j|^2.
 *
 *     attraction  clamp(2 b t / (s (1 + t)) d)          t = a s^b, d = z_i - z_j
 *     repulsion   clamp(-2 b / ((0.001 + s) (1 + t)) d)
 *
 * Each coordinate of each pair is clamped to [-4, 4]. s^b is exp(b log s) with the polynomials of cpu/elementary.h, relative
 * error below 1e-5: no call of the C library, eight pairs at a time. Two columns have a twin with AVX2, cpu/x86/umap_avx2.h. */
#ifndef NE_METHODS_UMAP_FORCES_H
#define NE_METHODS_UMAP_FORCES_H

#include "ne.h"

typedef struct umap_curve {
    float a, b;
} umap_curve;

/* f (c) += weight times the force on zi from each of count rows of z; weight NULL: 1. */
void umap_attract(umap_curve curve, size_t c, const float *zi, const float *z, size_t count, const int32_t *col,
                  const float *weight, float *f);
void umap_repel(umap_curve curve, size_t c, const float *zi, const float *z, size_t count, const int32_t *col,
                float *f);
/* Rows [row0, row1) of f (n x c) become scale times the attraction over all edges, weighted by their values (f32). */
void umap_attract_rows(umap_curve curve, size_t c, const ne_csr *edges, const float *z, float scale, size_t row0,
                       size_t row1, float *f);

enum {
    UMAP_PLACES = 256
};

/* Columns of coordinates in the order of a circle, written out twice and then UMAP_PLACES of anything finite. */
typedef struct umap_circle {
    size_t n, c, stride;
    float *z;      /* c columns of stride */
    float *f;      /* c columns of stride: forces by place */
    float *weight; /* of the repulsion of a place */
} umap_circle;

/* f = weight times the repulsion from the rows at count offsets, for UMAP_PLACES places. */
void umap_repel_places(umap_curve curve, const umap_circle *on, size_t first, size_t count, const uint32_t *offset);

/* The potentials whose gradients, not clamped, these forces are. */
double umap_attract_energy(double a, double b, double s);

/* That of the repulsion is an integral without closed form: -V' = b / ((0.001 + s) (1 + a s^b)), V = 0 at infinity. So it is
 * integrated once, on a grid of log(0.001 + s), and interpolated by cubics with the slopes that are known. */
enum {
    UMAP_POTENTIAL = 1024
};
void   umap_repel_tabulate(double a, double b, double value[UMAP_POTENTIAL + 1]);
double umap_repel_energy(double a, double b, const double value[UMAP_POTENTIAL + 1], double s);

#endif
