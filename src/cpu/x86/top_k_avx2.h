/* cpu/x86/top_k_avx2.h: the AVX2 twins of the inner loops of top_k.c: the same lists, in another order within them. To
 * be called only where x86_top_k_works() says 1. */
#ifndef NE_CPU_X86_TOP_K_AVX2_H
#define NE_CPU_X86_TOP_K_AVX2_H

#include "cpu/top_k.h"

int  x86_top_k_works(void);
void x86_offer_row(top_k *lists, size_t row, const float *value, const float *add, size_t count, uint32_t first);
void x86_offer_column(top_k *lists, size_t row0, const float *value, float add, size_t count, uint32_t id);
/* key[0 .. count) with those below pivot first; returns how many they are. spare: count + 4 entries. */
size_t x86_partition(uint64_t *key, size_t count, uint64_t pivot, uint64_t *spare);

#endif
