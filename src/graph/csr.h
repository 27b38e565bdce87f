/* graph/csr.h: sparse matrices that the library owns: 64-bit row starts, 32-bit columns, f32 values.
 *
 * The same struct holds k-NN rows (ascending by distance, then index) and affinities (columns ascending). */
#ifndef NE_GRAPH_CSR_H
#define NE_GRAPH_CSR_H

#include "base/context.h"
#include "ne.h"

typedef struct csr {
    size_t   rows, entries;
    int64_t *start; /* rows + 1 */
    int32_t *col;
    float   *val;
} csr;

ne_status csr_new(const ne_allocator *mem, size_t rows, size_t entries, csr *to); /* nothing filled but start[0] */
void      csr_clear(const ne_allocator *mem, csr *m);
ne_csr    csr_view(const csr *m);
ne_status csr_copy(const ne_allocator *mem, const csr *from, csr *to);

/* to = scale (A + A^T), columns ascending. A is square, without repeated columns in a row; its rows are sorted by column
 * on the way. A counting sort gives the transpose, whose rows come out sorted; then each row is one merge. */
ne_status csr_symmetrise(ne_context *context, csr *a, double scale, csr *to);
/* Row r of `to` is row order[r] of a, its columns renumbered likewise; entries of a row keep their order. */
ne_status csr_permute(ne_context *context, const csr *a, const int64_t *order, csr *to);
/* Sort each row by column. */
ne_status csr_sort_rows(ne_context *context, csr *a);
double    csr_sum(const csr *a);          /* in row order, f64 */
int       csr_is_symmetric(const csr *a); /* pattern and values, exactly; columns ascending */

/* What they take, for estimates. In double, where no product overflows. */
double csr_bytes(double rows, double entries);
/* At most at a time, beside a and with the result, which has `united` entries; likewise. */
double csr_symmetrise_bytes(double rows, double entries, double united);
double csr_permute_bytes(double rows, double entries);

#endif
