/* affinity/log_kernel.h: logarithms of the plain kernels on a row of distances, and the sums over a row that normalise
 * them; exponents in double, in chunks, so that no row needs a second array. Sums for Newton's method are in double,
 * logarithms of sums and values in float.
 *
 *     gaussian  log k_j = -c_j scale
 *     student   log k_j = -scale log(1 + c_j shape)
 *     local     log k_j = -c_j scale / width_j          where width_j is 0: 0 if c_j is, else -infinity */
#ifndef NE_AFFINITY_LOG_KERNEL_H
#define NE_AFFINITY_LOG_KERNEL_H

#include <stddef.h>
#include <stdint.h>

typedef enum log_kernel_kind {
    LOG_GAUSSIAN = 0,
    LOG_STUDENT  = 1,
    LOG_LOCAL    = 2
} log_kernel_kind;

typedef struct log_kernel {
    log_kernel_kind kind;
    double          scale, shape;
    const double   *width;
    size_t          width_step; /* from one column's to the next one's */
} log_kernel;

/* A row of count distances; the one at self is left out if self is below count. */
typedef struct kernel_row {
    size_t       count, self;
    const float *c;
} kernel_row;

/* A number for each column, step apart; its sign is turned where minus. */
typedef struct column_terms {
    const double *f;
    size_t        step;
    int           minus;
} column_terms;

/* log sum_j exp(log k_j + f_j); f may be NULL. */
double kernel_log_sum(const log_kernel *kernel, const kernel_row *row, const double *f);
/* sum_j k_j exp(own + f_j), f may be NULL; exponents are not to be large. */
double kernel_sum(const log_kernel *kernel, const kernel_row *row, double own, const double *f);
/* values[j] = scale k_j exp(own + terms_j), 0 at self; terms may be NULL. */
void log_kernel_values(const log_kernel *kernel, const kernel_row *row, double scale, double own,
                       const column_terms *terms, float *values);
/* values[j] = (k_j + l_j) exp(own) of two kernels, 0 at self. */
void log_kernel_sum_values(const log_kernel *k, const log_kernel *l, const kernel_row *row, double own, float *values);
/* How far log k falls in the row: its largest value, which *most receives, less its mean. */
double kernel_spread(const log_kernel *kernel, const kernel_row *row, double *most);
/* 1 where log(1 + c shape) exists for all c. */
int kernel_is_defined(const log_kernel *kernel, const kernel_row *row);

#endif
