/* io/stream.h: rows that need not fit memory: a file mapped as it stands, or a store of the library's. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "io/array.h"
#include "io/bytes.h"
#include "io/table.h"

/** The rows of an array, of which source has read the header. A .npy file of this machine's floats or doubles, in C order, is
 *  mapped where it lies; whatever else goes block by block into a store, as floats.
 *  errors   NE_IO, NE_UNSUPPORTED; NaN and infinite numbers of what is mapped are found by the library, when it reads. */
ne_status stream_array(const char *path, bytes_source *source, const array *from, ne_context *context, table *to);

/** Fills rows [row0, row0 + rows) into values, for stream_rows(). */
typedef ne_status (*stream_fill_fn)(const void *user, size_t row0, size_t rows, void *values);
/** rows x cols numbers (f32 or f64) into a new store, which becomes the table's. */
ne_status stream_rows(const char *path, ne_context *context, size_t rows, size_t cols, int32_t dtype,
                      stream_fill_fn fill, const void *user, table *to);

/** ne_store_append(), with the name of the file before its error text. */
ne_status stream_append(const char *path, ne_store *store, const ne_dense *rows);
/** Lets the table show what its store holds. */
ne_status stream_show(table *of);
/** Unmaps, and ends the store. */
void stream_clear(table *of);

#endif
