/* cpu/x86/points_avx2.h: eight points of two columns, taken from anywhere in z, as a vector of x and one of y.
 *
 * A point is 8 bytes, so two loads fill half a register and shuffles part x from y: half the time of the hardware's
 * gather. */
#ifndef NE_CPU_X86_POINTS_AVX2_H
#define NE_CPU_X86_POINTS_AVX2_H

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define AVX2_TARGET __attribute__((target("avx2,fma")))
#define AVX2_INLINE __attribute__((target("avx2,fma"), always_inline)) static inline

typedef struct points_avx2 {
    __m256 x, y;
} points_avx2;

/* (x, y, x, y) of two points; their columns are the halves of one 64-bit load. */
AVX2_INLINE __m128 points_load_two(const float *z, const int32_t *col)
{
    uint64_t pair;
    memcpy(&pair, col, sizeof pair);
    const __m128d low = _mm_load_sd((const double *)(const void *)(z + 2 * (pair & 0xffffffff)));
    return _mm_loadh_pi(_mm_castpd_ps(low), (const __m64 *)(const void *)(z + 2 * (pair >> 32)));
}

AVX2_INLINE points_avx2 points_load(const float *z, const int32_t *col)
{
    const __m256 a = _mm256_set_m128(points_load_two(z, col + 4), points_load_two(z, col));
    const __m256 b = _mm256_set_m128(points_load_two(z, col + 6), points_load_two(z, col + 2));
    return (points_avx2){_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)),
                         _mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))};
}

/* All ones in the lanes below count. */
AVX2_INLINE __m256 points_first(size_t count)
{
    static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_ps((const float *)(const void *)(mask + 8 - count));
}

AVX2_INLINE float points_sum(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half        = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

#endif
#endif
