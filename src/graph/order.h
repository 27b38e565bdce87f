/* graph/order.h: an order of points in which neighbors in the plane are neighbors in memory. */
#ifndef NE_GRAPH_ORDER_H
#define NE_GRAPH_ORDER_H

#include "base/context.h"

/* Morton order of the first min(c, 3) columns of z (n x c), on a grid of 2^16 (c <= 2) or 2^10 cells a side over the
 * bounding box; points of one cell keep their order. order[r] = the row of z that comes r-th.
 * A stable radix sort of the 32-bit codes, three passes of 11 bits. Points that are not finite come first. */
ne_status order_morton(ne_context *context, size_t n, size_t c, const float *z, int64_t *order);
/* What it takes, for estimates. */
double order_morton_bytes(double n);

#endif
