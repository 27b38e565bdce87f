/* cpu/x86/links_avx2.h: the forces of methods/links.h in two columns, with AVX2. To be called only where
 * links_avx2_usable() says 1. */
#ifndef NE_CPU_X86_LINKS_AVX2_H
#define NE_CPU_X86_LINKS_AVX2_H

#include <stddef.h>
#include <stdint.h>

int links_avx2_usable(void);

/* Rows [row0, row1) of f, added to what is there if `add`: sums of phi (z_i - z_j) over the rows j in `other`,
 * phi = scale / (shift + s)^2, times reach / sqrt(1 + s) if reach > 0. */
void links_avx2_pull(const int64_t *start, const int32_t *other, float scale, float shift, float reach, const float *z,
                     size_t row0, size_t row1, int add, float *f);

#endif
