/* init/spectral.c: see spectral.h. Rows are numbered anew, component by component and in order of a breadth-first search
 * within each: a component is then a range, and the rows that a row is linked to are near it in memory. */
#include "init/spectral.h"

#include "base/blas.h"
#include "init/spectral_solver.h"

#include <math.h>
#include <stdlib.h>

typedef struct component {
    size_t first, n;   /* a range of the new numbers */
    double x, y, side; /* its square: the lower left corner */
} component;

typedef struct spectral_parts {
    size_t     n, count; /* components */
    size_t    *order;    /* row of a new number */
    component *component;
    int64_t   *start;
    int32_t   *col; /* counted from the first row of the component */
    double    *val, *root;
} spectral_parts;

/* --- Components -------------------------------------------------------------------------------------------------- */

/* Breadth first from each row that is not yet reached; place[row] is its new number. */
static void find_components(const csr *p, spectral_parts *s, size_t *place)
{
    size_t filled = 0;
    for (size_t i = 0; i < s->n; i++) place[i] = SIZE_MAX;
    for (size_t i = 0; i < s->n; i++) {
        if (place[i] != SIZE_MAX) continue;
        s->component[s->count] = (component){.first = filled};
        place[i]               = filled;
        s->order[filled++]     = i;
        for (size_t at = s->component[s->count].first; at < filled; at++)
            for (int64_t e = p->start[s->order[at]]; e < p->start[s->order[at] + 1]; e++) {
                const size_t j = (size_t)p->col[e];
                if (p->val[e] > 0 && place[j] == SIZE_MAX) {
                    place[j]           = filled;
                    s->order[filled++] = j;
                }
            }
        s->component[s->count].n = filled - s->component[s->count].first;
        s->count++;
    }
}

/* A = D^(-1/2) W D^(-1/2) in the new numbers. */
static void normalise(const csr *p, spectral_parts *s, const size_t *place)
{
    size_t filled = 0, which = 0;
    for (size_t r = 0; r < s->n; r++) {
        double degree = 0;
        for (int64_t e = p->start[s->order[r]]; e < p->start[s->order[r] + 1]; e++) degree += (double)p->val[e];
        s->root[r] = degree > 0 ? sqrt(degree) : 1; /* a row by itself has no eigenvector to find */
    }
    s->start[0] = 0;
    for (size_t r = 0; r < s->n; r++) {
        while (r >= s->component[which].first + s->component[which].n) which++;
        for (int64_t e = p->start[s->order[r]]; e < p->start[s->order[r] + 1]; e++) {
            const size_t to = place[p->col[e]];
            if (!(p->val[e] > 0)) continue;
            s->col[filled]   = (int32_t)(to - s->component[which].first);
            s->val[filled++] = (double)p->val[e] / (s->root[r] * s->root[to]);
        }
        s->start[r + 1] = (int64_t)filled;
    }
}

/* --- Squares ----------------------------------------------------------------------------------------------------- */

static int compare_components(const void *a, const void *b)
{
    const component *p = a, *q = b;
    if (p->n != q->n) return p->n > q->n ? -1 : 1;
    return (p->first > q->first) - (p->first < q->first);
}

/* In rows, largest first, each row as high as its first square and about as wide as all rows are high. In one dimension
 * one row. */
static void place_components(spectral_parts *s, size_t c)
{
    const double width = c == 1 ? INFINITY : 1.1 * sqrt((double)s->n);
    double       x = 0, y = 0, high = 0;
    qsort(s->component, s->count, sizeof *s->component, compare_components);
    for (size_t k = 0; k < s->count; k++) {
        component *at = &s->component[k];
        at->side      = c == 1 ? (double)at->n : sqrt((double)at->n);
        if (x > 0 && x + at->side > width) {
            x = 0;
            y += high;
            high = 0;
        }
        at->x = x;
        at->y = y;
        x += at->side;
        high = fmax(high, at->side);
    }
}

/* --- Vectors ------------------------------------------------------------------------------------------------------ */

/* The entry largest in absolute value is positive; the first in the rows' old order where some are as large, which
 * rounding must not decide. */
static double sign_of_column(const spectral_parts *s, const component *of, size_t width, const double *vectors,
                             size_t column)
{
    double largest = 0, sign = 1;
    size_t row = SIZE_MAX;
    for (size_t i = 0; i < of->n; i++) largest = fmax(largest, fabs(vectors[i * width + column]));
    for (size_t i = 0; i < of->n; i++) {
        const double value = vectors[i * width + column];
        if (fabs(value) >= (1 - 1e-5) * largest && s->order[of->first + i] < row) {
            row  = s->order[of->first + i];
            sign = value < 0 ? -1 : 1;
        }
    }
    return sign;
}

/* Into z, and where there are several components, into the middle 4/5 of its square. */
static void write_component(const spectral_parts *s, const component *of, size_t c, size_t width, const double *vectors,
                            float *z)
{
    const size_t count = of->n > c ? c : of->n - 1;
    double       scale = 1, largest = 0;
    for (size_t i = 0; i < of->n; i++)
        for (size_t k = 0; k < count; k++) largest = fmax(largest, fabs(vectors[i * width + k]));
    if (s->count > 1) scale = largest > 0 ? 0.4 * of->side / largest : 0;
    for (size_t k = 0; k < c; k++) {
        const double by     = k < count ? scale * sign_of_column(s, of, width, vectors, k) : 0;
        const double corner = k == 0 ? of->x : of->y;
        const double middle = s->count > 1 && k < 2 ? corner + of->side / 2 : 0;
        for (size_t i = 0; i < of->n; i++)
            z[s->order[of->first + i] * c + k] = (float)(middle + (k < count ? by * vectors[i * width + k] : 0));
    }
}

static ne_status solve_components(ne_context *context, const spectral_parts *s, size_t c, double tolerance,
                                  uint64_t seed, float *z)
{
    const ne_allocator *mem   = &context->memory;
    const size_t        width = spectral_width(c), most = s->component[0].n;
    double             *vectors  = memory_new(mem, most * width, sizeof *vectors);
    double             *work     = memory_new(mem, most * width, sizeof *work);
    size_t              short_of = 0;
    ne_status           st       = vectors && work ? NE_OK : NE_OUT_OF_MEMORY;

    blas_enter();
    for (size_t k = 0; k < s->count && st == NE_OK; k++) {
        const component     *of    = &s->component[k];
        const spectral_graph graph = {of->n, s->start + of->first, s->col, s->val, s->root + of->first};
        int                  met   = 1;
        if (of->n > 1) st = spectral_solve(context, &graph, c, tolerance, seed, vectors, work, &met);
        if (st == NE_OK) write_component(s, of, c, width, vectors, z);
        short_of += !met;
    }
    blas_leave();
    if (st == NE_OK && short_of)
        context_log(context, NE_LOG_WARNING, "init: the spectral start is approximate: there was no time to converge");
    memory_free(mem, vectors);
    memory_free(mem, work);
    return st;
}

ne_status spectral_start(ne_context *context, const csr *given, size_t c, double tolerance, uint64_t seed, float *z)
{
    const ne_allocator *mem  = &context->memory;
    const csr          *p    = given;
    csr                 copy = {0}, symmetric = {0};
    spectral_parts      s     = {.n = given->rows};
    size_t             *place = NULL;
    ne_status           st    = NE_OK;

    if (c > SPECTRAL_COUNT_MOST)
        return ne_fail(NE_NOT_CONVERGED, "init: spectral has %d columns at most, not %zu", SPECTRAL_COUNT_MOST, c);
    if (!csr_is_symmetric(given)) {
        if ((st = csr_copy(mem, given, &copy)) != NE_OK) goto done;
        if ((st = csr_symmetrise(context, &copy, 1, &symmetric)) != NE_OK) goto done;
        p = &symmetric;
    }
    place       = memory_new(mem, s.n, sizeof *place);
    s.order     = memory_new(mem, s.n, sizeof *s.order);
    s.component = memory_new(mem, s.n, sizeof *s.component);
    s.start     = memory_new(mem, s.n + 1, sizeof *s.start);
    s.root      = memory_new(mem, s.n, sizeof *s.root);
    s.col       = memory_new(mem, p->entries, sizeof *s.col);
    s.val       = memory_new(mem, p->entries, sizeof *s.val);
    if (!place || !s.order || !s.component || !s.start || !s.root || !s.col || !s.val) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    find_components(p, &s, place);
    normalise(p, &s, place);
    place_components(&s, c);
    if (s.count > 1)
        context_log(context, NE_LOG_WARNING, "init: the graph has %zu components, they are placed side by side",
                    s.count);
    st = solve_components(context, &s, c, tolerance, seed, z);
done:
    csr_clear(mem, &copy);
    csr_clear(mem, &symmetric);
    memory_free(mem, place);
    memory_free(mem, s.order);
    memory_free(mem, s.component);
    memory_free(mem, s.start);
    memory_free(mem, s.root);
    memory_free(mem, s.col);
    memory_free(mem, s.val);
    return st;
}

double spectral_start_bytes(double n, double entries, size_t c)
{
    const double places = 2 * sizeof(size_t) + sizeof(component) + sizeof(int64_t) + sizeof(double);
    return n * places + entries * (sizeof(int32_t) + sizeof(double)) +
           2 * n * (double)spectral_width(c) * sizeof(double);
}
