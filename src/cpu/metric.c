/* cpu/metric.c: see metric.h. */
#include "cpu/metric.h"

#include "base/clones.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    LANES = 32
};

/* Shared by the metric and its tile, so that both round alike. */
static double share_unequal(double unequal, size_t d)
{
    return unequal / (double)d;
}

static double share_unshared(double both, double either)
{
    return either > 0 ? 1 - both / either : 0;
}

#define REAL     float
#define NAME(x)  x##_f32
#define SAFE_MIN 1e-28f
#define SAFE_MAX 1e37f
#include "cpu/metric_kernels.h"
#undef REAL
#undef NAME
#undef SAFE_MIN
#undef SAFE_MAX

#define REAL     double
#define NAME(x)  x##_f64
#define SAFE_MIN 1e-290
#define SAFE_MAX 1e305
#include "cpu/metric_kernels.h"
#undef REAL
#undef NAME
#undef SAFE_MIN
#undef SAFE_MAX

#define METRIC(metric, words)                                                                                          \
    {                                                                                                                  \
        .struct_size = sizeof(ne_metric_ops), .name = #metric, .help = words, .distance_f32 = metric##_f32,            \
        .distance_f64 = metric##_f64                                                                                   \
    }
static const ne_metric_ops tables[] = {
    [METRIC_SQEUCLIDEAN] = METRIC(sqeuclidean, "squared euclidean distance, sum (a - b)^2"),
    [METRIC_EUCLIDEAN]   = METRIC(euclidean, "euclidean distance, sqrt(sum (a - b)^2)"),
    [METRIC_MANHATTAN]   = METRIC(manhattan, "sum |a - b|"),
    [METRIC_CHEBYSHEV]   = METRIC(chebyshev, "max |a - b|"),
    [METRIC_COSINE]      = METRIC(cosine, "1 - a.b / (|a| |b|); a zero row is at 1 from all others"),
    [METRIC_ANGULAR]     = METRIC(angular, "-a.b, minus the inner product; negative for rows that point the same way"),
    [METRIC_CORRELATION] = METRIC(correlation, "cosine distance of rows less their own mean"),
    [METRIC_HAMMING]     = METRIC(hamming, "share of columns that differ"),
    [METRIC_JACCARD]     = METRIC(jaccard, "1 - |both nonzero| / |either nonzero|, over columns"),
};

const ne_metric_ops *metric_builtin(size_t index)
{
    return index < METRIC_CUSTOM ? &tables[index] : NULL;
}

metric_kind metric_kind_of(const ne_metric_ops *ops)
{
    metric_kind kind = METRIC_CUSTOM;
    for (int i = 0; i < METRIC_CUSTOM; i++)
        if (ops == &tables[i]) kind = (metric_kind)i;
    return kind;
}

/* Four sums share the loads of the one row. 16 lanes each: eight registers of eight floats. */
NE_CLONES static void metric_four_squares(const float *restrict row, const float *const other[4], size_t d,
                                          float square[4])
{
    enum {
        WIDTH = 16
    };
    const float *restrict p = other[0], *restrict q = other[1], *restrict r = other[2], *restrict s = other[3];
    float        sp[WIDTH] = {0}, sq[WIDTH] = {0}, sr[WIDTH] = {0}, ss[WIDTH] = {0};
    const size_t whole = d / WIDTH * WIDTH;
    for (size_t j = 0; j < whole; j += WIDTH)
        for (size_t l = 0; l < WIDTH; l++) {
            const float x = row[j + l], a = x - p[j + l], b = x - q[j + l], e = x - r[j + l], f = x - s[j + l];
            sp[l] += a * a;
            sq[l] += b * b;
            sr[l] += e * e;
            ss[l] += f * f;
        }
    for (size_t l = 0; l < d - whole; l++) {
        const size_t j = whole + l;
        const float  x = row[j], a = x - p[j], b = x - q[j], e = x - r[j], f = x - s[j];
        sp[l] += a * a;
        sq[l] += b * b;
        sr[l] += e * e;
        ss[l] += f * f;
    }
    for (size_t half = WIDTH / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++) {
            sp[l] += sp[l + half];
            sq[l] += sq[l + half];
            sr[l] += sr[l + half];
            ss[l] += ss[l + half];
        }
    square[0] = sp[0];
    square[1] = sq[0];
    square[2] = sr[0];
    square[3] = ss[0];
}

void metric_squares_of_four(const float *row, const float *const other[4], size_t d, float square[4])
{
    metric_four_squares(row, other, d, square);
}

/* --- Tiles: 64 rows side by side, so that every lane has its own row and low dimensions fill the registers too. */

NE_CLONES static void tile_manhattan(const float *restrict row, const float *restrict tile, size_t d,
                                     float *restrict out)
{
    float s[METRIC_TILE] = {0};
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < METRIC_TILE; r++) {
            const float t = row[j] - tile[j * METRIC_TILE + r];
            s[r] += t < 0 ? -t : t;
        }
    memcpy(out, s, sizeof s);
}

NE_CLONES static void tile_chebyshev(const float *restrict row, const float *restrict tile, size_t d,
                                     float *restrict out)
{
    float s[METRIC_TILE] = {0};
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < METRIC_TILE; r++) {
            const float t = row[j] - tile[j * METRIC_TILE + r], u = t < 0 ? -t : t;
            s[r] = s[r] < u ? u : s[r];
        }
    memcpy(out, s, sizeof s);
}

NE_CLONES static void tile_unequal(const float *restrict row, const float *restrict tile, size_t d, float *restrict out)
{
    float s[METRIC_TILE] = {0};
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < METRIC_TILE; r++) s[r] += row[j] != tile[j * METRIC_TILE + r] ? 1.0f : 0.0f;
    memcpy(out, s, sizeof s);
}

NE_CLONES static void tile_either(const float *restrict row, const float *restrict tile, size_t d,
                                  float *restrict either, float *restrict both)
{
    float s[METRIC_TILE] = {0}, t[METRIC_TILE] = {0};
    for (size_t j = 0; j < d; j++) {
        const float p = row[j] != 0 ? 1.0f : 0.0f;
        for (size_t r = 0; r < METRIC_TILE; r++) {
            const float q = tile[j * METRIC_TILE + r] != 0 ? 1.0f : 0.0f;
            s[r] += p + q - p * q;
            t[r] += p * q;
        }
    }
    memcpy(either, s, sizeof s);
    memcpy(both, t, sizeof t);
}

void metric_tile_f32(metric_kind kind, const float *row, const float *tile, size_t d, float distance[METRIC_TILE])
{
    float both[METRIC_TILE];
    switch (kind) {
    case METRIC_MANHATTAN:
        tile_manhattan(row, tile, d, distance);
        break;
    case METRIC_CHEBYSHEV:
        tile_chebyshev(row, tile, d, distance);
        break;
    case METRIC_HAMMING:
        tile_unequal(row, tile, d, distance);
        for (size_t r = 0; r < METRIC_TILE; r++) distance[r] = (float)share_unequal((double)distance[r], d);
        break;
    default:
        tile_either(row, tile, d, distance, both);
        for (size_t r = 0; r < METRIC_TILE; r++)
            distance[r] = (float)share_unshared((double)both[r], (double)distance[r]);
        break;
    }
}
