/* methods/umap_forces.c: see umap_forces.h. */
#include "methods/umap_forces.h"

#include "base/clones.h"
#include "cpu/elementary.h"
#include "cpu/x86/umap_avx2.h"

#include <math.h>
#include <string.h>

enum {
    TILE    = 64,
    COLUMNS = 3 /* up to so many the differences of a tile are kept */
};

static const float  clamp_at = 4;
static const double gap      = 1e-3;

NE_INLINE lanes lanes_clamp(lanes x, float at)
{
    const lanes     top   = lanes_all(at);
    const lanes_int above = x > top, below = x < -top;
    return (lanes)(((lanes_int)x & ~(above | below)) | ((lanes_int)top & above) | ((lanes_int)-top & below));
}

/* a s^b, at most about 1e26 a. s is not 0. */
NE_INLINE lanes curve_power(umap_curve curve, lanes s)
{
    const lanes     x = curve.b * elementary_log(s), most = lanes_all(60);
    const lanes_int high = x > most;
    return curve.a * elementary_exp((lanes)(((lanes_int)x & ~high) | ((lanes_int)most & high)));
}

NE_INLINE lanes pair_coefficient(umap_curve curve, int attract, lanes s)
{
    const lanes at = s + 1e-37f, t = curve_power(curve, at);
    return attract ? 2.0f * curve.b * t / (at * (1.0f + t)) : -2.0f * curve.b / ((at + (float)gap) * (1.0f + t));
}

/* --- Lists ------------------------------------------------------------------------------------------------------- */

typedef struct pair_tile {
    float d[COLUMNS][TILE], s[TILE], weight[TILE];
} pair_tile;

NE_INLINE float lanes_sum(lanes v)
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

NE_INLINE void add_tile(size_t c, umap_curve curve, int attract, const float *restrict zi, const float *restrict z,
                        size_t count, const int32_t *restrict col, const float *restrict weight, float *restrict f)
{
    const size_t full = (count + LANES - 1) / LANES * LANES;
    pair_tile    tile;
    lanes        sum[COLUMNS] = {{0}};
    for (size_t t = 0; t < count; t++) {
        for (size_t k = 0; k < c; k++) tile.d[k][t] = zi[k] - z[(size_t)col[t] * c + k];
        tile.weight[t] = weight ? weight[t] : 1;
    }
    for (size_t t = count; t < full; t++) {
        for (size_t k = 0; k < c; k++) tile.d[k][t] = 0;
        tile.weight[t] = 0;
    }
    for (size_t t = 0; t < full; t += LANES) {
        lanes d[COLUMNS], s = {0};
        for (size_t k = 0; k < c; k++) {
            d[k] = lanes_load(tile.d[k] + t);
            s += d[k] * d[k];
        }
        const lanes by = pair_coefficient(curve, attract, s), w = lanes_load(tile.weight + t);
        for (size_t k = 0; k < c; k++) sum[k] += w * lanes_clamp(by * d[k], clamp_at);
    }
    for (size_t k = 0; k < c; k++) f[k] += lanes_sum(sum[k]);
}

NE_INLINE void add_tile_wide(size_t c, umap_curve curve, int attract, const float *restrict zi, const float *restrict z,
                             size_t count, const int32_t *restrict col, const float *restrict weight, float *restrict f)
{
    float s[TILE] = {0}, by[TILE];
    for (size_t t = 0; t < count; t++)
        for (size_t k = 0; k < c; k++) {
            const float d = zi[k] - z[(size_t)col[t] * c + k];
            s[t] += d * d;
        }
    for (size_t t = 0; t < count; t += LANES) lanes_store(by + t, pair_coefficient(curve, attract, lanes_load(s + t)));
    for (size_t t = 0; t < count; t++) {
        const float w = weight ? weight[t] : 1;
#pragma omp simd
        for (size_t k = 0; k < c; k++) {
            const float move = by[t] * (zi[k] - z[(size_t)col[t] * c + k]);
            f[k] += w * (move > clamp_at ? clamp_at : move < -clamp_at ? -clamp_at : move);
        }
    }
}

NE_INLINE void add_list(umap_curve curve, int attract, size_t c, const float *zi, const float *z, size_t count,
                        const int32_t *col, const float *weight, float *f)
{
    for (size_t at = 0; at < count; at += TILE) {
        const size_t tile = count - at < TILE ? count - at : TILE;
        const float *w    = weight ? weight + at : NULL;
        if (c == 1) add_tile(1, curve, attract, zi, z, tile, col + at, w, f);
        else if (c == 2) add_tile(2, curve, attract, zi, z, tile, col + at, w, f);
        else if (c == 3) add_tile(3, curve, attract, zi, z, tile, col + at, w, f);
        else add_tile_wide(c, curve, attract, zi, z, tile, col + at, w, f);
    }
}

NE_CLONES static void umap_attract_list(umap_curve curve, size_t c, const float *zi, const float *z, size_t count,
                                        const int32_t *col, const float *weight, float *f)
{
    add_list(curve, 1, c, zi, z, count, col, weight, f);
}

NE_CLONES static void umap_repel_list(umap_curve curve, size_t c, const float *zi, const float *z, size_t count,
                                      const int32_t *col, float *f)
{
    add_list(curve, 0, c, zi, z, count, col, NULL, f);
}

void umap_attract(umap_curve curve, size_t c, const float *zi, const float *z, size_t count, const int32_t *col,
                  const float *weight, float *f)
{
    if (c == 2 && umap_avx2_usable()) umap_avx2_list(curve.a, curve.b, 1, zi, z, count, col, weight, f);
    else umap_attract_list(curve, c, zi, z, count, col, weight, f);
}

void umap_repel(umap_curve curve, size_t c, const float *zi, const float *z, size_t count, const int32_t *col, float *f)
{
    if (c == 2 && umap_avx2_usable()) umap_avx2_list(curve.a, curve.b, 0, zi, z, count, col, NULL, f);
    else umap_repel_list(curve, c, zi, z, count, col, f);
}

void umap_attract_rows(umap_curve curve, size_t c, const ne_csr *edges, const float *z, float scale, size_t row0,
                       size_t row1, float *f)
{
    if (c == 2 && umap_avx2_usable()) {
        umap_avx2_attract(curve.a, curve.b, edges->start, edges->col, edges->val, z, scale, row0, row1, f);
        return;
    }
    for (size_t i = row0; i < row1; i++) {
        const size_t first = (size_t)edges->start[i], count = (size_t)edges->start[i + 1] - first;
        float       *to = f + i * c;
        memset(to, 0, c * sizeof *to);
        umap_attract_list(curve, c, z + i * c, z, count, edges->col + first, (const float *)edges->val + first, to);
        for (size_t k = 0; k < c; k++) to[k] *= scale;
    }
}

/* --- Places of a circle ------------------------------------------------------------------------------------------ */

NE_INLINE void repel_fast(size_t c, umap_curve curve, const umap_circle *on, size_t first, size_t count,
                          const uint32_t *restrict offset)
{
    for (size_t r = first; r < first + UMAP_PLACES; r += LANES) {
        lanes zi[COLUMNS], sum[COLUMNS];
        for (size_t k = 0; k < c; k++) {
            zi[k]  = lanes_load(on->z + k * on->stride + r);
            sum[k] = lanes_all(0);
        }
        for (size_t t = 0; t < count; t++) {
            lanes d[COLUMNS], s = {0};
            for (size_t k = 0; k < c; k++) {
                d[k] = zi[k] - lanes_load(on->z + k * on->stride + r + offset[t]);
                s += d[k] * d[k];
            }
            const lanes by = pair_coefficient(curve, 0, s);
            for (size_t k = 0; k < c; k++) sum[k] += lanes_clamp(by * d[k], clamp_at);
        }
        for (size_t k = 0; k < c; k++) lanes_store(on->f + k * on->stride + r, sum[k] * lanes_load(on->weight + r));
    }
}

NE_INLINE void repel_wide(umap_curve curve, const umap_circle *on, size_t first, size_t count,
                          const uint32_t *restrict offset)
{
    for (size_t k = 0; k < on->c; k++) memset(on->f + k * on->stride + first, 0, UMAP_PLACES * sizeof(float));
    for (size_t r = first; r < first + UMAP_PLACES; r += LANES)
        for (size_t t = 0; t < count; t++) {
            lanes s = {0};
            for (size_t k = 0; k < on->c; k++) {
                const float *z = on->z + k * on->stride + r;
                const lanes  d = lanes_load(z) - lanes_load(z + offset[t]);
                s += d * d;
            }
            const lanes by = pair_coefficient(curve, 0, s), w = lanes_load(on->weight + r);
            for (size_t k = 0; k < on->c; k++) {
                const float *z = on->z + k * on->stride + r;
                float       *f = on->f + k * on->stride + r;
                lanes_store(f, lanes_load(f) +
                                   w * lanes_clamp(by * (lanes_load(z) - lanes_load(z + offset[t])), clamp_at));
            }
        }
}

NE_CLONES static void umap_repel_block(umap_curve curve, const umap_circle *on, size_t first, size_t count,
                                       const uint32_t *offset)
{
    if (on->c == 1) repel_fast(1, curve, on, first, count, offset);
    else if (on->c == 2) repel_fast(2, curve, on, first, count, offset);
    else if (on->c == 3) repel_fast(3, curve, on, first, count, offset);
    else repel_wide(curve, on, first, count, offset);
}

void umap_repel_places(umap_curve curve, const umap_circle *on, size_t first, size_t count, const uint32_t *offset)
{
    if (on->c == 2 && umap_avx2_usable())
        umap_avx2_repel(curve.a, curve.b, on->z, on->weight, on->stride, first, UMAP_PLACES, count, offset, on->f);
    else umap_repel_block(curve, on, first, count, offset);
}

/* --- Potentials -------------------------------------------------------------------------------------------------- */

double umap_attract_energy(double a, double b, double s)
{
    return log1p(a * pow(s, b));
}

static double grid_step(void)
{
    return 36.0 / UMAP_POTENTIAL; /* from log 0.001 to beyond 1e12 */
}

/* -dV / dx at x = log(0.001 + s). */
static double slope_at(double a, double b, double x)
{
    return b / (1 + a * pow(fmax(exp(x) - gap, 0), b));
}

void umap_repel_tabulate(double a, double b, double value[UMAP_POTENTIAL + 1])
{
    const double h = grid_step(), first = log(gap), last = exp(first + h * UMAP_POTENTIAL);
    value[UMAP_POTENTIAL] = pow(last, -b) / a; /* the rest, where 1 + a s^b is a s^b */
    for (int i = UMAP_POTENTIAL - 1; i >= 0; i--) {
        const double x = first + h * i;
        value[i] = value[i + 1] + h / 6 * (slope_at(a, b, x) + 4 * slope_at(a, b, x + h / 2) + slope_at(a, b, x + h));
    }
}

double umap_repel_energy(double a, double b, const double value[UMAP_POTENTIAL + 1], double s)
{
    const double h = grid_step(), x = (log(gap + s) - log(gap)) / h;
    const int    i = x < UMAP_POTENTIAL - 1 ? (int)x : UMAP_POTENTIAL - 1;
    const double t = x - i, at = log(gap) + h * i;
    const double m0 = -h * slope_at(a, b, at), m1 = -h * slope_at(a, b, at + h), rise = value[i + 1] - value[i];
    return value[i] + t * (m0 + t * (3 * rise - 2 * m0 - m1 + t * (m0 + m1 - 2 * rise)));
}
