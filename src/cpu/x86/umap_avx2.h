/* cpu/x86/umap_avx2.h: the forces of methods/umap_forces.h in two columns, with AVX2. To be called only where
 * umap_avx2_usable() says 1. */
#ifndef NE_CPU_X86_UMAP_AVX2_H
#define NE_CPU_X86_UMAP_AVX2_H

#include <stddef.h>
#include <stdint.h>

int umap_avx2_usable(void);

/* Rows [row0, row1) of f become scale times the attraction over the edges of a CSR. */
void umap_avx2_attract(float a, float b, const int64_t *start, const int32_t *col, const float *val, const float *z,
                       float scale, size_t row0, size_t row1, float *f);
/* f (2 values) += the forces on zi from count rows of z; weight NULL: 1. */
void umap_avx2_list(float a, float b, int attract, const float *zi, const float *z, size_t count, const int32_t *col,
                    const float *weight, float *f);
/* Places [first, first + places), a multiple of 8: f = weight times the repulsion from the rows at count offsets. z and
 * f: two columns of `stride`. */
void umap_avx2_repel(float a, float b, const float *z, const float *weight, size_t stride, size_t first, size_t places,
                     size_t count, const uint32_t *offset, float *f);

#endif
