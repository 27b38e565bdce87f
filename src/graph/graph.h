/* graph/graph.h: the ne_graph handle: a CSR with a kind, and the options and results of the search that made it. */
#ifndef NE_GRAPH_GRAPH_H
#define NE_GRAPH_GRAPH_H

#include "graph/knn.h"

typedef struct graph_params {
    int64_t n_neighbors, random_state;
} graph_params;

struct ne_graph {
    ne_context   *context;
    option_set    options;
    graph_params  params;
    knn_params    knn;
    ne_graph_kind kind;
    csr           matrix; /* rows is 0 until it is built */
    knn_report    report;
};

ne_status graph_new(ne_context *context, ne_graph **graph);
void      graph_free(ne_graph *graph);

/* The constructors behind ne_graph_from_...(): they check what only the data can tell. */
ne_status graph_from_neighbors(ne_context *context, const ne_dense *indices, const ne_dense *distances, csr *to);
ne_status graph_from_distances(ne_context *context, const ne_dense *distances, size_t k, csr *to);
ne_status graph_from_csr(ne_context *context, ne_graph_kind kind, const ne_csr *from, csr *to);

#endif
