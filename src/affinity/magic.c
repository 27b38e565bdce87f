/* affinity/magic.c: the Markov matrix of MAGIC (van Dijk et al. 2018).
 *
 *     A_ij = exp(-C_ij / sigma_i),  sigma_i the K-th smallest of the row;   P_ij = (A_ij + A_ji) / sum_l (A_il + A_li)
 *
 * Rows sum to 1; the scale of the data does not matter. Normalised in the log domain, so that a row far from all others
 * keeps its sum. Two visits, linear memory. */
#include "affinity/input.h"
#include "affinity/log_kernel.h"
#include "affinity/row.h"

#include <math.h>

typedef struct magic_params {
    int64_t k, zero_diag;
} magic_params;

static const ne_option magic_options[] = {
    {.name   = "K",
     .type   = NE_OPT_INT,
     .offset = offsetof(magic_params, k),
     .preset = "7",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "the neighbor whose distance is a point's scale"},
    {.name   = "zero_diag",
     .type   = NE_OPT_BOOL,
     .offset = offsetof(magic_params, zero_diag),
     .preset = "true",
     .help   = "no affinity of a point to itself"},
};

enum {
    DUALS = 2 /* log_normalization, of A + A^T, and bandwidth */
};

typedef struct solve_job {
    const magic_params *params;
    double             *dual;
    size_t              n;
} solve_job;

static log_kernel own_kernel(const double *dual, size_t row)
{
    const log_kernel kernel = {.kind = LOG_GAUSSIAN, .scale = row_precision(dual[row * DUALS + 1])};
    return kernel;
}

static log_kernel others_kernel(const double *dual)
{
    const log_kernel kernel = {.kind = LOG_LOCAL, .scale = 1, .width = dual + 1, .width_step = DUALS};
    return kernel;
}

static ne_status scale_row(void *user, size_t row, const float *c)
{
    const solve_job *job = user;
    const row_view   r   = {job->n, c, job->params->zero_diag ? row : job->n};
    return row_scale(&r, row, (size_t)job->params->k, &job->dual[row * DUALS + 1]);
}

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const solve_job *job = user;
    const kernel_row r   = {job->n, job->params->zero_diag ? row : job->n, c};
    const log_kernel own = own_kernel(job->dual, row), others = others_kernel(job->dual);
    const double     a = kernel_log_sum(&own, &r, NULL), b = kernel_log_sum(&others, &r, NULL), most = fmax(a, b);
    job->dual[row * DUALS] = most + log(exp(a - most) + exp(b - most));
    return NE_OK;
}

static ne_status magic_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    solve_job job = {params, solution->dual, ne_pairs_rows(pairs)};
    ne_status st  = ne_pairs_visit(pairs, scale_row, &job);
    return st == NE_OK ? ne_pairs_visit(pairs, sum_row, &job) : st;
}

static ne_status magic_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                            const double *dual, float *values)
{
    const kernel_row r   = {n, ((const magic_params *)params)->zero_diag ? self : n, c};
    const log_kernel own = own_kernel(dual, self), others = others_kernel(dual);
    (void)across;
    log_kernel_sum_values(&own, &others, &r, -dual[self * DUALS], values);
    return NE_OK;
}

static const char *const duals[DUALS] = {"log_normalization", "bandwidth"};

const ne_affinity_ops affinity_magic = {
    .struct_size  = sizeof(ne_affinity_ops),
    .name         = "magic",
    .help         = "Markov matrix of locally scaled kernels, made symmetric before its rows are divided by their sums",
    .options      = magic_options,
    .option_count = sizeof magic_options / sizeof *magic_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(magic_params),
    .combine      = NE_COMBINE_NONE,
    .dual_count   = DUALS,
    .dual_names   = duals,
    .solve        = magic_solve,
    .rows         = magic_rows,
};
