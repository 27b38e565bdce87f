/* cpu/x86/tile_avx2.c: see tile_avx2.h.
 *
 * Six rows by sixteen: twelve sums in registers, and for each column two loads and six broadcasts that serve twelve
 * multiplications; those alone are the limit then, and their latency is hidden. */
#include "cpu/x86/tile_avx2.h"

#include "cpu/x86/points_avx2.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <string.h>

enum {
    STRIP = TILE_AVX2_STRIP,
    DEEP  = TILE_AVX2_DEEP,
    HIGH  = 6
};

int tile_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && !__builtin_cpu_supports("avx512f");
}

void tile_avx2_pack(size_t rows, size_t d, const float *x, float *to)
{
    if (rows < STRIP) memset(to, 0, d * STRIP * sizeof *to);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < d; j++) to[j * STRIP + r] = x[r * d + j];
}

/* `high` rows, a constant where this is inlined: out += or = factor times their products over `deep` columns. */
AVX2_INLINE void tile_avx2_block(size_t high, size_t deep, const float *a, size_t d, const float *b, int first,
                                 float factor, float *out, size_t stride)
{
    const __m256 by = _mm256_set1_ps(factor);
    __m256       s[HIGH][2];
#pragma GCC unroll 6
    for (size_t r = 0; r < high; r++) s[r][0] = s[r][1] = _mm256_setzero_ps();
    for (size_t j = 0; j < deep; j++) {
        const __m256 b0 = _mm256_loadu_ps(b + j * STRIP), b1 = _mm256_loadu_ps(b + j * STRIP + 8);
#pragma GCC unroll 6
        for (size_t r = 0; r < high; r++) {
            const __m256 v = _mm256_broadcast_ss(a + r * d + j);
            s[r][0]        = _mm256_fmadd_ps(v, b0, s[r][0]);
            s[r][1]        = _mm256_fmadd_ps(v, b1, s[r][1]);
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < high; r++) {
        float *row = out + r * stride;
        s[r][0]    = _mm256_mul_ps(by, s[r][0]);
        s[r][1]    = _mm256_mul_ps(by, s[r][1]);
        if (!first) {
            s[r][0] = _mm256_add_ps(s[r][0], _mm256_loadu_ps(row));
            s[r][1] = _mm256_add_ps(s[r][1], _mm256_loadu_ps(row + 8));
        }
        _mm256_storeu_ps(row, s[r][0]);
        _mm256_storeu_ps(row + 8, s[r][1]);
    }
}

AVX2_TARGET void tile_avx2_products(size_t count, size_t d, const float *a, size_t strips, const float *packed,
                                    float factor, float *out, size_t stride)
{
    const size_t section = d / (d / DEEP + (d % DEEP != 0)) + 1; /* all of about the same depth */
    for (size_t j = 0; j < d; j += section) {
        const size_t deep = d - j < section ? d - j : section;
        for (size_t s = 0; s < strips; s++) {
            const float *b   = packed + (s * d + j) * STRIP;
            float       *to  = out + s * STRIP;
            size_t       row = 0;
            for (; row + HIGH <= count; row += HIGH)
                tile_avx2_block(HIGH, deep, a + row * d + j, d, b, j == 0, factor, to + row * stride, stride);
            for (; row + 2 <= count; row += 2)
                tile_avx2_block(2, deep, a + row * d + j, d, b, j == 0, factor, to + row * stride, stride);
            if (row < count) tile_avx2_block(1, deep, a + row * d + j, d, b, j == 0, factor, to + row * stride, stride);
        }
    }
}

#else

int tile_avx2_usable(void)
{
    return 0;
}

void tile_avx2_pack(size_t rows, size_t d, const float *x, float *to)
{
    (void)rows, (void)d, (void)x, (void)to;
}

void tile_avx2_products(size_t count, size_t d, const float *a, size_t strips, const float *packed, float factor,
                        float *out, size_t stride)
{
    (void)count, (void)d, (void)a, (void)strips, (void)packed, (void)factor, (void)out, (void)stride;
}

#endif
