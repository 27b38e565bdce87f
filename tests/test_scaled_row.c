/* tests/test_scaled_row.c: rows of kernels in float, scaled_row.h and float_kernel.h, against plain loops in double.
 *
 * Bounds are those of rounding, U = 2^-24 each, in the order of the operations; elementary.h promises 1e-7 for its
 * functions. A sum of positive floats in eight lanes over a section of 512 goes through 64 + 3 additions. */
#include "affinity/float_kernel.h"
#include "affinity/scaled_row.h"
#include "data.h"
#include "ne.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define U          0x1p-24
#define FUNCTION   1e-7
#define ADDITIONS  (70 * U)
#define NO_SMALLER 2e-38 /* below it a value may be 0 */

enum {
    MOST = 1537
};
static double f[MOST];
static float  c[MOST + 8], high[MOST + 8], low[MOST + 8], v[MOST + 8];

static const size_t lengths[] = {1, 2, 7, 8, 9, 31, 64, 511, 512, 513, 520, 1024, MOST};
enum {
    LENGTHS = sizeof lengths / sizeof *lengths
};

/* --- A row of a scaled kernel. */

typedef struct regime {
    log_kernel_kind kind;
    double          eps, size; /* f has values up to it */
} regime;

static const regime regimes[] = {
    {LOG_GAUSSIAN, 1, 2},      {LOG_GAUSSIAN, 1e-6, 5},  {LOG_GAUSSIAN, 1e12, 30},    {LOG_GAUSSIAN, 0.3, 700},
    {LOG_GAUSSIAN, 1, 2000},   {LOG_GAUSSIAN, 3e4, 2e4}, {LOG_GAUSSIAN, 7e-30, 1e-5}, {LOG_STUDENT, 1, 2},
    {LOG_STUDENT, 0.0625, 40}, {LOG_STUDENT, 3, 0.01},
};

typedef struct scaled_case {
    log_kernel    kernel;
    scaled_kernel scaled;
    kernel_row    row;
    size_t        i;    /* whose f it is */
    double        unit; /* of the first part of f */
} scaled_case;

/* Values from exp(-20) to exp(3), whatever the size of f: c is next to what takes f off. */
static scaled_case make_case(const regime *r, size_t n, size_t self)
{
    scaled_case made  = {.kernel = {.kind = r->kind, .scale = 1 / r->eps, .shape = 1},
                         .row    = {n, self, c},
                         .i      = self < n ? self : n / 2};
    uint64_t    state = n * 31 + self;
    double      most  = 0;
    int         exponent;
    for (size_t j = 0; j < n; j++) {
        f[j] = r->size * (2 * data_unit(&state) - 1);
        v[j] = (float)(2 * data_unit(&state) - 1);
        most = fmax(most, fabs(f[j]));
    }
    for (size_t j = 0; j < n; j++) {
        const double at = f[made.i] + f[j] + 23 * data_unit(&state) - 3;
        c[j]            = (float)(r->kind == LOG_STUDENT ? expm1(at * r->eps) : at * r->eps);
    }
    scaled_split(n, f, high, low);
    for (size_t j = n; j < n + 8; j++) c[j] = high[j] = low[j] = v[j] = NAN; /* which nobody is to read */
    made.scaled = scaled_kernel_of(&made.kernel, high, low);
    frexp(most, &exponent);
    made.unit = ldexp(1, exponent - 22);
    return made;
}

/* M_ij, and how far off it may be, relative. With X = c / eps and x what exp() gets, which lows are taken from:
 *
 *   gaussian  (F - X_1) is off by U (|x| + 2^-10 X), since it is that far from x at most; X_2, of 2^-10 X, by three
 *             roundings, 2^-9 U X; their difference by U |x|: U (2 |x| + 2^-8 X)
 *   student   1 + c by U, its logarithm l by 1e-7 and two roundings of scale l, their difference by U |x|, and so again
 *             with the lows */
static double exact(const scaled_case *s, size_t j, double *bound)
{
    const double scale = s->kernel.scale, F = f[s->i] + f[j], distance = (double)c[j];
    const int    student = s->kernel.kind == LOG_STUDENT;
    const double X = student ? scale * log1p(distance) : scale * distance, x = fabs(F - X) + s->unit;
    const double off = student ? U * (2 * x + scale + 2.1 * fabs(X) + s->unit) + FUNCTION * fabs(X)
                               : U * (2 * x + 0x1p-8 * fabs(X) + s->unit);
    *bound           = expm1(off) + FUNCTION + U;
    return exp(F - X);
}

START_TEST(a_split_is_exact_to_a_float_s_rest_and_first_parts_add_without_rounding)
{
    for (size_t r = 0; r < sizeof regimes / sizeof *regimes; r++) {
        const scaled_case s = make_case(&regimes[r], 513, 513);
        for (size_t j = 0; j < 513; j++) {
            ck_assert_double_eq_tol((double)high[j] + (double)low[j], f[j], U * s.unit);
            ck_assert_double_eq(rint((double)high[j] / s.unit) * s.unit, (double)high[j]);
            ck_assert_double_eq((double)(float)(high[j] + high[0]), (double)high[j] + (double)high[0]);
        }
        ck_assert_double_eq_tol((double)s.scaled.scale + (double)s.scaled.scale_low, s.kernel.scale,
                                0x1p-35 * s.kernel.scale);
    }
    memset(f, 0, sizeof f);
    scaled_split(3, f, high, low);
    for (size_t j = 0; j < 3; j++) ck_assert(high[j] == 0 && low[j] == 0);
}
END_TEST

/* All that are not 0, by their columns; the rest of the list is filled with 0. */
static void read_list(const scaled_case *s, float *m)
{
    static int32_t col[MOST + 2];
    static float   w[MOST + 2];
    const size_t   n = s->row.count;
    size_t         e = 0;
    memset(m, 0, n * sizeof *m);
    scaled_list(&s->scaled, &s->row, s->i, 0, n + 2, col, w);
    for (; e < n + 2 && w[e] > 0; e++) {
        ck_assert(col[e] >= 0 && (size_t)col[e] < n && (e == 0 || col[e] > col[e - 1]));
        m[col[e]] = w[e];
    }
    for (; e < n + 2; e++) ck_assert(w[e] == 0 && col[e] == 0);
}

START_TEST(values_sums_counts_and_products_are_those_of_double_loops)
{
    static float m[MOST];
    for (size_t l = 0; l < LENGTHS; l++)
        for (size_t place = 0; place < 4; place++) {
            const size_t      n = lengths[l], self = place == 0 ? n : place == 1 ? 0 : place == 2 ? n / 2 : n - 1;
            const scaled_case s   = make_case(&regimes[_i], n, self);
            double            sum = 0, off = 0, product = 0, product_off = 0, is;
            int32_t           above[SCALED_LEVELS], least[SCALED_LEVELS] = {0}, most[SCALED_LEVELS] = {0};
            read_list(&s, m);
            for (size_t j = 0; j < n; j++) {
                double       bound;
                const double want = j == self ? 0 : exact(&s, j, &bound);
                if (j == self) bound = 0;
                ck_assert_msg(fabs((double)m[j] - want) <= bound * want + (j == self ? 0 : NO_SMALLER),
                              "n %zu, self %zu, column %zu: %.9g, not %.9g to %.3g", n, self, j, (double)m[j], want,
                              bound);
                sum += want;
                off += bound * want + NO_SMALLER;
                product += want * (double)v[j];
                product_off += (bound + ADDITIONS) * want * fabs((double)v[j]) + NO_SMALLER;
                for (int k = 0; k < SCALED_LEVELS; k++) {
                    least[k] += want * (1 - bound) > (double)scaled_level[k];
                    most[k] += want * (1 + bound) > (double)scaled_level[k];
                }
            }
            const int holds = scaled_sum(&s.scaled, &s.row, s.i, &is, above);
            ck_assert_int_eq(holds, n > 1 || self == n);
            ck_assert_double_eq_tol(is, sum, off * (1 + ADDITIONS) + ADDITIONS * sum + 1e-300);
            for (int k = 0; k < SCALED_LEVELS; k++) ck_assert(above[k] >= least[k] && above[k] <= most[k]);
            is = scaled_product(&s.scaled, &s.row, s.i, v);
            ck_assert_double_eq_tol(is, product, product_off + 1e-300);
        }
}
END_TEST

START_TEST(a_list_holds_what_a_level_counts_and_no_more_than_fits)
{
    static int32_t col[MOST + 1], part_col[MOST + 1];
    static float   w[MOST + 1], part[MOST + 1];
    for (size_t l = 4; l < LENGTHS; l++) {
        const size_t      n = lengths[l];
        const scaled_case s = make_case(&regimes[0], n, n / 2);
        int32_t           above[SCALED_LEVELS];
        double            sum;
        ck_assert(scaled_sum(&s.scaled, &s.row, s.i, &sum, above));
        for (int k = 0; k < SCALED_LEVELS; k++) {
            const size_t count = (size_t)above[k], half = count / 2;
            scaled_list(&s.scaled, &s.row, s.i, scaled_level[k], count + 1, col, w);
            for (size_t e = 0; e < count; e++) ck_assert(w[e] > scaled_level[k] && (size_t)col[e] != n / 2);
            ck_assert_float_eq(w[count], 0);
            part_col[half] = 77;
            part[half]     = 77;
            scaled_list(&s.scaled, &s.row, s.i, scaled_level[k], half, part_col, part);
            ck_assert(part_col[half] == 77 && part[half] == 77);
            ck_assert_mem_eq(part, w, half * sizeof *w);
            ck_assert_mem_eq(part_col, col, half * sizeof *col);
            if (k > 0) ck_assert_int_le(above[k], above[k - 1]);
        }
    }
}
END_TEST

/* One value, n times: each the same bits in whichever lane, chunk or rest. */
START_TEST(equal_pairs_have_equal_bits_and_add_up)
{
    static float m[MOST];
    for (size_t l = 0; l < LENGTHS; l++) {
        const size_t n = lengths[l];
        scaled_case  s = make_case(&regimes[3], n, n);
        double       bound, sum;
        int32_t      above[SCALED_LEVELS];
        for (size_t j = 0; j < n; j++) {
            f[j] = 431.7;
            c[j] = 260;
        }
        scaled_split(n, f, high, low);
        s.unit = 0x1p-13;
        read_list(&s, m);
        for (size_t j = 1; j < n; j++) ck_assert_float_eq(m[j], m[0]);
        const double want = exact(&s, 0, &bound);
        ck_assert_double_eq_tol((double)m[0], want, bound * want);
        ck_assert_int_eq(scaled_sum(&s.scaled, &s.row, 0, &sum, above), 1);
        ck_assert_double_eq_tol(sum, (double)n * (double)m[0], ADDITIONS * (double)n * want);
        for (int k = 0; k < SCALED_LEVELS; k++) ck_assert_int_eq(above[k], (int32_t)n);
    }
}
END_TEST

/* What a float cannot hold is never passed off as a sum; exponents are cut at 80, and what underflows is 0. */
START_TEST(extremes_are_cut_or_refused)
{
    static const struct {
        double eps, f;
        float  c;
        int    holds;
        double value; /* of each of the nine, where that is certain */
    } cases[] = {
        {1, 0, FLT_MAX, 0, 0},
        {1e-30, 0, 1, 0, 0},
        {1e-38, 0, FLT_MAX, 0, 0},
        {1e30, 0, 1, 1, 1},
        {1e30, 0, FLT_MAX, 0, 0},
        {1, 0, -79, 0, NAN},
        {1, 0, -FLT_MAX, 0, NAN},
        {1, 30, -1, 1, NAN},
        {1, 1e30, 0, 0, NAN},
        {1, -1e30, 0, 0, 0},
        {1, -43, 0, 0, NAN},
        {1, -44, 0, 0, 0},
        {1, -17, 0, 1, 1.7139084315420129e-15},
        {1e-39, 0, 1, 0, NAN},
        {1, 0, FLT_MIN, 1, 1},
        {FLT_MAX, 0, FLT_MAX, 1, 0.36787944117144233},
        {1e-30, 0, 1e-30F, 1, NAN},
        {1e-30, 0, FLT_MIN, 1, 1},
    };
    const kernel_row row = {9, 9, c};
    double           sum;
    int32_t          above[SCALED_LEVELS];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const log_kernel kernel = {.kind = LOG_GAUSSIAN, .scale = 1 / cases[k].eps, .shape = 1};
        for (size_t j = 0; j < 9; j++) {
            f[j] = cases[k].f;
            c[j] = cases[k].c;
        }
        scaled_split(9, f, high, low);
        const scaled_kernel scaled = scaled_kernel_of(&kernel, high, low);
        ck_assert_msg(scaled_sum(&scaled, &row, 0, &sum, above) == cases[k].holds, "case %zu: the sum is %g", k, sum);
        if (!isnan(cases[k].value))
            ck_assert_double_eq_tol(sum, 9 * cases[k].value, 1e-6 * 9 * cases[k].value + 1e-300);
    }
    for (size_t j = 0; j < 9; j++) v[j] = 1;
    for (int at = 0; at < 2; at++) { /* both are cut: infinity in double */
        const log_kernel kernel = {.kind = at ? LOG_STUDENT : LOG_GAUSSIAN, .scale = 2, .shape = 1};
        for (size_t j = 0; j < 9; j++) {
            f[j] = 0;
            c[j] = at ? -1 : -1000; /* 1 + c = 0, and its logarithm is that of 1e-37 */
        }
        scaled_split(9, f, high, low);
        const scaled_kernel scaled = scaled_kernel_of(&kernel, high, low);
        ck_assert_double_eq_tol(scaled_product(&scaled, &row, 0, v), 9 * exp(80), 9e-6 * exp(80));
    }
}
END_TEST

/* Rows are made inside parallel regions, at addresses of any alignment. */
START_TEST(threads_and_addresses_change_no_bit)
{
    enum {
        N = 521
    };
    static double sums[3][N], products[3][N];
    static float  apart[N + 1];
    for (size_t r = 0; r < sizeof regimes / sizeof *regimes; r++) {
        const scaled_case s = make_case(&regimes[r], N, N);
        memcpy(apart + 1, c, N * sizeof *c);
        for (int threads = 1; threads <= 3; threads++) {
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
            for (size_t i = 0; i < N; i++) {
                const kernel_row row = {N, i, threads == 2 ? apart + 1 : c};
                int32_t          above[SCALED_LEVELS];
                scaled_sum(&s.scaled, &row, i, &sums[threads - 1][i], above);
                products[threads - 1][i] = scaled_product(&s.scaled, &row, i, v);
            }
        }
        for (int t = 1; t < 3; t++) {
            ck_assert_mem_eq(sums[0], sums[t], sizeof sums[0]);
            ck_assert_mem_eq(products[0], products[t], sizeof products[0]);
        }
    }
}
END_TEST

/* --- Plain kernels in float. */

static double width[2 * MOST];
static float  a[MOST], is[MOST];

static float_kernel kernel_of(float_kernel_kind kind, double scale)
{
    const float_kernel kernel = {.kind       = kind,
                                 .scale      = (float)scale,
                                 .width      = kind == FLOAT_LOCAL || kind == FLOAT_MEAN ? width : NULL,
                                 .width_step = 2,
                                 .factor     = 1};
    return kernel;
}

/* exp(-x) with x off by `roundings`: U x each, then 1e-7. Beyond 87 it is 0. */
static double minus_exp(double x, int roundings, double *off)
{
    *off += exp(-x) * (expm1(roundings * U * fabs(x)) + FUNCTION) + NO_SMALLER;
    return exp(-x);
}

/* k_ij of row i, and how far off it may be: scale is a float, widths' inverses are rounded, and so is each operation. */
static double plain(const float_kernel *kernel, size_t i, size_t j, double *off)
{
    const double x = (double)c[j] * (double)kernel->scale, wi = width[2 * i], wj = width[2 * j];
    *off = 0;
    switch (kernel->kind) {
    case FLOAT_GAUSSIAN:
        return minus_exp(x, 1, off);
    case FLOAT_RECIPROCAL:
        *off = 3.1 * U / (1 + x);
        return 1 / (1 + x);
    case FLOAT_LOCAL:
        return minus_exp((double)c[j] / (wi * wj), 4, off);
    case FLOAT_MEAN: {
        const double k = minus_exp((double)c[j] / wi, 2, off) + minus_exp((double)c[j] / wj, 2, off);
        *off += U * k;
        return k;
    }
    default:
        return -(double)c[j];
    }
}

static void make_plain(size_t n, double size)
{
    uint64_t state = n + 5;
    for (size_t j = 0; j < n; j++) {
        c[j]             = (float)(size * 30 * data_unit(&state));
        width[2 * j]     = sqrt(size) * (0.5 + data_unit(&state));
        width[2 * j + 1] = NAN; /* not its own */
    }
}

START_TEST(rows_and_sums_of_kernels_are_those_of_double_loops)
{
    static float        in_place[MOST];
    static const double sizes[] = {1, 1e-20, 1e20};
    for (size_t z = 0; z < 3; z++)
        for (size_t l = 0; l < LENGTHS; l++) {
            const size_t n = lengths[l], i = n / 3;
            make_plain(n, sizes[z]);
            float_kernel kernel = kernel_of((float_kernel_kind)_i, 1 / sizes[z]);
            if (kernel.kind == FLOAT_MEAN)
                for (size_t j = 0; j < n; j++) width[2 * j] *= sqrt(sizes[z]);
            float_kernel_precisions(&kernel, 0, n, a);
            for (int form = 0; form < 2; form++) {
                double sum = 0, sum_off = 0;
                kernel.factor    = form ? 0.7F : 1;
                kernel.zero_diag = form;
                float_kernel_row(&kernel, n, i, c, is);
                for (size_t j = 0; j < n; j++) {
                    double       off;
                    const double k = plain(&kernel, i, j, &off), factor = (double)kernel.factor;
                    const double want = form && j == i ? 0 : factor * k;
                    off               = form && j == i ? 0 : factor * (off + (form ? U * fabs(k) : 0));
                    ck_assert_msg(fabs((double)is[j] - want) <= off, "kind %d, n %zu, column %zu: %.9g, not %.9g", _i,
                                  n, j, (double)is[j], want);
                    sum += k;
                    sum_off += off / factor + ADDITIONS * fabs(k);
                }
                if (form == 0) ck_assert_double_eq_tol(float_kernel_sum(&kernel, n, a[i], a, c), sum, sum_off + 1e-300);
                kernel.zero_diag = 0;
                float_kernel_row(&kernel, n, i, c, is);
                memcpy(in_place, c, n * sizeof *c);
                float_kernel_values(&kernel, n, a[i], kernel.factor, a, in_place, in_place);
                ck_assert_mem_eq(in_place, is, n * sizeof *is);
                memcpy(in_place, a, n * sizeof *a);
                float_kernel_values(&kernel, n, a[i], kernel.factor, in_place, c, in_place);
                ck_assert_mem_eq(in_place, is, n * sizeof *is);
            }
        }
}
END_TEST

START_TEST(a_factor_may_be_each_row_s_own_sum)
{
    float_kernel kernel = kernel_of(FLOAT_GAUSSIAN, 1);
    double       off;
    make_plain(9, 1);
    for (size_t j = 0; j < 9; j++) width[2 * j] = (double)j - 4; /* a logarithm here */
    kernel.log_sum = width;
    kernel.factor  = 77; /* which counts no more */
    for (size_t i = 0; i < 9; i++) {
        float_kernel_row(&kernel, 9, i, c, is);
        for (size_t j = 0; j < 9; j++) {
            const double want = plain(&kernel, i, j, &off) * exp(4 - (double)i);
            ck_assert_double_eq_tol((double)is[j], want, off * exp(4 - (double)i) + 2.1 * U * want);
        }
    }
}
END_TEST

START_TEST(a_pair_has_the_same_bits_in_both_rows)
{
    for (int kind = FLOAT_GAUSSIAN; kind <= FLOAT_MINUS; kind++) {
        const float_kernel kernel = kernel_of((float_kernel_kind)kind, 0.3);
        make_plain(MOST, 1);
        float_kernel_precisions(&kernel, 0, MOST, a);
        for (size_t j = 0; j + 1 < MOST; j++) {
            float one, other;
            float_kernel_values(&kernel, 1, a[j], 1, a + j + 1, c + j, &one);
            float_kernel_values(&kernel, 1, a[j + 1], 1, a + j, c + j, &other);
            ck_assert_float_eq(one, other);
        }
    }
}
END_TEST

/* Widths from 0 to infinity, distances from 0 to the largest: the limits, and never a NaN. */
START_TEST(limits_of_widths_and_distances_are_numbers)
{
    static const double widths[]    = {0, 1e-300, 1e-39, 1, 1e30, INFINITY};
    static const float  distances[] = {0, FLT_MIN, 1, 1e30F, FLT_MAX};
    enum {
        W = 6,
        C = 5
    };
    for (int kind = FLOAT_LOCAL; kind <= FLOAT_MEAN; kind++) {
        const float_kernel kernel = kernel_of((float_kernel_kind)kind, 1);
        const double       whole  = kind == FLOAT_MEAN ? 2 : 1;
        for (size_t j = 0; j < W; j++) width[2 * j] = widths[j];
        float_kernel_precisions(&kernel, 0, W, a);
        for (size_t j = 0; j < W; j++) ck_assert(isfinite(a[j]) && a[j] >= 0);
        ck_assert_float_eq(a[5], 0);
        for (size_t i = 0; i < W; i++)
            for (size_t j = 0; j < W; j++)
                for (size_t k = 0; k < C; k++) {
                    float value;
                    float_kernel_values(&kernel, 1, a[i], 1, a + j, distances + k, &value);
                    ck_assert_msg(value >= 0 && (double)value <= whole, "%g at widths %g and %g, distance %g",
                                  (double)value, widths[i], widths[j], (double)distances[k]);
                    if (k == 0 || (i == 5 && j == 5)) ck_assert_double_eq((double)value, whole);
                    if (i == 0 && j == 0 && k >= 2) ck_assert_float_eq(value, 0);
                }
    }
    const float_kernel cut          = kernel_of(FLOAT_GAUSSIAN, 1);
    const float        far_below[3] = {-87, -89, -1000};
    float              values[3];
    float_kernel_values(&cut, 3, 0, 1, a, far_below, values);
    ck_assert_double_eq_tol((double)values[0], exp(87), 1e-5 * exp(87));
    for (int k = 1; k < 3; k++) ck_assert_double_eq_tol((double)values[k], exp(88), 1e-5 * exp(88));
    for (size_t k = 0; k < C; k++) { /* huge scales */
        const float_kernel gaussian = kernel_of(FLOAT_GAUSSIAN, 1e38), student = kernel_of(FLOAT_RECIPROCAL, 1e38);
        const float        minus = -distances[k];
        float              g, s, most;
        float_kernel_values(&gaussian, 1, 0, 1, a, distances + k, &g);
        float_kernel_values(&student, 1, 0, 1, a, distances + k, &s);
        float_kernel_values(&gaussian, 1, 0, 1, a, &minus, &most);
        ck_assert(g >= 0 && g <= 1 && s >= 0 && s <= 1 && isfinite(most) && most >= 1);
        if (k >= 2) ck_assert(g == 0 && s <= 1e-37F && fabs((double)most / exp(88) - 1) < 1e-5);
    }
}
END_TEST

/* f_i + f_j - c_ij / eps is then the small difference of large numbers, of which floats have lost the last digits. */
START_TEST(sinkhorn_converges_where_its_dual_is_in_the_hundred_thousands)
{
    enum {
        ROWS    = 400,
        COLUMNS = 10
    };
    float       *far = malloc(ROWS * COLUMNS * sizeof *far), *to = malloc(ROWS * ROWS * sizeof *to);
    double       dual[ROWS], largest                             = 0;
    uint64_t     state   = 3;
    ne_context  *context = NULL;
    ne_affinity *aff     = NULL;
    ck_assert(far && to);
    for (size_t i = 0; i < ROWS * COLUMNS; i++) far[i] = (float)(data_normal(&state) + 4 * (double)(i / COLUMNS % 5));
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
    ck_assert_int_eq(ne_affinity_create(context, "sinkhorn", &aff), NE_OK);
    ck_assert_int_eq(ne_affinity_set(aff, "eps", "0.00003"), NE_OK);
    ck_assert_int_eq(ne_affinity_compute_dense(aff,
                                               &(ne_dense){sizeof(ne_dense), far, ROWS, COLUMNS, 0, NE_F32, NE_HOST},
                                               &(ne_dense){sizeof(ne_dense), to, ROWS, ROWS, 0, NE_F32, NE_HOST}),
                     NE_OK);
    ck_assert_int_eq(ne_affinity_get_array(aff, "dual", dual, ROWS), NE_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (size_t j = 0; j < ROWS; j++) sum += (double)to[i * ROWS + j];
        ck_assert_double_eq_tol(ROWS * sum, 1, 2e-6);
        largest = fmax(largest, fabs(dual[i]));
    }
    ck_assert_double_gt(largest, 1e5);
    ne_affinity_free(aff);
    ne_context_free(context);
    free(far);
    free(to);
}
END_TEST

Suite *scaled_row_suite(void);

Suite *scaled_row_suite(void)
{
    Suite *s = suite_create("scaled_row");
    TCase *t = tcase_create("scaled_row"), *plain_kernels = tcase_create("float_kernel");
    tcase_add_test(t, a_split_is_exact_to_a_float_s_rest_and_first_parts_add_without_rounding);
    tcase_add_loop_test(t, values_sums_counts_and_products_are_those_of_double_loops, 0,
                        sizeof regimes / sizeof *regimes);
    tcase_add_test(t, a_list_holds_what_a_level_counts_and_no_more_than_fits);
    tcase_add_test(t, equal_pairs_have_equal_bits_and_add_up);
    tcase_add_test(t, extremes_are_cut_or_refused);
    tcase_add_test(t, threads_and_addresses_change_no_bit);
    tcase_add_test(t, sinkhorn_converges_where_its_dual_is_in_the_hundred_thousands);
    suite_add_tcase(s, t);
    tcase_add_loop_test(plain_kernels, rows_and_sums_of_kernels_are_those_of_double_loops, 0, FLOAT_MINUS + 1);
    tcase_add_test(plain_kernels, a_factor_may_be_each_row_s_own_sum);
    tcase_add_test(plain_kernels, a_pair_has_the_same_bits_in_both_rows);
    tcase_add_test(plain_kernels, limits_of_widths_and_distances_are_numbers);
    suite_add_tcase(s, plain_kernels);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(scaled_row_suite());
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
