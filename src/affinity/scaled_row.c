/* affinity/scaled_row.c: see scaled_row.h. */
#include "affinity/scaled_row.h"

#include "base/clones.h"
#include "cpu/elementary.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 512
};
static const float MOST = 80; /* exponents beyond it are cut */

const float scaled_level[SCALED_LEVELS] = {1e-7F, 1e-6F, 1e-5F, 1e-4F, 1e-3F};

void scaled_split(size_t n, const double *f, float *high, float *low)
{
    double most = 0;
    int    exponent;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(f[i]));
    frexp(most, &exponent);
    const double unit = ldexp(1, exponent - 22), per = 1 / unit;
    for (size_t i = 0; i < n; i++) {
        const double multiple = most > 0 ? rint(f[i] * per) * unit : 0;
        high[i]               = (float)multiple;
        low[i]                = (float)(f[i] - multiple);
    }
}

static float first_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= UINT32_C(0xfffff000);
    memcpy(&x, &bits, sizeof x);
    return x;
}

scaled_kernel scaled_kernel_of(const log_kernel *kernel, const float *high, const float *low)
{
    const float         scale = first_bits((float)kernel->scale);
    const scaled_kernel made  = {.student   = kernel->kind == LOG_STUDENT,
                                 .scale     = scale,
                                 .scale_low = (float)(kernel->scale - (double)scale),
                                 .f         = high,
                                 .f_low     = low};
    return made;
}

NE_INLINE lanes lanes_lesser(lanes a, lanes b)
{
    const lanes_int less = a < b;
    return (lanes)(((lanes_int)a & less) | ((lanes_int)b & ~less));
}

/* M of count pairs, a multiple of LANES. own and scale: high, low. */
NE_CLONES static void scaled_gaussian(size_t count, const float *restrict c, const float own[2], const float scale[2],
                                      const float *restrict f, const float *restrict f_low, float *restrict out)
{
    const lanes own_high = lanes_all(own[0]), own_low = lanes_all(own[1]), high = lanes_all(scale[0]),
                low = lanes_all(scale[1]), most = lanes_all(MOST);
    for (size_t j = 0; j < count; j += LANES) {
        const lanes d = lanes_load(c + j), first = (lanes)((lanes_int)d & ~0xfff);
        const lanes rest = (d - first) * high + d * low - (own_low + lanes_load(f_low + j));
        const lanes x    = ((own_high + lanes_load(f + j)) - first * high) - rest;
        lanes_store(out + j, elementary_exp(lanes_lesser(x, most)));
    }
}

NE_CLONES static void scaled_student(size_t count, const float *restrict c, const float own[2], const float scale[2],
                                     const float *restrict f, const float *restrict f_low, float *restrict out)
{
    const lanes own_high = lanes_all(own[0]), own_low = lanes_all(own[1]), whole = lanes_all(scale[0] + scale[1]),
                most = lanes_all(MOST), least = lanes_all(1e-37F);
    for (size_t j = 0; j < count; j += LANES) {
        const lanes     base  = 1.0F + lanes_load(c + j);
        const lanes_int under = base < least;
        const lanes     safe  = (lanes)(((lanes_int)least & under) | ((lanes_int)base & ~under));
        const lanes     x     = (own_high + lanes_load(f + j)) - elementary_log(safe) * whole;
        lanes_store(out + j, elementary_exp(lanes_lesser(x + (own_low + lanes_load(f_low + j)), most)));
    }
}

/* The sum, and how many are above each level; count is a multiple of LANES. */
NE_CLONES static float scaled_count(size_t count, const float *restrict m, int32_t above[SCALED_LEVELS])
{
    lanes     sum  = lanes_all(0);
    lanes_int a[5] = {0};
    for (size_t j = 0; j < count; j += LANES) {
        const lanes v = lanes_load(m + j);
        sum += v;
        for (int k = 0; k < SCALED_LEVELS; k++) a[k] -= v > scaled_level[k];
    }
    for (int k = 0; k < SCALED_LEVELS; k++)
        for (int e = 0; e < LANES; e++) above[k] += a[k][e];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

NE_CLONES static float scaled_weigh(size_t count, const float *restrict m, const float *restrict v)
{
    lanes sum = lanes_all(0);
    for (size_t j = 0; j < count; j += LANES) sum += lanes_load(m + j) * lanes_load(v + j);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* M of the chunk that begins at j, filled up with 0 to a multiple of LANES, which *whole receives. */
static void open_chunk(const scaled_kernel *k, const kernel_row *row, size_t i, size_t j, float *m, size_t *whole)
{
    const size_t count = row->count - j < CHUNK ? row->count - j : CHUNK, body = count / LANES * LANES;
    const float  own[2] = {k->f[i], k->f_low[i]}, scale[2] = {k->scale, k->scale_low};
    void (*const run)(size_t, const float *, const float *, const float *, const float *, const float *, float *) =
        k->student ? scaled_student : scaled_gaussian;
    run(body, row->c + j, own, scale, k->f + j, k->f_low + j, m);
    *whole = body;
    if (body < count) {
        float        c[LANES] = {0}, f[LANES], low[LANES] = {0};
        const size_t rest = (count - body) * sizeof *c;
        for (int e = 0; e < LANES; e++) f[e] = -1e30F;
        memcpy(c, row->c + j + body, rest);
        memcpy(f, k->f + j + body, rest);
        memcpy(low, k->f_low + j + body, rest);
        run(LANES, c, own, scale, f, low, m + body);
        *whole = body + LANES;
    }
    if (row->self >= j && row->self < j + count) m[row->self - j] = 0;
}

int scaled_sum(const scaled_kernel *k, const kernel_row *row, size_t i, double *sum, int32_t above[SCALED_LEVELS])
{
    float  m[CHUNK];
    size_t whole;
    *sum = 0;
    memset(above, 0, SCALED_LEVELS * sizeof *above);
    for (size_t j = 0; j < row->count; j += CHUNK) {
        open_chunk(k, row, i, j, m, &whole);
        *sum += (double)scaled_count(whole, m, above);
    }
    return *sum > 1e-30 && *sum < 1e30;
}

double scaled_product(const scaled_kernel *k, const kernel_row *row, size_t i, const float *v)
{
    double sum = 0;
    float  m[CHUNK], last[CHUNK] = {0};
    size_t whole;
    for (size_t j = 0; j < row->count; j += CHUNK) {
        const float *at = v + j;
        open_chunk(k, row, i, j, m, &whole);
        if (j + whole > row->count) {
            memcpy(last, at, (row->count - j) * sizeof *at);
            at = last;
        }
        sum += (double)scaled_weigh(whole, m, at);
    }
    return sum;
}

void scaled_list(const scaled_kernel *k, const kernel_row *row, size_t i, float least, size_t most, int32_t *col,
                 float *w)
{
    float   m[CHUNK];
    int32_t at[CHUNK];
    size_t  whole, found = 0;
    for (size_t j = 0; j < row->count; j += CHUNK) {
        size_t more = 0;
        open_chunk(k, row, i, j, m, &whole);
        for (size_t e = 0; e < whole; e++) { /* without a branch: half of those that there could be are taken wrongly */
            at[more] = (int32_t)e;
            more += m[e] > least;
        }
        for (size_t e = 0; e < more && found < most; e++) {
            col[found] = (int32_t)j + at[e];
            w[found++] = m[at[e]];
        }
    }
    for (; found < most; found++) {
        col[found] = 0;
        w[found]   = 0;
    }
}
