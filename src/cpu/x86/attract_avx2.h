/* cpu/x86/attract_avx2.h: attraction of the kernels whose slope is
 * scale / (shift + s), Student's and LargeVis's, on two or three columns, with AVX2. */
#ifndef NE_CPU_X86_ATTRACT_AVX2_H
#define NE_CPU_X86_ATTRACT_AVX2_H

#include "cpu/edge_groups.h"

/* 1 where the build and the processor have it. */
int attract_avx2_usable(void);

/* Rows [row0, row1) of f, for two and for three columns; start, col and val are the CSR's. */
void attract_avx2_2d(const int64_t *start, const int32_t *col, const float *val, const float *z, float shift,
                     float scale, size_t row0, size_t row1, float *f);
void attract_avx2_3d(const int64_t *start, const int32_t *col, const float *val, const float *z, float shift,
                     float scale, size_t row0, size_t row1, float *f);

/* The same for two columns, over packed edges (attract_avx2_packs(): whether it can be called); and the packing of
 * weights: `count` times `by` as halves, eight at most. */
int  attract_avx2_packs(void);
void attract_avx2_groups(const edge_groups *edges, const float *z, float shift, float scale, size_t row0, size_t row1,
                         float *f);
void attract_avx2_halves(const float *weight, size_t count, float by, uint16_t *to);

#endif
