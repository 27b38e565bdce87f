/* tests/sparse_data.h: the nonzero entries of a test's data as CSR. */
#ifndef NE_TESTS_SPARSE_DATA_H
#define NE_TESTS_SPARSE_DATA_H

#include "knn_reference.h"

typedef struct sparse_data {
    ne_csr   view;
    int64_t *start;
    int32_t *col;
    void    *val;
} sparse_data;

static inline sparse_data sparse_of(const data *of, ne_dtype dtype)
{
    sparse_data made = {.start = calloc(of->n + 1, sizeof *made.start),
                        .col   = calloc(of->n * of->d + 1, sizeof *made.col),
                        .val   = calloc(of->n * of->d + 1, sizeof(double))};
    int64_t     used = 0;
    for (size_t i = 0; i < of->n; i++) {
        for (size_t j = 0; j < of->d; j++) {
            const double value = of->x[i * of->stride + j];
            if (!(value < 0 || value > 0)) continue;
            made.col[used] = (int32_t)j;
            if (dtype == NE_F32) ((float *)made.val)[used++] = (float)value;
            else ((double *)made.val)[used++] = value;
        }
        made.start[i + 1] = used;
    }
    made.view = (ne_csr){sizeof made.view, of->n, of->d, made.start, made.col, made.val, (int32_t)dtype, NE_HOST};
    return made;
}

static inline void sparse_free(sparse_data *with)
{
    free(with->start);
    free(with->col);
    free(with->val);
}

static inline double uniform(uint32_t step, size_t i, size_t j)
{
    return random_unit(random_draw(5, STREAM_SAMPLE, step, i, (uint32_t)j).word[0]);
}

typedef enum values {
    COUNTS  = 0, /* 1, 2, 3 */
    WEIGHTS = 1, /* in (0, 1) */
    SIGNED  = 2  /* normal numbers */
} values;

/* Like text: column j is in a row with probability 1 / (1 + j / 3), of words that a topic prefers. Rows 5 and 6, and 20 and
 * 40, are equal; row 7 is empty. */
static inline data words(size_t n, size_t d, values kind)
{
    data made = data_new(n, d, d + 3);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            const double often = (j * 7 + i % 5) % 5 == 0 ? 1.5 : 0.6, u = uniform(0, i, j);
            if (u * (1 + (double)j / 3) >= often || i == 7) continue;
            data_set(&made, i, j,
                     kind == COUNTS    ? 1 + floor(3 * uniform(1, i, j))
                     : kind == WEIGHTS ? uniform(1, i, j)
                                       : normal(1, i, j));
        }
    for (size_t j = 0; j < d; j++) {
        if (n > 6) data_set(&made, 6, j, made.x[5 * made.stride + j]);
        if (n > 40) data_set(&made, 40, j, made.x[20 * made.stride + j]);
    }
    return made;
}

#endif
