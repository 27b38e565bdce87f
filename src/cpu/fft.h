/* cpu/fft.h: complex transforms of eight columns at a time, made for convolutions on a padded grid.
 *
 * A row holds FFT_LANES real parts and then as many imaginary ones: one cache line. A transform of length n turns n
 * rows into n rows, lane by lane. Forward goes from natural to scrambled order of frequencies and inverse the other
 * way, both in place and without a sorting pass: a convolution does not care in which order it multiplies.
 *
 * What a padded convolution need not do is left out: forward takes n / 2 rows and knows that the other half is zero,
 * inverse gives the first n / 2 rows and never makes the rest. Nothing is scaled: forward then inverse gives n x. */
#ifndef NE_CPU_FFT_H
#define NE_CPU_FFT_H

#include "base/context.h"

#include <stdint.h>

enum {
    FFT_LANES   = 8,             /* lanes.h */
    FFT_ROW     = 2 * FFT_LANES, /* floats */
    FFT_STAGES  = 24,
    FFT_STEP    = 16, /* lengths are multiples of it */
    FFT_LONGEST = 1 << 26
};

typedef struct fft_plan {
    size_t    n;
    int       stages, radix[FFT_STAGES]; /* the first and the last are 4 */
    float    *twiddle[FFT_STAGES];       /* of a stage of length L = radix m: exp(-2 pi i j k / L), j < radix, k < m */
    uint32_t *place;                     /* place[f]: the row that holds frequency f after forward */
} fft_plan;

/* The smallest length 2^a 3^b 5^c that is a multiple of FFT_STEP and at least `least`; 0 when there is none in
 * reach. */
size_t fft_length(size_t least);

ne_status fft_create(ne_context *context, size_t n, fft_plan *plan); /* n: from fft_length() */
void      fft_clear(ne_context *context, fft_plan *plan);            /* a zeroed plan is fine */

/* Row j < n / 2 of the input is re[j * stride ..] and im[j * stride ..], FFT_LANES each; rows: n rows, written. */
void fft_forward(const fft_plan *plan, const float *re, const float *im, size_t stride, float *rows);
/* Rows j < n / 2 of the answer go to re and im; rows is overwritten. */
void fft_inverse(const fft_plan *plan, float *rows, float *re, float *im, size_t stride);
/* All n rows, in place, input in natural order. */
void fft_forward_full(const fft_plan *plan, float *rows);
/* forward, every row r times the real row spectrum[slot[r] * FFT_LANES ..], inverse. rows: n rows of scratch. */
void fft_convolve(const fft_plan *plan, const float *spectrum, const uint32_t *slot, float *re, float *im,
                  size_t stride, float *rows);

#endif
