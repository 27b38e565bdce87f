/* cpu/x86/attract_avx2.h: attraction of the kernels whose slope is
 * scale / (shift + s), Student's and LargeVis's, on two or three columns, with AVX2. */
#ifndef NE_CPU_X86_ATTRACT_AVX2_H
#define NE_CPU_X86_ATTRACT_AVX2_H

#include <stddef.h>
#include <stdint.h>

/* 1 where the build and the processor have it. */
int attract_avx2_usable(void);

/* Rows [row0, row1) of f, for two and for three columns; start, col and val are the CSR's. */
void attract_avx2_2d(const int64_t *start, const int32_t *col, const float *val, const float *z, float shift,
                     float scale, size_t row0, size_t row1, float *f);
void attract_avx2_3d(const int64_t *start, const int32_t *col, const float *val, const float *z, float shift,
                     float scale, size_t row0, size_t row1, float *f);

#endif
