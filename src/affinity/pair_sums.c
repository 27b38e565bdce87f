/* affinity/pair_sums.c: see pair_sums.h. */
#include "affinity/pair_sums.h"

#include "base/clones.h"
#include "cpu/elementary.h"
#include "cpu/vector_exp.h"

#include <math.h>
#include <string.h>

enum {
    SIDE = 8,
    TILE = 512
};

const double pair_level[PAIR_LEVELS] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2};

/* --- All pairs of a tile in float. */

typedef struct pair_tile {
    float   l[TILE], f[TILE]; /* f = 1 / (e_i + e_j) */
    int32_t near[TILE];
} pair_tile;

NE_CLONES static void pair_tile_exponents(size_t count, const float *restrict c, float m, float e,
                                          const float *restrict ms, const float *restrict es, float *restrict l,
                                          float *restrict f)
{
#pragma omp simd
    for (size_t j = 0; j < count; j++) {
        const float over = 1.0f / (e + es[j]), x = ((m + ms[j]) - 2 * c[j]) * over;
        f[j] = over;
        l[j] = x > -1000.0f ? x : -1000.0f;
    }
}

/* count is a multiple of LANES. */
NE_CLONES static void pair_tile_sums(size_t count, const float *restrict l, const float *restrict f, float near,
                                     double sums[5])
{
    lanes s = lanes_all(0), sl = s, w = s, wl = s, wll = s;
    for (size_t j = 0; j < count; j += LANES) {
        const lanes     x   = lanes_load(l + j);
        const lanes_int far = x <= near;
        const lanes     L = (lanes)((lanes_int)x & far), S = (lanes)((lanes_int)elementary_exp(L) & far);
        const lanes     W = S * lanes_load(f + j), WL = W * L;
        s += S;
        sl += S * L;
        w += W;
        wl += WL;
        wll += WL * L;
    }
    for (int k = 0; k < LANES; k++) {
        sums[0] += (double)s[k];
        sums[1] += (double)sl[k];
        sums[2] += (double)w[k];
        sums[3] += (double)wl[k];
        sums[4] += (double)wll[k];
    }
}

/* l and f of the tile that begins at j, filled up with pairs that count nothing, and which are near. */
static size_t open_tile(const pair_row *row, size_t j, float near, pair_tile *tile, size_t *whole)
{
    const size_t count = row->n - j < TILE ? row->n - j : TILE;
    size_t       found = 0;
    *whole             = (count + LANES - 1) / LANES * LANES;
    pair_tile_exponents(count, row->c + j, (float)row->m, (float)row->e, row->low_m + j, row->low_e + j, tile->l,
                        tile->f);
    for (size_t k = count; k < *whole; k++) {
        tile->l[k] = -1000;
        tile->f[k] = 0;
    }
    if (row->self >= j && row->self < j + count) tile->l[row->self - j] = -1000;
    for (size_t k = 0; k < count; k++) { /* without a branch: half of those that there could be are taken wrongly */
        tile->near[found] = (int32_t)k;
        found += tile->l[k] > near;
    }
    return found;
}

/* --- The near ones in double. */

typedef struct near_pairs {
    double l[TILE], f[TILE], S[TILE];
} near_pairs;

/* In place: l holds m_j - 2 c, f holds e_j. */
NE_CLONES static void pair_near_exponentials(size_t count, double m, double e, double *restrict l, double *restrict f,
                                             double *restrict S)
{
#pragma omp simd
    for (size_t j = 0; j < count; j++) {
        const double over = 1 / (e + f[j]), x = (m + l[j]) * over;
        f[j] = over;
        l[j] = x;
        S[j] = vector_exp_finite(x);
    }
}

static void open_near(const pair_row *row, size_t j, const pair_tile *tile, size_t count, near_pairs *near)
{
    const size_t whole = (count + SIDE - 1) / SIDE * SIDE;
    for (size_t k = 0; k < count; k++) {
        const size_t at = j + (size_t)tile->near[k];
        near->l[k]      = row->ms[at] - 2 * (double)row->c[at];
        near->f[k]      = row->es[at];
    }
    for (size_t k = count; k < whole; k++) {
        near->l[k] = -1000 * row->e - row->m; /* S = 0 */
        near->f[k] = 0;
    }
    pair_near_exponentials(whole, row->m, row->e, near->l, near->f, near->S);
}

/* count is a multiple of SIDE: sums side by side in a fixed order. */
NE_CLONES static void pair_near_sums(size_t count, const double *restrict l, const double *restrict f,
                                     const double *restrict S, double sums[5], int32_t above[PAIR_LEVELS])
{
    double s[SIDE] = {0}, sl[SIDE] = {0}, w[SIDE] = {0}, wl[SIDE] = {0}, wll[SIDE] = {0};
    for (size_t j = 0; j < count; j += SIDE) {
#pragma omp simd
        for (size_t k = 0; k < SIDE; k++) {
            const double L = l[j + k], W = S[j + k] * f[j + k];
            s[k] += S[j + k];
            sl[k] += S[j + k] * L;
            w[k] += W;
            wl[k] += W * L;
            wll[k] += W * L * L;
        }
    }
    for (int k = 0; k < SIDE; k++) {
        sums[0] += s[k];
        sums[1] += sl[k];
        sums[2] += w[k];
        sums[3] += wl[k];
        sums[4] += wll[k];
    }
    for (int level = 0; level < PAIR_LEVELS; level++) {
        int32_t more = 0;
        for (size_t j = 0; j < count; j++) more += S[j] > pair_level[level];
        above[level] += more;
    }
}

static float low_log(double near)
{
    return (float)log(near);
}

void pair_sums_of(const pair_row *row, double near, pair_sums *sums)
{
    double      five[5] = {0};
    pair_tile   tile;
    near_pairs  close;
    const float least = low_log(near);
    *sums             = (pair_sums){.self = sums->self};
    for (size_t j = 0; j < row->n; j += TILE) {
        size_t       whole;
        const size_t found = open_tile(row, j, least, &tile, &whole);
        pair_tile_sums(whole, tile.l, tile.f, least, five);
        open_near(row, j, &tile, found, &close);
        pair_near_sums((found + SIDE - 1) / SIDE * SIDE, close.l, close.f, close.S, five, sums->above);
    }
    sums->s   = five[0];
    sums->sl  = five[1];
    sums->w   = five[2];
    sums->wl  = five[3];
    sums->wll = five[4];
}

/* A little lower in float, so that double decides. */
void pair_list_of(const pair_row *row, double least, size_t most, int32_t *col, float *w, float *l)
{
    size_t     found = 0;
    pair_tile  tile;
    near_pairs close;
    for (size_t j = 0; j < row->n; j += TILE) {
        size_t       whole;
        const size_t count = open_tile(row, j, low_log(least) - 0.01f, &tile, &whole);
        open_near(row, j, &tile, count, &close);
        for (size_t k = 0; k < count; k++)
            if (close.S[k] > least && found < most) {
                col[found] = (int32_t)j + tile.near[k];
                w[found]   = (float)(close.S[k] * close.f[k]);
                l[found++] = (float)close.l[k];
            }
    }
    for (; found < most; found++) {
        col[found] = 0;
        w[found] = l[found] = 0;
    }
}

/* The rest of a tile is padded with e = 1 and an exponent that gives S = 0. */
NE_CLONES static void pair_products_tile(size_t count, const float *restrict c, const float own[4],
                                         const float *restrict m, const float *restrict e, const float *restrict b,
                                         const float *restrict a, double sum[2])
{
    lanes        first = lanes_all(0), second = lanes_all(0);
    const lanes  own_m = lanes_all(own[0]), own_e = lanes_all(own[1]), own_b = lanes_all(own[2]);
    const lanes  own_a = lanes_all(own[3]), most = lanes_all(80);
    const size_t whole = count / LANES * LANES;
    float        rest[5][LANES];
    for (size_t j = 0; j < count; j += LANES) {
        const float *at[5] = {c + j, m + j, e + j, b + j, a + j};
        if (j >= whole) {
            for (int k = 0; k < 5; k++) {
                for (size_t r = 0; r < LANES; r++) rest[k][r] = k == 0 ? 1e30f : k == 2 ? 1.0f : 0.0f;
                memcpy(rest[k], at[k], (count - whole) * sizeof(float));
                at[k] = rest[k];
            }
        }
        const lanes     f    = 1.0f / (own_e + lanes_load(at[2]));
        const lanes     raw  = (own_m + lanes_load(at[1]) - 2.0f * lanes_load(at[0])) * f;
        const lanes_int over = raw > most, under = raw < -1000.0f;
        const lanes     l = (lanes)(((lanes_int)raw & ~over & ~under) | ((lanes_int)most & over) |
                                ((lanes_int)lanes_all(-1000) & under));
        const lanes     w = elementary_exp(l) * f;
        const lanes     u = w * ((own_b + lanes_load(at[3])) - l * (own_a + lanes_load(at[4])));
        first += u;
        second += u * l;
    }
    for (int k = 0; k < LANES; k++) {
        sum[0] += (double)first[k];
        sum[1] += (double)second[k];
    }
}

void pair_products_add(size_t count, const float *c, const float own[4], const float *m, const float *e, const float *b,
                       const float *a, double sum[2])
{
    for (size_t j = 0; j < count; j += TILE)
        pair_products_tile(count - j < TILE ? count - j : TILE, c + j, own, m + j, e + j, b + j, a + j, sum);
}

/* Exponents in double, which is what exactness needs; their exponentials in float, which is what is stored. */
NE_CLONES static void pair_values_run(size_t count, const float *restrict c, double m, double e,
                                      const double *restrict dual, double scale, float *restrict values)
{
    float l[LANES];
    for (size_t j = 0; j < count; j += LANES) {
        const size_t part = count - j < LANES ? count - j : LANES;
        if (part == LANES) {
#pragma omp simd
            for (size_t k = 0; k < LANES; k++)
                l[k] = (float)((m + dual[2 * (j + k) + 1] - 2 * (double)c[j + k]) / (e + dual[2 * (j + k)]));
        } else {
            for (size_t k = 0; k < LANES; k++) l[k] = -1000;
            for (size_t k = 0; k < part; k++)
                l[k] = (float)((m + dual[2 * (j + k) + 1] - 2 * (double)c[j + k]) / (e + dual[2 * (j + k)]));
        }
        for (size_t k = 0; k < LANES; k++) l[k] = l[k] < 80 ? l[k] : 80;
        const lanes S = elementary_exp(lanes_load(l)) * (float)scale;
        memcpy(values + j, &S, part * sizeof *values);
    }
}

void pair_values(size_t count, const float *c, double m, double e, const double *dual, double scale, float *values)
{
    pair_values_run(count, c, m, e, dual, scale, values);
}
