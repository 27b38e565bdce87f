/* affinity/normalized.c: kernels of all pairs divided by their sums.
 *
 *     normalized_gaussian  log K_ij = -C_ij / sigma                            no factor 2, no square on sigma
 *     normalized_student   log K_ij = -((nu + 1) / 2) log(1 + C_ij / nu)
 *     self_tuning          log K_ij = -C_ij / (sigma_i sigma_j)                Zelnik-Manor & Perona 2004
 *     P = K / sum of all;  K / (n sum of its row);  K / (n sum of its column);  K
 *
 * sigma_i of self_tuning is the distance to the K-th nearest: under the metric sqeuclidean the paper's exponent
 * d_ij^2 / (d_iK d_jK) takes the root of C_iK. Without the root (scaling = ref, and without 1 / n) the exponent depends on
 * the unit of the data. Linear memory; two visits. The sum of all is taken tile by tile in float, where neither it nor a
 * value underflows by that; all others, and those, in the log domain. */
#include "affinity/builtin.h"
#include "affinity/log_kernel.h"
#include "affinity/pairs.h"
#include "affinity/row.h"

#include <math.h>

enum {
    OVER_ALL     = 0,
    OVER_ROWS    = 1,
    OVER_COLUMNS = 2,
    OVER_NONE    = 3
};
enum {
    SCALING_PAPER = 0,
    SCALING_REF   = 1
};
enum {
    DUALS = 2 /* log_normalization, bandwidth */
};

typedef struct normalized_params {
    double  shape;
    int64_t over, zero_diag, k, scaling;
} normalized_params;

#define AT(field) offsetof(normalized_params, field)
#define NORMALIZATION                                                                                                  \
    {.name    = "normalization_dim",                                                                                   \
     .type    = NE_OPT_CHOICE,                                                                                         \
     .offset  = AT(over),                                                                                              \
     .preset  = "all",                                                                                                 \
     .choices = "all|rows|columns|none",                                                                               \
     .help    = "what the kernel is divided by: its whole sum, or n times the sum of each row or column"},                \
    {                                                                                                                  \
        .name = "zero_diag", .type = NE_OPT_BOOL, .offset = AT(zero_diag), .preset = "true",                           \
        .help = "no affinity of a point to itself"                                                                     \
    }

static const ne_option gaussian_options[] = {
    {.name   = "sigma",
     .type   = NE_OPT_REAL,
     .offset = AT(shape),
     .preset = "1",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "width of the kernel exp(-d / sigma)"},
    NORMALIZATION,
};
static const ne_option student_options[] = {
    {.name   = "degrees_of_freedom",
     .type   = NE_OPT_REAL,
     .offset = AT(shape),
     .preset = "1",
     .min    = 0,
     .max    = 1e6,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "degrees of freedom nu of the Student kernel"},
    NORMALIZATION,
};
static const ne_option tuning_options[] = {
    {.name   = "K",
     .type   = NE_OPT_INT,
     .offset = AT(k),
     .preset = "7",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "the neighbor whose distance is a point's scale"},
    {.name      = "scaling",
     .type      = NE_OPT_CHOICE,
     .offset    = AT(scaling),
     .preset    = "paper",
     .reference = "ref",
     .choices   = "paper|ref",
     .help = "paper: the root of the K-th distance, right under sqeuclidean; ref: the distance itself, as TorchDR"},
    NORMALIZATION,
};

typedef log_kernel (*kernel_maker)(const normalized_params *p, const double *dual, size_t row);

static log_kernel gaussian_of(const normalized_params *p, const double *dual, size_t row)
{
    const log_kernel kernel = {.kind = LOG_GAUSSIAN, .scale = 1 / p->shape};
    (void)dual;
    (void)row;
    return kernel;
}

static log_kernel student_of(const normalized_params *p, const double *dual, size_t row)
{
    const log_kernel kernel = {.kind = LOG_STUDENT, .scale = (p->shape + 1) / 2, .shape = 1 / p->shape};
    (void)dual;
    (void)row;
    return kernel;
}

static log_kernel tuning_of(const normalized_params *p, const double *dual, size_t row)
{
    const log_kernel kernel = {
        .kind = LOG_LOCAL, .scale = row_precision(dual[row * DUALS + 1]), .width = dual + 1, .width_step = DUALS};
    (void)p;
    return kernel;
}

/* --- In float: the kernel, values and sums. */

#define LEAST_TOTAL 1e-10 /* values that matter beside it are floats, and so are quotients with it */
#define MOST_TOTAL  1e30

static float_kernel float_form(const normalized_params *p, kernel_maker make, const double *dual)
{
    const float_kernel_kind kind   = make == tuning_of    ? FLOAT_LOCAL
                                     : make == student_of ? FLOAT_RECIPROCAL
                                                          : FLOAT_GAUSSIAN;
    const float_kernel      kernel = {.kind       = kind,
                                      .scale      = (float)(1 / fmax(p->shape, 1e-38)),
                                      .width      = kind == FLOAT_LOCAL ? dual + 1 : NULL,
                                      .width_step = DUALS,
                                      .zero_diag  = p->zero_diag != 0,
                                      .factor     = 1};
    return kernel;
}

/* 1 and the kernel where all values are a float's; dual NULL: where they need no dual. */
static int float_values(const normalized_params *p, kernel_maker make, const double *dual, float_kernel *kernel)
{
    const int    all = p->over == OVER_ALL, alone = p->over == OVER_NONE && make != tuning_of;
    const double sum = dual && all ? exp(dual[0]) : 1;
    *kernel          = float_form(p, make, dual);
    kernel->factor   = (float)(1 / sum);
    if (make == student_of && p->shape != 1) return 0;
    return (all || p->over == OVER_NONE) && (dual || alone) && sum > LEAST_TOTAL && sum < MOST_TOTAL;
}

typedef struct total_job {
    const float_kernel *kernel;
    const float        *a;    /* n */
    double             *part; /* a tile's sum, or twice that where the tile is mirrored */
} total_job;

static void add_tile(void *user, const pairs_tile *t)
{
    const total_job *job = user;
    double           sum = 0;
    for (size_t i = t->row0; i < t->row1; i++) {
        const float *c = t->at + (i - t->row0) * t->stride, *a = job->a + t->col0;
        const int    self = t->row0 == t->col0 && job->kernel->zero_diag;
        const size_t all = t->col1 - t->col0, first = self ? i - t->col0 : all, rest = self ? first + 1 : all;
        sum += float_kernel_sum(job->kernel, first, job->a[i], a, c) +
               float_kernel_sum(job->kernel, all - rest, job->a[i], a + rest, c + rest);
    }
    job->part[t->index] = t->row0 == t->col0 ? sum : 2 * sum;
}

static ne_status add_all(const normalized_params *p, kernel_maker make, const ne_pairs *pairs, const double *dual,
                         double *sum)
{
    const ne_allocator *mem   = &ne_pairs_context(pairs)->memory;
    const size_t        tiles = pairs_tile_total(pairs), n = ne_pairs_rows(pairs);
    const float_kernel  kernel = float_form(p, make, dual);
    float              *a      = memory_new(mem, n, sizeof *a);
    total_job           job    = {&kernel, a, memory_new(mem, tiles, sizeof *job.part)};
    ne_status           st     = NE_OUT_OF_MEMORY;
    if (a && job.part) {
        float_kernel_precisions(&kernel, 0, n, a);
        st = pairs_visit_tiles(pairs, add_tile, &job);
    }
    *sum = 0;
    for (size_t t = 0; st == NE_OK && t < tiles; t++) *sum += job.part[t];
    memory_free(mem, a);
    memory_free(mem, job.part);
    return st;
}

/* --- The duals. */

typedef struct solve_job {
    const normalized_params *params;
    kernel_maker             kernel;
    double                  *dual;
    size_t                   n;
} solve_job;

static ne_status sum_row(void *user, size_t row, const float *c)
{
    const solve_job *job    = user;
    const log_kernel kernel = job->kernel(job->params, job->dual, row);
    const kernel_row r      = {job->n, job->params->zero_diag ? row : job->n, c};
    if (!kernel_is_defined(&kernel, &r))
        return ne_fail(NE_INVALID_ARGUMENT, "metric: row %zu has negative distances, for which the kernel has no value",
                       row);
    job->dual[row * DUALS] = kernel_log_sum(&kernel, &r, NULL);
    return NE_OK;
}

static ne_status scale_row(void *user, size_t row, const float *c)
{
    const solve_job *job   = user;
    const row_view   r     = {job->n, c, job->params->zero_diag ? row : job->n};
    double          *scale = &job->dual[row * DUALS + 1];
    const ne_status  st    = row_scale(&r, row, (size_t)job->params->k, scale);
    if (st == NE_OK && job->params->scaling == SCALING_PAPER) *scale = sqrt(*scale);
    return st;
}

static ne_status normalise(const void *params, const ne_pairs *pairs, ne_solution *solution, kernel_maker kernel)
{
    solve_job job      = {params, kernel, solution->dual, ne_pairs_rows(pairs)};
    const int may_fail = kernel == student_of && pairs_may_be_negative(pairs);
    double    most = -INFINITY, sum = 0;
    ne_status st = NE_OK;

    for (size_t i = 0; i < job.n; i++) job.dual[i * DUALS + 1] = kernel == tuning_of ? 0 : job.params->shape;
    if (kernel == tuning_of) st = ne_pairs_visit(pairs, scale_row, &job);
    if (st == NE_OK && job.params->over == OVER_ALL && !may_fail && (kernel != student_of || job.params->shape == 1))
        st = add_all(job.params, kernel, pairs, job.dual, &sum);
    if (st == NE_OK && sum > LEAST_TOTAL && sum < MOST_TOTAL) {
        for (size_t i = 0; i < job.n; i++) job.dual[i * DUALS] = log(sum);
        return NE_OK;
    }
    if (st == NE_OK && (job.params->over != OVER_NONE || may_fail)) st = ne_pairs_visit(pairs, sum_row, &job);
    if (st != NE_OK) return st;
    if (job.params->over == OVER_ALL) {
        sum = 0;
        for (size_t i = 0; i < job.n; i++) most = fmax(most, job.dual[i * DUALS]);
        for (size_t i = 0; i < job.n; i++) sum += exp(job.dual[i * DUALS] - most);
        for (size_t i = 0; i < job.n; i++) job.dual[i * DUALS] = most + log(sum);
    } else if (job.params->over == OVER_NONE) {
        for (size_t i = 0; i < job.n; i++) job.dual[i * DUALS] = 0;
    }
    return NE_OK;
}

static ne_status make_row(const normalized_params *p, kernel_maker make, size_t n, size_t self, const float *c,
                          const double *dual, float *values)
{
    const log_kernel   kernel  = make(p, dual, self);
    const kernel_row   r       = {n, p->zero_diag ? self : n, c};
    const column_terms columns = {dual, DUALS, 1};
    const int          ones    = make == tuning_of && p->scaling == SCALING_REF; /* rows sum to 1, not to 1 / n */
    const double       scale   = (p->over == OVER_ROWS || p->over == OVER_COLUMNS) && !ones ? 1 / (double)n : 1;
    float_kernel       in_float;
    if (float_values(p, make, dual, &in_float)) {
        float_kernel_row(&in_float, n, self, c, values);
        return NE_OK;
    }
    if (p->over == OVER_COLUMNS) log_kernel_values(&kernel, &r, scale, 0, &columns, values);
    else log_kernel_values(&kernel, &r, scale, -dual[self * DUALS], NULL, values);
    return NE_OK;
}

static ne_status gaussian_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    return normalise(params, pairs, solution, gaussian_of);
}

static ne_status student_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    return normalise(params, pairs, solution, student_of);
}

static ne_status tuning_solve(const void *params, const ne_pairs *pairs, ne_solution *solution)
{
    return normalise(params, pairs, solution, tuning_of);
}

static ne_status gaussian_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                               const double *dual, float *values)
{
    (void)across;
    return make_row(params, gaussian_of, n, self, c, dual, values);
}

static ne_status student_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                              const double *dual, float *values)
{
    (void)across;
    return make_row(params, student_of, n, self, c, dual, values);
}

static ne_status tuning_rows(const void *params, size_t n, size_t self, int32_t across, const float *c,
                             const double *dual, float *values)
{
    (void)across;
    return make_row(params, tuning_of, n, self, c, dual, values);
}

static int gaussian_kernel(const void *params, const double *dual, float_kernel *kernel)
{
    return float_values(params, gaussian_of, dual, kernel);
}

static int student_kernel(const void *params, const double *dual, float_kernel *kernel)
{
    return float_values(params, student_of, dual, kernel);
}

static int tuning_kernel(const void *params, const double *dual, float_kernel *kernel)
{
    return float_values(params, tuning_of, dual, kernel);
}

static const char *const duals[DUALS] = {"log_normalization", "bandwidth"};

#define TABLE(type, text)                                                                                              \
    .struct_size = sizeof(ne_affinity_ops), .help = text, .options = type##_options,                                   \
    .option_count = sizeof type##_options / sizeof *type##_options, .option_size = sizeof(ne_option),                  \
    .params_size = sizeof(normalized_params), .combine = NE_COMBINE_NONE, .dual_count = DUALS, .dual_names = duals,    \
    .solve = type##_solve, .rows = type##_rows

const ne_affinity_ops affinity_normalized_gaussian = {
    .name = "normalized_gaussian",
    TABLE(gaussian, "Gaussian kernel exp(-d / sigma) of all pairs, divided by its sums")};

const ne_affinity_ops affinity_normalized_student = {
    .name = "normalized_student",
    TABLE(student, "Student kernel (1 + d / nu)^(-(nu + 1) / 2) of all pairs, divided by its sums")};

const ne_affinity_ops affinity_self_tuning = {
    .name = "self_tuning",
    TABLE(tuning, "Gaussian kernel whose width is the distance to the K-th neighbor of either point")};

const affinity_builtin builtin_normalized_gaussian = {.ops = &affinity_normalized_gaussian, .kernel = gaussian_kernel};
const affinity_builtin builtin_normalized_student  = {.ops = &affinity_normalized_student, .kernel = student_kernel};
const affinity_builtin builtin_self_tuning         = {.ops = &affinity_self_tuning, .kernel = tuning_kernel};
