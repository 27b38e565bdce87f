/* metrics/rand_index.c: see rand_index.h. The table n_uv is never laid out: of its n^2 cells, or so, at most n are not
 * 0. The rows of one class of a are counted by their class of b, and the counts that were touched are cleared. */
#include "metrics/rand_index.h"

#include "base/memory.h"
#include "metrics/partition.h"

__extension__ typedef __int128 wide;

typedef struct pair_counts {
    wide squares, over_a, over_b; /* sum n_uv^2, sum n_uv a_u, sum n_uv b_v */
} pair_counts;

static size_t class_size(const partition *of, size_t class)
{
    return of->start[class + 1] - of->start[class];
}

/* count: one of each class of b, all 0 before and after. */
static pair_counts count_pairs(const partition *a, const partition *b, size_t *count)
{
    pair_counts sum = {0};
    for (size_t u = 0; u < a->classes; u++) {
        for (size_t at = a->start[u]; at < a->start[u + 1]; at++) count[b->code[a->row[at]]]++;
        for (size_t at = a->start[u]; at < a->start[u + 1]; at++) {
            const size_t v = (size_t)b->code[a->row[at]];
            sum.squares += (wide)count[v] * (wide)count[v];
            sum.over_a += (wide)count[v] * (wide)class_size(a, u);
            sum.over_b += (wide)count[v] * (wide)class_size(b, v);
            count[v] = 0;
        }
    }
    return sum;
}

static double index_of(pair_counts sum, size_t n)
{
    const wide S = sum.squares, C = sum.over_b - S, R = sum.over_a - S, T = (wide)n * (wide)n - C - R - S;
    const wide t = S - (wide)n;
    if (C == 0 && R == 0) return 1;
    return 2 * (double)(t * T - C * R) / (double)((t + R) * (R + T) + (t + C) * (C + T));
}

ne_status rand_index_score(ne_context *context, const int64_t *a, const int64_t *b, size_t n, double *value)
{
    ne_status st   = NE_OK;
    partition of_a = {0}, of_b = {0};
    size_t   *count = NULL;
    if ((st = partition_make(context, a, n, &of_a)) != NE_OK) goto done;
    if ((st = partition_make(context, b, n, &of_b)) != NE_OK) goto done;
    count = memory_new(&context->memory, of_b.classes, sizeof *count);
    if (!count) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    for (size_t v = 0; v < of_b.classes; v++) count[v] = 0;
    *value = index_of(count_pairs(&of_a, &of_b, count), n);
done:
    memory_free(&context->memory, count);
    partition_clear(context, &of_a);
    partition_clear(context, &of_b);
    return st;
}
