/* cpu/x86/umap_avx2.c: see umap_avx2.h.
 *
 * Eight pairs at a time, without a branch and without memory in between. Most of the work is s^b = 2^(b log2 s), by minimax
 * polynomials of our own:
 *
 *     s = 2^e (1 + r), sqrt(1/2) <= 1 + r < sqrt(2):   log2 s = e + r P(r), absolute error below 2.2e-6
 *     y = k + g, |g| <= 1/2:                           2^y = 2^k Q(g),      relative error below 7e-8
 *
 * so that the error of s^b is below 3e-6 for b of about 1 and s of common size, where umap_forces.h promises 1e-5. About 60
 * instructions for eight pairs: 20 cycles, of which the loads of a list are hidden behind the arithmetic. */
#include "cpu/x86/umap_avx2.h"

#include "cpu/x86/points_avx2.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

typedef struct umap_law {
    __m256 a, b, twice; /* 2 b */
} umap_law;

int umap_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

AVX2_INLINE __m256 all(float value)
{
    return _mm256_set1_ps(value);
}

/* log2 of normal s > 0. The offset is sqrt(1/2) as an integer: what is left above it is the exponent. */
AVX2_INLINE __m256 log2_of(__m256 s)
{
    const __m256i bits = _mm256_castps_si256(s);
    const __m256i e    = _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(0x3f3504f3)), 23);
    const __m256  r = _mm256_sub_ps(_mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(e, 23))), all(1.0f));
    __m256        p = all(-0.206629581f);
    p               = _mm256_fmadd_ps(p, r, all(0.322204508f));
    p               = _mm256_fmadd_ps(p, r, all(-0.367493325f));
    p               = _mm256_fmadd_ps(p, r, all(0.47934091f));
    p               = _mm256_fmadd_ps(p, r, all(-0.721131336f));
    p               = _mm256_fmadd_ps(p, r, all(1.44271374f));
    return _mm256_fmadd_ps(p, r, _mm256_cvtepi32_ps(e));
}

/* 2^y, y cut to [-120, 86]. */
AVX2_INLINE __m256 exp2_of(__m256 y)
{
    const __m256 in = _mm256_min_ps(_mm256_max_ps(y, all(-120.0f)), all(86.0f));
    const __m256 k = _mm256_round_ps(in, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), g = _mm256_sub_ps(in, k);
    __m256       p = all(0.00132309127f);
    p              = _mm256_fmadd_ps(p, g, all(0.00967428773f));
    p              = _mm256_fmadd_ps(p, g, all(0.0555083207f));
    p              = _mm256_fmadd_ps(p, g, all(0.240221478f));
    p              = _mm256_fmadd_ps(p, g, all(0.693146921f));
    p              = _mm256_fmadd_ps(p, g, all(1.0f));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23)));
}

/* The factor of d: 2 b t / (s (1 + t)) or -2 b / ((0.001 + s) (1 + t)), t = a s^b. */
AVX2_INLINE __m256 coefficient(const umap_law *law, int attract, __m256 square)
{
    const __m256 s     = _mm256_add_ps(square, all(1e-37f));
    const __m256 t     = _mm256_mul_ps(law->a, exp2_of(_mm256_mul_ps(law->b, log2_of(s))));
    const __m256 below = attract ? s : _mm256_add_ps(s, all(1e-3f));
    const __m256 above = attract ? _mm256_mul_ps(law->twice, t) : _mm256_sub_ps(_mm256_setzero_ps(), law->twice);
    return _mm256_div_ps(above, _mm256_fmadd_ps(below, t, below));
}

AVX2_INLINE __m256 clamped(__m256 by, __m256 d)
{
    return _mm256_min_ps(all(4.0f), _mm256_max_ps(all(-4.0f), _mm256_mul_ps(by, d))); /* in this order NaN stays NaN */
}

AVX2_INLINE void add_eight(const umap_law *law, int attract, const points_avx2 *own, points_avx2 other, __m256 weight,
                           points_avx2 *sum)
{
    const __m256 dx = _mm256_sub_ps(own->x, other.x), dy = _mm256_sub_ps(own->y, other.y);
    const __m256 by = coefficient(law, attract, _mm256_fmadd_ps(dx, dx, _mm256_mul_ps(dy, dy)));
    sum->x          = _mm256_fmadd_ps(weight, clamped(by, dx), sum->x);
    sum->y          = _mm256_fmadd_ps(weight, clamped(by, dy), sum->y);
}

/* The rest of a list, fewer than eight: filled up with its first entry, whose weight is 0 there. */
AVX2_INLINE void add_rest(const umap_law *law, int attract, const points_avx2 *own, const float *z, size_t count,
                          const int32_t *col, const float *weight, points_avx2 *sum)
{
    int32_t to[8];
    float   by[8] = {0};
    for (size_t i = 0; i < 8; i++) to[i] = col[i < count ? i : 0];
    for (size_t i = 0; i < count; i++) by[i] = weight ? weight[i] : 1;
    add_eight(law, attract, own, points_load(z, to), _mm256_loadu_ps(by), sum);
}

AVX2_INLINE points_avx2 list_sum(const umap_law *law, int attract, const float *zi, const float *z, size_t count,
                                 const int32_t *col, const float *weight)
{
    const points_avx2 own = {all(zi[0]), all(zi[1])};
    points_avx2       sum = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    size_t            e   = 0;
    for (; e + 8 <= count; e += 8)
        add_eight(law, attract, &own, points_load(z, col + e), weight ? _mm256_loadu_ps(weight + e) : all(1.0f), &sum);
    if (e < count && count >= 8) { /* once more the last eight, those that are done with no weight */
        const size_t last = count - 8;
        const __m256 w    = weight ? _mm256_loadu_ps(weight + last) : all(1.0f);
        add_eight(law, attract, &own, points_load(z, col + last), _mm256_andnot_ps(points_first(e - last), w), &sum);
    } else if (e < count) {
        add_rest(law, attract, &own, z, count, col, weight, &sum);
    }
    return sum;
}

AVX2_INLINE umap_law law_of(float a, float b)
{
    return (umap_law){all(a), all(b), all(2 * b)};
}

AVX2_TARGET void umap_avx2_attract(float a, float b, const int64_t *start, const int32_t *col, const float *val,
                                   const float *z, float scale, size_t row0, size_t row1, float *f)
{
    const umap_law law = law_of(a, b);
    for (size_t i = row0; i < row1; i++) {
        const size_t      first = (size_t)start[i], count = (size_t)start[i + 1] - first;
        const points_avx2 sum = list_sum(&law, 1, z + 2 * i, z, count, col + first, val + first);
        f[2 * i]              = scale * points_sum(sum.x);
        f[2 * i + 1]          = scale * points_sum(sum.y);
    }
}

AVX2_TARGET void umap_avx2_list(float a, float b, int attract, const float *zi, const float *z, size_t count,
                                const int32_t *col, const float *weight, float *f)
{
    const umap_law    law = law_of(a, b);
    const points_avx2 sum =
        attract ? list_sum(&law, 1, zi, z, count, col, weight) : list_sum(&law, 0, zi, z, count, col, weight);
    f[0] += points_sum(sum.x);
    f[1] += points_sum(sum.y);
}

AVX2_TARGET void umap_avx2_repel(float a, float b, const float *z, const float *weight, size_t stride, size_t first,
                                 size_t places, size_t count, const uint32_t *offset, float *f)
{
    const umap_law law = law_of(a, b);
    const float   *x = z + first, *y = z + stride + first;
    for (size_t r = 0; r < places; r += 8) {
        const points_avx2 own = {_mm256_loadu_ps(x + r), _mm256_loadu_ps(y + r)};
        points_avx2       sum = {_mm256_setzero_ps(), _mm256_setzero_ps()};
        for (size_t t = 0; t < count; t++)
            add_eight(&law, 0, &own,
                      (points_avx2){_mm256_loadu_ps(x + r + offset[t]), _mm256_loadu_ps(y + r + offset[t])}, all(1.0f),
                      &sum);
        const __m256 w = _mm256_loadu_ps(weight + first + r);
        _mm256_storeu_ps(f + first + r, _mm256_mul_ps(w, sum.x));
        _mm256_storeu_ps(f + stride + first + r, _mm256_mul_ps(w, sum.y));
    }
}

#else

int umap_avx2_usable(void)
{
    return 0;
}

void umap_avx2_attract(float a, float b, const int64_t *start, const int32_t *col, const float *val, const float *z,
                       float scale, size_t row0, size_t row1, float *f)
{
    (void)a, (void)b, (void)start, (void)col, (void)val, (void)z, (void)scale, (void)row0, (void)row1, (void)f;
}

void umap_avx2_list(float a, float b, int attract, const float *zi, const float *z, size_t count, const int32_t *col,
                    const float *weight, float *f)
{
    (void)a, (void)b, (void)attract, (void)zi, (void)z, (void)count, (void)col, (void)weight, (void)f;
}

void umap_avx2_repel(float a, float b, const float *z, const float *weight, size_t stride, size_t first, size_t places,
                     size_t count, const uint32_t *offset, float *f)
{
    (void)a, (void)b, (void)z, (void)weight, (void)stride, (void)first, (void)places, (void)count, (void)offset,
        (void)f;
}

#endif
