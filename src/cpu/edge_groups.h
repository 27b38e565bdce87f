/* cpu/edge_groups.h: the edges of P in the form that attraction reads fastest; the operations `edges_...` of the CPU
 * backend.
 *
 * Reading a CSR with 32-bit columns and weights takes 8 bytes an edge, and a large one is read at the speed of memory, which
 * two threads share. A group holds eight edges of one row in 32 bytes, half a cache line: their columns as
 * 16 bits from the base of their segment, their weights as halves times a power of two that takes the largest to 2^14 to
 * 2^15. A weight is wrong by 2^-11 of itself at most, and by nothing on average, down to 2^-29 of the largest; there halves
 * lose digits, and no graph is packed that has a row of such weights only. A segment is a run of groups of one row whose
 * columns lie within 65,536 of its base; with points in local order most rows have one segment. What is left of a last
 * group are edges of weight 0 to the base. */
#ifndef NE_CPU_EDGE_GROUPS_H
#define NE_CPU_EDGE_GROUPS_H

#include "backend/backend.h"

enum {
    EDGE_GROUP = 8,
    EDGE_ROWS  = 128 /* rows of a block */
};

typedef struct edge_group {
    uint16_t col[EDGE_GROUP], weight[EDGE_GROUP];
} edge_group;

typedef struct edge_segment {
    uint32_t base, groups;
} edge_segment;

struct edge_groups {
    size_t        rows;
    uint32_t     *segments; /* rows + 1: the first of each row */
    size_t       *first;    /* the first group of each block of EDGE_ROWS rows */
    edge_segment *segment;
    edge_group   *group;
    float         unit; /* of the weights */
};

/* Packs all rows of p, which stays the caller's. *made is NULL where a CSR serves as well: a small one, one whose rows
 * reach all over the columns, other kernels or columns than those with a loop for groups, no such instructions.
 * errors: NE_OUT_OF_MEMORY. */
ne_status cpu_edges_pack(ne_context *context, const ne_csr *p, size_t c, const output_kernel *kernel,
                         edge_groups **made);
void      cpu_edges_free(ne_context *context, edge_groups *edges);
double    cpu_edges_bytes(double rows, double entries, size_t c, const output_kernel *kernel); /* 0 if not packed */

/* Without the rule on the least size: for tests. */
ne_status edge_groups_make(ne_context *context, const ne_csr *p, edge_groups **made);

#endif
