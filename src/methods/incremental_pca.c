/* methods/incremental_pca.c: principal components of rows that arrive in blocks, in memory for one block.
 *
 *   merged (Ross, Lim, Lin & Yang 2008): with N rows before the block's m, means mu and b,
 *          A = [ S V ; B - b ; sqrt(N m / (N + m)) (mu - b) ] = U S' V'^T,   of which c directions are kept
 *   exact  the scatter matrix of all rows so far, d x d, by the same rule for means (Chan, Golub & LeVeque 1979):
 *          X^T X + (B - b)^T (B - b) + (N m / (N + m)) (mu - b)(mu - b)^T,   and its c largest eigenvectors
 *
 * The mean and, merged, the variance of each column are of all rows. What the dropped directions had is lost to merged, so
 * blocks of many more rows than components are more exact; exact has no such loss and does not depend on the blocks. All
 * in double; each block's rows are taken less the block's own mean. Variances are over (rows - 1).
 *
 * A block of m rows costs 2 m d^2 operations merged, m d^2 exact; memory (m + c) d doubles, or m d + d^2. */
#include "base/blas.h"
#include "base/context.h"
#include "base/view.h"
#include "cpu/pca.h"
#include "methods/methods.h"
#include "methods/pca.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum {
    ROWS  = 256, /* of a product at a time */
    PANEL = 128  /* columns of a tile of the scatter matrix */
};

typedef struct incremental_params {
    int64_t n_components, batch_size, exact;
} incremental_params;

/* One block of memory behind every array, so that a step can be made aside and put in place at once. */
typedef struct incremental_state {
    size_t  c, d, rows;
    int     exact;
    double *block;
    double *mean, *components, *singular, *variance, *ratio, *noise; /* d, c x d, c, c, c, 1 */
    double *spread;  /* d: the sum of squares of each column less its mean; exact: the diagonal of scatter */
    double *scatter; /* exact: d x d, else NULL */
} incremental_state;

static const ne_option incremental_options[] = {
    {.name   = "n_components",
     .type   = NE_OPT_INT,
     .offset = offsetof(incremental_params, n_components),
     .preset = "2",
     .min    = 1,
     .max    = 0,
     .flags  = NE_OPT_MAX_FROM_N,
     .help   = "components to keep, at most the columns of the data and the rows of the first block"},
    {.name   = "batch_size",
     .type   = NE_OPT_INT,
     .offset = offsetof(incremental_params, batch_size),
     .preset = "none",
     .min    = 1,
     .max    = 0x1p53,
     .flags  = NE_OPT_NONE,
     .unit   = "rows",
     .help   = "rows that a fit takes at a time; none: 5 times the columns"},
    {.name   = "exact",
     .type   = NE_OPT_BOOL,
     .offset = offsetof(incremental_params, exact),
     .preset = "false",
     .help   = "the components of all rows whatever the blocks, by a d x d matrix; false: merged block by block"},
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void incremental_clear(ne_context *context, void *state)
{
    incremental_state *s = state;
    memory_free(&context->memory, s->block);
    *s = (incremental_state){0};
}

/* A state of zeros. c + 1 rows are within d + 1, and d within a BLAS int: the product below cannot overflow. */
static ne_status incremental_new(ne_context *context, size_t c, size_t d, int exact, incremental_state *to)
{
    incremental_state s = {.c = c, .d = d, .exact = exact};
    s.block = memory_zero(&context->memory, 2 * d + 4 * c + 1 + c * d + (exact ? d * d : 0), sizeof *s.block);
    if (!s.block) return NE_OUT_OF_MEMORY;
    s.mean       = s.block;
    s.spread     = s.mean + d;
    s.singular   = s.spread + d;
    s.variance   = s.singular + c;
    s.ratio      = s.variance + c;
    s.noise      = s.ratio + c;
    s.components = s.noise + 1;
    s.scatter    = exact ? s.components + c * d : NULL;
    *to          = s;
    return NE_OK;
}

/* --- One block of rows ------------------------------------------------------------------------------------------- */

typedef struct batch {
    const ne_dense *x;
    size_t          row0, m;
    double         *mean, *spread; /* d each */
    double         *rows;          /* m x d, less the mean */
} batch;

/* Columns are independent, and each is summed in the order of its rows: the same bits for any number of threads. */
static void take_rows(const ne_context *context, const batch *b)
{
    const size_t d = b->x->cols, panels = (d + PANEL - 1) / PANEL;
#pragma omp parallel for schedule(dynamic, 1) num_threads(context_threads(context))
    for (size_t p = 0; p < panels; p++) {
        const size_t j0 = p * PANEL, j1 = smaller(j0 + PANEL, d);
        for (size_t j = j0; j < j1; j++) b->mean[j] = b->spread[j] = 0;
        for (size_t i = 0; i < b->m; i++)
            for (size_t j = j0; j < j1; j++) b->mean[j] += b->rows[i * d + j] = view_get(b->x, b->row0 + i, j);
        for (size_t j = j0; j < j1; j++) b->mean[j] /= (double)b->m;
        for (size_t i = 0; i < b->m; i++)
            for (size_t j = j0; j < j1; j++) {
                const double v = b->rows[i * d + j] - b->mean[j];
                b->spread[j] += v * v;
                b->rows[i * d + j] = v;
            }
    }
}

/* The entry largest in absolute value is positive, the first on ties. */
static void fix_signs(size_t count, size_t d, double *v)
{
    for (size_t i = 0; i < count; i++, v += d) {
        size_t largest = 0;
        for (size_t j = 1; j < d; j++)
            if (fabs(v[j]) > fabs(v[largest])) largest = j;
        if (v[largest] < 0)
            for (size_t j = 0; j < d; j++) v[j] = 0 - v[j];
    }
}

/* What follows from the squares of all singular values that are known, `known` of them; their sum with those that are not
 * is the spread of all columns. others: squares of the directions beyond c, how many, 0 where that is not defined. */
static void finish(incremental_state *s, double others, size_t other_count)
{
    const double below = s->rows > 1 ? (double)(s->rows - 1) : 1;
    double       total = 0;
    for (size_t j = 0; j < s->d; j++) total += s->spread[j];
    for (size_t k = 0; k < s->c; k++) {
        const double square = s->singular[k] * s->singular[k];
        s->variance[k]      = square / below;
        s->ratio[k]         = total > 0 ? square / total : 0;
    }
    *s->noise = other_count > 0 ? fmax(others, 0) / below / (double)other_count : 0;
}

/* The c kept rows, the block and the step between the means, and their SVD. The rows of the block lie c + 1 rows into
 * stack already. */
static ne_status merge(ne_context *context, const incremental_state *from, const batch *b, double step, double *stack,
                       incremental_state *to)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d = from->d, c = from->c, before = from->rows ? c + 1 : 0, m = before + b->m;
    const size_t        known = smaller(m, d);
    double   *values = memory_new(mem, known, sizeof *values), *right = memory_new(mem, known, d * sizeof *right);
    double    others = 0;
    ne_status st     = NE_OK;

    if (!values || !right) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t k = 0; k < c && before; k++)
        for (size_t j = 0; j < d; j++) stack[k * d + j] = from->singular[k] * from->components[k * d + j];
    for (size_t j = 0; j < d && before; j++) stack[c * d + j] = step * (from->mean[j] - b->mean[j]);
    blas_enter();
    st = blas_svd(context, m, d, before ? stack : b->rows, values, right);
    blas_leave();
    if (st != NE_OK) goto done;
    memcpy(to->singular, values, c * sizeof *values);
    memcpy(to->components, right, c * d * sizeof *right);
    fix_signs(c, d, to->components);
    for (size_t k = c; k < known; k++) others += values[k] * values[k];
    finish(to, others, c == b->m || c == d ? 0 : known - c);
done:
    memory_free(mem, values);
    memory_free(mem, right);
    return st;
}

/* The scatter matrix with the block's, tile by tile above the diagonal; its eigenvectors from a copy. */
static ne_status accumulate(ne_context *context, const incremental_state *from, const batch *b, double step, int last,
                            incremental_state *to)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d = from->d, panels = (d + PANEL - 1) / PANEL;
    double             *copy = memory_new(mem, d, d * sizeof *copy), *flip = memory_new(mem, b->m, d * sizeof *flip);
    double              others = 0;
    ne_status           st     = copy && flip ? NE_OK : NE_OUT_OF_MEMORY;

    if (st != NE_OK) goto done;
    blas_enter();
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t j = 0; j < d; j++)
        for (size_t i = 0; i < b->m; i++) flip[j * b->m + i] = b->rows[i * d + j];
#pragma omp parallel for schedule(dynamic, 1) collapse(2) num_threads(context_threads(context))
    for (size_t p = 0; p < panels; p++)
        for (size_t q = 0; q < panels; q++) {
            const size_t i0 = p * PANEL, i1 = smaller(i0 + PANEL, d), j0 = q * PANEL, j1 = smaller(j0 + PANEL, d);
            if (p > q) continue;
            for (size_t i = i0; i < i1; i++)
                for (size_t j = j0; j < j1; j++)
                    to->scatter[i * d + j] = from->scatter[i * d + j] +
                                             step * step * (from->mean[i] - b->mean[i]) * (from->mean[j] - b->mean[j]);
            blas_dgemm_nt(i1 - i0, j1 - j0, b->m, 1, flip + i0 * b->m, b->m, flip + j0 * b->m, b->m, 1,
                          to->scatter + i0 * d + j0, d);
            for (size_t i = i0; i < i1; i++)
                for (size_t j = p == q ? i + 1 : j0; j < j1; j++) to->scatter[j * d + i] = to->scatter[i * d + j];
        }
    if (last) {
        memcpy(copy, to->scatter, d * d * sizeof *copy);
        st = pca_eigen_top(context, d, copy, to->c, 0, to->singular, to->components);
    }
    blas_leave();
    if (st != NE_OK || !last) goto done;
    for (size_t j = 0; j < d; j++) others += to->spread[j] = to->scatter[j * d + j];
    for (size_t k = 0; k < to->c; k++) {
        const double square = fmax(to->singular[k], 0);
        others -= square;
        to->singular[k] = sqrt(square);
    }
    fix_signs(to->c, d, to->components);
    finish(to, others, smaller(to->rows, d) - to->c);
done:
    memory_free(mem, copy);
    memory_free(mem, flip);
    return st;
}

/* Rows [row0, row1) of x into a new state in the place of the old one, which stays when that fails.
 * last: 0 where more rows are sure to come, so that exact has no need of its components yet. */
static ne_status incremental_add(ne_context *context, incremental_state *s, const ne_dense *x, size_t row0, size_t row1,
                                 int last)
{
    const ne_allocator *mem = &context->memory;
    const size_t        d = x->cols, m = row1 - row0, n = s->rows;
    const double        total = (double)n + (double)m, step = sqrt((double)n / total * (double)m);
    incremental_state   made  = {0};
    ne_status           st    = NE_OK;
    double             *stack = memory_new(mem, m + s->c + 1, d * sizeof *stack);
    double             *sums  = memory_new(mem, d, 2 * sizeof *sums);

    if (!stack || !sums) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    const batch b = {.x = x, .row0 = row0, .m = m, .mean = sums, .spread = sums + d, .rows = stack + (s->c + 1) * d};
    if ((st = incremental_new(context, s->c, d, s->exact, &made)) != NE_OK) goto done;
    take_rows(context, &b);
    made.rows = n + m;
    for (size_t j = 0; j < d; j++) {
        const double apart = s->mean[j] - b.mean[j];
        made.mean[j]       = n ? ((double)n * s->mean[j] + (double)m * b.mean[j]) / total : b.mean[j];
        made.spread[j]     = s->spread[j] + b.spread[j] + step * step * apart * apart;
    }
    st = s->exact ? accumulate(context, s, &b, step, last, &made) : merge(context, s, &b, step, stack, &made);
    if (st != NE_OK) goto done;
    memory_free(mem, s->block);
    *s   = made;
    made = (incremental_state){0};
done:
    incremental_clear(context, &made);
    memory_free(mem, stack);
    memory_free(mem, sums);
    return st;
}

/* --- Hooks ------------------------------------------------------------------------------------------------------- */

static ne_status check_first(size_t c, size_t rows, size_t d)
{
    if (c > d) return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, %zu], the columns of x", c, d);
    if (c > rows)
        return ne_fail(NE_OUT_OF_RANGE, "n_components: %zu is outside [1, %zu], the rows of the first block", c, rows);
    return NE_OK;
}

static ne_status incremental_partial_fit(const void *params, ne_context *context, void *state, const ne_dense *x)
{
    const incremental_params *p = params;
    incremental_state        *s = state;
    const size_t              c = (size_t)p->n_components;
    ne_status                 st;

    if (!s->block) {
        if ((st = check_first(c, x->rows, x->cols)) != NE_OK) return st;
        if ((st = incremental_new(context, c, x->cols, p->exact != 0, s)) != NE_OK) return st;
    }
    if (x->cols != s->d)
        return ne_fail(NE_INVALID_ARGUMENT, "x: %zu columns, the rows before it have %zu", x->cols, s->d);
    if (c != s->c || (p->exact != 0) != s->exact)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: changed since the rows before, which were fitted with %zu",
                       c != s->c ? "n_components" : "exact", c != s->c ? s->c : (size_t)s->exact);
    return incremental_add(context, s, x, 0, x->rows, 1);
}

static ne_status incremental_transform(const void *params, const ne_context *context, const void *state,
                                       const ne_dense *x, const ne_dense *y)
{
    const incremental_state *s   = state;
    const ne_allocator      *mem = &context->memory;
    const size_t             c = s->c, d = s->d;
    double                  *row;
    ne_status                st;
    (void)params;
    if ((st = view_check_shape(x, "x", x->rows, s->d)) != NE_OK ||
        (st = view_check_shape(y, "y", x->rows, s->c)) != NE_OK)
        return st;
    row = memory_new(mem, (size_t)context_threads(context) * ROWS, (d + c) * sizeof *row);
    if (!row) return NE_OUT_OF_MEMORY;
    blas_enter();
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i0 = 0; i0 < x->rows; i0 += ROWS) {
        const size_t rows = smaller(ROWS, x->rows - i0);
        double      *mine = row + (size_t)omp_get_thread_num() * ROWS * (d + c), *image = mine + ROWS * d;
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < d; j++) mine[i * d + j] = view_get(x, i0 + i, j) - s->mean[j];
        blas_dgemm_nt(rows, c, d, 1, mine, d, s->components, d, 0, image, c);
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < c; k++) view_set(y, i0 + i, k, image[i * c + k]);
    }
    blas_leave();
    memory_free(mem, row);
    return NE_OK;
}

static ne_status incremental_inverse(const void *params, const ne_context *context, const void *state,
                                     const ne_dense *y, const ne_dense *x)
{
    const incremental_state *s = state;
    (void)params;
    return pca_map_back(context, s->mean, s->components, s->c, s->d, y, x);
}

/* Blocks as scikit-learn cuts them: one that would leave fewer than c rows behind is left to the last, which is longer. */
static ne_status incremental_fit(const void *params, ne_context *context, void *state, const ne_dense *x,
                                 const ne_dense *y)
{
    const incremental_params *p = params;
    const size_t              n = x->rows, c = (size_t)p->n_components;
    const size_t              size  = p->batch_size == INT64_MIN ? 5 * x->cols : (size_t)p->batch_size;
    size_t                    start = 0;
    ne_status                 st    = check_first(c, n, x->cols);

    if (st == NE_OK && size < c)
        st = ne_fail(NE_OUT_OF_RANGE, "batch_size: %zu is outside [%zu, %zu], n_components and the rows of x", size, c,
                     n);
    if (st == NE_OK) st = incremental_new(context, c, x->cols, p->exact != 0, state);
    for (size_t turn = n / size; turn > 0 && st == NE_OK; turn--)
        if (start + size + c <= n) {
            st = incremental_add(context, state, x, start, start + size, start + size == n);
            start += size;
        }
    if (st == NE_OK && start < n) st = incremental_add(context, state, x, start, n, 1);
    return st == NE_OK ? incremental_transform(params, context, state, x, y) : st;
}

static ne_status incremental_get_array(const void *state, const char *name, const double **values, size_t *count)
{
    const incremental_state *s = state;
    const struct named {
        const char   *name;
        const double *values;
        size_t        count;
    } arrays[] = {
        {"mean", s->mean, s->d},
        {"components", s->components, s->c * s->d},
        {"explained_variance", s->variance, s->c},
        {"explained_variance_ratio", s->ratio, s->c},
        {"singular_values", s->singular, s->c},
        {"noise_variance", s->noise, 1},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (strcmp(name, arrays[i].name) == 0) {
            *values = arrays[i].values;
            *count  = arrays[i].count;
            return NE_OK;
        }
    return ne_fail(NE_UNKNOWN_NAME,
                   "unknown array '%s'; there are mean, components, explained_variance, explained_variance_ratio, "
                   "singular_values and noise_variance",
                   name);
}

const ne_method_ops method_incremental_pca = {
    .struct_size       = sizeof(ne_method_ops),
    .name              = "incremental_pca",
    .help              = "principal components of rows that arrive in blocks, in memory for one block",
    .options           = incremental_options,
    .option_count      = sizeof incremental_options / sizeof *incremental_options,
    .option_size       = sizeof(ne_option),
    .params_size       = sizeof(incremental_params),
    .state_size        = sizeof(incremental_state),
    .fit               = incremental_fit,
    .transform         = incremental_transform,
    .inverse_transform = incremental_inverse,
    .get_array         = incremental_get_array,
    .clear             = incremental_clear,
    .partial_fit       = incremental_partial_fit,
};
