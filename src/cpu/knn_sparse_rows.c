/* cpu/knn_sparse_rows.c: see knn_sparse_rows.h. */
#include "cpu/knn_sparse_rows.h"

#include <math.h>

/* --- Lengths and scales. */

/* sum of (within (v - mean))^2 over all columns, and the largest |v - mean|. */
static double spread_of(const ne_csr *x, size_t i, double mean, double within, double *largest)
{
    const double rest = (double)x->cols - (double)(x->start[i + 1] - x->start[i]);
    double       sum  = rest * (within * mean) * (within * mean);
    *largest          = rest > 0 ? fabs(mean) : 0;
    for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) {
        const double off = sparse_value(x, e) - mean;
        *largest         = fmax(*largest, fabs(off));
        sum += within * off * (within * off);
    }
    return sum;
}

/* As metric_unit_f64() has it. */
static void unit_of(const ne_csr *x, size_t i, int centred, double *shift, double *factor)
{
    double mean = 0, largest, within = 1;
    for (int64_t e = x->start[i]; centred && e < x->start[i + 1]; e++) mean += sparse_value(x, e);
    mean /= (double)x->cols;
    const double nothing = 4 * DBL_EPSILON * fabs(mean) * sqrt((double)x->cols);
    double       squares = spread_of(x, i, mean, 1, &largest);
    if (!(squares > 1e-290 && squares < 1e290)) {
        within  = largest > DBL_MIN ? 1 / largest : 0;
        squares = spread_of(x, i, mean, within, &largest);
    }
    *shift  = mean;
    *factor = sqrt(squares) > nothing * within ? within / sqrt(squares) : 0;
}

void knn_sparse_extra(const knn_sparse_rows *rows, size_t id, float extra[KNN_SPARSE_EXTRA])
{
    extra[0] = rows->unit && !(rows->factor[id] > 0) ? 1.0f : 0.0f;
    extra[1] = rows->kind == METRIC_CORRELATION
                   ? (float)(sqrt((double)rows->x->cols) * rows->shift[id] * rows->factor[id])
                   : 0.0f;
}

float knn_sparse_packed(const knn_sparse_rows *rows, size_t id, int64_t e)
{
    return rows->kind == METRIC_JACCARD
               ? 1.0f
               : (float)(sparse_value(rows->x, e) * (rows->unit ? rows->factor[id] : rows->scale));
}

/* The half and the length of one row. */
static void measure_row(knn_sparse_rows *rows, size_t id)
{
    const ne_csr *x      = rows->x;
    const size_t  i      = knn_sparse_source(rows, id);
    double        square = 0, absolute = 0;
    float         extra[KNN_SPARSE_EXTRA];
    for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) {
        const double v = (double)knn_sparse_packed(rows, id, e);
        square += v * v;
        absolute += fabs(v);
    }
    knn_sparse_extra(rows, id, extra);
    for (size_t l = 0; l < KNN_SPARSE_EXTRA; l++) square += (double)extra[l] * (double)extra[l];
    rows->length[id] = rows->kind == METRIC_MANHATTAN ? absolute : sqrt(square);
    switch (rows->kind) {
    case METRIC_SQEUCLIDEAN:
    case METRIC_EUCLIDEAN:
        rows->half[id] = (float)square;
        break;
    case METRIC_COSINE:
    case METRIC_CORRELATION:
        rows->half[id] = 1;
        break;
    case METRIC_MANHATTAN:
        rows->half[id] = (float)absolute;
        break;
    case METRIC_HAMMING:
    case METRIC_JACCARD:
        rows->half[id] = (float)(x->start[i + 1] - x->start[i]);
        break;
    default:
        rows->half[id] = 0;
        break;
    }
}

/* What the values are like: their largest size, signs, and whether all are whole numbers, or floats. */
static double look_at_values(knn_sparse_rows *rows, int *whole, int *floats)
{
    const ne_csr *x       = rows->x;
    double        largest = 0;
    *whole                = 1;
    *floats               = 1;
    rows->positive        = 1;
    for (int64_t e = 0; e < x->start[x->rows]; e++) {
        const double v = sparse_value(x, e);
        largest        = fmax(largest, fabs(v));
        if (v < 0) rows->positive = 0;
        if (*whole && rint(v) != v) *whole = 0;
        if (*floats && (double)(float)v != v) *floats = 0;
    }
    return largest;
}

ne_status knn_sparse_check_metric(const ne_metric_ops *metric)
{
    const metric_kind kind = metric_kind_of(metric);
    return kind == METRIC_CHEBYSHEV || kind == METRIC_CUSTOM
               ? ne_fail(NE_UNSUPPORTED,
                         "metric: %s is not there for sparse rows; sqeuclidean, euclidean, cosine, angular, "
                         "correlation, manhattan, hamming and jaccard are",
                         metric->name)
               : NE_OK;
}

double knn_sparse_rows_bytes(double n, double *kept)
{
    *kept = n * (sizeof(float) + 3 * sizeof(double) + 3 * sizeof(int32_t));
    return fmax(*kept, knn_distinct_bytes(n) + 2 * n * sizeof(int32_t));
}

ne_status knn_sparse_rows_create(ne_context *context, const ne_csr *x, const ne_metric_ops *metric,
                                 knn_sparse_rows *made)
{
    const ne_allocator *mem  = &context->memory;
    const metric_kind   kind = metric_kind_of(metric);
    ne_status           st   = NE_OK;
    int                 whole, floats;

    *made      = (knn_sparse_rows){.x = x, .kind = kind, .width = x->cols + KNN_SPARSE_EXTRA, .scale = 1};
    made->unit = kind == METRIC_COSINE || kind == METRIC_CORRELATION;
    if ((st = knn_sparse_check_metric(metric)) != NE_OK) return st;
    if ((st = knn_distinct_find_sparse(context, x, &made->distinct)) != NE_OK) return st;
    made->count  = made->distinct.count;
    made->half   = memory_new(mem, made->count, sizeof *made->half);
    made->length = memory_new(mem, made->count, sizeof *made->length);
    if (made->unit) {
        made->shift  = memory_new(mem, made->count, sizeof *made->shift);
        made->factor = memory_new(mem, made->count, sizeof *made->factor);
    }
    if (!made->half || !made->length || (made->unit && (!made->shift || !made->factor))) return NE_OUT_OF_MEMORY;

    const double largest = look_at_values(made, &whole, &floats);
    whole &= largest < 0x1p22;
    if (kind == METRIC_CORRELATION) made->positive = 0; /* the means are subtracted */
    if (!made->unit && !whole && largest > 0 && kind != METRIC_HAMMING)
        made->scale = ldexp(1, -(int)fmin(fmax(ceil(log2(largest)), -1000), 1000));
    const int threads = knn_threads(context, (double)x->start[x->rows]);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t id = 0; id < made->count; id++) {
        if (made->unit)
            unit_of(x, knn_sparse_source(made, id), kind == METRIC_CORRELATION, &made->shift[id], &made->factor[id]);
        measure_row(made, id);
    }
    double most = 0;
    for (size_t id = 0; id < made->count; id++) {
        made->longest = fmax(made->longest, made->length[id]);
        most          = fmax(most, (double)made->half[id]);
    }
    /* Whole numbers below 2^24 add up without rounding. */
    if (kind == METRIC_HAMMING || kind == METRIC_JACCARD)
        made->exact = most < 0x1p22 && (kind == METRIC_JACCARD || floats);
    else made->exact = !made->unit && whole && made->longest < (kind == METRIC_MANHATTAN ? 0x1p22 : 0x1p11);
    return NE_OK;
}

void knn_sparse_rows_clear(const ne_allocator *mem, knn_sparse_rows *rows)
{
    knn_distinct_clear(mem, &rows->distinct);
    memory_free(mem, rows->shift);
    memory_free(mem, rows->factor);
    memory_free(mem, rows->half);
    memory_free(mem, rows->length);
    *rows = (knn_sparse_rows){0};
}

/* --- Distances. */

void knn_sparse_spread(const knn_sparse_rows *rows, size_t id, double *line)
{
    const ne_csr *x      = rows->x;
    const size_t  i      = knn_sparse_source(rows, id);
    const double  factor = rows->unit ? rows->factor[id] : 1;
    double        size = 0, sum = 0;
    for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) {
        const double q  = sparse_value(x, e) * factor;
        line[x->col[e]] = q;
        size += rows->kind == METRIC_MANHATTAN ? fabs(q) : q * q;
        sum += q;
    }
    line[x->cols]     = size;
    line[x->cols + 1] = sum;
}

void knn_sparse_unspread(const knn_sparse_rows *rows, size_t id, double *line)
{
    const ne_csr *x = rows->x;
    const size_t  i = knn_sparse_source(rows, id);
    for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) line[x->col[e]] = 0;
}

/* What one pass over the entries v of the other row finds in the line, whose entries are q. */
typedef struct pair_sums {
    double apart;  /* sum |v - q|^2 or |v - q|, over entries of the other row */
    double inside; /* sum q^2 or |q| there; */
    double sum;    /* sum q, */
    double shared; /* how many of them are not 0, */
    double equal;  /* and how many equal v */
} pair_sums;

static pair_sums compare_squares(const ne_csr *x, size_t j, double factor, double lift, const double *line)
{
    pair_sums s = {0};
    for (int64_t e = x->start[j]; e < x->start[j + 1]; e++) {
        const double q = line[x->col[e]], off = sparse_value(x, e) * factor - q - lift;
        s.apart += off * off;
        s.inside += q * q;
        s.sum += q;
        s.shared += q < 0 || q > 0;
    }
    return s;
}

/* sum v (v - 2 q), which is sum (v - q)^2 - q^2: four sums, so that one addition does not wait for the last. */
#define EXCESS(TYPE)                                                                                                   \
    {                                                                                                                  \
        const TYPE *val = (const TYPE *)x->val + x->start[j];                                                          \
        for (size_t e = 0; e < count; e++) {                                                                           \
            const double v = (double)val[e] * factor;                                                                  \
            s[e % 4] += v * (v - 2 * line[col[e]]);                                                                    \
        }                                                                                                              \
    }

static double excess(const ne_csr *x, size_t j, double factor, const double *line)
{
    const int32_t *col   = x->col + x->start[j];
    const size_t   count = (size_t)(x->start[j + 1] - x->start[j]);
    double         s[4]  = {0};
    if (x->dtype == NE_F32) EXCESS(float)
    else EXCESS(double)
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static pair_sums compare_absolutes(const ne_csr *x, size_t j, const double *line)
{
    pair_sums s = {0};
    for (int64_t e = x->start[j]; e < x->start[j + 1]; e++) {
        const double q = line[x->col[e]];
        s.apart += fabs(sparse_value(x, e) - q);
        s.inside += fabs(q);
    }
    return s;
}

static pair_sums compare_entries(const ne_csr *x, size_t j, const double *line)
{
    pair_sums s = {0};
    for (int64_t e = x->start[j]; e < x->start[j + 1]; e++) {
        const double q = line[x->col[e]], v = sparse_value(x, e);
        s.shared += q < 0 || q > 0;
        s.equal += !(q < v) && !(q > v);
        s.sum += q * v;
    }
    return s;
}

/* sum |a - b - lift|^power over all columns, by merging: for rows that are near, where a difference of sums cancels. */
static double merge(const ne_csr *x, size_t i, size_t j, double factor_i, double factor_j, double lift, int squared)
{
    int64_t       a = x->start[i], b = x->start[j];
    const int64_t a1 = x->start[i + 1], b1 = x->start[j + 1];
    double        sum = 0, left = (double)x->cols;
    while (a < a1 || b < b1) {
        const int32_t p = a < a1 ? x->col[a] : INT32_MAX, q = b < b1 ? x->col[b] : INT32_MAX;
        const double  v = p <= q ? sparse_value(x, a) * factor_i : 0, w = q <= p ? sparse_value(x, b) * factor_j : 0;
        const double  off = w - v - lift;
        sum += squared ? off * off : fabs(off);
        a += p <= q;
        b += q <= p;
        left--;
    }
    return sum + left * (squared ? lift * lift : fabs(lift));
}

enum {
    NEAR = 30
}; /* a distance below 2^-NEAR of the row's own size has lost too many of the 53 bits of a difference of sums */

static double squares_apart(const knn_sparse_rows *rows, size_t id, const double *line, size_t other)
{
    const ne_csr *x = rows->x;
    const size_t  i = knn_sparse_source(rows, id), j = knn_sparse_source(rows, other);
    const double  f = rows->unit ? rows->factor[id] : 1, g = rows->unit ? rows->factor[other] : 1;
    const double  square = line[x->cols], apart = square + excess(x, j, g, line);
    return apart > ldexp(square, -NEAR) ? apart : merge(x, i, j, f, g, 0, 1);
}

/* The same of rows less their means. */
static double centred_squares_apart(const knn_sparse_rows *rows, size_t id, const double *line, size_t other)
{
    const ne_csr   *x = rows->x;
    const size_t    i = knn_sparse_source(rows, id), j = knn_sparse_source(rows, other);
    const double    f = rows->factor[id], g = rows->factor[other];
    const double    lift    = rows->shift[other] * g - rows->shift[id] * f;
    const double    entries = (double)(x->start[i + 1] - x->start[i]), others = (double)(x->start[j + 1] - x->start[j]);
    const double    square = line[x->cols], sum = line[x->cols + 1];
    const pair_sums s     = compare_squares(x, j, g, lift, line);
    const double    rest  = fmax(square - s.inside, 0) + 2 * lift * (sum - s.sum) + (entries - s.shared) * lift * lift;
    const double    apart = s.apart + rest + ((double)x->cols - entries - others + s.shared) * lift * lift;
    return apart > ldexp(square, -NEAR) ? apart : merge(x, i, j, f, g, lift, 1);
}

static double absolutes_apart(const knn_sparse_rows *rows, size_t id, const double *line, size_t other)
{
    const ne_csr   *x = rows->x;
    const size_t    i = knn_sparse_source(rows, id), j = knn_sparse_source(rows, other);
    const double    size  = line[x->cols];
    const pair_sums s     = compare_absolutes(x, j, line);
    const double    apart = s.apart + fmax(size - s.inside, 0);
    return apart > ldexp(size, -NEAR) ? apart : merge(x, i, j, 1, 1, 0, 0);
}

static double unit_apart(const knn_sparse_rows *rows, size_t id, const double *line, size_t other)
{
    const int zero = !(rows->factor[id] > 0), other_zero = !(rows->factor[other] > 0);
    if (zero || other_zero) return zero && other_zero ? 0 : 1;
    return 0.5 * (rows->kind == METRIC_COSINE ? squares_apart(rows, id, line, other)
                                              : centred_squares_apart(rows, id, line, other));
}

float knn_sparse_distance(const knn_sparse_rows *rows, size_t id, const double *line, size_t other)
{
    const ne_csr *x = rows->x;
    const size_t  i = knn_sparse_source(rows, id), j = knn_sparse_source(rows, other);
    double        d = 0;
    if (rows->kind == METRIC_SQEUCLIDEAN) d = squares_apart(rows, id, line, other);
    else if (rows->kind == METRIC_EUCLIDEAN) d = sqrt(squares_apart(rows, id, line, other));
    else if (rows->unit) d = unit_apart(rows, id, line, other);
    else if (rows->kind == METRIC_MANHATTAN) d = absolutes_apart(rows, id, line, other);
    else {
        const pair_sums s    = compare_entries(x, j, line);
        const double    both = (double)(x->start[i + 1] - x->start[i]) + (double)(x->start[j + 1] - x->start[j]);
        if (rows->kind == METRIC_ANGULAR) d = -s.sum;
        else if (rows->kind == METRIC_HAMMING) d = (both - s.shared - s.equal) / (double)x->cols;
        else d = both - s.shared > 0 ? 1 - s.shared / (both - s.shared) : 0;
    }
    return d > FLT_MAX ? FLT_MAX : d < -FLT_MAX ? -FLT_MAX : (float)d;
}

/* Let r be the length of the row, w its entries, u = 2^-24, and D the distance in units of the packed rows. A float sum
 * of w products is off by at most w u |x| |y|, and by less than 8 sqrt(w) u |x| |y| but for a chance below 1e-13 (Higham
 * & Mary, SIAM J. Sci. Comput. 41, 2019): g |x| |y|, some roundings more counted in. Where no value is negative it is off
 * by g times itself: so nothing is lost at rows that share no column, of which there may be thousands at one distance.
 * Distances that agree to 2^-22 count as equal: the metric itself rounds there. */
int knn_sparse_is_beyond(const knn_sparse_rows *rows, size_t id, float limit, float distance)
{
    const double unit = 0x1p-24, r = rows->length[id], far = (double)distance, least = (double)limit, s = rows->scale;
    const size_t i = knn_sparse_source(rows, id);
    const double w = (double)(rows->x->start[i + 1] - rows->x->start[i]) + KNN_SPARSE_EXTRA;
    const double g = (fmin(w, 8 * sqrt(w)) + 8) * unit, equal = 1 - 0x1p-22;
    double       square;
    int          beyond;
    if (rows->exact) return 1;
    switch (rows->kind) {
    case METRIC_HAMMING:
    case METRIC_JACCARD:
        return 0;
    case METRIC_MANHATTAN:
        return least + r >= far * s * equal + 4 * g * (2 * r + far * s);
    case METRIC_ANGULAR:
        beyond = least >= far * s * s + 4 * unit * fabs(far) * s * s + 2 * g * r * rows->longest;
        return beyond || (rows->positive && least * (1 + g) >= far * s * s / equal);
    default:
        square = rows->unit ? 2 * far : rows->kind == METRIC_EUCLIDEAN ? far * s * far * s : far * s * s;
        beyond = least + (double)rows->half[id] >=
                 square * equal + 4 * g * (r + sqrt(square)) * (r + sqrt(square)) + w * 0x1p-140;
        return beyond || (rows->positive && rows->unit && least + 1 - g * fmax(0, 1 - least) >= square * equal);
    }
}
