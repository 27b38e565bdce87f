/* base/memory.h: the context's allocator with sizes checked and remembered.
 *
 * Blocks are aligned to 64 bytes, a cache line and the widest vector. Call from the thread that called the library,
 * never from inside a parallel region: a user's allocator need not be thread safe. */
#ifndef NE_BASE_MEMORY_H
#define NE_BASE_MEMORY_H

#include "ne.h"

extern const ne_allocator memory_default;

/* count * size bytes, not initialised; NULL with the error text set when the product overflows or there is no memory.
 * A count of 0 gives a block that may be freed, so that NULL always means failure. */
void *memory_new(const ne_allocator *mem, size_t count, size_t size);
void *memory_zero(const ne_allocator *mem, size_t count, size_t size); /* the same, filled with 0 */
void  memory_free(const ne_allocator *mem, void *block);               /* NULL does nothing */

#endif
