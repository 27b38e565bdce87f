/* cpu/x86/tile_avx2.h: inner products of two blocks of rows, with AVX2 and FMA. To be called only where tile_avx2_usable()
 * says 1: where registers are twice as wide, BLAS is faster.
 *
 * One block is packed once and serves many others, which are read as they are: where a general matrix product packs both
 * each time, which for blocks of 128 rows takes a fifth of its time. Each product is a sum over the columns in ascending
 * order, in sections of TILE_AVX2_DEEP; so the product of two rows has the same bits whichever of them was packed. */
#ifndef NE_CPU_X86_TILE_AVX2_H
#define NE_CPU_X86_TILE_AVX2_H

#include <stddef.h>

enum {
    TILE_AVX2_STRIP = 16, /* packed rows that lie side by side */
    TILE_AVX2_DEEP  = 256 /* columns of a strip that stay in the first-level cache */
};

int tile_avx2_usable(void);

/* Up to 16 rows of d columns, one after the other, become a strip: column j of row r is to[j * 16 + r], 0 for the rows
 * that there are not. */
void tile_avx2_pack(size_t rows, size_t d, const float *x, float *to);
/* out[i][r] = factor a_i . b_r for count rows a, d apart, and rows b in strips one after the other; out has room for all
 * of the last strip. factor is a power of two, or minus one. */
void tile_avx2_products(size_t count, size_t d, const float *a, size_t strips, const float *packed, float factor,
                        float *out, size_t stride);

#endif
