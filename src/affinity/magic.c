/* affinity/magic.c: the Markov matrix of MAGIC (van Dijk et al. 2018).
 *
 *     A_ij = exp(-C_ij / sigma_i),  sigma_i the K-th smallest of the row;   P_ij = (A_ij + A_ji) / sum_l (A_il + A_li)
 *
 * Rows sum to 1; the scale of the data does not matter. The K nearest of a row have A_ij of at least 1 / e: so no sum
 * underflows, and float will do. Two visits, linear memory. */
#include "affinity/builtin.h"
#include "affinity/pairs.h"
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
    const float_kernel *kernel;
    double             *dual;
    float              *a; /* n precisions */
    size_t              n;
} solve_job;

static ne_status scale_row(void *user, size_t row, const float *c)
{
    const solve_job *job = user;
    const row_view   r   = {job->n, c, job->params->zero_diag ? row : job->n};
    return row_scale(&r, row, (size_t)job->params->k, &job->dual[row * DUALS + 1]);
}

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const solve_job *job   = user;
    const size_t     first = job->params->zero_diag ? row : job->n, rest = first < job->n ? first + 1 : job->n;
    const double     sum = float_kernel_sum(job->kernel, first, job->a[row], job->a, c) +
                       float_kernel_sum(job->kernel, job->n - rest, job->a[row], job->a + rest, c + rest);
    job->dual[row * DUALS] = log(sum);
    return NE_OK;
}

static int magic_kernel(const void *params, const double *dual, float_kernel *kernel)
{
    *kernel = (float_kernel){.kind       = FLOAT_MEAN,
                             .width      = dual ? dual + 1 : NULL,
                             .width_step = DUALS,
                             .zero_diag  = ((const magic_params *)params)->zero_diag != 0,
                             .log_sum    = dual};
    return dual != NULL;
}

static ne_status magic_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    const ne_allocator *mem = &ne_pairs_context(pairs)->memory;
    float_kernel        kernel;
    solve_job           job = {params, &kernel, solution->dual, NULL, ne_pairs_rows(pairs)};
    ne_status           st  = ne_pairs_visit(pairs, scale_row, &job);

    if (st != NE_OK) return st;
    magic_kernel(params, job.dual, &kernel);
    job.a = memory_new(mem, job.n, sizeof *job.a);
    if (!job.a) return NE_OUT_OF_MEMORY;
    float_kernel_precisions(&kernel, 0, job.n, job.a);
    st = ne_pairs_visit(pairs, sum_row, &job);
    memory_free(mem, job.a);
    return st;
}

static ne_status magic_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                            const double *dual, float *values)
{
    float_kernel kernel;
    (void)across;
    magic_kernel(params, dual, &kernel);
    float_kernel_row(&kernel, n, self, c, values);
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

const affinity_builtin builtin_magic = {.ops = &affinity_magic, .kernel = magic_kernel};
