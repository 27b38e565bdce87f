/* cpu/fft.c: see fft.h. Decimation in frequency forward and in time back, radix 4 with a few 2, 3 and 5 (Cooley &
 * Tukey, Math. Comp. 19, 1965; Gentleman & Sande, 1966).
 *
 * A stage splits each block of L = r m rows: row k + j m becomes, for k < m,
 *     y_j[k] = exp(-2 pi i j k / L) sum_l x[k + l m] exp(-2 pi i j l / r),
 * and the m rows of each j go on as a block of their own, which holds the frequencies f = j (mod r). The inverse undoes
 * the stages in reverse.
 *
 * Cost: 5 n log2 n flop a lane. Lanes are columns, so there is never a shuffle, and a butterfly of radix 4 does 28
 * vector operations on 8 loads and 8 stores. A block that fits the first cache is finished before the next one is
 * begun. */
#include "cpu/fft.h"

#include "cpu/lanes.h"

#include <math.h>

enum {
    CACHE_ROWS = 384, /* 24 KB of the first cache */
    LAST       = 4    /* the radix of the last stage */
};

_Static_assert(FFT_LANES == (int)LANES, "a row is two of lanes.h");

typedef struct number {
    lanes re, im;
} number;

NE_INLINE number at(const float *re, const float *im)
{
    return (number){lanes_load(re), lanes_load(im)};
}

NE_INLINE void put(float *re, float *im, number a)
{
    lanes_store(re, a.re);
    lanes_store(im, a.im);
}

NE_INLINE number row_at(const float *row)
{
    return at(row, row + FFT_LANES);
}

NE_INLINE void row_put(float *row, number a)
{
    put(row, row + FFT_LANES, a);
}

NE_INLINE number plus(number a, number b)
{
    return (number){a.re + b.re, a.im + b.im};
}

NE_INLINE number minus(number a, number b)
{
    return (number){a.re - b.re, a.im - b.im};
}

NE_INLINE number turned(number a) /* i a */
{
    return (number){-a.im, a.re};
}

NE_INLINE number scaled(number a, float by)
{
    return (number){a.re * by, a.im * by};
}

NE_INLINE number times(number a, const float *by)
{
    const lanes b = lanes_load(by);
    return (number){a.re * b, a.im * b};
}

/* w = exp(-i angle); sign +1 multiplies by it, -1 by its conjugate. */
NE_INLINE number twiddled(number a, const float *w, float sign)
{
    const float im = sign * w[1];
    return (number){a.re * w[0] - a.im * im, a.re * im + a.im * w[0]};
}

/* --- The r-point transforms. sign +1: forward, exp(-i ...); -1: back. --------------------------------------------- */

NE_INLINE void points2(number x[2])
{
    const number a = x[0], b = x[1];
    x[0] = plus(a, b);
    x[1] = minus(a, b);
}

NE_INLINE void points3(number x[3], float sign)
{
    const number sum = plus(x[1], x[2]), middle = minus(x[0], scaled(sum, 0.5f));
    const number side = scaled(turned(minus(x[1], x[2])), -sign * 0.866025403784438647f);
    x[0]              = plus(x[0], sum);
    x[1]              = plus(middle, side);
    x[2]              = minus(middle, side);
}

NE_INLINE void points4(number x[4], float sign)
{
    const number s = plus(x[0], x[2]), t = minus(x[0], x[2]), u = plus(x[1], x[3]);
    const number v = scaled(turned(minus(x[1], x[3])), -sign);
    x[0]           = plus(s, u);
    x[1]           = plus(t, v);
    x[2]           = minus(s, u);
    x[3]           = minus(t, v);
}

NE_INLINE void points5(number x[5], float sign)
{
    const float  c1 = 0.309016994374947424f, c2 = -0.809016994374947424f;
    const float  s1 = -sign * 0.951056516295153572f, s2 = -sign * 0.587785252292473129f;
    const number a = plus(x[1], x[4]), b = plus(x[2], x[3]), c = turned(minus(x[1], x[4])),
                 d = turned(minus(x[2], x[3]));
    const number p = plus(x[0], plus(scaled(a, c1), scaled(b, c2))), q = plus(x[0], plus(scaled(a, c2), scaled(b, c1)));
    const number e = plus(scaled(c, s1), scaled(d, s2)), f = minus(scaled(c, s2), scaled(d, s1));
    x[0] = plus(x[0], plus(a, b));
    x[1] = plus(p, e);
    x[2] = plus(q, f);
    x[3] = minus(q, f);
    x[4] = minus(p, e);
}

NE_INLINE void points(number *x, int radix, float sign)
{
    if (radix == 2) points2(x);
    else if (radix == 3) points3(x, sign);
    else if (radix == 4) points4(x, sign);
    else points5(x, sign);
}

/* --- Stages ------------------------------------------------------------------------------------------------------- */

/* One stage of `blocks` blocks of radix * m rows, in place; radix is a literal. */
NE_INLINE void stage_forward(float *rows, size_t blocks, size_t m, const float *twiddle, int radix)
{
    for (size_t block = 0; block < blocks; block++, rows += (size_t)radix * m * FFT_ROW) {
        const float *w = twiddle;
        for (size_t k = 0; k < m; k++, w += 2 * (radix - 1)) {
            float *row = rows + k * FFT_ROW;
            number x[5];
            for (int j = 0; j < radix; j++) x[j] = row_at(row + (size_t)j * m * FFT_ROW);
            points(x, radix, 1);
            row_put(row, x[0]);
            for (int j = 1; j < radix; j++) row_put(row + (size_t)j * m * FFT_ROW, twiddled(x[j], w + 2 * (j - 1), 1));
        }
    }
}

NE_INLINE void stage_inverse(float *rows, size_t blocks, size_t m, const float *twiddle, int radix)
{
    for (size_t block = 0; block < blocks; block++, rows += (size_t)radix * m * FFT_ROW) {
        const float *w = twiddle;
        for (size_t k = 0; k < m; k++, w += 2 * (radix - 1)) {
            float *row = rows + k * FFT_ROW;
            number x[5];
            x[0] = row_at(row);
            for (int j = 1; j < radix; j++) x[j] = twiddled(row_at(row + (size_t)j * m * FFT_ROW), w + 2 * (j - 1), -1);
            points(x, radix, -1);
            for (int j = 0; j < radix; j++) row_put(row + (size_t)j * m * FFT_ROW, x[j]);
        }
    }
}

NE_CLONES static void fft_stage_forward(float *rows, size_t blocks, size_t m, const float *twiddle, int radix)
{
    if (radix == 2) stage_forward(rows, blocks, m, twiddle, 2);
    else if (radix == 3) stage_forward(rows, blocks, m, twiddle, 3);
    else if (radix == 4) stage_forward(rows, blocks, m, twiddle, 4);
    else stage_forward(rows, blocks, m, twiddle, 5);
}

NE_CLONES static void fft_stage_inverse(float *rows, size_t blocks, size_t m, const float *twiddle, int radix)
{
    if (radix == 2) stage_inverse(rows, blocks, m, twiddle, 2);
    else if (radix == 3) stage_inverse(rows, blocks, m, twiddle, 3);
    else if (radix == 4) stage_inverse(rows, blocks, m, twiddle, 4);
    else stage_inverse(rows, blocks, m, twiddle, 5);
}

/* The first stage, radix 4: reads rows k and k + m of its block only, the other two are zero. */
NE_CLONES static void fft_first_forward(const float *re, const float *im, size_t stride, float *rows, size_t m,
                                        const float *w)
{
    const size_t step = m * FFT_ROW;
    for (size_t k = 0; k < m; k++, w += 6, re += stride, im += stride, rows += FFT_ROW) {
        const number a = at(re, im), b = at(re + m * stride, im + m * stride);
        const number v = turned(b);
        row_put(rows, plus(a, b));
        row_put(rows + step, twiddled(minus(a, v), w, 1));
        row_put(rows + 2 * step, twiddled(minus(a, b), w + 2, 1));
        row_put(rows + 3 * step, twiddled(plus(a, v), w + 4, 1));
    }
}

/* The same stage on the way back: writes rows k and k + m only. */
NE_CLONES static void fft_first_inverse(const float *rows, float *re, float *im, size_t stride, size_t m,
                                        const float *w)
{
    const size_t step = m * FFT_ROW;
    for (size_t k = 0; k < m; k++, w += 6, re += stride, im += stride, rows += FFT_ROW) {
        const number a = row_at(rows), b = twiddled(row_at(rows + step), w, -1);
        const number c    = twiddled(row_at(rows + 2 * step), w + 2, -1);
        const number d    = twiddled(row_at(rows + 3 * step), w + 4, -1);
        const number even = plus(plus(a, c), plus(b, d)), odd = plus(minus(a, c), turned(minus(b, d)));
        put(re, im, even);
        put(re + m * stride, im + m * stride, odd);
    }
}

/* The last stage, radix 4 on four neighboring rows; no twiddles. */
NE_CLONES static void fft_last_forward(float *rows, size_t blocks)
{
    for (size_t block = 0; block < blocks; block++, rows += LAST * FFT_ROW) {
        number x[LAST];
        for (int j = 0; j < LAST; j++) x[j] = row_at(rows + j * FFT_ROW);
        points4(x, 1);
        for (int j = 0; j < LAST; j++) row_put(rows + j * FFT_ROW, x[j]);
    }
}

NE_CLONES static void fft_last_inverse(float *rows, size_t blocks)
{
    for (size_t block = 0; block < blocks; block++, rows += LAST * FFT_ROW) {
        number x[LAST];
        for (int j = 0; j < LAST; j++) x[j] = row_at(rows + j * FFT_ROW);
        points4(x, -1);
        for (int j = 0; j < LAST; j++) row_put(rows + j * FFT_ROW, x[j]);
    }
}

/* Both of them with the product between: rows are read and written once. */
NE_CLONES static void fft_last_convolve(float *rows, size_t blocks, const float *spectrum, const uint32_t *slot)
{
    for (size_t block = 0; block < blocks; block++, rows += LAST * FFT_ROW, slot += LAST) {
        const float *s0 = spectrum + (size_t)slot[0] * FFT_LANES, *s1 = spectrum + (size_t)slot[1] * FFT_LANES;
        const float *s2 = spectrum + (size_t)slot[2] * FFT_LANES, *s3 = spectrum + (size_t)slot[3] * FFT_LANES;
        number       x[LAST];
        for (int j = 0; j < LAST; j++) x[j] = row_at(rows + j * FFT_ROW);
        points4(x, 1);
        x[0] = times(x[0], s0);
        x[1] = times(x[1], s1);
        x[2] = times(x[2], s2);
        x[3] = times(x[3], s3);
        points4(x, -1);
        for (int j = 0; j < LAST; j++) row_put(rows + j * FFT_ROW, x[j]);
    }
}

/* --- Walking the stages: a block goes on alone once its parts fit the first cache. -------------------------------- */

typedef struct fft_product {
    const float    *spectrum;
    const uint32_t *slot;
} fft_product;

/* From `stage` on, `count` rows in blocks of `length`. With a product: on to it and back to before `stage`. */
static void walk(const fft_plan *plan, int stage, size_t length, float *rows, size_t count, int forward, int inverse,
                 const fft_product *product)
{
    if (count > CACHE_ROWS && count > length) {
        for (size_t r = 0; r < count; r += length) {
            const fft_product part = product ? (fft_product){product->spectrum, product->slot + r} : (fft_product){0};
            walk(plan, stage, length, rows + r * FFT_ROW, length, forward, inverse, product ? &part : NULL);
        }
    } else if (stage == plan->stages - 1) {
        const size_t blocks = count / LAST;
        if (product) fft_last_convolve(rows, blocks, product->spectrum, product->slot);
        else if (forward) fft_last_forward(rows, blocks);
        else fft_last_inverse(rows, blocks);
    } else {
        const int    radix = plan->radix[stage];
        const size_t m     = length / (size_t)radix;
        if (forward) fft_stage_forward(rows, count / length, m, plan->twiddle[stage], radix);
        walk(plan, stage + 1, m, rows, count, forward, inverse, product);
        if (inverse) fft_stage_inverse(rows, count / length, m, plan->twiddle[stage], radix);
    }
}

void fft_forward(const fft_plan *plan, const float *re, const float *im, size_t stride, float *rows)
{
    fft_first_forward(re, im, stride, rows, plan->n / 4, plan->twiddle[0]);
    walk(plan, 1, plan->n / 4, rows, plan->n, 1, 0, NULL);
}

void fft_inverse(const fft_plan *plan, float *rows, float *re, float *im, size_t stride)
{
    walk(plan, 1, plan->n / 4, rows, plan->n, 0, 1, NULL);
    fft_first_inverse(rows, re, im, stride, plan->n / 4, plan->twiddle[0]);
}

void fft_forward_full(const fft_plan *plan, float *rows)
{
    walk(plan, 0, plan->n, rows, plan->n, 1, 0, NULL);
}

void fft_convolve(const fft_plan *plan, const float *spectrum, const uint32_t *slot, float *re, float *im,
                  size_t stride, float *rows)
{
    const fft_product product = {spectrum, slot};
    fft_first_forward(re, im, stride, rows, plan->n / 4, plan->twiddle[0]);
    walk(plan, 1, plan->n / 4, rows, plan->n, 1, 1, &product);
    fft_first_inverse(rows, re, im, stride, plan->n / 4, plan->twiddle[0]);
}

/* --- Plans -------------------------------------------------------------------------------------------------------- */

size_t fft_length(size_t least)
{
    size_t best = 0;
    for (size_t five = FFT_STEP; five < FFT_LONGEST; five *= 5)
        for (size_t three = five; three < FFT_LONGEST; three *= 3)
            for (size_t two = three; two < FFT_LONGEST; two *= 2)
                if (two >= least && (!best || two < best)) best = two;
    return best;
}

/* Radix 4 first and last; between them 5s, 3s, one 2 if need be, and 4s. */
static int radices(size_t n, int *radix)
{
    int    stages   = 0;
    size_t left     = n / (4 * LAST);
    radix[stages++] = 4;
    for (; left % 5 == 0; left /= 5) radix[stages++] = 5;
    for (; left % 3 == 0; left /= 3) radix[stages++] = 3;
    for (; left % 4 == 0; left /= 4) radix[stages++] = 4;
    if (left % 2 == 0) radix[stages++] = 2;
    radix[stages++] = LAST;
    return stages;
}

ne_status fft_create(ne_context *context, size_t n, fft_plan *plan)
{
    ne_status st    = NE_OK;
    fft_plan  made  = {.n = n};
    made.stages     = radices(n, made.radix);
    made.place      = memory_new(&context->memory, n, sizeof *made.place);
    float *twiddle  = memory_new(&context->memory, 2 * n, 2 * sizeof *twiddle);
    made.twiddle[0] = twiddle;
    if (!made.place || !twiddle) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    size_t length = n;
    for (int stage = 0; stage < made.stages; stage++) {
        const size_t radix = (size_t)made.radix[stage], m = length / radix;
        made.twiddle[stage] = twiddle;
        for (size_t k = 0; k < m; k++) {
            for (size_t j = 1; j < radix; j++) {
                const double angle = 6.283185307179586476925 * (double)(j * k) / (double)length;
                *twiddle++         = (float)cos(angle);
                *twiddle++         = (float)-sin(angle);
            }
        }
        length = m;
    }
    for (size_t f = 0; f < n; f++) {
        size_t rest = f, row = 0, block = n;
        for (int stage = 0; stage < made.stages; stage++) {
            const size_t radix = (size_t)made.radix[stage];
            block /= radix;
            row += rest % radix * block;
            rest /= radix;
        }
        made.place[f] = (uint32_t)row;
    }
    *plan = made;
    made  = (fft_plan){0};
done:
    fft_clear(context, &made);
    return st;
}

void fft_clear(ne_context *context, fft_plan *plan)
{
    memory_free(&context->memory, plan->twiddle[0]);
    memory_free(&context->memory, plan->place);
    *plan = (fft_plan){0};
}
