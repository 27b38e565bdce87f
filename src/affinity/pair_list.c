/* affinity/pair_list.c: see pair_list.h. */
#include "affinity/pair_list.h"

static const size_t FEW = (size_t)16 << 20; /* bytes that are always taken */

void pair_list_clear(const ne_allocator *mem, pair_list *list)
{
    memory_free(mem, list->start);
    memory_free(mem, list->col);
    memory_free(mem, list->w);
    memory_free(mem, list->l);
    *list = (pair_list){0};
}

size_t pair_list_most(const ne_pairs *pairs, int values)
{
    const size_t part = pairs->kept ? pairs->n * pairs->n / 8 * 3 * sizeof(float) : 0;
    return (part > FEW ? part : FEW) / (sizeof(int32_t) + (size_t)values * sizeof(float));
}

ne_status pair_list_new(const ne_allocator *mem, size_t rows, const double *count, size_t most, int values,
                        pair_list *list)
{
    pair_list made = {.rows = rows};
    double    sum  = 0;

    pair_list_clear(mem, list);
    for (size_t i = 0; i < rows; i++) sum += count[i];
    if (sum > (double)most) return NE_OK;
    const size_t pairs = (size_t)sum;
    made.start         = memory_new(mem, rows + 1, sizeof *made.start);
    made.col           = memory_new(mem, pairs, sizeof *made.col);
    made.w             = values > 0 ? memory_new(mem, pairs, sizeof *made.w) : NULL;
    made.l             = values > 1 ? memory_new(mem, pairs, sizeof *made.l) : NULL;
    if (!made.start || !made.col || (values > 0 && !made.w) || (values > 1 && !made.l)) {
        pair_list_clear(mem, &made);
        return NE_OUT_OF_MEMORY;
    }
    made.start[0] = 0;
    for (size_t i = 0; i < rows; i++) made.start[i + 1] = made.start[i] + (int64_t)count[i];
    *list = made;
    return NE_OK;
}

void pair_list_product(ne_context *context, const pair_list *list, const double *diagonal, const double *v, double *to)
{
    const int threads = list->rows < 1024 ? 1 : context_threads(context);
#pragma omp parallel for schedule(dynamic, 256) num_threads(threads)
    for (size_t i = 0; i < list->rows; i++) {
        double sum = 0;
        for (int64_t e = list->start[i]; e < list->start[i + 1]; e++)
            sum += (list->w ? (double)list->w[e] : 1) * v[list->col[e]];
        to[i] = diagonal[i] * v[i] + sum;
    }
}

double pair_list_bytes(double pairs, int values)
{
    return pairs * ((double)sizeof(int32_t) + values * (double)sizeof(float));
}
