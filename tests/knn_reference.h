/* tests/knn_reference.h: data, a reference of double loops over the definitions, and checks for the tests of k-NN
 * search. */
#ifndef NE_TESTS_KNN_REFERENCE_H
#define NE_TESTS_KNN_REFERENCE_H

#include "base/random.h"
#include "cpu/knn.h"
#include "cpu/metric.h"
#include "ne.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

/* f32 sums of d terms in 32 lanes: below 8 roundings each, 2^-24 a rounding. The reference cosine cancels: 1e-15
 * absolute. */
static const double RELATIVE = 1e-6, CANCELLED = 1e-14;

/* --- Data: n x d, rows `stride` apart, the same numbers as floats and as doubles. */

typedef struct data {
    size_t  n, d, stride;
    float  *f;
    double *x;
} data;

static inline data data_new(size_t n, size_t d, size_t stride)
{
    data made = {n, d, stride, NULL, NULL};
    made.f    = calloc(n * stride, sizeof *made.f);
    made.x    = calloc(n * stride, sizeof *made.x);
    ck_assert(made.f && made.x);
    return made;
}

static inline void data_free(data *of)
{
    free(of->f);
    free(of->x);
}

static inline void data_set(data *of, size_t i, size_t j, double value)
{
    of->f[i * of->stride + j] = (float)value;
    of->x[i * of->stride + j] = (double)(float)value;
}

static inline double normal(uint32_t step, size_t i, size_t j)
{
    const random_block draw = random_draw(5, STREAM_SAMPLE, step, i, (uint32_t)j);
    double             pair[2];
    random_normal(draw.word[0], draw.word[1], pair);
    return pair[0];
}

/* Normal clusters of unit width, their centres `apart` times a standard normal vector from each other; all of it
 * shifted. */
static inline data clusters(size_t n, size_t d, size_t stride, size_t count, double apart, double shift)
{
    data made = data_new(n, d, stride);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) data_set(&made, i, j, normal(0, i, j) + apart * normal(1, i % count, j) + shift);
    return made;
}

/* --- The reference: each distance from its definition, in double, and a full sort. */

static inline double slow_distance(metric_kind kind, const double *a, const double *b, size_t d)
{
    double sum = 0, most = 0, ab = 0, aa = 0, bb = 0, ma = 0, mb = 0, unequal = 0, both = 0, either = 0;
    for (size_t j = 0; j < d && kind == METRIC_CORRELATION; j++) {
        ma += a[j] / (double)d;
        mb += b[j] / (double)d;
    }
    for (size_t j = 0; j < d; j++) {
        const double u = a[j] - ma, v = b[j] - mb;
        sum += kind == METRIC_MANHATTAN ? fabs(u - v) : (u - v) * (u - v);
        most = fmax(most, fabs(u - v));
        ab += u * v;
        aa += u * u;
        bb += v * v;
        unequal += a[j] != b[j];
        both += a[j] != 0 && b[j] != 0;
        either += a[j] != 0 || b[j] != 0;
    }
    switch (kind) {
    case METRIC_EUCLIDEAN:
        return sqrt(sum);
    case METRIC_CHEBYSHEV:
        return most;
    case METRIC_COSINE:
    case METRIC_CORRELATION:
        return aa > 0 && bb > 0 ? 1 - ab / sqrt(aa * bb) : aa > 0 || bb > 0;
    case METRIC_ANGULAR:
        return -ab;
    case METRIC_HAMMING:
        return unequal / (double)d;
    case METRIC_JACCARD:
        return either > 0 ? 1 - both / either : 0;
    default:
        return sum;
    }
}

typedef struct pair {
    double distance;
    size_t index;
} pair;

static inline int pair_order(const void *a, const void *b)
{
    const pair *p = a, *q = b;
    return p->distance < q->distance   ? -1
           : p->distance > q->distance ? 1
           : p->index < q->index       ? -1
                                       : p->index > q->index;
}

static inline void slow_row(metric_kind kind, const data *of, size_t i, pair *sorted)
{
    size_t count = 0;
    for (size_t j = 0; j < of->n; j++)
        if (j != i)
            sorted[count++] = (pair){slow_distance(kind, of->x + i * of->stride, of->x + j * of->stride, of->d), j};
    qsort(sorted, count, sizeof *sorted, pair_order);
}

/* --- Calls. */

static ne_context *context; /* of the test that runs: fixtures make and free it */

static inline void open_context(void)
{
    ck_assert_int_eq(ne_context_create(&context), NE_OK);
}

/* For hundreds of tiny searches, whose threads would spend the time waiting for each other on a machine with other
 * work. */
static inline void open_serial(void)
{
    open_context();
    ck_assert_int_eq(ne_context_set_int(context, "threads", 1), NE_OK);
}

static inline void close_context(void)
{
    ne_context_free(context);
}

static inline ne_dense view_of(const data *of, ne_dtype dtype)
{
    return (ne_dense){
        sizeof(ne_dense), dtype == NE_F32 ? (void *)of->f : (void *)of->x, of->n, of->d, of->stride, (int32_t)dtype,
        NE_HOST};
}

static inline knn_result search(const data *of, ne_dtype dtype, size_t k, const ne_metric_ops *metric,
                                knn_method method, double recall)
{
    const ne_dense    x       = view_of(of, dtype);
    const knn_request request = {.x = &x, .k = k, .metric = metric, .method = method, .recall = recall, .seed = 3};
    knn_result        result;
    ck_assert_msg(cpu_knn(context, &request, &result) == NE_OK, "%s: %s", metric->name, ne_last_error());
    return result;
}

static inline void result_free(knn_result *of)
{
    memory_free(&context->memory, of->index);
    memory_free(&context->memory, of->distance);
}

/* Ascending by (distance, index), no row twice, never itself. */
static inline void check_order(const data *of, const knn_result *got, size_t k)
{
    unsigned char *seen = calloc(of->n, 1);
    for (size_t i = 0; i < of->n; i++) {
        const int32_t *index    = got->index + i * k;
        const float   *distance = got->distance + i * k;
        for (size_t a = 0; a < k; a++) {
            ck_assert(index[a] >= 0 && (size_t)index[a] < of->n && (size_t)index[a] != i && isfinite(distance[a]));
            ck_assert_msg(!seen[index[a]], "row %zu has %d twice", i, index[a]);
            seen[index[a]] = 1;
            if (a)
                ck_assert(distance[a - 1] < distance[a] || (distance[a - 1] == distance[a] && index[a - 1] < index[a]));
        }
        for (size_t a = 0; a < k; a++) seen[index[a]] = 0;
    }
    free(seen);
}

/* Every neighbor has its own distance, and the a-th has the a-th smallest there is. `absolute` is in units of the
 * distance. */
static inline void check_exact(metric_kind kind, const data *of, const knn_result *got, size_t k, double relative,
                               double absolute)
{
    pair *sorted = malloc(of->n * sizeof *sorted);
    check_order(of, got, k);
    for (size_t i = 0; i < of->n; i++) {
        slow_row(kind, of, i, sorted);
        for (size_t a = 0; a < k; a++) {
            const size_t j    = (size_t)got->index[i * k + a];
            const double want = sorted[a].distance, d = (double)got->distance[i * k + a];
            const double own = slow_distance(kind, of->x + i * of->stride, of->x + j * of->stride, of->d);
            ck_assert_msg(fabs(d - want) <= relative * fabs(want) + absolute,
                          "%s: row %zu, neighbor %zu: %.9g for %.9g", metric_builtin((size_t)kind)->name, i, a, d,
                          want);
            ck_assert_msg(fabs(d - own) <= relative * fabs(own) + absolute,
                          "%s: row %zu, neighbor %zu is at %.9g, not %.9g", metric_builtin((size_t)kind)->name, i, a,
                          own, d);
        }
    }
    free(sorted);
}

/* Not symmetric, and its user pointer counts. */
static inline double skewed(const float *a, const float *b, size_t d, void *user)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += a[j] > b[j] ? 3 * fabs((double)a[j] - (double)b[j]) : fabs((double)a[j] - (double)b[j]);
    return sum + *(const double *)user;
}

#endif
