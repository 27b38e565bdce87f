/* cpu/knn_sparse_index.c: see knn_sparse_index.h.
 *
 * For each column of a panel that the block has too, its values are laid out in the panel's 16 lanes, and each entry of
 * the block in that column costs one broadcast and, for two registers, a load, a multiply-add and a store. A column that
 * a share f of the rows has is met n f (n / 16) (1 - (1 - f)^16) times: once for each pair that shares it where it is
 * rare, and once for sixteen pairs where it is common. */
#include "cpu/knn_sparse_index.h"

#include "cpu/lanes.h"

#include <math.h>

/* --- Making: one transposition, then a walk over the columns that appends to every group. */

typedef struct by_column {
    uint32_t *start; /* width + 1 */
    int32_t  *row;
    float    *value;
} by_column;

static ne_status transpose(const ne_allocator *mem, const knn_sparse_rows *rows, size_t entries, by_column *to)
{
    const ne_csr *x = rows->x;
    to->start       = memory_zero(mem, rows->width + 1, sizeof *to->start);
    to->row         = memory_new(mem, entries, sizeof *to->row);
    to->value       = memory_new(mem, entries, sizeof *to->value);
    if (!to->start || !to->row || !to->value) return NE_OUT_OF_MEMORY;
    for (int fill = 0; fill < 2; fill++) {
        for (size_t id = 0; id < rows->count; id++) {
            const size_t i = knn_sparse_source(rows, id);
            float        extra[KNN_SPARSE_EXTRA];
            knn_sparse_extra(rows, id, extra);
            for (int64_t e = x->start[i]; e < x->start[i + 1] + KNN_SPARSE_EXTRA; e++) {
                const size_t l = e < x->start[i + 1] ? 0 : (size_t)(e - x->start[i + 1]);
                const size_t c = e < x->start[i + 1] ? (size_t)x->col[e] : x->cols + l;
                if (c >= x->cols && !(extra[l] < 0 || extra[l] > 0)) continue;
                if (fill) {
                    to->row[to->start[c]]     = (int32_t)id;
                    to->value[to->start[c]++] = c < x->cols ? knn_sparse_packed(rows, id, e) : extra[l];
                } else {
                    to->start[c + 1]++;
                }
            }
        }
        for (size_t c = 0; c < rows->width && !fill; c++) to->start[c + 1] += to->start[c];
    }
    for (size_t c = rows->width; c > 0; c--) to->start[c] = to->start[c - 1]; /* filling moved it one column on */
    to->start[0] = 0;
    return NE_OK;
}

static ne_status group_rows(const ne_allocator *mem, const by_column *from, size_t width, size_t rows, size_t size,
                            knn_sparse_groups *to)
{
    const size_t entries = from->start[width];
    uint32_t    *next = NULL, *lists = NULL; /* per group: the next entry, the next list */
    int32_t     *last = NULL;
    ne_status    st   = NE_OUT_OF_MEMORY;

    to->size  = size;
    to->count = (rows + size - 1) / size;
    to->first = memory_zero(mem, to->count + 1, sizeof *to->first);
    to->row   = memory_new(mem, entries, sizeof *to->row);
    to->value = memory_new(mem, entries, sizeof *to->value);
    next      = memory_zero(mem, to->count + 1, sizeof *next);
    lists     = memory_new(mem, to->count, sizeof *lists);
    last      = memory_new(mem, to->count, sizeof *last);
    if (!to->first || !to->row || !to->value || !next || !lists || !last) goto done;

    for (size_t g = 0; g < to->count; g++) last[g] = -1;
    for (size_t c = 0; c < width; c++)
        for (uint32_t e = from->start[c]; e < from->start[c + 1]; e++) {
            const size_t g = (size_t)from->row[e] / size;
            next[g + 1]++;
            to->first[g + 1] += last[g] != (int32_t)c;
            last[g] = (int32_t)c;
        }
    for (size_t g = 0; g < to->count; g++) {
        next[g + 1] += next[g];
        to->first[g + 1] += to->first[g];
        lists[g] = to->first[g];
        last[g]  = -1;
    }
    to->start  = memory_new(mem, to->first[to->count] + (size_t)1, sizeof *to->start);
    to->column = memory_new(mem, to->first[to->count], sizeof *to->column);
    if (!to->start || !to->column) goto done;
    to->start[to->first[to->count]] = (uint32_t)entries;
    for (size_t c = 0; c < width; c++)
        for (uint32_t e = from->start[c]; e < from->start[c + 1]; e++) {
            const size_t g = (size_t)from->row[e] / size;
            if (last[g] != (int32_t)c) {
                to->start[lists[g]]    = next[g];
                to->column[lists[g]++] = (int32_t)c;
                last[g]                = (int32_t)c;
            }
            to->row[next[g]]     = (uint16_t)((size_t)from->row[e] % size);
            to->value[next[g]++] = from->value[e];
        }
    st = NE_OK;
done:
    memory_free(mem, next);
    memory_free(mem, lists);
    memory_free(mem, last);
    return st;
}

static void groups_clear(const ne_allocator *mem, knn_sparse_groups *groups)
{
    memory_free(mem, groups->first);
    memory_free(mem, groups->start);
    memory_free(mem, groups->column);
    memory_free(mem, groups->row);
    memory_free(mem, groups->value);
    *groups = (knn_sparse_groups){0};
}

static ne_status check_entries(double entries)
{
    return entries > UINT32_MAX ? ne_fail(NE_UNSUPPORTED, "x: %.0f entries, 2^32 are too many", entries) : NE_OK;
}

ne_status knn_sparse_index_create(ne_context *context, const knn_sparse_rows *rows, size_t block,
                                  knn_sparse_index *made)
{
    const ne_allocator *mem     = &context->memory;
    const ne_csr       *x       = rows->x;
    by_column           columns = {0};
    size_t              entries = KNN_SPARSE_EXTRA * rows->count;
    ne_status           st;

    *made = (knn_sparse_index){0};
    for (size_t id = 0; id < rows->count; id++) {
        const size_t i = knn_sparse_source(rows, id);
        entries += (size_t)(x->start[i + 1] - x->start[i]);
    }
    if ((st = check_entries((double)entries)) != NE_OK) return st;
    st = transpose(mem, rows, entries, &columns);
    if (st == NE_OK) st = group_rows(mem, &columns, rows->width, rows->count, KNN_SPARSE_LANES, &made->panels);
    if (st == NE_OK) st = group_rows(mem, &columns, rows->width, rows->count, block, &made->blocks);
    memory_free(mem, columns.start);
    memory_free(mem, columns.row);
    memory_free(mem, columns.value);
    return st;
}

void knn_sparse_index_clear(const ne_allocator *mem, knn_sparse_index *index)
{
    groups_clear(mem, &index->panels);
    groups_clear(mem, &index->blocks);
}

void knn_sparse_map(const knn_sparse_groups *blocks, size_t block, uint32_t *at)
{
    for (uint32_t l = blocks->first[block]; l < blocks->first[block + 1]; l++) at[blocks->column[l]] = l + 1;
}

void knn_sparse_unmap(const knn_sparse_groups *blocks, size_t block, uint32_t *at)
{
    for (uint32_t l = blocks->first[block]; l < blocks->first[block + 1]; l++) at[blocks->column[l]] = 0;
}

/* --- Memory. */

/* Columns that a group of so many rows has, where column j = 1, 2 .. width is in a row with chance min(1, c / j), as the
 * jth most frequent word (Zipf): the sum of 1 - (1 - min(1, c / j))^rows, over j as steps of a twentieth. */
static double columns_of_group(double width, double c, double rows)
{
    double sum = 0, j = 1;
    while (j <= width) {
        const double step = fmin(fmax(1, floor(j / 20)), width + 1 - j), here = fmin(1, c / (j + 0.5 * (step - 1)));
        sum += step * (here < 1 ? -expm1(rows * log1p(-here)) : 1);
        j += step;
    }
    return sum;
}

double knn_sparse_index_bytes(double rows, double width, double entries, size_t block)
{
    const double length   = entries / rows;
    const double sizes[2] = {KNN_SPARSE_LANES, (double)block};
    double low = 0, high = width, bytes = (width + 1) * sizeof(uint32_t) + (entries + KNN_SPARSE_EXTRA * rows) * 8;

    if (check_entries(entries + KNN_SPARSE_EXTRA * rows) != NE_OK) return NAN;
    for (int i = 0; i < 50; i++) { /* c, from the entries of a row */
        const double c = (low + high) / 2;
        if (columns_of_group(width, c, 1) < length) low = c;
        else high = c;
    }
    for (int i = 0; i < 2; i++) {
        const double groups = ceil(rows / sizes[i]);
        const double lists  = fmin(entries, groups * columns_of_group(width, high, fmin(sizes[i], rows)));
        bytes += groups * 4 * sizeof(uint32_t) + lists * (sizeof(uint32_t) + sizeof(int32_t)) +
                 entries * (sizeof(uint16_t) + sizeof(float));
    }
    return bytes;
}

/* --- Sums. */

typedef enum term {
    TERM_PRODUCT  = 0,
    TERM_ABSOLUTE = 1,
    TERM_EQUAL    = 2
} term;

NE_INLINE lanes absolute(lanes a)
{
    return (lanes)((lanes_int)a & INT32_MAX); /* all bits but the sign */
}

/* One column: entries of the block against 16 values of the panel. */
NE_INLINE void add_column(const uint16_t *row, const float *value, size_t count, const float *q, term kind, float *sums)
{
    const lanes a = lanes_load(q), b = lanes_load(q + LANES);
    const lanes size_a = absolute(a), size_b = absolute(b);
    for (size_t e = 0; e < count; e++) {
        float      *to = sums + (size_t)row[e] * KNN_SPARSE_LANES;
        const lanes v  = lanes_all(value[e]);
        lanes       s = lanes_load(to), t = lanes_load(to + LANES);
        if (kind == TERM_PRODUCT) {
            s += v * a;
            t += v * b;
        } else if (kind == TERM_ABSOLUTE) {
            const lanes size = absolute(v);
            s += absolute(v - a) - (size_a + size);
            t += absolute(v - b) - (size_b + size);
        } else {
            s += __builtin_convertvector((a != 0) + (v == a), lanes); /* what is true is -1 */
            t += __builtin_convertvector((b != 0) + (v == b), lanes);
        }
        lanes_store(to, s);
        lanes_store(to + LANES, t);
    }
}

NE_INLINE void add_panel(const knn_sparse_groups *panels, size_t panel, const knn_sparse_groups *blocks,
                         const uint32_t *at, float factor, float last, term kind, size_t width, float *sums)
{
    for (uint32_t l = panels->first[panel]; l < panels->first[panel + 1]; l++) {
        const size_t   c    = (size_t)panels->column[l];
        const uint32_t list = at[c];
        if (list) {
            float          q[KNN_SPARSE_LANES] = {0};
            const float    f                   = c + 1 == width ? last : factor;
            const uint32_t from                = blocks->start[list - 1];
            for (uint32_t e = panels->start[l]; e < panels->start[l + 1]; e++) q[panels->row[e]] = panels->value[e] * f;
            add_column(blocks->row + from, blocks->value + from, blocks->start[list] - from, q, kind, sums);
        }
    }
}

NE_CLONES static void knn_sparse_products(const knn_sparse_groups *panels, size_t panel,
                                          const knn_sparse_groups *blocks, const uint32_t *at, float factor, float last,
                                          size_t width, float *restrict sums)
{
    add_panel(panels, panel, blocks, at, factor, last, TERM_PRODUCT, width, sums);
}

NE_CLONES static void knn_sparse_absolutes(const knn_sparse_groups *panels, size_t panel,
                                           const knn_sparse_groups *blocks, const uint32_t *at, size_t width,
                                           float *restrict sums)
{
    add_panel(panels, panel, blocks, at, 1, 1, TERM_ABSOLUTE, width, sums);
}

NE_CLONES static void knn_sparse_equals(const knn_sparse_groups *panels, size_t panel, const knn_sparse_groups *blocks,
                                        const uint32_t *at, size_t width, float *restrict sums)
{
    add_panel(panels, panel, blocks, at, 1, 1, TERM_EQUAL, width, sums);
}

void knn_sparse_add(const knn_sparse_rows *rows, const knn_sparse_index *index, size_t panel, const uint32_t *at,
                    float *sums)
{
    const float factor = rows->kind == METRIC_JACCARD ? 1.0f : rows->kind == METRIC_ANGULAR ? -1.0f : -2.0f;
    if (rows->kind == METRIC_MANHATTAN)
        knn_sparse_absolutes(&index->panels, panel, &index->blocks, at, rows->width, sums);
    else if (rows->kind == METRIC_HAMMING)
        knn_sparse_equals(&index->panels, panel, &index->blocks, at, rows->width, sums);
    /* The last column holds sqrt(d) times the means, whose products are subtracted. */
    else knn_sparse_products(&index->panels, panel, &index->blocks, at, factor, -factor, rows->width, sums);
}
