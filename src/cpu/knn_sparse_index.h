/* cpu/knn_sparse_index.h: packed sparse rows in groups, and each group by columns: for each column that occurs in the
 * group, in ascending order, the rows that have it. Rows without the column cost nothing. */
#ifndef NE_CPU_KNN_SPARSE_INDEX_H
#define NE_CPU_KNN_SPARSE_INDEX_H

#include "cpu/knn_sparse_rows.h"

enum {
    KNN_SPARSE_LANES = 16 /* rows of a panel: two registers of AVX2, a cache line */
};

typedef struct knn_sparse_groups {
    size_t    size, count;
    uint32_t *first;  /* count + 1: group g has the lists first[g] .. first[g + 1] - 1 */
    uint32_t *start;  /* lists + 1: list l has the entries start[l] .. start[l + 1] - 1 */
    int32_t  *column; /* of a list */
    uint16_t *row;    /* of an entry: its place in the group */
    float    *value;
} knn_sparse_groups;

/* The same entries twice: in panels, whose rows are compared side by side, and in blocks that a panel is held against. */
typedef struct knn_sparse_index {
    knn_sparse_groups panels, blocks;
} knn_sparse_index;

/* errors: NE_OUT_OF_MEMORY; NE_UNSUPPORTED: 2^32 entries or more. Clear a failed one too. */
ne_status knn_sparse_index_create(ne_context *context, const knn_sparse_rows *rows, size_t block,
                                  knn_sparse_index *made);
/* What that takes at most while it is made, for estimates; NaN: NE_UNSUPPORTED. */
double knn_sparse_index_bytes(double rows, double width, double entries, size_t block);
void   knn_sparse_index_clear(const ne_allocator *mem, knn_sparse_index *index);

/* Where a column is among the lists of one block: the list's number and 1, or 0. at has rows->width zeros, and gets them
 * back. */
void knn_sparse_map(const knn_sparse_groups *blocks, size_t block, uint32_t *at);
void knn_sparse_unmap(const knn_sparse_groups *blocks, size_t block, uint32_t *at);

/* sums[r][l] += the sum over shared columns, see knn_sparse_rows.h, of row r of a block and row l of a panel. */
void knn_sparse_add(const knn_sparse_rows *rows, const knn_sparse_index *index, size_t panel, const uint32_t *at,
                    float *sums);

#endif
