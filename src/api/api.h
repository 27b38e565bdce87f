/* api/api.h: what the public functions share. Argument checks and error text; no arithmetic. */
#ifndef NE_API_API_H
#define NE_API_API_H

#include "base/context.h"
#include "graph/knn.h"
#include "ne.h"

/* The built-in types into the registry, once in a process, before anything is looked up or added. */
ne_status api_register_builtin(void);

/* "name: a null pointer" */
ne_status api_null(const char *what);

/* A whole fit to x, to a graph with or without x, or to sparse rows that have been checked; y receives the layout. */
ne_status api_fit(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x, const ne_csr *rows,
                  const ne_dense *y);
/* The result of a search, into graph, whose old matrix goes. */
void api_take_neighbors(ne_graph *graph, csr *made, const knn_report *report);

#endif
