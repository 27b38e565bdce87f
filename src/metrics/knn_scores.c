/* metrics/knn_scores.c: see knn_scores.h. Every row gives a whole number of hits, so the order of the sums is free. */
#include "metrics/knn_scores.h"

#include "base/memory.h"
#include "base/registry.h"

ne_status knn_score_search(ne_context *context, const ne_dense *x, size_t k, knn_result *result)
{
    const knn_request request = {
        .x = x, .k = k, .metric = registry_find(REGISTRY_METRIC, "euclidean"), .method = KNN_EXACT, .recall = 1};
    return request.metric ? context->backend->knn(context, &request, result) : NE_UNKNOWN_NAME;
}

void knn_score_clear(ne_context *context, knn_result *result)
{
    memory_free(&context->memory, result->index);
    memory_free(&context->memory, result->distance);
    *result = (knn_result){0};
}

/* --- The rows of neighbors are sorted in place: by index, to intersect two of them; by label, to count votes. */

static int64_t key_of(const int64_t *keys, int32_t index)
{
    return keys ? keys[index] : index;
}

static void sift_down(int32_t *row, size_t root, size_t count, const int64_t *keys)
{
    const int32_t moved = row[root];
    size_t        child = 2 * root + 1;
    while (child < count) {
        if (child + 1 < count && key_of(keys, row[child + 1]) > key_of(keys, row[child])) child++;
        if (key_of(keys, row[child]) <= key_of(keys, moved)) break;
        row[root] = row[child];
        root      = child;
        child     = 2 * root + 1;
    }
    row[root] = moved;
}

/* Heap sort (Williams 1964), since it needs no memory: ascending by keys[index], or by index where keys is NULL. */
static void sort_row(int32_t *row, size_t count, const int64_t *keys)
{
    for (size_t root = count / 2; root-- > 0;) sift_down(row, root, count, keys);
    for (size_t last = count; last-- > 1;) {
        const int32_t largest = row[0];
        row[0]                = row[last];
        row[last]             = largest;
        sift_down(row, 0, last, keys);
    }
}

static size_t count_common(const int32_t *a, const int32_t *b, size_t k)
{
    size_t common = 0;
    for (size_t i = 0, j = 0; i < k && j < k;) {
        common += a[i] == b[j];
        if (a[i] <= b[j]) i++;
        else j++;
    }
    return common;
}

/* Runs of equal labels in a row that is sorted by label: the first of the longest ones has the smallest label. */
static int64_t majority_label(const int32_t *row, size_t k, const int64_t *labels)
{
    int64_t winner = 0;
    size_t  most   = 0;
    for (size_t begin = 0, end; begin < k; begin = end) {
        const int64_t label = labels[row[begin]];
        for (end = begin + 1; end < k && labels[row[end]] == label;) end++;
        if (end - begin > most) {
            most   = end - begin;
            winner = label;
        }
    }
    return winner;
}

/* --- Scores. */

static double mean_of(const int32_t *hits, size_t n, size_t each)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (uint64_t)hits[i];
    return (double)sum / ((double)n * (double)each);
}

ne_status knn_score_preservation(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k, double *value)
{
    const size_t n    = y->rows;
    ne_status    st   = NE_OK;
    knn_result   in_x = {0}, in_y = {0};
    int32_t     *hits = memory_new(&context->memory, n, sizeof *hits);

    if (!hits) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = knn_score_search(context, x, k, &in_x)) != NE_OK) goto done;
    if ((st = knn_score_search(context, y, k, &in_y)) != NE_OK) goto done;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        sort_row(in_x.index + i * k, k, NULL);
        sort_row(in_y.index + i * k, k, NULL);
        hits[i] = (int32_t)count_common(in_x.index + i * k, in_y.index + i * k, k);
    }
    *value = mean_of(hits, n, k);
done:
    knn_score_clear(context, &in_x);
    knn_score_clear(context, &in_y);
    memory_free(&context->memory, hits);
    return st;
}

ne_status knn_score_accuracy(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k, double *value)
{
    const size_t n    = y->rows;
    ne_status    st   = NE_OK;
    knn_result   near = {0};
    int32_t     *hits = memory_new(&context->memory, n, sizeof *hits);

    if (!hits) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = knn_score_search(context, y, k, &near)) != NE_OK) goto done;
#pragma omp parallel for schedule(static) num_threads(context_threads(context))
    for (size_t i = 0; i < n; i++) {
        sort_row(near.index + i * k, k, labels);
        hits[i] = majority_label(near.index + i * k, k, labels) == labels[i];
    }
    *value = mean_of(hits, n, 1);
done:
    knn_score_clear(context, &near);
    memory_free(&context->memory, hits);
    return st;
}

ne_status knn_score_agreement(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k, double *value)
{
    const size_t n    = y->rows;
    ne_status    st   = NE_OK;
    knn_result   near = {0};
    uint64_t     hits = 0;

    if ((st = knn_score_search(context, y, k, &near)) != NE_OK) goto done;
    for (size_t i = 0; i < n; i++)
        for (size_t m = 0; m < k; m++) hits += labels[near.index[i * k + m]] == labels[i];
    *value = (double)hits / ((double)n * (double)k);
done:
    knn_score_clear(context, &near);
    return st;
}
