/* affinity/pair_list.h: the pairs that count, row by row. A solver's Hessian is all but sparse where its affinity is, so
 * its products run over a list, made once a Newton step, and leave the visits of all pairs to values and gradients. */
#ifndef NE_AFFINITY_PAIR_LIST_H
#define NE_AFFINITY_PAIR_LIST_H

#include "affinity/pairs.h"

/* Terms that are smaller than this, where a row's sum is 1, change the direction of a step by less than it matters. */
#define PAIR_LIST_LEAST 1e-7

typedef struct pair_list {
    size_t   rows;
    int64_t *start; /* rows + 1 */
    int32_t *col;   /* NULL: there is no list */
    float   *w, *l; /* what a pair brings along; NULL where nothing was asked for */
} pair_list;

/* How many pairs with so many values a list may have: 16 MiB, or where the distances are kept, 3/8 of their memory. */
size_t pair_list_most(const ne_pairs *pairs, int values);
/* Room for count[i] pairs in row i with `values` numbers (0 to 2) each, in the place of an older list; no list, and NE_OK,
 * where they are more than most. */
ne_status pair_list_new(const ne_allocator *mem, size_t rows, const double *count, size_t most, int values,
                        pair_list *list);
void      pair_list_clear(const ne_allocator *mem, pair_list *list);
/* to_i = diagonal_i v_i + sum over the list w_ij v_j, w_ij = 1 where the list has none. */
void pair_list_product(ne_context *context, const pair_list *list, const double *diagonal, const double *v, double *to);

/* What a list of so many pairs takes, for estimates. */
double pair_list_bytes(double pairs, int values);

#endif
