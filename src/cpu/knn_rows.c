/* cpu/knn_rows.c: see knn_rows.h. Column sums are taken per block of rows and added in block order. */
#include "cpu/knn_rows.h"

#include "base/clones.h"
#include "base/view.h"

#include <float.h>
#include <math.h>
#include <omp.h>

enum {
    BLOCK = 256, /* rows per partial sum; another value: other last bits */
    WAVE  = 64   /* blocks whose sums are held at once; of wide rows so many as WAVE_BYTES hold, or one a thread */
};
static const size_t WAVE_BYTES = 32u << 20;

/* --- Column statistics: sums, and the range of each column. */

NE_CLONES static void rows_add_f32(const float *restrict row, size_t d, double weight, double *restrict sum,
                                   double *restrict least, double *restrict most)
{
    for (size_t j = 0; j < d; j++) {
        const double v = (double)row[j];
        sum[j] += v * weight;
        least[j] = v < least[j] ? v : least[j];
        most[j]  = v > most[j] ? v : most[j];
    }
}

NE_CLONES static void rows_add_f64(const double *restrict row, size_t d, double weight, double *restrict sum,
                                   double *restrict least, double *restrict most)
{
    for (size_t j = 0; j < d; j++) {
        const double v = row[j];
        sum[j] += v * weight;
        least[j] = v < least[j] ? v : least[j];
        most[j]  = v > most[j] ? v : most[j];
    }
}

NE_CLONES static void rows_add_unit_f32(const float *restrict row, size_t d, double shift, double scale, double weight,
                                        double *restrict sum)
{
    for (size_t j = 0; j < d; j++) sum[j] += ((double)row[j] - shift) * scale * weight;
}

NE_CLONES static void rows_add_unit_f64(const double *restrict row, size_t d, double shift, double scale, double weight,
                                        double *restrict sum)
{
    for (size_t j = 0; j < d; j++) sum[j] += (row[j] - shift) * scale * weight;
}

/* Sum, least and most of each column over rows i0 .. end - 1: 3 x d. */
static void sum_block(const knn_rows *rows, size_t i0, size_t end, double *sum)
{
    const size_t d      = rows->x.cols;
    const double weight = 1 / (double)rows->count; /* before the sum, which could overflow */
    double      *least = sum + d, *most = least + d;
    for (size_t j = 0; j < d; j++) {
        sum[j]   = 0;
        least[j] = DBL_MAX;
        most[j]  = -DBL_MAX;
    }
    for (size_t i = i0; i < end; i++) {
        const void *row = knn_rows_at(rows, i);
        view_fetch_next(&rows->x, knn_rows_source(rows, i));
        if (rows->unit && rows->x.dtype == NE_F32)
            rows_add_unit_f32(row, d, rows->unit_row[2 * i], rows->unit_row[2 * i + 1], weight, sum);
        else if (rows->unit) rows_add_unit_f64(row, d, rows->unit_row[2 * i], rows->unit_row[2 * i + 1], weight, sum);
        else if (rows->x.dtype == NE_F32) rows_add_f32(row, d, weight, sum, least, most);
        else rows_add_f64(row, d, weight, sum, least, most);
    }
}

static size_t wave_blocks(const ne_context *context, size_t d)
{
    const size_t threads = (size_t)context_threads(context), fit = WAVE_BYTES / (3 * d * sizeof(double));
    return fit > WAVE ? WAVE : fit > threads ? fit : threads;
}

/* Means over the distinct rows, and the largest distance of a column's value from its mean. */
static ne_status column_means(ne_context *context, knn_rows *rows, double *largest)
{
    const size_t        d = rows->x.cols, blocks = (rows->count + BLOCK - 1) / BLOCK;
    const size_t        fit = wave_blocks(context, d), wave = fit < blocks ? fit : blocks;
    const ne_allocator *mem = &context->memory;
    ne_status           st  = NE_OK;
    double *part = memory_new(mem, wave, 3 * d * sizeof *part), *range = memory_new(mem, 2, d * sizeof *range);

    if (!part || !range) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t j = 0; j < d; j++) {
        range[j]     = DBL_MAX;
        range[d + j] = -DBL_MAX;
    }
    for (size_t b0 = 0; b0 < blocks; b0 += wave) {
        const size_t b1 = b0 + wave < blocks ? b0 + wave : blocks;
#pragma omp parallel for schedule(static) num_threads(knn_threads(context, (double)rows->count *(double)rows->x.cols))
        for (size_t b = b0; b < b1; b++)
            sum_block(rows, b * BLOCK, (b + 1) * BLOCK < rows->count ? (b + 1) * BLOCK : rows->count,
                      part + (b - b0) * 3 * d);
        for (size_t b = b0; b < b1; b++) {
            const double *sum = part + (b - b0) * 3 * d;
            for (size_t j = 0; j < d; j++) {
                rows->mean[j] += sum[j];
                range[j]     = fmin(range[j], sum[d + j]);
                range[d + j] = fmax(range[d + j], sum[2 * d + j]);
            }
        }
    }
    *largest = 0;
    for (size_t j = 0; j < d; j++) {
        if (rows->space == KNN_INNER) rows->mean[j] = 0;
        *largest = fmax(*largest, fmax(range[d + j] - rows->mean[j], rows->mean[j] - range[j]));
    }
done:
    memory_free(mem, part);
    memory_free(mem, range);
    return st;
}

/* --- Packing. */

NE_CLONES static void rows_pack_f32(const float *restrict row, const float *restrict mean, float scale, size_t d,
                                    float *restrict packed)
{
    for (size_t j = 0; j < d; j++) packed[j] = (row[j] - mean[j]) * scale;
}

NE_CLONES static void rows_pack_wide_f32(const float *restrict row, const double *restrict mean, double scale, size_t d,
                                         float *restrict packed)
{
    for (size_t j = 0; j < d; j++) packed[j] = (float)(((double)row[j] - mean[j]) * scale);
}

NE_CLONES static void rows_pack_f64(const double *restrict row, const double *restrict mean, double scale, size_t d,
                                    float *restrict packed)
{
    for (size_t j = 0; j < d; j++) packed[j] = (float)((row[j] - mean[j]) * scale);
}

NE_CLONES static void rows_pack_unit_f32(const float *restrict row, const double *restrict mean, double shift,
                                         double scale, size_t d, float *restrict packed)
{
    for (size_t j = 0; j < d; j++) packed[j] = (float)(((double)row[j] - shift) * scale - mean[j]);
}

NE_CLONES static void rows_pack_unit_f64(const double *restrict row, const double *restrict mean, double shift,
                                         double scale, size_t d, float *restrict packed)
{
    for (size_t j = 0; j < d; j++) packed[j] = (float)((row[j] - shift) * scale - mean[j]);
}

void knn_rows_pack(const knn_rows *rows, const int32_t *ids, size_t first, size_t count, float *packed)
{
    const size_t d = rows->x.cols;
    for (size_t r = 0; r < count; r++, packed += rows->width) {
        const size_t id  = ids ? (size_t)ids[r] : first + r;
        const void  *row = knn_rows_at(rows, id);
        if (rows->unit) {
            const double shift = rows->unit_row[2 * id], scale = rows->unit_row[2 * id + 1];
            if (rows->x.dtype == NE_F32) rows_pack_unit_f32(row, rows->mean, shift, scale, d, packed);
            else rows_pack_unit_f64(row, rows->mean, shift, scale, d, packed);
            if (rows->width > d) packed[d] = scale > 0 ? 0.0f : 1.0f;
        } else if (rows->x.dtype == NE_F32 && rows->mean_f32) {
            rows_pack_f32(row, rows->mean_f32, (float)rows->scale, d, packed);
        } else if (rows->x.dtype == NE_F32) {
            rows_pack_wide_f32(row, rows->mean, rows->scale, d, packed);
        } else {
            rows_pack_f64(row, rows->mean, rows->scale, d, packed);
        }
    }
}

NE_CLONES static void rows_square_sums(const float *restrict packed, size_t count, size_t width, float *restrict square)
{
    enum {
        LANES = 16
    };
    for (size_t r = 0; r < count; r++, packed += width) {
        double       s[LANES] = {0};
        const size_t whole    = width / LANES * LANES;
        for (size_t j = 0; j < whole; j += LANES)
            for (size_t l = 0; l < LANES; l++) s[l] += (double)packed[j + l] * (double)packed[j + l];
        for (size_t l = 0; l < width - whole; l++) s[l] += (double)packed[whole + l] * (double)packed[whole + l];
        for (size_t half = LANES / 2; half; half /= 2)
            for (size_t l = 0; l < half; l++) s[l] += s[l + half];
        square[r] = (float)s[0];
    }
}

/* --- Making. */

static ne_status unit_rows(ne_context *context, knn_rows *rows)
{
    const size_t d       = rows->x.cols;
    const int    centred = rows->kind == METRIC_CORRELATION;
    int          zeros   = 0;

    rows->unit_row = memory_new(&context->memory, rows->count, 2 * sizeof *rows->unit_row);
    if (!rows->unit_row) return NE_OUT_OF_MEMORY;
#pragma omp parallel for schedule(static) num_threads(knn_threads(context, (double)rows->count *(double)rows->x.cols))
    for (size_t i = 0; i < rows->count; i++) {
        double *shift = rows->unit_row + 2 * i;
        view_fetch_next(&rows->x, knn_rows_source(rows, i));
        if (rows->x.dtype == NE_F32) metric_unit_f32(knn_rows_at(rows, i), d, centred, shift, shift + 1);
        else metric_unit_f64(knn_rows_at(rows, i), d, centred, shift, shift + 1);
    }
    for (size_t i = 0; i < rows->count; i++) zeros |= rows->unit_row[2 * i + 1] == 0;
    rows->width = d + (zeros ? 1 : 0);
    return NE_OK;
}

static ne_status squares(ne_context *context, knn_rows *rows)
{
    const size_t        threads = (size_t)context_threads(context), blocks = (rows->count + BLOCK - 1) / BLOCK;
    const ne_allocator *mem = &context->memory;
    enum {
        PIECE = 16
    };
    float    *packed = memory_new(mem, threads * PIECE, rows->width * sizeof *packed);
    ne_status st     = NE_OK;

    rows->square = memory_new(mem, rows->count, sizeof *rows->square);
    if (!packed || !rows->square) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(knn_threads(context, (double)rows->count *(double)rows->x.cols))
    for (size_t b = 0; b < blocks; b++) {
        const size_t end  = (b + 1) * BLOCK < rows->count ? (b + 1) * BLOCK : rows->count;
        float       *mine = packed + (size_t)omp_get_thread_num() * PIECE * rows->width;
        for (size_t i = b * BLOCK; i < end; i += PIECE) {
            const size_t count = end - i < PIECE ? end - i : PIECE;
            for (size_t r = i; r < i + count; r++) view_fetch_next(&rows->x, knn_rows_source(rows, r));
            knn_rows_pack(rows, NULL, i, count, mine);
            rows_square_sums(mine, count, rows->width, rows->square + i);
        }
    }
done:
    memory_free(mem, packed);
    return st;
}

/* A metric without a double form gets the rows narrowed, once. */
static ne_status narrow(ne_context *context, knn_rows *rows)
{
    const size_t n = rows->x.rows, d = rows->x.cols;
    rows->narrowed = memory_new(&context->memory, n, d * sizeof *rows->narrowed);
    if (!rows->narrowed) return NE_OUT_OF_MEMORY;
    view_read_f32(&rows->x, rows->narrowed);
    rows->x = view_of_f32(rows->narrowed, n, d);
    return NE_OK;
}

ne_status knn_rows_create(ne_context *context, const ne_dense *x, const ne_metric_ops *metric, knn_rows *made)
{
    const ne_allocator *mem     = &context->memory;
    ne_status           st      = NE_OK;
    double              largest = 0;
    const metric_kind   kind    = metric_kind_of(metric);

    *made = (knn_rows){.x = *x, .metric = metric, .kind = kind, .width = x->cols, .scale = 1, .space = KNN_DIRECT};
    made->x.stride = view_stride(x);
    made->unit     = kind == METRIC_COSINE || kind == METRIC_CORRELATION;
    if (made->unit || kind == METRIC_SQEUCLIDEAN || kind == METRIC_EUCLIDEAN) made->space = KNN_EUCLIDEAN;
    if (kind == METRIC_ANGULAR) made->space = KNN_INNER;

    if (x->dtype == NE_F64 && !metric->distance_f64 && (st = narrow(context, made)) != NE_OK) goto done;
    if ((st = knn_distinct_find(context, &made->x, &made->distinct)) != NE_OK) goto done;
    made->count = made->distinct.count;
    if (made->unit && (st = unit_rows(context, made)) != NE_OK) goto done;
    made->mean = memory_zero(mem, made->width, sizeof *made->mean);
    if (!made->mean) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = column_means(context, made, &largest)) != NE_OK) goto done;
    if (!made->unit && largest > 0) made->scale = ldexp(1, -(int)fmin(fmax(ceil(log2(largest)), -1000), 1000));
    /* Floats do for the mean and the scale wherever neither is lost in them. */
    if (made->x.dtype == NE_F32 && !made->unit && made->scale > 1e-30 && made->scale < 1e30) {
        made->mean_f32 = memory_new(mem, made->width, sizeof *made->mean_f32);
        if (!made->mean_f32) {
            st = NE_OUT_OF_MEMORY;
            goto done;
        }
        for (size_t j = 0; j < made->width; j++) made->mean_f32[j] = (float)made->mean[j];
    }
    if ((st = squares(context, made)) != NE_OK) goto done;
    for (size_t i = 0; i < made->count; i++) made->longest = fmax(made->longest, sqrt((double)made->square[i]));
done:
    return st;
}

double knn_rows_bytes(const ne_context *context, const ne_dense *x, const ne_metric_ops *metric, double *kept)
{
    const double      n = (double)x->rows, d = (double)x->cols;
    const metric_kind kind     = metric_kind_of(metric);
    const int         unit     = kind == METRIC_COSINE || kind == METRIC_CORRELATION;
    const double      narrowed = x->dtype == NE_F64 && !metric->distance_f64 ? n * d * sizeof(float) : 0;
    const double      units    = unit ? n * 2 * sizeof(double) : 0;
    const double      sums = (fmin(n / BLOCK + 1, (double)wave_blocks(context, x->cols)) * 3 + 2) * d * sizeof(double);
    *kept                  = narrowed + units + n * sizeof(float) + d * (sizeof(double) + sizeof(float));
    return narrowed + fmax(knn_distinct_bytes(n), units + d * sizeof(double) + sums);
}

void knn_rows_clear(const ne_allocator *mem, knn_rows *rows)
{
    knn_distinct_clear(mem, &rows->distinct);
    memory_free(mem, rows->mean);
    memory_free(mem, rows->mean_f32);
    memory_free(mem, rows->unit_row);
    memory_free(mem, rows->square);
    memory_free(mem, rows->narrowed);
    *rows = (knn_rows){0};
}

/* --- Distances. */

static float as_float(double distance)
{
    return distance > FLT_MAX ? FLT_MAX : distance < -FLT_MAX ? -FLT_MAX : (float)distance; /* NaN stays */
}

static double one_distance(const knn_rows *rows, const void *a, const void *b)
{
    const ne_metric_ops *m = rows->metric;
    return rows->x.dtype == NE_F32 ? m->distance_f32(a, b, rows->x.cols, m->user)
                                   : m->distance_f64(a, b, rows->x.cols, m->user);
}

static int is_by_fours(const knn_rows *rows)
{
    return rows->x.dtype == NE_F32 && (rows->kind == METRIC_SQEUCLIDEAN || rows->kind == METRIC_EUCLIDEAN);
}

/* Of `row` to the first `count` of four others, the rest of which repeat one of them. */
static void four_distances(const knn_rows *rows, const float *row, const float *const other[4], size_t count,
                           float *distance)
{
    float square[4];
    metric_squares_of_four(row, other, rows->x.cols, square);
    for (size_t l = 0; l < 4 && l < count; l++) {
        if (!metric_square_is_safe(square[l])) distance[l] = as_float(one_distance(rows, row, other[l]));
        else distance[l] = rows->kind == METRIC_EUCLIDEAN ? sqrtf(square[l]) : square[l];
    }
}

void knn_rows_distances(const knn_rows *rows, size_t i, const uint32_t *ids, size_t count, float *distance)
{
    const void *row = knn_rows_at(rows, i);
    if (is_by_fours(rows)) {
        for (size_t a = 0; a < count; a += 4) {
            const float *other[4];
            for (size_t l = 0; l < 4; l++) other[l] = knn_rows_at(rows, ids[a + (l < count - a ? l : 0)]);
            four_distances(rows, row, other, count - a, distance + a);
        }
    } else {
        for (size_t a = 0; a < count; a++) distance[a] = as_float(one_distance(rows, row, knn_rows_at(rows, ids[a])));
    }
}

void knn_rows_between(const knn_rows *rows, const void *row, const void *const *other, size_t count, int from_other,
                      float *distance)
{
    if (is_by_fours(rows)) {
        for (size_t a = 0; a < count; a += 4) {
            const float *four[4];
            for (size_t l = 0; l < 4; l++) four[l] = other[a + (l < count - a ? l : 0)];
            four_distances(rows, row, four, count - a, distance + a);
        }
    } else {
        for (size_t a = 0; a < count; a++)
            distance[a] = as_float(from_other ? one_distance(rows, other[a], row) : one_distance(rows, row, other[a]));
    }
}

/* Let r = |packed_i|, D the packed length of `distance`, u = 2^-24, w = width. A float product of w terms is off by at
 * most w u |x| |y|, and by less than 8 sqrt(w) u |x| |y| but for a chance below 1e-13 (Higham & Mary, SIAM J. Sci.
 * Comput. 41, 2019). If a row at length d < D had the approximate value, its norm would be at most r + d; its square,
 * the product, their rounding and that of packing then add up to less than 4 g (r + D)^2 with g = (min(w, 8 sqrt(w)) +
 * 8) u. */
int knn_rows_is_beyond(const knn_rows *rows, size_t i, float limit, float distance)
{
    const double unit = 0x1p-24, w = (double)rows->width, r2 = (double)rows->square[i], r = sqrt(r2);
    const double g      = (fmin(w, 8 * sqrt(w)) + 8) * unit;
    double       square = (double)distance;
    if (rows->space == KNN_INNER)
        return (double)limit >=
               (square + 2 * unit * fabs(square)) * rows->scale * rows->scale + 2 * g * r * rows->longest;
    if (rows->unit) square *= 2;
    else if (rows->kind == METRIC_EUCLIDEAN) square = square * rows->scale * square * rows->scale;
    else square = square * rows->scale * rows->scale;
    return (double)limit + r2 >=
           square * (1 + 8 * unit) + 4 * g * (r + sqrt(square)) * (r + sqrt(square)) + w * 0x1p-140;
}
