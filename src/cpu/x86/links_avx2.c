/* cpu/x86/links_avx2.c: see links_avx2.h. Eight links at a time; as in attract_avx2.c the loop is bound by its loads, and
 * the division costs nothing. */
#include "cpu/x86/links_avx2.h"

#include "cpu/x86/points_avx2.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

typedef struct link_law {
    __m256 scale, shift, reach;
} link_law;

int links_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

AVX2_INLINE void add_eight(const link_law *law, int local, const points_avx2 *own, points_avx2 other, __m256 keep,
                           points_avx2 *sum)
{
    const __m256 dx = _mm256_sub_ps(own->x, other.x), dy = _mm256_sub_ps(own->y, other.y);
    const __m256 s     = _mm256_fmadd_ps(dx, dx, _mm256_mul_ps(dy, dy));
    const __m256 shift = _mm256_add_ps(law->shift, s);
    __m256       above = _mm256_and_ps(law->scale, keep), below = _mm256_mul_ps(shift, shift);
    if (local) {
        above = _mm256_mul_ps(above, law->reach);
        below = _mm256_mul_ps(below, _mm256_sqrt_ps(_mm256_add_ps(_mm256_set1_ps(1.0f), s)));
    }
    const __m256 phi = _mm256_div_ps(above, below);
    sum->x           = _mm256_fmadd_ps(phi, dx, sum->x);
    sum->y           = _mm256_fmadd_ps(phi, dy, sum->y);
}

AVX2_INLINE points_avx2 row_sum(const link_law *law, int local, const float *zi, const float *z, size_t count,
                                const int32_t *other)
{
    const __m256      whole = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    const points_avx2 own   = {_mm256_set1_ps(zi[0]), _mm256_set1_ps(zi[1])};
    points_avx2       sum   = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t            e     = 0;
    for (; e + 8 <= count; e += 8) add_eight(law, local, &own, points_load(z, other + e), whole, &sum);
    if (e < count) { /* the rest, filled up with its first link, which does not count there */
        int32_t to[8];
        for (size_t i = 0; i < 8; i++) to[i] = other[e + i < count ? e + i : e];
        add_eight(law, local, &own, points_load(z, to), points_first(count - e), &sum);
    }
    return sum;
}

AVX2_INLINE void pull_rows(const link_law *law, int local, const int64_t *start, const int32_t *other, const float *z,
                           size_t row0, size_t row1, int add, float *f)
{
    for (size_t i = row0; i < row1; i++) {
        const size_t      count = (size_t)(start[i + 1] - start[i]);
        const points_avx2 sum   = row_sum(law, local, z + 2 * i, z, count, other + start[i]);
        f[2 * i]                = points_sum(sum.x) + (add ? f[2 * i] : 0);
        f[2 * i + 1]            = points_sum(sum.y) + (add ? f[2 * i + 1] : 0);
    }
}

AVX2_TARGET void links_avx2_pull(const int64_t *start, const int32_t *other, float scale, float shift, float reach,
                                 const float *z, size_t row0, size_t row1, int add, float *f)
{
    const link_law law = {_mm256_set1_ps(scale), _mm256_set1_ps(shift), _mm256_set1_ps(reach)};
    if (reach > 0) pull_rows(&law, 1, start, other, z, row0, row1, add, f);
    else pull_rows(&law, 0, start, other, z, row0, row1, add, f);
}

#else

int links_avx2_usable(void)
{
    return 0;
}

void links_avx2_pull(const int64_t *start, const int32_t *other, float scale, float shift, float reach, const float *z,
                     size_t row0, size_t row1, int add, float *f)
{
    (void)start, (void)other, (void)scale, (void)shift, (void)reach, (void)z, (void)row0, (void)row1, (void)add,
        (void)f;
}

#endif
