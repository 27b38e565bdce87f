/* graph/graph_file.h: a graph in a file, the same bytes on every machine.
 *
 *     8   "NEGRAPH" and a 0              little-endian throughout
 *     4   version, 1                     4   kind: 1 distances, 2 affinity
 *     8   rows n                         8   entries e
 *     8   recall, f64
 *     8 (n + 1)   row starts, i64        4 e   columns, i32        4 e   values, f32
 *     8   FNV-1a over the 4-byte words before it
 *
 * Nothing in a file is believed: sizes are compared with the length of the file before memory is taken, and all that
 * ne.h says of a graph is checked. */
#ifndef NE_GRAPH_GRAPH_FILE_H
#define NE_GRAPH_GRAPH_FILE_H

#include "graph/graph.h"

/* Through PATH.part, which takes the place of PATH when it is whole.
 * errors: NE_IO with the system's text; NE_OUT_OF_MEMORY. */
ne_status graph_file_write(ne_context *context, const char *path, ne_graph_kind kind, const csr *m, double recall);
/* errors: NE_IO: no such file, cut short, changed, or not a graph; NE_UNSUPPORTED: a newer version;
 * NE_OUT_OF_MEMORY. */
ne_status graph_file_read(ne_context *context, const char *path, ne_graph_kind *kind, csr *to, double *recall);

#endif
