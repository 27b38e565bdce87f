/* cpu/x86/top_k_avx2.c: see top_k_avx2.h.
 *
 * An offer adds and compares eight values and turns the result into a bit mask, in three instructions; the portable
 * loop takes four times as long where nothing hits. A partition moves four keys with one permutation; the portable loop
 * moves one. */
#include "cpu/x86/top_k_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

int x86_top_k_works(void)
{
    return __builtin_cpu_supports("avx2");
}

/* The lanes of the mask, lowest first; the limit is read again for each, as a push may have lowered it. */
static inline void push_row(top_k *lists, size_t row, const float *value, const float *add, unsigned mask,
                            uint32_t first)
{
    for (; mask; mask &= mask - 1) {
        const unsigned l       = (unsigned)__builtin_ctz(mask);
        const float    offered = value[l] + add[l];
        if (offered <= lists->limit[row]) top_k_push(lists, row, offered, first + l);
    }
}

__attribute__((target("avx2"))) void x86_offer_row(top_k *lists, size_t row, const float *value, const float *add,
                                                   size_t count, uint32_t first)
{
    size_t j = 0;
    for (; j + 8 <= count; j += 8) {
        const __m256   sum  = _mm256_add_ps(_mm256_loadu_ps(value + j), _mm256_loadu_ps(add + j));
        const __m256   hit  = _mm256_cmp_ps(sum, _mm256_set1_ps(lists->limit[row]), _CMP_LE_OQ);
        const unsigned mask = (unsigned)_mm256_movemask_ps(hit);
        if (mask) push_row(lists, row, value + j, add + j, mask, first + (uint32_t)j);
    }
    if (j < count) push_row(lists, row, value + j, add + j, (1u << (count - j)) - 1, first + (uint32_t)j);
}

__attribute__((target("avx2"))) void x86_offer_column(top_k *lists, size_t row0, const float *value, float add,
                                                      size_t count, uint32_t id)
{
    size_t j = 0;
    for (; j + 8 <= count; j += 8) {
        const __m256 sum  = _mm256_add_ps(_mm256_loadu_ps(value + j), _mm256_set1_ps(add));
        const __m256 hit  = _mm256_cmp_ps(sum, _mm256_loadu_ps(lists->limit + row0 + j), _CMP_LE_OQ);
        unsigned     mask = (unsigned)_mm256_movemask_ps(hit);
        for (; mask; mask &= mask - 1) {
            const unsigned l = (unsigned)__builtin_ctz(mask);
            top_k_push(lists, row0 + j + l, value[j + l] + add, id);
        }
    }
    for (; j < count; j++)
        if (value[j] + add <= lists->limit[row0 + j]) top_k_push(lists, row0 + j, value[j] + add, id);
}

/* For each mask of four keys the 32-bit halves of those whose bit is set, in front. */
static const int32_t picks[16][8] = {
    {0},
    {0, 1},
    {2, 3},
    {0, 1, 2, 3},
    {4, 5},
    {0, 1, 4, 5},
    {2, 3, 4, 5},
    {0, 1, 2, 3, 4, 5},
    {6, 7},
    {0, 1, 6, 7},
    {2, 3, 6, 7},
    {0, 1, 2, 3, 6, 7},
    {4, 5, 6, 7},
    {0, 1, 4, 5, 6, 7},
    {2, 3, 4, 5, 6, 7},
    {0, 1, 2, 3, 4, 5, 6, 7},
};

/* Small keys go to the front, which is never ahead of what has been read; the others to spare, and behind them at the
 * end. */
__attribute__((target("avx2"))) size_t x86_partition(uint64_t *key, size_t count, uint64_t pivot, uint64_t *spare)
{
    const __m256i sign = _mm256_set1_epi64x(INT64_MIN); /* there is a signed comparison only */
    const __m256i mark = _mm256_xor_si256(_mm256_set1_epi64x((int64_t)pivot), sign);
    size_t        low = 0, high = 0, i = 0;
    for (; i + 4 <= count; i += 4) {
        const __m256i  four = _mm256_loadu_si256((const __m256i *)(const void *)(key + i));
        const __m256i  less = _mm256_cmpgt_epi64(mark, _mm256_xor_si256(four, sign));
        const unsigned mask = (unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(less));
        const __m256i  small =
            _mm256_permutevar8x32_epi32(four, _mm256_loadu_si256((const __m256i *)(const void *)picks[mask]));
        const __m256i large =
            _mm256_permutevar8x32_epi32(four, _mm256_loadu_si256((const __m256i *)(const void *)picks[mask ^ 15]));
        const size_t below = (size_t)__builtin_popcount(mask);
        _mm256_storeu_si256((__m256i *)(void *)(key + low), small);
        _mm256_storeu_si256((__m256i *)(void *)(spare + high), large);
        low += below;
        high += 4 - below;
    }
    for (; i < count; i++) {
        const uint64_t moved = key[i];
        if (moved < pivot) key[low++] = moved;
        else spare[high++] = moved;
    }
    memcpy(key + low, spare, high * sizeof *key);
    return low;
}

#else

int x86_top_k_works(void)
{
    return 0;
}

void x86_offer_row(top_k *lists, size_t row, const float *value, const float *add, size_t count, uint32_t first)
{
    (void)lists, (void)row, (void)value, (void)add, (void)count, (void)first;
}

void x86_offer_column(top_k *lists, size_t row0, const float *value, float add, size_t count, uint32_t id)
{
    (void)lists, (void)row0, (void)value, (void)add, (void)count, (void)id;
}

size_t x86_partition(uint64_t *key, size_t count, uint64_t pivot, uint64_t *spare)
{
    (void)key, (void)pivot, (void)spare;
    return count;
}

#endif
