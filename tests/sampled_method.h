/* tests/sampled_method.h: what every method with sampled repulsion has to do, by its name. */
#ifndef NE_TESTS_SAMPLED_METHOD_H
#define NE_TESTS_SAMPLED_METHOD_H

#include "data.h"
#include "ne.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLED_N = 240,
    SAMPLED_D = 6
};

#define OK(call) ck_assert_msg((call) == NE_OK, "%s: %s", #call, ne_last_error())

/* Row i is near the (i % 6)-th corner of a simplex: clusters 10 standard deviations from each other. */
static inline void sampled_corners(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < SAMPLED_D; j++)
            x[i * SAMPLED_D + j] = (float)((i % 6 == j ? 7 : 0) + data_normal(&seed));
}

/* Options as pairs of words, ended by NULL. */
static inline ne_embedding *sampled_make(ne_context *context, const char *method, const char *const *options)
{
    ne_embedding *e = NULL;
    OK(ne_embedding_create(context, method, &e));
    for (size_t i = 0; options && options[i]; i += 2) OK(ne_embedding_set(e, options[i], options[i + 1]));
    return e;
}

static inline ne_context *sampled_context(int64_t threads)
{
    ne_context *context = NULL;
    OK(ne_context_create(&context));
    OK(ne_context_set_int(context, "threads", threads));
    return context;
}

static inline void sampled_fit(const char *method, const char *const *options, int64_t threads, const float *x,
                               size_t n, float *y)
{
    ne_context   *context = sampled_context(threads);
    ne_embedding *e       = sampled_make(context, method, options);
    OK(ne_embedding_fit_f32(e, x, n, SAMPLED_D, y));
    ne_embedding_free(e);
    ne_context_free(context);
}

/* Six clusters, far from each other: nearly every row has its own cluster around it. */
static inline void sampled_finds_clusters(const char *method, const char *const *options)
{
    static float x[SAMPLED_N * SAMPLED_D], y[SAMPLED_N * 2];
    int64_t      labels[SAMPLED_N];
    double       accuracy = 0;
    ne_context  *context  = sampled_context(2);
    ne_dense     view     = {sizeof view, y, SAMPLED_N, 2, 2, NE_F32, NE_HOST};
    sampled_corners(x, SAMPLED_N, 1);
    for (size_t i = 0; i < SAMPLED_N; i++) labels[i] = (int64_t)(i % 6);
    sampled_fit(method, options, 2, x, SAMPLED_N, y);
    for (size_t i = 0; i < 2 * SAMPLED_N; i++) ck_assert(isfinite(y[i]));
    OK(ne_score_knn_accuracy(context, &view, labels, 5, &accuracy));
    ck_assert_double_ge(accuracy, 0.98);
    ne_context_free(context);
}

static inline void sampled_has_bits_of_one_thread(const char *method, const char *const *options)
{
    static float x[SAMPLED_N * SAMPLED_D], y[SAMPLED_N * 2], again[SAMPLED_N * 2];
    data_clusters(x, SAMPLED_N, SAMPLED_D, 3, 2, 1);
    sampled_fit(method, options, 1, x, SAMPLED_N, y);
    for (int64_t threads = 2; threads <= 7; threads += threads < 3 ? 1 : 4) {
        sampled_fit(method, options, threads, x, SAMPLED_N, again);
        ck_assert_mem_eq(y, again, sizeof y);
    }
}

static inline void sampled_takes_small_and_equal_rows(const char *method, const char *const *options)
{
    float x[40 * SAMPLED_D], y[40 * 2];
    for (size_t n = 2; n <= 40; n += n == 2 ? 1 : 37) {
        data_clusters(x, n, SAMPLED_D, 2, 1, 3);
        sampled_fit(method, options, 2, x, n, y);
        for (size_t i = 0; i < 2 * n; i++) ck_assert(isfinite(y[i]));
        for (size_t i = 0; i < n * SAMPLED_D; i++) x[i] = 1;
        sampled_fit(method, options, 2, x, n, y);
        for (size_t i = 0; i < 2 * n; i++) ck_assert(isfinite(y[i]));
    }
}

static inline void sampled_checks(const char *method, const char *name, const char *value, ne_status want,
                                  const char *named)
{
    static float  x[SAMPLED_N * SAMPLED_D], y[SAMPLED_N * 2];
    ne_context   *context = sampled_context(1);
    ne_embedding *e       = sampled_make(context, method, NULL);
    data_clusters(x, SAMPLED_N, SAMPLED_D, 3, 2, 1);
    ne_status st = ne_embedding_set(e, name, value);
    if (st == NE_OK) st = ne_embedding_fit_f32(e, x, SAMPLED_N, SAMPLED_D, y);
    ck_assert_int_eq(st, want);
    ck_assert_msg(strstr(ne_last_error(), named), "%s", ne_last_error());
    ne_embedding_free(e);
    ne_context_free(context);
}

static inline void sampled_has_default(const char *method, const char *name, const char *ours, const char *reference)
{
    ne_context   *context = sampled_context(1);
    ne_embedding *e       = sampled_make(context, method, NULL);
    char          text[64];
    OK(ne_embedding_get(e, name, text, sizeof text));
    ck_assert_str_eq(text, ours);
    OK(ne_embedding_set(e, "reference", "torchdr"));
    OK(ne_embedding_get(e, name, text, sizeof text));
    ck_assert_str_eq(text, reference);
    ne_embedding_free(e);
    ne_context_free(context);
}

/* New rows of the same clusters land among the old ones of theirs, whatever else is in the batch. */
static inline void sampled_transforms(const char *method, const char *const *options)
{
    static float  x[SAMPLED_N * SAMPLED_D], y[SAMPLED_N * 2], fresh[60 * SAMPLED_D], all[60 * 2], one[2];
    ne_context   *context = sampled_context(2);
    ne_embedding *e       = sampled_make(context, method, options);
    ne_dense      from    = {sizeof from, fresh, 60, SAMPLED_D, 0, NE_F32, NE_HOST};
    ne_dense      to      = {sizeof to, all, 60, 2, 0, NE_F32, NE_HOST};
    size_t        right   = 0;

    sampled_corners(x, SAMPLED_N, 1);
    sampled_corners(fresh, 60, 2);
    ck_assert_int_eq(ne_embedding_transform(e, &from, &to), NE_NOT_FITTED);
    OK(ne_embedding_fit_f32(e, x, SAMPLED_N, SAMPLED_D, y));
    ck_assert_int_eq(ne_embedding_transform(e, &from, &to), NE_NOT_FITTED);
    ck_assert_ptr_nonnull(strstr(ne_last_error(), "keep_data"));
    OK(ne_embedding_set(e, "keep_data", "true"));
    OK(ne_embedding_fit_f32(e, x, SAMPLED_N, SAMPLED_D, y));
    OK(ne_embedding_transform(e, &from, &to));
    for (size_t i = 0; i < 60; i++) {
        double least = INFINITY;
        size_t near  = 0;
        for (size_t j = 0; j < SAMPLED_N; j++) {
            const double dx = (double)all[2 * i] - (double)y[2 * j], dy = (double)all[2 * i + 1] - (double)y[2 * j + 1];
            if (dx * dx + dy * dy < least) {
                least = dx * dx + dy * dy;
                near  = j;
            }
        }
        right += near % 6 == i % 6;
    }
    ck_assert_uint_ge(right, 58);
    for (size_t i = 0; i < 60; i += 17) {
        ne_dense row = from, point = to;
        row.data   = fresh + i * SAMPLED_D;
        point.data = one;
        row.rows = point.rows = 1;
        OK(ne_embedding_transform(e, &row, &point));
        ck_assert_mem_eq(one, all + 2 * i, sizeof one);
    }
    from.cols = SAMPLED_D - 1;
    ck_assert_int_eq(ne_embedding_transform(e, &from, &to), NE_INVALID_ARGUMENT);
    ne_embedding_free(e);
    ne_context_free(context);
}

/* Steps in pieces, and the loss, which is known at a step where it is tracked. */
static inline void sampled_goes_in_pieces(const char *method, const char *const *options)
{
    static float  x[SAMPLED_N * SAMPLED_D], y[SAMPLED_N * 2], again[SAMPLED_N * 2];
    ne_context   *context = sampled_context(2);
    ne_embedding *e       = sampled_make(context, method, options);
    ne_dense      from    = {sizeof from, x, SAMPLED_N, SAMPLED_D, 0, NE_F32, NE_HOST};
    ne_dense      to      = {sizeof to, again, SAMPLED_N, 2, 0, NE_F32, NE_HOST};
    double        loss = NAN, first = NAN;
    data_clusters(x, SAMPLED_N, SAMPLED_D, 3, 2, 1);
    OK(ne_embedding_fit_f32(e, x, SAMPLED_N, SAMPLED_D, y));
    OK(ne_embedding_set(e, "track_loss", "true"));
    OK(ne_embedding_set(e, "check_interval", "1"));
    OK(ne_embedding_start(e, NULL, &from));
    OK(ne_embedding_step(e, 1));
    OK(ne_embedding_get_real(e, "loss", &first));
    OK(ne_embedding_step(e, 13));
    OK(ne_embedding_step(e, 100000));
    OK(ne_embedding_get_real(e, "loss", &loss));
    OK(ne_embedding_read(e, &to));
    ck_assert_mem_eq(y, again, sizeof y);
    ck_assert(isfinite(first) && isfinite(loss));
    ck_assert_double_lt(loss, first);
    ne_embedding_free(e);
    ne_context_free(context);
}

#endif
