/* base/sparse.c: see sparse.h. */
#include "base/sparse.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_COLUMNS = INT32_MAX - 2 /* two more have a number too, where a search adds them */
};

typedef struct entry {
    int32_t col;
    double  value;
} entry;

static int by_column(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->col > y->col) - (x->col < y->col);
}

/* --- Checks. */

ne_status sparse_check_columns(size_t cols, const char *name)
{
    return cols > MOST_COLUMNS ? ne_fail(NE_UNSUPPORTED, "%s: %zu columns are more than %d", name, cols, MOST_COLUMNS)
                               : NE_OK;
}

static ne_status check_shape(const ne_csr *x, const char *name)
{
    if (!x) return ne_fail(NE_INVALID_ARGUMENT, "%s: a null pointer", name);
    if (x->struct_size < sizeof *x)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: struct_size is %zu, sizeof(ne_csr) is needed", name, x->struct_size);
    if (x->rows < 1 || x->cols < 1)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %zu x %zu, at least one row and one column are needed", name, x->rows,
                       x->cols);
    if (x->dtype != NE_F32 && x->dtype != NE_F64)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: dtype %d is neither NE_F32 nor NE_F64", name, (int)x->dtype);
    if (x->place != NE_HOST) return ne_fail(NE_UNSUPPORTED, "%s: only host memory is taken", name);
    if (x->cols > MOST_COLUMNS) return sparse_check_columns(x->cols, name);
    if (!x->start) return ne_fail(NE_INVALID_ARGUMENT, "%s: start is a null pointer", name);
    if (x->start[0] != 0)
        return ne_fail(NE_INVALID_ARGUMENT, "%s: start[0] is %lld, not 0", name, (long long)x->start[0]);
    for (size_t i = 0; i < x->rows; i++)
        if (x->start[i + 1] < x->start[i])
            return ne_fail(NE_INVALID_ARGUMENT, "%s: start falls from %lld to %lld at row %zu", name,
                           (long long)x->start[i], (long long)x->start[i + 1], i);
    if (x->start[x->rows] > 0 && (!x->col || !x->val))
        return ne_fail(NE_INVALID_ARGUMENT, "%s: %s is a null pointer", name, x->col ? "val" : "col");
    return NE_OK;
}

static ne_status check_row(const ne_csr *x, const char *name, size_t i)
{
    for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) {
        const double value = sparse_value(x, e);
        if (x->col[e] < 0 || (size_t)x->col[e] >= x->cols)
            return ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu names column %d, outside [0, %zu)", name, i,
                           (int)x->col[e], x->cols);
        if (isfinite((float)value)) continue;
        return isfinite(value) ? ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu, column %d is %g, beyond single precision",
                                         name, i, (int)x->col[e], value)
                               : ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu, column %d is %s", name, i, (int)x->col[e],
                                         isnan(value) ? "nan"
                                         : value > 0  ? "inf"
                                                      : "-inf");
    }
    return NE_OK;
}

/* --- The copy. */

/* Row i into list, in ascending columns and without zeros; their number. *twice: a column that occurs twice, or -1. */
static size_t take_row(const ne_csr *x, size_t i, entry *list, int32_t *twice)
{
    size_t count = 0, kept = 0;
    int    sorted = 1;
    *twice        = -1;
    for (int64_t e = x->start[i]; e < x->start[i + 1]; e++) {
        list[count] = (entry){x->col[e], sparse_value(x, e)};
        sorted &= count == 0 || list[count - 1].col < list[count].col;
        count++;
    }
    if (!sorted) qsort(list, count, sizeof *list, by_column);
    for (size_t a = 0; a < count; a++) {
        if (a > 0 && list[a].col == list[a - 1].col) *twice = list[a].col;
        if (list[a].value < 0 || list[a].value > 0) list[kept++] = list[a];
    }
    return kept;
}

static void write_row(const entry *list, sparse *to, size_t i)
{
    const int64_t from = to->start[i], count = to->start[i + 1] - from;
    for (int64_t a = 0; a < count; a++) {
        to->col[from + a] = list[a].col;
        if (to->dtype == NE_F32) ((float *)to->val)[from + a] = (float)list[a].value;
        else ((double *)to->val)[from + a] = list[a].value;
    }
}

static ne_status allocate(const ne_allocator *mem, size_t rows, size_t cols, int32_t dtype, size_t entries,
                          sparse *made)
{
    *made       = (sparse){.rows = rows, .cols = cols, .dtype = dtype};
    made->start = memory_zero(mem, rows + 1, sizeof *made->start);
    made->col   = memory_new(mem, entries, sizeof *made->col);
    made->val   = memory_new(mem, entries, dtype == NE_F32 ? sizeof(float) : sizeof(double));
    return made->start && made->col && made->val ? NE_OK : NE_OUT_OF_MEMORY;
}

ne_status sparse_take(ne_context *context, const ne_csr *from, const char *name, sparse *made)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        threads = (size_t)context_threads(context);
    size_t              longest = 0, entries = 0;
    entry              *list  = NULL;
    int32_t            *twice = NULL;
    ne_status           st    = check_shape(from, name);

    *made = (sparse){0};
    if (st != NE_OK) return st;
    for (size_t i = 0; i < from->rows; i++) {
        const size_t length = (size_t)(from->start[i + 1] - from->start[i]);
        longest             = length > longest ? length : longest;
        if ((st = check_row(from, name, i)) != NE_OK) return st;
    }
    list  = memory_new(mem, threads * longest, sizeof *list);
    twice = memory_new(mem, from->rows, sizeof *twice);
    if (!list || !twice) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = allocate(mem, from->rows, from->cols, from->dtype, (size_t)from->start[from->rows], made)) != NE_OK)
        goto done;
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < from->rows; i++)
        made->start[i + 1] = (int64_t)take_row(from, i, list + (size_t)omp_get_thread_num() * longest, &twice[i]);
    for (size_t i = 0; i < from->rows; i++) {
        if (twice[i] >= 0) {
            st = ne_fail(NE_INVALID_ARGUMENT, "%s: row %zu names column %d twice", name, i, (int)twice[i]);
            goto done;
        }
        entries += (size_t)made->start[i + 1];
        made->start[i + 1] = (int64_t)entries;
    }
#pragma omp parallel for schedule(static) num_threads((int)threads)
    for (size_t i = 0; i < from->rows; i++) {
        entry  *mine = list + (size_t)omp_get_thread_num() * longest;
        int32_t none;
        take_row(from, i, mine, &none);
        write_row(mine, made, i);
    }
done:
    memory_free(mem, list);
    memory_free(mem, twice);
    if (st != NE_OK) sparse_clear(mem, made);
    return st;
}

double sparse_bytes(double rows, double entries, int32_t dtype)
{
    const double value = dtype == NE_F32 ? sizeof(float) : sizeof(double);
    return (rows + 1) * sizeof(int64_t) + entries * (sizeof(int32_t) + value);
}

void sparse_clear(const ne_allocator *mem, sparse *with)
{
    memory_free(mem, with->start);
    memory_free(mem, with->col);
    memory_free(mem, with->val);
    *with = (sparse){0};
}

/* A counting sort; each thread owns a range of columns and reads all entries, so that those of a column come in
 * ascending row whatever the number of threads. */
ne_status sparse_transpose(ne_context *context, const ne_csr *from, sparse *made)
{
    const ne_allocator *mem     = &context->memory;
    const size_t        d       = from->cols;
    const int64_t       entries = from->start[from->rows];
    ne_status           st      = allocate(mem, d, from->rows, from->dtype, (size_t)entries, made);

    if (st != NE_OK) {
        sparse_clear(mem, made);
        return st;
    }
    for (int64_t e = 0; e < entries; e++) made->start[from->col[e] + 1]++;
    for (size_t c = 0; c < d; c++) made->start[c + 1] += made->start[c];
#pragma omp parallel num_threads(context_threads(context))
    {
        const size_t  team = (size_t)omp_get_num_threads(), me = (size_t)omp_get_thread_num();
        const int32_t low = (int32_t)(d * me / team), high = (int32_t)(d * (me + 1) / team);
        for (size_t i = 0; i < from->rows; i++)
            for (int64_t e = from->start[i]; e < from->start[i + 1]; e++) {
                const int32_t c = from->col[e];
                if (c < low || c >= high) continue;
                const int64_t at = made->start[c]++; /* moves one column on, */
                made->col[at]    = (int32_t)i;
                if (from->dtype == NE_F32) ((float *)made->val)[at] = ((const float *)from->val)[e];
                else ((double *)made->val)[at] = ((const double *)from->val)[e];
            }
    }
    for (size_t c = d; c > 0; c--) made->start[c] = made->start[c - 1]; /* and back */
    made->start[0] = 0;
    return NE_OK;
}

uint64_t sparse_hash(const ne_csr *x, size_t row)
{
    uint64_t hash = 0x9E3779B97F4A7C15u;
    for (int64_t e = x->start[row]; e < x->start[row + 1]; e++) {
        const double value = sparse_value(x, e);
        uint64_t     bits;
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ (uint64_t)x->col[e]) * 0xFF51AFD7ED558CCDu;
        hash ^= hash >> 32;
        hash = (hash ^ bits) * 0xC4CEB9FE1A85EC53u;
        hash ^= hash >> 29;
    }
    return hash;
}

int sparse_rows_are_equal(const ne_csr *x, size_t a, size_t b)
{
    const size_t size = x->dtype == NE_F32 ? sizeof(float) : sizeof(double);
    const size_t p = (size_t)x->start[a], q = (size_t)x->start[b], count = (size_t)x->start[a + 1] - p;
    return count == (size_t)x->start[b + 1] - q && memcmp(x->col + p, x->col + q, count * sizeof *x->col) == 0 &&
           memcmp((const char *)x->val + p * size, (const char *)x->val + q * size, count * size) == 0;
}
