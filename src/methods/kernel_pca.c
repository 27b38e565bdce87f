/* methods/kernel_pca.c: principal components in the feature space of a kernel (Scholkopf, Smola & Muller 1998).
 *
 *     K_ij = k(x_i, x_j);   K_c = K - row means - column means + mean = V diag(lambda) V^T;   y_i = v_i sqrt(lambda)
 *     new row x:  t_j = k(x, x_j);   y = sum_j (t_j - mean t - column mean_j + mean) v_j / sqrt(lambda)
 *
 * The kernels that need nothing but two rows are made here, in double, and map new rows:
 *
 *     gaussian exp(-s / sigma)   student (1 + s / nu)^(-(nu + 1) / 2)   scalar_product x.x'      s = |x - x'|^2
 *
 * Any other registered affinity gives its matrix with the diagonal kept, in float and symmetric as (P + P^T) / 2; it may
 * turn out to be no kernel, which the smallest eigenvalue tells: an error below -1e-3 of the largest. Eigenvalues below
 * 1e-6 of the largest are taken for 0, as are their coordinates.
 *
 * n^2 d operations and n^2 doubles for K; some 10 to 40 products of K with c + 10 vectors for few components (LAPACK, n^3,
 * where eigenvalues are too close for that). A new row: n (d + c). */
#include "base/blas.h"
#include "base/context.h"
#include "base/view.h"
#include "cpu/pca.h"
#include "methods/methods.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    ROWS = 64 /* of K at a time */
};

typedef enum map_kind {
    MAP_GAUSSIAN,
    MAP_STUDENT,
    MAP_SCALAR_PRODUCT,
    MAP_NONE /* an affinity's, without a value for new rows */
} map_kind;

typedef struct kernel_params {
    int64_t n_components;
    char    affinity[NE_NAME_SIZE];
    double  sigma, degrees_of_freedom;
} kernel_params;

typedef struct kernel_state {
    size_t   n, c, d;
    map_kind kind;
    double   shape;
    double  *block;            /* behind all that follows */
    double  *values, *vectors; /* c, n x c */
    double  *column, *map;     /* n: column means of K; n x c: vectors / sqrt(values) */
    double  *shift, *x, *norm; /* d: taken from every row (0 for the scalar product); n x d: the rows; n: |x|^2 */
    double   mean;             /* of K */
} kernel_state;

static const ne_option kernel_options[] = {
    {.name   = "n_components",
     .type   = NE_OPT_INT,
     .offset = offsetof(kernel_params, n_components),
     .preset = "2",
     .min    = 1,
     .max    = 0,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "components to keep"},
    {.name   = "affinity",
     .type   = NE_OPT_NAME,
     .offset = offsetof(kernel_params, affinity),
     .preset = "gaussian",
     .help   = "the kernel: gaussian, student, scalar_product, or an affinity of all pairs without a map for new rows"},
    {.name   = "sigma",
     .type   = NE_OPT_REAL,
     .offset = offsetof(kernel_params, sigma),
     .preset = "1",
     .min    = 0,
     .max    = 1e30,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "width of the kernel exp(-s / sigma) of squared distances s, for an affinity that has one"},
    {.name   = "degrees_of_freedom",
     .type   = NE_OPT_REAL,
     .offset = offsetof(kernel_params, degrees_of_freedom),
     .preset = "1",
     .min    = 0,
     .max    = 1e6,
     .flags  = NE_OPT_MIN_OPEN,
     .help   = "nu of the kernel student"},
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void kernel_clear(ne_context *context, void *state)
{
    kernel_state *s = state;
    memory_free(&context->memory, s->block);
    *s = (kernel_state){0};
}

/* --- Rows of a plain kernel -------------------------------------------------------------------------------------- */

/* rows of x less the shift, in double, and their squares. */
static void take_rows(const kernel_state *s, const ne_dense *x, size_t row0, size_t rows, double *to, double *norm)
{
    for (size_t i = 0; i < rows; i++) {
        norm[i] = 0;
        for (size_t j = 0; j < s->d; j++) {
            const double v   = view_get(x, row0 + i, j) - s->shift[j];
            to[i * s->d + j] = v;
            norm[i] += v * v;
        }
    }
}

/* k(a_i, x_j) for some rows a, rows x n. same: the place of a_0 among x, whose distance to itself is 0; n: it is none. */
static void kernel_rows(const kernel_state *s, size_t rows, const double *a, const double *norm, size_t same,
                        double *to)
{
    const size_t n = s->n;
    blas_dgemm_nt(rows, n, s->d, 1, a, s->d, s->x, s->d, 0, to, n);
    if (s->kind == MAP_SCALAR_PRODUCT) return;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            const double square = same + i == j ? 0 : fmax(norm[i] + s->norm[j] - 2 * to[i * n + j], 0);
            to[i * n + j] =
                s->kind == MAP_GAUSSIAN ? exp(-square / s->shape) : pow(1 + square / s->shape, -(s->shape + 1) / 2);
        }
}

/* The rows, less their mean where the kernel sees differences only: a shift of the data then costs no digits. */
static void keep_rows(const ne_context *context, const ne_dense *x, kernel_state *s)
{
    for (size_t i = 0; i < s->n && s->kind != MAP_SCALAR_PRODUCT; i++)
        for (size_t j = 0; j < s->d; j++) s->shift[j] += view_get(x, i, j);
    for (size_t j = 0; j < s->d; j++) s->shift[j] /= (double)s->n;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i0 = 0; i0 < s->n; i0 += ROWS)
        take_rows(s, x, i0, smaller(ROWS, s->n - i0), s->x + i0 * s->d, s->norm + i0);
}

static void plain_matrix(const ne_context *context, const kernel_state *s, double *k)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t i0 = 0; i0 < s->n; i0 += ROWS)
        kernel_rows(s, smaller(ROWS, s->n - i0), s->x + i0 * s->d, s->norm + i0, i0, k + i0 * s->n);
}

/* --- The matrix of an affinity ----------------------------------------------------------------------------------- */

static int affinity_has(const ne_affinity *affinity, const char *option)
{
    char   name[NE_NAME_SIZE];
    int    found = 0;
    size_t count = ne_affinity_option_count(affinity);
    for (size_t i = 0; i < count && !found; i++)
        found = ne_affinity_option_info(affinity, i, "name", name, sizeof name) == NE_OK && strcmp(name, option) == 0;
    return found;
}

static ne_status affinity_matrix(const kernel_params *p, ne_context *context, const ne_dense *x, double *k)
{
    const size_t   n        = x->rows;
    const ne_dense to       = view_of_f64(k, n, n);
    ne_affinity   *affinity = NULL;
    double         most = 0, apart = 0;
    int            finite = 1;
    ne_status      st     = ne_affinity_create(context, p->affinity, &affinity);

    if (st == NE_OK && affinity_has(affinity, "zero_diag")) st = ne_affinity_set(affinity, "zero_diag", "false");
    if (st == NE_OK && affinity_has(affinity, "sigma")) st = ne_affinity_set_real(affinity, "sigma", p->sigma);
    if (st == NE_OK && affinity_has(affinity, "degrees_of_freedom"))
        st = ne_affinity_set_real(affinity, "degrees_of_freedom", p->degrees_of_freedom);
    if (st == NE_OK) st = ne_affinity_compute_dense(affinity, x, &to);
    for (size_t i = 0; i < n && st == NE_OK; i++)
        for (size_t j = 0; j <= i; j++) {
            finite &= isfinite(k[i * n + j]) && isfinite(k[j * n + i]);
            most  = fmax(most, fabs(k[i * n + j]));
            apart = fmax(apart, fabs(k[i * n + j] - k[j * n + i]));
        }
    if (st == NE_OK && !finite)
        st = ne_fail(NE_INVALID_ARGUMENT, "affinity: '%s' is not finite for these rows", p->affinity);
    else if (st == NE_OK && !(apart <= 1e-5 * most))
        st = ne_fail(NE_INVALID_ARGUMENT, "affinity: '%s' is not symmetric, so it is no kernel", p->affinity);
    ne_affinity_free(affinity);
    return st;
}

/* --- Fit --------------------------------------------------------------------------------------------------------- */

static void centre(const ne_context *context, size_t n, double *k, double *column, double *mean)
{
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        column[i] = 0;
        for (size_t j = 0; j < n; j++) column[i] += k[i * n + j];
        column[i] /= (double)n;
    }
    *mean = 0;
    for (size_t i = 0; i < n; i++) *mean += column[i];
    *mean /= (double)n;
    const double all = *mean;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) k[i * n + j] += all - column[i] - column[j];
}

/* Whether the smallest eigenvalue of the matrix, which is overwritten, is not far below 0. */
static ne_status check_positive(const kernel_params *p, ne_context *context, size_t n, double *k, double largest)
{
    double    lowest = 0, *vector = memory_new(&context->memory, n, sizeof *vector);
    ne_status st = vector ? NE_OK : NE_OUT_OF_MEMORY;
    for (size_t e = 0; e < n * n; e++) k[e] = 0 - k[e];
    if (st == NE_OK) st = blas_eigen_top(context, n, k, 1, &lowest, vector);
    if (st == NE_OK && lowest > 1e-3 * fmax(largest, 0))
        st =
            ne_fail(NE_INVALID_ARGUMENT, "affinity: '%s' is no kernel of these rows, its eigenvalues are from %g to %g",
                    p->affinity, -lowest, largest);
    memory_free(&context->memory, vector);
    return st;
}

/* vectors: c x n. Signs: the entry largest in absolute value is positive, the first on ties. */
static void keep_vectors(kernel_state *s, const double *vectors)
{
    const double least = 1e-6 * s->values[0];
    for (size_t k = 0; k < s->c; k++) {
        const double *v       = vectors + k * s->n;
        size_t        largest = 0;
        for (size_t i = 1; i < s->n; i++)
            if (fabs(v[i]) > fabs(v[largest])) largest = i;
        const double sign = v[largest] < 0 ? -1 : 1;
        if (!(s->values[k] > 0 && s->values[k] >= least)) s->values[k] = 0;
        for (size_t i = 0; i < s->n; i++) {
            s->vectors[i * s->c + k] = sign * v[i];
            s->map[i * s->c + k]     = s->values[k] > 0 ? sign * v[i] / sqrt(s->values[k]) : 0;
        }
    }
}

static map_kind kind_of(const char *name)
{
    return strcmp(name, "gaussian") == 0         ? MAP_GAUSSIAN
           : strcmp(name, "student") == 0        ? MAP_STUDENT
           : strcmp(name, "scalar_product") == 0 ? MAP_SCALAR_PRODUCT
                                                 : MAP_NONE;
}

/* n and d are within a BLAS int, c at most n. */
static ne_status kernel_new(ne_context *context, const kernel_params *p, const ne_dense *x, kernel_state *to)
{
    kernel_state s     = {.n = x->rows, .c = (size_t)p->n_components, .d = x->cols, .kind = kind_of(p->affinity)};
    const size_t plain = s.kind != MAP_NONE;
    s.shape            = s.kind == MAP_STUDENT ? p->degrees_of_freedom : p->sigma;
    s.block =
        memory_zero(&context->memory, s.c + s.n + 2 * s.n * s.c + plain * (s.d + s.n + s.n * s.d), sizeof *s.block);
    if (!s.block) return NE_OUT_OF_MEMORY;
    s.values  = s.block;
    s.vectors = s.values + s.c;
    s.map     = s.vectors + s.n * s.c;
    s.column  = s.map + s.n * s.c;
    if (plain) {
        s.shift = s.column + s.n;
        s.norm  = s.shift + s.d;
        s.x     = s.norm + s.n;
    }
    *to = s;
    return NE_OK;
}

static ne_status kernel_fit(const void *params, ne_context *context, void *state, const ne_dense *x, const ne_dense *y)
{
    const kernel_params *p   = params;
    const ne_allocator  *mem = &context->memory;
    kernel_state        *s   = state;
    const size_t         n = x->rows, c = (size_t)p->n_components;
    ne_status            st = NE_OK;
    double              *k = NULL, *copy = NULL, *vectors = NULL;

    if (c > n) return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, %zu], the rows of x", c, n);
    if ((st = kernel_new(context, p, x, s)) != NE_OK) return st;
    k       = memory_new(mem, n, n * sizeof *k);
    vectors = memory_new(mem, c, n * sizeof *vectors);
    if (s->kind == MAP_NONE) copy = memory_new(mem, n, n * sizeof *copy);
    if (!k || !vectors || (s->kind == MAP_NONE && !copy)) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if (copy && (st = affinity_matrix(p, context, x, k)) != NE_OK) goto done;
    blas_enter();
    if (!copy) {
        keep_rows(context, x, s);
        plain_matrix(context, s, k);
    }
    centre(context, n, k, s->column, &s->mean);
    if (copy) memcpy(copy, k, n * n * sizeof *k);
    st = copy ? blas_eigen_top(context, n, k, c, s->values, vectors)
              : pca_eigen_top(context, n, k, c, 0, s->values, vectors);
    if (st == NE_OK && copy) st = check_positive(p, context, n, copy, s->values[0]);
    blas_leave();
    if (st != NE_OK) goto done;
    keep_vectors(s, vectors);
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < c; a++) view_set(y, i, a, s->vectors[i * c + a] * sqrt(s->values[a]));
done:
    memory_free(mem, k);
    memory_free(mem, copy);
    memory_free(mem, vectors);
    return st;
}

/* --- New rows, and results --------------------------------------------------------------------------------------- */

static ne_status kernel_transform(const void *params, const ne_context *context, const void *state, const ne_dense *x,
                                  const ne_dense *y)
{
    const kernel_state *s   = state;
    const ne_allocator *mem = &context->memory;
    const size_t        n = s->n, c = s->c, d = s->d, each = ROWS * (d + n + c + 1);
    double             *scratch;
    ne_status           st;
    (void)params;
    if (s->kind == MAP_NONE)
        return ne_fail(NE_UNSUPPORTED, "affinity: the fitted one has no value for new rows; gaussian, student and "
                                       "scalar_product have");
    if ((st = view_check_shape(x, "x", x->rows, d)) != NE_OK || (st = view_check_shape(y, "y", x->rows, c)) != NE_OK)
        return st;
    scratch = memory_new(mem, (size_t)context_threads(context), each * sizeof *scratch);
    if (!scratch) return NE_OUT_OF_MEMORY;
    blas_enter();
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i0 = 0; i0 < x->rows; i0 += ROWS) {
        const size_t rows = smaller(ROWS, x->rows - i0);
        double      *row = scratch + (size_t)omp_get_thread_num() * each, *t = row + ROWS * d, *image = t + ROWS * n;
        double      *norm = image + ROWS * c;
        take_rows(s, x, i0, rows, row, norm);
        kernel_rows(s, rows, row, norm, n, t);
        for (size_t i = 0; i < rows; i++) {
            double mean = 0;
            for (size_t j = 0; j < n; j++) mean += t[i * n + j];
            mean /= (double)n;
            for (size_t j = 0; j < n; j++) t[i * n + j] += s->mean - mean - s->column[j];
        }
        blas_dgemm_nn(rows, c, n, 1, t, n, s->map, c, 0, image, c);
        for (size_t i = 0; i < rows; i++)
            for (size_t a = 0; a < c; a++) view_set(y, i0 + i, a, image[i * c + a]);
    }
    blas_leave();
    memory_free(mem, scratch);
    return NE_OK;
}

static ne_status kernel_get_array(const void *state, const char *name, const double **values, size_t *count)
{
    const kernel_state *s = state;
    if (strcmp(name, "eigenvalues") == 0) {
        *values = s->values;
        *count  = s->c;
    } else if (strcmp(name, "eigenvectors") == 0) {
        *values = s->vectors;
        *count  = s->n * s->c;
    } else {
        return ne_fail(NE_UNKNOWN_NAME, "unknown array '%s'; there are eigenvalues and eigenvectors", name);
    }
    return NE_OK;
}

const ne_method_ops method_kernel_pca = {
    .struct_size  = sizeof(ne_method_ops),
    .name         = "kernel_pca",
    .help         = "principal components in the feature space of a kernel, from a matrix of n^2 doubles",
    .options      = kernel_options,
    .option_count = sizeof kernel_options / sizeof *kernel_options,
    .option_size  = sizeof(ne_option),
    .params_size  = sizeof(kernel_params),
    .state_size   = sizeof(kernel_state),
    .fit          = kernel_fit,
    .transform    = kernel_transform,
    .get_array    = kernel_get_array,
    .clear        = kernel_clear,
};
