/* cpu/expansion.h: what a cell of points does to a target, and to a whole group of targets, by Taylor series of the
 * kernel.
 *
 *     potential  P(z) = sum_j g(|z - z_j|^2), g = q          force  f(z) = sum_j q w (z - z_j) = -1/2 grad P(z)
 *
 * since q w = -g'. So one series gives both. For a cell of W points with mean m, second moments Q about it (the first
 * ones vanish) and T = trace Q, with d = z - m, s = |d|^2, A = 2 d'Qd and g_n the n-th derivative of g at s:
 *
 *     P(z) = E_0              E_n = W g_n + T g_(n+1) + A g_(n+2)
 *     f(z) = -E_1 d - 2 g_2 Q d
 *
 * up to third moments. For a group of targets about b, with d = b - m and t = z - b now, |d + t|^2 = s + 2 d.t + |t|^2
 * gives
 *
 *     P(b + t) = sum_n g_n / n! (2 d.t + |t|^2)^n W + what Q adds
 *              = sum_(l, n) |t|^2l / l! (2 d.t)^n / n! G_(n+l) + 4 g_2 (Q d).t + 2 g_2 t'Qt + 8 g_3 ((Q d).t) (d.t)
 *
 * where G_n is E_n in terms of degree n + 2 l <= 2 in t, and W g_n in those of degree 3 and 4: fourth order in t and
 * the size of the cell together, but for its third moments. A polynomial of degree 4, so summing cells is adding
 * coefficients.
 *
 * Both series converge like powers of size / sqrt(nu + s): the width of the kernel counts like distance, because the
 * pole of g nearest to s is at -nu. form and c are constants where these functions are inlined. */
#ifndef NE_CPU_EXPANSION_H
#define NE_CPU_EXPANSION_H

#include "cpu/elementary.h"
#include "cpu/lanes.h"
#include "cpu/tree.h"

typedef enum kernel_form {
    FORM_CAUCHY  = 0, /* Student with nu = 1: g = 1 / (1 + s) */
    FORM_STUDENT = 1  /* g = (1 + s / nu)^-power, power = (nu + 1) / 2 */
} kernel_form;

typedef struct kernel_numbers {
    float nu, power;
} kernel_numbers;

enum {
    ORDER    = 4,
    TERMS_2D = 15,
    TERMS_3D = 35,
    TERMS    = 40 /* whole vectors */
};

/* A polynomial in t = z - middle. Coefficient e belongs to the monomial with the powers term_powers[e]; those of two
 * columns come first. */
typedef struct local_series {
    float middle[3], term[TERMS];
    int   used; /* 0: it is zero, and may be about a middle whose powers are no floats */
} local_series;

static const unsigned char term_powers[TERMS_3D][3] = {
    {0, 0, 0}, {1, 0, 0}, {2, 0, 0}, {3, 0, 0}, {4, 0, 0}, {0, 1, 0}, {1, 1, 0}, {2, 1, 0}, {3, 1, 0},
    {0, 2, 0}, {1, 2, 0}, {2, 2, 0}, {0, 3, 0}, {1, 3, 0}, {0, 4, 0}, {0, 0, 1}, {1, 0, 1}, {2, 0, 1},
    {3, 0, 1}, {0, 1, 1}, {1, 1, 1}, {2, 1, 1}, {0, 2, 1}, {1, 2, 1}, {0, 3, 1}, {0, 0, 2}, {1, 0, 2},
    {2, 0, 2}, {0, 1, 2}, {1, 1, 2}, {0, 2, 2}, {0, 0, 3}, {1, 0, 3}, {0, 1, 3}, {0, 0, 4},
};

NE_INLINE int term_place(int i, int j, int k)
{
    static const int block[ORDER + 1] = {0, 15, 25, 31, 34}; /* of the terms with t_3^k */
    return block[k] + j * (ORDER + 1 - k) - j * (j - 1) / 2 + i;
}

/* The place of t_a, and of t_a t_b. */
NE_INLINE int term_of(int a)
{
    return term_place(a == 0, a == 1, a == 2);
}

NE_INLINE int term_of_pair(int a, int b)
{
    return term_place((a == 0) + (b == 0), (a == 1) + (b == 1), (a == 2) + (b == 2));
}

enum {
    FAR_CELLS = 128
};

/* Cells as columns, for lanes that are cells. */
typedef struct far_cells {
    size_t count;
    float  center[3][FAR_CELLS], weight[FAR_CELLS], trace[FAR_CELLS], second[6][FAR_CELLS];
} far_cells;

/* g_0 ... g_(count - 1) at s; v = 1 / (nu + s). */
NE_INLINE void kernel_derivatives(int form, const kernel_numbers *by, lanes s, int count, lanes *g)
{
    const lanes v     = form == FORM_CAUCHY ? 1.0f / (1.0f + s) : 1.0f / (by->nu + s);
    const float power = form == FORM_CAUCHY ? 1.0f : by->power;
    g[0]              = v;
    if (form == FORM_STUDENT) g[0] = elementary_exp(-power * elementary_log(1.0f + s * (1.0f / by->nu)));
    for (int n = 1; n < count; n++) g[n] = (1.0f - power - (float)n) * v * g[n - 1];
}

/* One point on LANES targets; `own`, if it is a lane, is the point itself, which does nothing to itself. */
NE_INLINE void add_point(int form, int c, const kernel_numbers *by, const lanes *z, const float *const *x, size_t j,
                         size_t own, lanes *potential, lanes *force)
{
    lanes d[3], s = {0}, g[2];
    for (int k = 0; k < c; k++) {
        d[k] = z[k] - x[k][j];
        s += d[k] * d[k];
    }
    kernel_derivatives(form, by, s, 2, g);
    if (own < LANES) g[0][own] = 0;
    *potential += g[0];
    for (int k = 0; k < c; k++) force[k] -= g[1] * d[k];
}

/* One cell on LANES targets. */
NE_INLINE void add_cell(int form, int c, const kernel_numbers *by, const lanes *z, const tree_node *node,
                        const tree_moments *moments, lanes *potential, lanes *force)
{
    lanes d[3], moved[3] = {{0}}, s = {0}, along = {0}, g[4]; /* moved: 2 Q d */
    for (int k = 0; k < c; k++) {
        d[k] = z[k] - node->center[k];
        s += d[k] * d[k];
    }
    for (int a = 0, entry = 0; a < c; a++)
        for (int b = a; b < c; b++, entry++) {
            moved[a] += moments->second[entry] * d[b];
            if (a != b) moved[b] += moments->second[entry] * d[a];
        }
    for (int k = 0; k < c; k++) along += moved[k] * d[k];
    kernel_derivatives(form, by, s, 4, g);
    const lanes e1 = moments->weight * g[1] + moments->trace * g[2] + along * g[3];
    *potential += moments->weight * g[0] + moments->trace * g[1] + along * g[2];
    for (int k = 0; k < c; k++) force[k] -= e1 * d[k] + g[2] * moved[k];
}

NE_INLINE float lanes_total(lanes v)
{
    float x[LANES];
    lanes_store(x, v);
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/* Adds the cells to the polynomial. The last lanes are filled up with cells of weight 0. */
NE_INLINE void add_far_cells(int form, int c, const kernel_numbers *by, far_cells *cells, local_series *to)
{
    const int terms = c == 2 ? TERMS_2D : TERMS_3D, pairs = c * (c + 1) / 2;
    lanes     sum[TERMS] = {{0}}, radial[TERMS] = {{0}}, quartic = {0}; /* times 1, |t|^2 and |t|^4 */

    for (size_t i = cells->count; i % LANES; i++) {
        cells->weight[i] = cells->trace[i] = 0;
        for (int k = 0; k < c; k++) cells->center[k][i] = to->middle[k];
        for (int k = 0; k < pairs; k++) cells->second[k][i] = 0;
    }
    for (size_t i = 0; i < cells->count; i += LANES) {
        const lanes weight = lanes_load(cells->weight + i), trace = lanes_load(cells->trace + i);
        lanes d[3], moved[3] = {{0}}, along = {0}, second[6], s = {0}, g[5], power[3][ORDER + 1], at_degree[ORDER + 1];
        for (int k = 0; k < c; k++) {
            d[k] = to->middle[k] - lanes_load(cells->center[k] + i);
            s += d[k] * d[k];
            power[k][0] = lanes_all(1.0f);
            for (int n = 1; n <= ORDER; n++) power[k][n] = power[k][n - 1] * d[k] * (2.0f / (float)n);
        }
        for (int a = 0, entry = 0; a < c; a++)
            for (int b = a; b < c; b++, entry++) {
                second[entry] = lanes_load(cells->second[entry] + i);
                moved[a] += second[entry] * d[b];
                if (a != b) moved[b] += second[entry] * d[a];
            }
        for (int k = 0; k < c; k++) along += moved[k] * d[k];
        kernel_derivatives(form, by, s, 5, g);
        for (int n = 0; n <= ORDER; n++) {
            at_degree[n] = weight * g[n];
            if (n <= 2) at_degree[n] += trace * g[n + 1] + along * g[n + 2];
        }
        const int top = c == 3 ? ORDER : 0; /* power of the third column */
#pragma GCC unroll 5
        for (int k = 0; k <= top; k++)
#pragma GCC unroll 5
            for (int j = 0; j <= ORDER - k; j++) {
                lanes other = power[1][j];
                if (c == 3) other *= power[2][k];
#pragma GCC unroll 5
                for (int n = 0; n <= ORDER - j - k; n++)
                    sum[term_place(n, j, k)] += at_degree[n + j + k] * (power[0][n] * other);
            }
        radial[0] += at_degree[1];
        for (int a = 0; a < c; a++) {
            radial[term_of(a)] += weight * g[2] * power[a][1];
            sum[term_of(a)] += 2.0f * g[2] * moved[a];
        }
        for (int a = 0, entry = 0; a < c; a++)
            for (int b = a; b < c; b++, entry++) {
                lanes product = power[a][2];
                if (a != b) product = power[a][1] * power[b][1];
                radial[term_of_pair(a, b)] += weight * g[3] * product;
                sum[term_of_pair(a, b)] +=
                    g[2] * second[entry] * (a == b ? 1.0f : 2.0f) + 4.0f * g[3] * moved[a] * d[b];
                if (a != b) sum[term_of_pair(a, b)] += 4.0f * g[3] * moved[b] * d[a];
            }
        quartic += weight * g[2];
    }
    for (int a = 0; a < c; a++) radial[term_of_pair(a, a)] += 0.5f * quartic;
    for (int e = 0; e < terms; e++) {
        const unsigned char *n = term_powers[e];
        if (n[0] + n[1] + n[2] > ORDER - 2) continue;
        sum[term_place(n[0] + 2, n[1], n[2])] += radial[e];
        sum[term_place(n[0], n[1] + 2, n[2])] += radial[e];
        if (c == 3) sum[term_place(n[0], n[1], n[2] + 2)] += radial[e];
    }
    for (int e = 0; e < terms; e++) to->term[e] += lanes_total(sum[e]);
}

/* The same polynomial about another middle, one column after the other, each by Horner's rule. */
NE_INLINE void shift_series(int c, local_series *of, const float *middle)
{
    for (int k = 0; k < c; k++) {
        const float by = middle[k] - of->middle[k];
        for (int u = 0; u < ORDER; u++)
            for (int v = 0; v < ORDER - u && (c == 3 || v == 0); v++) /* powers of the other columns */
                for (int low = 0; low < ORDER - u - v; low++)
                    for (int i = ORDER - u - v - 1; i >= low; i--) {
                        const int to   = k == 0   ? term_place(i, u, v)
                                         : k == 1 ? term_place(u, i, v)
                                                  : term_place(u, v, i);
                        const int from = k == 0   ? term_place(i + 1, u, v)
                                         : k == 1 ? term_place(u, i + 1, v)
                                                  : term_place(u, v, i + 1);
                        of->term[to] += by * of->term[from];
                    }
        of->middle[k] = middle[k];
    }
}

/* The polynomial at LANES targets: Horner's rule along the first column, powers along the others. */
NE_INLINE void add_series(int c, const local_series *of, const lanes *z, lanes *potential, lanes *force)
{
    lanes t[3], power[3][ORDER + 1];
    for (int k = 0; k < c; k++) {
        t[k]        = z[k] - of->middle[k];
        power[k][0] = lanes_all(1.0f);
        for (int n = 1; n <= ORDER; n++) power[k][n] = power[k][n - 1] * t[k];
    }
    for (int k = 0; k <= (c == 3 ? ORDER : 0); k++)
        for (int j = 0; j <= ORDER - k; j++) {
            const float *term  = of->term + term_place(0, j, k);
            lanes        value = lanes_all(term[ORDER - j - k]), slope = {0};
            for (int i = ORDER - j - k - 1; i >= 0; i--) {
                slope = slope * t[0] + value;
                value = value * t[0] + term[i];
            }
            lanes other = power[1][j], other_slope = lanes_all(0.0f);
            if (j > 0) other_slope = (float)j * power[1][j - 1];
            if (c == 3) {
                if (k > 0) force[2] -= 0.5f * (float)k * other * power[2][k - 1] * value;
                other *= power[2][k];
                other_slope *= power[2][k];
            }
            *potential += other * value;
            force[0] -= 0.5f * other * slope;
            force[1] -= 0.5f * other_slope * value;
        }
}

#endif
