/* cpu/edge_groups.c: see edge_groups.h. Two passes over the rows, the first to count. A row whose columns are further apart
 * than 16 bits can say has a segment for each page of 65,536 columns that it reaches. Cost: 2 to 3 ns an edge. */
#include "cpu/edge_groups.h"

#include "cpu/x86/attract_avx2.h"

#include <math.h>
#include <string.h>

enum {
    PAGE_BITS     = 16,
    PAGE          = 1 << PAGE_BITS,
    PAGES_MOST    = 512,
    ENTRIES_LEAST = 1 << 20 /* the CSR of fewer stays in a processor's caches */
};

/* The share of the CSR's bytes up to which groups are worth having. */
static const double worth = 0.75;

/* A row's columns by page; or all in one, from the least of them on. */
typedef struct row_pages {
    int      one;
    uint32_t base, count[PAGES_MOST]; /* one: only count[0] */
} row_pages;

static size_t pages_of(const ne_csr *p)
{
    return (p->rows + PAGE - 1) / PAGE;
}

static void row_look(const ne_csr *p, size_t row, row_pages *to)
{
    const size_t first = (size_t)p->start[row], last = (size_t)p->start[row + 1];
    int32_t      least = INT32_MAX, most = 0;
    for (size_t e = first; e < last; e++) {
        least = p->col[e] < least ? p->col[e] : least;
        most  = p->col[e] > most ? p->col[e] : most;
    }
    to->one = first == last || most - least < PAGE;
    if (to->one) {
        to->base     = (uint32_t)least;
        to->count[0] = (uint32_t)(last - first);
    } else {
        memset(to->count, 0, pages_of(p) * sizeof *to->count);
        for (size_t e = first; e < last; e++) to->count[p->col[e] >> PAGE_BITS]++;
    }
}

static void block_count(const ne_csr *p, edge_groups *to, size_t block)
{
    const size_t row0 = block * EDGE_ROWS, row1 = row0 + EDGE_ROWS < p->rows ? row0 + EDGE_ROWS : p->rows;
    row_pages    look;
    size_t       groups = 0;
    for (size_t r = row0; r < row1; r++) {
        uint32_t segments = 0;
        row_look(p, r, &look);
        for (size_t g = 0; g < (look.one ? 1 : pages_of(p)); g++) {
            segments += look.count[g] > 0;
            groups += (look.count[g] + EDGE_GROUP - 1) / EDGE_GROUP;
        }
        to->segments[r + 1] = segments;
    }
    to->first[block + 1] = groups;
}

/* Returns where the groups of the next row go. */
static edge_group *row_fill(const ne_csr *p, const edge_groups *to, size_t row, edge_group *group)
{
    const size_t  first = (size_t)p->start[row], count = (size_t)p->start[row + 1] - first;
    const float  *val     = (const float *)p->val + first;
    const float   by      = 1 / to->unit;
    edge_segment *segment = to->segment + to->segments[row];
    row_pages     look;
    edge_group   *of_page[PAGES_MOST];

    row_look(p, row, &look);
    for (size_t g = 0; g < (look.one ? 1 : pages_of(p)); g++) {
        const uint32_t groups = (look.count[g] + EDGE_GROUP - 1) / EDGE_GROUP;
        of_page[g]            = group;
        if (groups) {
            *segment++ = (edge_segment){look.one ? look.base : (uint32_t)g << PAGE_BITS, groups};
            group += groups;
            memset(group - 1, 0, sizeof *group);
        }
        look.count[g] = 0;
    }
    for (size_t e = 0; look.one && e < count; e += EDGE_GROUP) {
        const size_t left = count - e < EDGE_GROUP ? count - e : EDGE_GROUP;
        edge_group  *at   = of_page[0] + e / EDGE_GROUP;
        for (size_t k = 0; k < left; k++) at->col[k] = (uint16_t)((uint32_t)p->col[first + e + k] - look.base);
        attract_avx2_halves(val + e, left, by, at->weight);
    }
    for (size_t e = 0; !look.one && e < count; e++) {
        const uint32_t col = (uint32_t)p->col[first + e], page = col >> PAGE_BITS, k = look.count[page]++;
        edge_group    *at       = of_page[page] + k / EDGE_GROUP;
        at->col[k % EDGE_GROUP] = (uint16_t)(col & (PAGE - 1));
        attract_avx2_halves(val + e, 1, by, at->weight + k % EDGE_GROUP);
    }
    return group;
}

static void block_fill(const ne_csr *p, edge_groups *to, size_t block)
{
    const size_t row0 = block * EDGE_ROWS, row1 = row0 + EDGE_ROWS < p->rows ? row0 + EDGE_ROWS : p->rows;
    edge_group  *at = to->group + to->first[block];
    for (size_t r = row0; r < row1; r++) at = row_fill(p, to, r, at);
}

/* The power of two by which weights are divided; 0: there is no weight, or a row whose largest is too small for a half. */
static float unit_of(const ne_csr *p, int threads)
{
    const float *val  = p->val;
    float        most = 0, least = INFINITY; /* of the largest of each row */
    int          power = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(max : most) reduction(min : least)
    for (size_t r = 0; r < p->rows; r++) {
        float largest = 0;
        for (int64_t e = p->start[r]; e < p->start[r + 1]; e++) largest = fmaxf(largest, fabsf(val[e]));
        most = fmaxf(most, largest);
        if (largest > 0) least = fminf(least, largest);
    }
    (void)frexpf(most, &power);
    return most > 0 && most < INFINITY && power > -100 && least > most * 0x1p-24f ? ldexpf(1, power - 15) : 0;
}

ne_status edge_groups_make(ne_context *context, const ne_csr *p, edge_groups **made)
{
    const ne_allocator *mem      = &context->memory;
    const int           threads  = context_threads(context);
    const size_t        blocks   = (p->rows + EDGE_ROWS - 1) / EDGE_ROWS;
    edge_groups        *to       = memory_zero(mem, 1, sizeof *to);
    size_t              segments = 0;
    ne_status           st       = NE_OUT_OF_MEMORY;

    *made = NULL;
    if (!to) goto done;
    to->rows     = p->rows;
    to->unit     = unit_of(p, threads);
    to->segments = memory_zero(mem, p->rows + 1, sizeof *to->segments);
    to->first    = memory_zero(mem, blocks + 1, sizeof *to->first);
    if (!to->segments || !to->first) goto done;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
    for (size_t b = 0; b < blocks; b++) block_count(p, to, b);
    for (size_t b = 0; b < blocks; b++) to->first[b + 1] += to->first[b];
    for (size_t r = 0; r < p->rows; r++) {
        segments += to->segments[r + 1];
        to->segments[r + 1] = (uint32_t)segments;
    }
    if (to->unit <= 0 || segments > UINT32_MAX ||
        (double)to->first[blocks] * sizeof(edge_group) + (double)segments * sizeof(edge_segment) >
            worth * (double)p->start[p->rows] * (sizeof(int32_t) + sizeof(float))) {
        st = NE_OK;
        goto done;
    }
    to->segment = memory_new(mem, segments, sizeof *to->segment);
    to->group   = memory_new(mem, to->first[blocks], sizeof *to->group);
    if (!to->segment || !to->group) goto done;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
    for (size_t b = 0; b < blocks; b++) block_fill(p, to, b);
    *made = to;
    to    = NULL;
    st    = NE_OK;
done:
    cpu_edges_free(context, to);
    return st;
}

static int worthwhile(double rows, double entries, size_t c, const output_kernel *kernel)
{
    return c == 2 && (kernel->kind == KERNEL_STUDENT || kernel->kind == KERNEL_LARGEVIS) && entries >= ENTRIES_LEAST &&
           rows <= (double)PAGE * PAGES_MOST && attract_avx2_packs();
}

ne_status cpu_edges_pack(ne_context *context, const ne_csr *p, size_t c, const output_kernel *kernel,
                         edge_groups **made)
{
    *made = NULL;
    return worthwhile((double)p->rows, (double)p->start[p->rows], c, kernel) ? edge_groups_make(context, p, made)
                                                                             : NE_OK;
}

void cpu_edges_free(ne_context *context, edge_groups *edges)
{
    const ne_allocator *mem = &context->memory;
    if (edges) {
        memory_free(mem, edges->segments);
        memory_free(mem, edges->first);
        memory_free(mem, edges->segment);
        memory_free(mem, edges->group);
        memory_free(mem, edges);
    }
}

double cpu_edges_bytes(double rows, double entries, size_t c, const output_kernel *kernel)
{
    /* Of points in local order; segments that are not all full. */
    const double group = sizeof(edge_group), half = (EDGE_GROUP - 1) / 2.0, segments = rows > PAGE ? 1.25 * rows : rows;
    return worthwhile(rows, entries, c, kernel) ? (entries + half * segments) / EDGE_GROUP * group +
                                                      rows * sizeof(uint32_t) + segments * sizeof(edge_segment)
                                                : 0;
}
