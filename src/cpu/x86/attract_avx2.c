/* cpu/x86/attract_avx2.c: see attract_avx2.h and cpu/attract.c.
 *
 * Eight edges at a time, points of two columns as points_avx2.h loads them. The loop is bound by its loads (8 of z, 4 of
 * col in pairs, 1 of val: about 9 cycles), so the division costs nothing, and an estimate of the reciprocal would gain
 * nothing. A point of three columns is a masked 16-byte load, which reads nothing past the end of z.
 *
 * Asking for edges 1 KB ahead saves 3 to 11 %, on matrices of 10 MB to 1 GB. Nanoseconds an edge on one thread of a Zen 3
 * (3.2 GHz, its memory shared with other work), 70,000 points: 0.61; with the edges in the first cache 0.41; reading the
 * two streams alone 0.38. Measured and not taken: 20 bits of column and 12 of weight in one word, 0.58, but 0.50 in place
 * of 0.45 at 10,000 points, as it takes longer to unpack; the hardware's gather 1.19.
 *
 * Packed edges (cpu/edge_groups.h) are one stream of half the bytes. 70,000 points, best of 40 in turn, one and two threads:
 * 0.55 and 0.31 of a CSR, 0.51 and 0.28 with halves as its weights, 0.47 and 0.25 packed; 10,000 points 0.48, 0.48, 0.45.
 *
 * The last edges of a CSR's row are once more its last eight, with the weights masked that are done already: one branch to
 * guess, where a loop over the rest has several. Rows of fewer than eight edges have that loop. */
#include "cpu/x86/attract_avx2.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include "cpu/x86/points_avx2.h"

#include <cpuid.h>

enum {
    AHEAD        = 1024,
    PACKED_AHEAD = 2048 /* bytes */
};

typedef struct edge_sum {
    __m256 x[3];
} edge_sum;

int attract_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* What comes so many bytes on. Nothing is read, so it may lie past the end; an address there is counted as a number,
 * since C has no such pointers. */
AVX2_INLINE void prefetch(const void *here, int bytes)
{
    _mm_prefetch((const char *)((uintptr_t)here + (size_t)bytes), _MM_HINT_T0);
}

AVX2_INLINE __m256 load_halves_3d(const float *z, int32_t low, int32_t high)
{
    const __m128i three = _mm_setr_epi32(-1, -1, -1, 0);
    return _mm256_set_m128(_mm_maskload_ps(z + 3 * (size_t)high, three), _mm_maskload_ps(z + 3 * (size_t)low, three));
}

AVX2_INLINE void load_eight_3d(const float *z, const int32_t *col, __m256 *x)
{
    const __m256 a = load_halves_3d(z, col[0], col[4]), b = load_halves_3d(z, col[1], col[5]);
    const __m256 c = load_halves_3d(z, col[2], col[6]), d = load_halves_3d(z, col[3], col[7]);
    const __m256 ab = _mm256_unpacklo_ps(a, b), cd = _mm256_unpacklo_ps(c, d); /* x x y y in each half */
    x[0] = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(1, 0, 1, 0));
    x[1] = _mm256_shuffle_ps(ab, cd, _MM_SHUFFLE(3, 2, 3, 2));
    x[2] = _mm256_shuffle_ps(_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d), _MM_SHUFFLE(1, 0, 1, 0));
}

/* sum += p (z_i - z_j) / (shift + |z_i - z_j|^2) */
AVX2_INLINE void add_eight(int c, const __m256 *zi, __m256 shift, const float *z, const int32_t *col, __m256 p,
                           edge_sum *sum)
{
    __m256 d[3], u = shift;
    if (c == 2) {
        const points_avx2 points = points_load(z, col);
        d[0]                     = points.x;
        d[1]                     = points.y;
    } else {
        load_eight_3d(z, col, d);
    }
    for (int k = c - 1; k >= 0; k--) {
        d[k] = _mm256_sub_ps(zi[k], d[k]);
        u    = _mm256_fmadd_ps(d[k], d[k], u);
    }
    const __m256 w = _mm256_div_ps(p, u);
    for (int k = 0; k < c; k++) sum->x[k] = _mm256_fmadd_ps(w, d[k], sum->x[k]);
}

AVX2_INLINE void attract_row(int c, size_t first, size_t last, const int32_t *col, const float *val, const float *z,
                             const float *zi, float shift, float scale, float *f)
{
    static const int32_t keep_last[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};
    const __m256         shifts        = _mm256_set1_ps(shift);
    __m256               own[3];
    edge_sum             sum;
    size_t               e = first;

    for (int k = 0; k < c; k++) {
        own[k]   = _mm256_set1_ps(zi[k]);
        sum.x[k] = _mm256_setzero_ps();
    }
    for (; e + 8 <= last; e += 8) {
        prefetch(col + e, AHEAD);
        prefetch(val + e, AHEAD);
        add_eight(c, own, shifts, z, col + e, _mm256_loadu_ps(val + e), &sum);
    }
    if (e < last && last - first >= 8) {
        const __m256i keep = _mm256_loadu_si256((const __m256i *)(const void *)(keep_last + (last - e)));
        const __m256  p    = _mm256_and_ps(_mm256_loadu_ps(val + last - 8), _mm256_castsi256_ps(keep));
        add_eight(c, own, shifts, z, col + last - 8, p, &sum);
        e = last;
    }
    float total[3];
    for (int k = 0; k < c; k++) total[k] = points_sum(sum.x[k]);
    for (; e < last; e++) {
        const float *zj = z + (size_t)c * (size_t)col[e];
        float        u  = shift;
        for (int k = 0; k < c; k++) u += (zi[k] - zj[k]) * (zi[k] - zj[k]);
        for (int k = 0; k < c; k++) total[k] += val[e] / u * (zi[k] - zj[k]);
    }
    for (int k = 0; k < c; k++) f[k] = scale * total[k];
}

AVX2_TARGET void attract_avx2_2d(const int64_t *start, const int32_t *col, const float *val, const float *z,
                                 float shift, float scale, size_t row0, size_t row1, float *f)
{
    for (size_t i = row0; i < row1; i++)
        attract_row(2, (size_t)start[i], (size_t)start[i + 1], col, val, z, z + 2 * i, shift, scale, f + 2 * i);
}

AVX2_TARGET void attract_avx2_3d(const int64_t *start, const int32_t *col, const float *val, const float *z,
                                 float shift, float scale, size_t row0, size_t row1, float *f)
{
    for (size_t i = row0; i < row1; i++)
        attract_row(3, (size_t)start[i], (size_t)start[i + 1], col, val, z, z + 3 * i, shift, scale, f + 3 * i);
}

/* --- Packed edges ------------------------------------------------------------------------------------------------- */

#define PACKED_TARGET __attribute__((target("avx2,fma,f16c")))
#define PACKED_INLINE __attribute__((target("avx2,fma,f16c"), always_inline)) static inline

int attract_avx2_packs(void)
{
    unsigned a, b, c, d;
    return attract_avx2_usable() && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

PACKED_INLINE __m128 load_two(const float *z, const uint16_t *col)
{
    const __m128d low = _mm_load_sd((const double *)(const void *)(z + 2 * (size_t)col[0]));
    return _mm_loadh_pi(_mm_castpd_ps(low), (const __m64 *)(const void *)(z + 2 * (size_t)col[1]));
}

PACKED_INLINE points_avx2 load_group(const float *z, const uint16_t *col)
{
    const __m128 p0 = load_two(z, col), p1 = load_two(z, col + 2);
    const __m128 p2 = load_two(z, col + 4), p3 = load_two(z, col + 6);
    const __m256 a = _mm256_set_m128(p2, p0), b = _mm256_set_m128(p3, p1);
    return (points_avx2){_mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)),
                         _mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))};
}

PACKED_TARGET void attract_avx2_groups(const edge_groups *edges, const float *z, float shift, float scale, size_t row0,
                                       size_t row1, float *f)
{
    const edge_group *group  = edges->group + edges->first[row0 / EDGE_ROWS];
    const __m256      shifts = _mm256_set1_ps(shift);
    for (size_t i = row0 / EDGE_ROWS * EDGE_ROWS; i < row1; i++) {
        const __m256 x = _mm256_set1_ps(z[2 * i]), y = _mm256_set1_ps(z[2 * i + 1]);
        __m256       fx = _mm256_setzero_ps(), fy = _mm256_setzero_ps();
        for (size_t s = edges->segments[i]; s < edges->segments[i + 1]; s++) {
            const float      *from = z + 2 * (size_t)edges->segment[s].base;
            const edge_group *end  = group + edges->segment[s].groups;
            for (; group < end && i >= row0; group++) {
                prefetch(group, PACKED_AHEAD);
                const points_avx2 points = load_group(from, group->col);
                const __m256      dx = _mm256_sub_ps(x, points.x), dy = _mm256_sub_ps(y, points.y);
                const __m256      u    = _mm256_fmadd_ps(dx, dx, _mm256_fmadd_ps(dy, dy, shifts));
                const __m128i     half = _mm_loadu_si128((const __m128i *)(const void *)group->weight);
                const __m256      w    = _mm256_div_ps(_mm256_cvtph_ps(half), u);
                fx                     = _mm256_fmadd_ps(w, dx, fx);
                fy                     = _mm256_fmadd_ps(w, dy, fy);
            }
            group = end;
        }
        if (i >= row0) {
            f[2 * i]     = scale * edges->unit * points_sum(fx);
            f[2 * i + 1] = scale * edges->unit * points_sum(fy);
        }
    }
}

PACKED_TARGET void attract_avx2_halves(const float *weight, size_t count, float by, uint16_t *to)
{
    uint16_t     half[8];
    const __m256 all =
        count == 8 ? _mm256_loadu_ps(weight) : _mm256_maskload_ps(weight, _mm256_castps_si256(points_first(count)));
    _mm_storeu_si128((__m128i *)(void *)half,
                     _mm256_cvtps_ph(_mm256_mul_ps(all, _mm256_set1_ps(by)), _MM_FROUND_TO_NEAREST_INT));
    memcpy(to, half, count * sizeof *half);
}

#else

int attract_avx2_packs(void)
{
    return 0;
}

void attract_avx2_groups(const edge_groups *edges, const float *z, float shift, float scale, size_t row0, size_t row1,
                         float *f)
{
    (void)edges, (void)z, (void)shift, (void)scale, (void)row0, (void)row1, (void)f;
}

void attract_avx2_halves(const float *weight, size_t count, float by, uint16_t *to)
{
    (void)weight, (void)count, (void)by, (void)to;
}

int attract_avx2_usable(void)
{
    return 0;
}

void attract_avx2_2d(const int64_t *start, const int32_t *col, const float *val, const float *z, float shift,
                     float scale, size_t row0, size_t row1, float *f)
{
    (void)start, (void)col, (void)val, (void)z, (void)shift, (void)scale, (void)row0, (void)row1, (void)f;
}

void attract_avx2_3d(const int64_t *start, const int32_t *col, const float *val, const float *z, float shift,
                     float scale, size_t row0, size_t row1, float *f)
{
    (void)start, (void)col, (void)val, (void)z, (void)shift, (void)scale, (void)row0, (void)row1, (void)f;
}

#endif
