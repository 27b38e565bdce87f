/* graph/csr.c: see csr.h. */
#include "graph/csr.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

ne_status csr_new(const ne_allocator *mem, size_t rows, size_t entries, csr *to)
{
    *to = (csr){.rows = rows, .entries = entries};
    if (rows == SIZE_MAX) return ne_fail(NE_OUT_OF_MEMORY, "graph: %zu rows are too many", rows);
    to->start = memory_new(mem, rows + 1, sizeof *to->start);
    to->col   = memory_new(mem, entries, sizeof *to->col);
    to->val   = memory_new(mem, entries, sizeof *to->val);
    if (!to->start || !to->col || !to->val) {
        csr_clear(mem, to);
        return NE_OUT_OF_MEMORY;
    }
    to->start[0] = 0;
    return NE_OK;
}

double csr_bytes(double rows, double entries)
{
    return (rows + 1) * sizeof(int64_t) + entries * (sizeof(int32_t) + sizeof(float));
}

void csr_clear(const ne_allocator *mem, csr *m)
{
    memory_free(mem, m->start);
    memory_free(mem, m->col);
    memory_free(mem, m->val);
    *m = (csr){0};
}

ne_csr csr_view(const csr *m)
{
    const ne_csr view = {sizeof view, m->rows, m->rows, m->start, m->col, m->val, NE_F32, NE_HOST};
    return view;
}

ne_status csr_copy(const ne_allocator *mem, const csr *from, csr *to)
{
    csr       made;
    ne_status st = csr_new(mem, from->rows, from->entries, &made);
    if (st == NE_OK) {
        memcpy(made.start, from->start, (from->rows + 1) * sizeof *made.start);
        memcpy(made.col, from->col, from->entries * sizeof *made.col);
        memcpy(made.val, from->val, from->entries * sizeof *made.val);
        *to = made;
    }
    return st;
}

typedef struct entry {
    int32_t col;
    float   val;
} entry;

static int by_column(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->col > y->col) - (x->col < y->col);
}

/* Short rows by insertion, longer ones by qsort: neighbor lists come nearly in random column order. */
static void sort_entries(entry *e, size_t count)
{
    if (count > 128) {
        qsort(e, count, sizeof *e, by_column);
    } else {
        for (size_t i = 1; i < count; i++) {
            const entry take = e[i];
            size_t      at   = i;
            for (; at > 0 && e[at - 1].col > take.col; at--) e[at] = e[at - 1];
            e[at] = take;
        }
    }
}

static size_t longest_row(const csr *a)
{
    size_t longest = 0;
    for (size_t i = 0; i < a->rows; i++) {
        const size_t length = (size_t)(a->start[i + 1] - a->start[i]);
        if (length > longest) longest = length;
    }
    return longest;
}

ne_status csr_sort_rows(ne_context *context, csr *a)
{
    const int    threads = context_threads(context);
    const size_t longest = longest_row(a);
    entry       *scratch = memory_new(&context->memory, longest * (size_t)threads, sizeof *scratch);

    if (!scratch) return NE_OUT_OF_MEMORY;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < a->rows; i++) {
        entry        *e     = scratch + (size_t)omp_get_thread_num() * longest;
        const int64_t from  = a->start[i];
        const size_t  count = (size_t)(a->start[i + 1] - from);
        for (size_t k = 0; k < count; k++) e[k] = (entry){a->col[from + (int64_t)k], a->val[from + (int64_t)k]};
        sort_entries(e, count);
        for (size_t k = 0; k < count; k++) {
            a->col[from + (int64_t)k] = e[k].col;
            a->val[from + (int64_t)k] = e[k].val;
        }
    }
    memory_free(&context->memory, scratch);
    return NE_OK;
}

/* The transpose by counting sort. Each thread owns a range of target rows and reads all entries, so entries arrive in
 * ascending source row whatever the number of threads, and nothing is written by two. */
static ne_status transpose(ne_context *context, const csr *a, csr *to)
{
    const ne_allocator *mem     = &context->memory;
    const int           threads = context_threads(context);
    const size_t        n       = a->rows;
    csr                 made;
    int64_t            *next;
    ne_status           st = csr_new(mem, n, a->entries, &made);

    if (st != NE_OK) return st;
    next = memory_zero(mem, n + 1, sizeof *next);
    if (!next) {
        csr_clear(mem, &made);
        return NE_OUT_OF_MEMORY;
    }
#pragma omp parallel num_threads(threads)
    {
        const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        const int64_t low = (int64_t)n * me / team, high = (int64_t)n * (me + 1) / team;
        for (size_t e = 0; e < a->entries; e++)
            if (a->col[e] >= low && a->col[e] < high) next[a->col[e] + 1]++;
#pragma omp barrier
#pragma omp single
        {
            for (size_t i = 0; i < n; i++) next[i + 1] += next[i];
            memcpy(made.start, next, (n + 1) * sizeof *next);
        }
        for (size_t i = 0; i < n; i++)
            for (int64_t e = a->start[i]; e < a->start[i + 1]; e++)
                if (a->col[e] >= low && a->col[e] < high) {
                    const int64_t at = next[a->col[e]]++;
                    made.col[at]     = (int32_t)i;
                    made.val[at]     = a->val[e];
                }
    }
    memory_free(mem, next);
    *to = made;
    return NE_OK;
}

/* The union of two sorted rows, values added; returns its length. With col = NULL only counts. */
static int64_t merge_rows(const csr *a, const csr *b, size_t row, float scale, int32_t *col, float *val)
{
    int64_t       i = a->start[row], j = b->start[row], count = 0;
    const int64_t i1 = a->start[row + 1], j1 = b->start[row + 1];
    while (i < i1 || j < j1) {
        const int32_t ci = i < i1 ? a->col[i] : INT32_MAX, cj = j < j1 ? b->col[j] : INT32_MAX;
        const int32_t c = ci < cj ? ci : cj;
        float         v = 0;
        if (i < i1 && ci == c) v += a->val[i++];
        if (j < j1 && cj == c) v += b->val[j++];
        if (col) {
            col[count] = c;
            val[count] = v * scale;
        }
        count++;
    }
    return count;
}

ne_status csr_symmetrise(ne_context *context, csr *a, double scale, csr *to)
{
    const ne_allocator *mem     = &context->memory;
    const int           threads = context_threads(context);
    const size_t        n       = a->rows;
    csr                 across = {0}, made = {0};
    int64_t            *length = NULL, total = 0;
    ne_status           st;

    if ((st = csr_sort_rows(context, a)) != NE_OK) goto done;
    if ((st = transpose(context, a, &across)) != NE_OK) goto done;
    length = memory_new(mem, n + 1, sizeof *length);
    if (!length) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < n; i++) length[i] = merge_rows(a, &across, i, 1, NULL, NULL);
    for (size_t i = 0; i < n; i++) total += length[i];
    if ((st = csr_new(mem, n, (size_t)total, &made)) != NE_OK) goto done;
    for (size_t i = 0; i < n; i++) made.start[i + 1] = made.start[i] + length[i];
#pragma omp parallel for schedule(static) num_threads(threads)
    for (size_t i = 0; i < n; i++)
        merge_rows(a, &across, i, (float)scale, made.col + made.start[i], made.val + made.start[i]);
    *to = made;
done:
    csr_clear(mem, &across);
    memory_free(mem, length);
    return st;
}

double csr_symmetrise_bytes(double rows, double entries, double united)
{
    return csr_bytes(rows, entries) + (rows + 1) * sizeof(int64_t) + csr_bytes(rows, united);
}

ne_status csr_permute(ne_context *context, const csr *a, const int64_t *order, csr *to)
{
    const ne_allocator *mem     = &context->memory;
    const int           threads = context_threads(context);
    const size_t        n       = a->rows;
    int32_t            *place   = memory_new(mem, n, sizeof *place);
    csr                 made;
    ne_status           st = place ? csr_new(mem, n, a->entries, &made) : NE_OUT_OF_MEMORY;

    if (st == NE_OK) {
        for (size_t r = 0; r < n; r++) {
            place[order[r]]   = (int32_t)r;
            made.start[r + 1] = made.start[r] + a->start[order[r] + 1] - a->start[order[r]];
        }
#pragma omp parallel for schedule(static) num_threads(threads)
        for (size_t r = 0; r < n; r++) {
            const int64_t from = a->start[order[r]], count = made.start[r + 1] - made.start[r];
            int32_t      *col = made.col + made.start[r];
            for (int64_t e = 0; e < count; e++) col[e] = place[a->col[from + e]];
            memcpy(made.val + made.start[r], a->val + from, (size_t)count * sizeof *made.val);
        }
        *to = made;
    }
    memory_free(mem, place);
    return st;
}

double csr_permute_bytes(double rows, double entries)
{
    return rows * sizeof(int32_t) + csr_bytes(rows, entries);
}

double csr_sum(const csr *a)
{
    double sum = 0;
    for (size_t e = 0; e < a->entries; e++) sum += (double)a->val[e];
    return sum;
}

int csr_is_symmetric(const csr *a)
{
    int symmetric = 1;
    for (size_t i = 0; i < a->rows && symmetric; i++)
        for (int64_t e = a->start[i]; e < a->start[i + 1] && symmetric; e++) {
            int64_t low = a->start[a->col[e]], high = a->start[a->col[e] + 1];
            while (low < high) {
                const int64_t middle = (low + high) / 2;
                if (a->col[middle] < (int32_t)i) low = middle + 1;
                else high = middle;
            }
            symmetric = low < a->start[a->col[e] + 1] && a->col[low] == (int32_t)i && a->val[low] == a->val[e];
        }
    return symmetric;
}
