/* base/store.h: rows of floats in an unlinked file, which is read through a map of it.
 *
 * The file has no name, so nothing is left behind however the process ends, and no padding: row i is at i * d * 4. */
#ifndef NE_BASE_STORE_H
#define NE_BASE_STORE_H

#include "base/memory.h"

typedef struct store {
    const ne_allocator *memory;
    char               *folder; /* for error texts */
    size_t              d, rows;
    size_t              piece; /* rows that stage holds: a few megabytes, or one row */
    float              *stage; /* piece x d: on their way to the file */
    int                 file;  /* -1: none */
    void               *map;   /* of the first `mapped` bytes; NULL: none */
    size_t              mapped;
} store;

/* folder NULL: TMPDIR or /var/tmp, as /tmp is often kept in memory. errors: NE_IO; NE_OUT_OF_MEMORY. Clear a failed one
 * too. memory has to outlive the store. */
ne_status store_open(const ne_allocator *memory, size_t d, const char *folder, store *made);
void      store_clear(store *with);

/* Checked views of d columns. errors: NE_IO; NE_INVALID_ARGUMENT: a number that is not finite as a float. What was
 * there before stays. */
ne_status store_append(store *to, const ne_dense *rows);
/* errors: as store_append; what read returns. */
ne_status store_read(store *to, ne_reader_fn read, void *user);
/* errors: NE_INVALID_ARGUMENT: no rows; NE_IO. */
ne_status store_view(store *from, ne_dense *view);

#endif
