/* ne.h: neighbor embedding. C11 and C++17; the only header a program includes.
 *
 * True everywhere below, so no comment repeats it:
 *   shapes   n points, d input columns, c output columns (option "n_components"); row-major; sizes are size_t.
 *   memory   what the library makes, the matching _free() releases; _free(NULL) does nothing. Arrays passed in
 *            stay the caller's, and are read or written during the call only. Handles keep their context alive.
 *   errors   what can fail returns ne_status, and then leaves outputs and object as they were, unless "errors"
 *            says otherwise. ne_last_error() has the text, per thread, until that thread's next failing call.
 *   threads  different objects from different threads; one object from one thread at a time.
 *   since    0.1, unless a comment names a later version.
 *
 * Order: 1 version  2 status  3 views  4 context  5 graph, affinity  6 embedding  7 scores  8 extending  9 experimental */
#ifndef NE_H
#define NE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define NE_API                 __attribute__((visibility("default")))
#define NE_FORMAT(text, first) __attribute__((format(printf, text, first)))
#else
#define NE_API
#define NE_FORMAT(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- 1. Version ------------------------------------------------------------------------------------------------- */

#define NE_VERSION_MAJOR 0
#define NE_VERSION_MINOR 1
#define NE_VERSION_PATCH 0

/** The version of the library that runs, as "0.1.0"; a static string. */
NE_API const char *ne_version(void);

/* --- 2. Status. Values are never reused; accept values that are not in this list. ------------------------------- */

typedef enum ne_status {
    NE_OK               = 0,
    NE_INVALID_ARGUMENT = 1, /* a null pointer, a shape that does not fit, a NaN in the data */
    NE_UNKNOWN_NAME     = 2, /* no such type, option or result; the text suggests the nearest name */
    NE_OUT_OF_RANGE     = 3, /* an option outside its range; the text gives the range */
    NE_OUT_OF_MEMORY    = 4, /* the allocator gave nothing, or a size overflows size_t */
    NE_CANCELLED        = 5, /* the progress callback asked to stop */
    NE_NOT_CONVERGED    = 6, /* an iterative solver used all its iterations */
    NE_NOT_FITTED       = 7, /* the call needs a fit that has not happened */
    NE_UNSUPPORTED      = 8, /* this type, device or build cannot do it */
    NE_IO               = 9,
    NE_DEVICE_ERROR     = 10,
    NE_COMM_ERROR       = 11,
    NE_INTERNAL         = 12 /* a fault of the library: please report it */
} ne_status;

/** The text of the calling thread's last failure, "name: value, rule"; "" when there was none. The pointer stays
 *  valid for the life of the thread, its text until the thread's next failing call. */
NE_API const char *ne_last_error(void);

/** The name of a status, as "NE_OUT_OF_RANGE"; a static string. */
NE_API const char *ne_status_name(ne_status status);

/* --- 3. Views: plain descriptions of the caller's arrays, passed by const pointer. ------------------------------ */

typedef enum ne_dtype {
    NE_F32 = 1,
    NE_F64 = 2,
    NE_I32 = 3,
    NE_I64 = 4
} ne_dtype;

typedef enum ne_place {
    NE_HOST   = 0,
    NE_DEVICE = 1,
    NE_MAPPED = 2 /* host memory over a file, of an x only: read in passes, so it may be more than there is memory */
} ne_place;

/** A dense matrix: element (i, j) is data[i * stride + j], stride in elements and at least cols (0 means cols). */
typedef struct ne_dense {
    size_t  struct_size; /* sizeof(ne_dense) */
    void   *data;        /* written to only where a function says that the view is an output */
    size_t  rows, cols, stride;
    int32_t dtype; /* ne_dtype: NE_F32 or NE_F64; NE_I64 and NE_I32 where a function says so */
    int32_t place; /* ne_place; the CPU backend takes NE_HOST, and NE_MAPPED for what it reads */
} ne_dense;

/** A sparse matrix by rows: row i holds entries start[i] .. start[i + 1] - 1 of col and val. */
typedef struct ne_csr {
    size_t         struct_size; /* sizeof(ne_csr) */
    size_t         rows, cols;
    const int64_t *start; /* rows + 1, start[0] = 0, not decreasing */
    const int32_t *col;   /* each in [0, cols) */
    const void    *val;
    int32_t        dtype; /* ne_dtype of val: NE_F32 or NE_F64 */
    int32_t        place;
} ne_csr;

/* --- 4. Context: threads, memory, log. One per thread of the caller that works at the same time. ---------------- */

typedef struct ne_context ne_context;

/** Where the library's memory comes from. Both functions are called from the thread that called the library only. */
typedef struct ne_allocator {
    /** size bytes (never 0) at a multiple of alignment (a power of two), or NULL. */
    void *(*allocate)(void *user, size_t size, size_t alignment);
    void (*release)(void *user, void *block, size_t size, size_t alignment); /* block is never NULL */
    void *user;
} ne_allocator;

typedef enum ne_log_level {
    NE_LOG_WARNING = 1, /* the result is there, but not as asked: the text says what was done instead */
    NE_LOG_INFO    = 2
} ne_log_level;

/** One line of text without a line end. Called from the thread that called the library. */
typedef void (*ne_log_fn)(void *user, int level, const char *text);

/** Options: "threads" (0: as many as OpenMP would use), "device" (auto, cpu), "stream_buffer" (how many bytes of an
 *  NE_MAPPED x are held at once; the more, the fewer passes over the file). */
NE_API ne_status ne_context_create(ne_context **context);
NE_API ne_status ne_context_create_with(const ne_allocator *allocator, ne_context **context);
NE_API void      ne_context_free(ne_context *context);
NE_API ne_status ne_context_set(ne_context *context, const char *name, const char *text);
NE_API ne_status ne_context_set_real(ne_context *context, const char *name, double value);
NE_API ne_status ne_context_set_int(ne_context *context, const char *name, int64_t value);
NE_API ne_status ne_context_get_int(const ne_context *context, const char *name, int64_t *value);
NE_API size_t    ne_context_option_count(const ne_context *context);
NE_API ne_status ne_context_option_info(const ne_context *context, size_t index, const char *field, char *text,
                                        size_t size);
/** log may be NULL: then nothing is said. */
NE_API ne_status ne_context_set_log(ne_context *context, ne_log_fn log, void *user);

/* Options of any object ------------------------------------------------------------------------------------------
 *
 * Every object has a table of options, and the same five ways to reach it (PREFIX is ne_context, ne_graph,
 * ne_affinity or ne_embedding):
 *   PREFIX_set(object, name, text)        parses text by the option's type: "30", "auto", "true", "cosine"
 *   PREFIX_set_real, PREFIX_set_int       the same for numbers; an integer is taken where a real is expected
 *   PREFIX_get_real, PREFIX_get_int       an option's value, or a result of the last fit; a real that is "auto" is NaN
 *   PREFIX_get(object, name, text, size)  the same as text, cut to size bytes with the closing 0
 *   PREFIX_option_count, _option_info     what there is: field is "name", "type" (real, int, bool, choice, name),
 *                                         "default", "reference", "range", "unit", "help", "value" or "owner"
 * errors: NE_UNKNOWN_NAME (with the nearest name), NE_OUT_OF_RANGE (with the range), NE_INVALID_ARGUMENT (NaN, or text
 * that is no value of the type). A bound that depends on the data, "n - 1", is checked when the data comes. */

/* Data that memory does not hold: any x may be a view of a mapped file, with place NE_MAPPED. The result is that of the
 * same rows in memory, bit for bit, unless they exceed stream_buffer and an approximate k-NN search misses its recall,
 * told by "recall_measured": an exact one does not follow. So large an x is searched approximately by knn=auto, takes
 * stream_buffer and up to 512 MiB more than ne_estimate_memory() says, and knn=exact, metric=angular and knn=faiss are
 * not for it. madvise() may be called on the pages. Rows that come from anywhere else go through a store. */

/** Rows of f32, kept in a file without a name that goes with the store. */
typedef struct ne_store ne_store;
/** Up to block->rows rows into block (f32, a writable view) and their number into *count: 0 where there are no more.
 *  row0 is how many were read before. Any status but NE_OK ends the reading, and ne_store_read() returns it. */
typedef ne_status (*ne_reader_fn)(void *user, size_t row0, const ne_dense *block, size_t *count);

/** A store of rows of d columns in folder; NULL: that of the environment's TMPDIR, else /var/tmp.
 *  errors   NE_IO with the system's text. */
NE_API ne_status ne_store_create(ne_context *context, size_t d, const char *folder, ne_store **store);
NE_API void      ne_store_free(ne_store *store);
/** More rows, f32 or f64, all finite as floats. errors: NE_INVALID_ARGUMENT: other columns, or a bad number, whose row
 *  is counted from the store's first; NE_IO: the disk is full. The store then holds what it held before. */
NE_API ne_status ne_store_append(ne_store *store, const ne_dense *rows);
/** The same, of all rows that a reader has: it is read once, in order, in pieces of a few megabytes. */
NE_API ne_status ne_store_read(ne_store *store, ne_reader_fn read, void *user);
/** The rows so far, NE_MAPPED, until the next append or read, or the end of the store. errors: NE_INVALID_ARGUMENT:
 *  there are none. */
NE_API ne_status ne_store_view(ne_store *store, ne_dense *view);

/* --- 5. Graphs and affinities ----------------------------------------------------------------------------------- */

/** A sparse matrix with a meaning: the k nearest neighbors of each row and their distances, or an affinity.
 *  Build it once, read it as CSR, hand it to any number of embeddings. */
typedef struct ne_graph ne_graph;

typedef enum ne_graph_kind {
    NE_GRAPH_DISTANCES = 1, /* neighbors and their distances; ascending (distance, index) within a row */
    NE_GRAPH_AFFINITY  = 2  /* similarities, larger is nearer; columns ascending within a row */
} ne_graph_kind;

/** An empty k-NN graph: set its options ("n_neighbors", "knn", "metric", "recall", ...), then build it. */
NE_API ne_status ne_graph_create(ne_context *context, ne_graph **graph);
NE_API void      ne_graph_free(ne_graph *graph);
NE_API ne_status ne_graph_set(ne_graph *graph, const char *name, const char *text);
NE_API ne_status ne_graph_set_real(ne_graph *graph, const char *name, double value);
NE_API ne_status ne_graph_set_int(ne_graph *graph, const char *name, int64_t value);
NE_API ne_status ne_graph_get(const ne_graph *graph, const char *name, char *text, size_t size);
/** Results: "rows", "entries", "recall_measured" (on a sample, against exact search; 1 when exact), "knn_seconds". */
NE_API ne_status ne_graph_get_real(const ne_graph *graph, const char *name, double *value);
NE_API ne_status ne_graph_get_int(const ne_graph *graph, const char *name, int64_t *value);
NE_API size_t    ne_graph_option_count(const ne_graph *graph);
NE_API ne_status ne_graph_option_info(const ne_graph *graph, size_t index, const char *field, char *text, size_t size);

/** Find the n_neighbors nearest rows of every row of x (f32 or f64, all finite), itself left out by index. Distances
 *  are those of the metric, computed by direct difference; ties go to the smaller index. */
NE_API ne_status ne_graph_build(ne_graph *graph, const ne_dense *x);
/** The same of sparse rows (n x d, f32 or f64), never made dense, and always exactly. Columns of a row in any order, each
 *  once; a row without entries is a row of zeros. Metrics sqeuclidean, euclidean, cosine, angular, correlation, manhattan,
 *  hamming and jaccard. errors: NE_INVALID_ARGUMENT: the text names the first bad row and column. NE_UNSUPPORTED: another
 *  metric; knn = approximate or faiss. */
NE_API ne_status ne_graph_build_sparse(ne_graph *graph, const ne_csr *x);
/** A graph from neighbors that the caller knows: n x k indices (NE_I32 or NE_I64) and distances, not negative. Each
 *  row is sorted; an index equal to its row, outside [0, n) or twice in a row is an error. */
NE_API ne_status ne_graph_from_neighbors(ne_context *context, const ne_dense *indices, const ne_dense *distances,
                                         ne_graph **graph);
/** The k smallest entries, the diagonal left out, of each row of an n x n matrix of distances. */
NE_API ne_status ne_graph_from_distances(ne_context *context, const ne_dense *distances, size_t k, ne_graph **graph);
/** A copy of the caller's CSR: rows are sorted; repeated columns, negative or non-finite values are errors; diagonal
 *  entries are dropped. An affinity keeps its values as they are. */
NE_API ne_status ne_graph_from_csr(ne_context *context, ne_graph_kind kind, const ne_csr *csr, ne_graph **graph);
/** The graph as CSR with f32 values, owned by the graph, valid until it is freed or built again. */
NE_API ne_status ne_graph_csr(const ne_graph *graph, ne_csr *csr);
NE_API int       ne_graph_get_kind(const ne_graph *graph);

/** The graph, of either kind, in a file that reads alike on every machine and in every later version. A file that is
 *  there already is replaced when the new one is whole. errors: NE_IO with the system's text. */
NE_API ne_status ne_graph_save(const ne_graph *graph, const char *path);
/** Options are those of a new graph; "recall_measured" is that of the search that made it. The file is checked in full.
 *  errors: NE_IO: no such file, cut short, changed, or none of ours; NE_UNSUPPORTED: of a later version. */
NE_API ne_status ne_graph_read(ne_context *context, const char *path, ne_graph **graph);
/** For each row of queries its nearest rows of x, as many as indices (NE_I32 or NE_I64) and distances (f32 or f64) have
 *  columns, by the graph's "metric" and exactly: ascending by (distance, index). A row of x that is also a query finds
 *  itself. The graph gives its options only and need not be built. */
NE_API ne_status ne_graph_query(const ne_graph *graph, const ne_dense *x, const ne_dense *queries,
                                const ne_dense *indices, const ne_dense *distances);

/** Called after steps of a fit or of a solver, and within long phases of either: phase is "knn", "affinity", "init",
 *  "exaggeration" or "optimize"; step of steps are done; loss and gradient_norm are NaN where they are not known. Return 0
 *  to go on, anything else to stop. May call ne_embedding_read() of the embedding that it reports on, and nothing else. */
typedef int (*ne_progress_fn)(void *user, const char *phase, int64_t step, int64_t steps, double loss,
                              double gradient_norm);

/** A rule that turns data or distances into similarities; made by its registered name. */
typedef struct ne_affinity ne_affinity;

NE_API ne_status ne_affinity_create(ne_context *context, const char *name, ne_affinity **affinity);
NE_API void      ne_affinity_free(ne_affinity *affinity);
NE_API ne_status ne_affinity_set(ne_affinity *affinity, const char *name, const char *text);
NE_API ne_status ne_affinity_set_real(ne_affinity *affinity, const char *name, double value);
NE_API ne_status ne_affinity_set_int(ne_affinity *affinity, const char *name, int64_t value);
NE_API ne_status ne_affinity_get(const ne_affinity *affinity, const char *name, char *text, size_t size);
/** Results: "n_iter", "residual" of the solver. */
NE_API ne_status ne_affinity_get_real(const ne_affinity *affinity, const char *name, double *value);
NE_API ne_status ne_affinity_get_int(const ne_affinity *affinity, const char *name, int64_t *value);
NE_API size_t    ne_affinity_option_count(const ne_affinity *affinity);
NE_API ne_status ne_affinity_option_info(const ne_affinity *affinity, size_t index, const char *field, char *text,
                                         size_t size);
/** An input affinity of x, or of a graph of distances, as a new graph of kind NE_GRAPH_AFFINITY. Directed or
 *  symmetric as its option "symmetrize" says.
 *  errors   NE_UNSUPPORTED: an output affinity has no input form. */
NE_API ne_status ne_affinity_compute(ne_affinity *affinity, const ne_dense *x, ne_graph **graph);
NE_API ne_status ne_affinity_compute_graph(ne_affinity *affinity, const ne_graph *distances, ne_graph **graph);
/** The affinity of all pairs of rows, n x n, into y, a writable view, f32 or f64 (computed in f32). Distances and
 *  values share its memory; nothing else is of order n^2, "phate" apart. On an error y is spoilt. A solver that has used
 *  all its iterations logs a warning, and leaves result "residual" above its tolerance. */
NE_API ne_status ne_affinity_compute_dense(ne_affinity *affinity, const ne_dense *x, const ne_dense *y);
/** Rows [row0, row1) of an affinity, as a view of f32 that is valid during the call. Return 0 to go on. */
typedef int (*ne_rows_fn)(void *user, size_t row0, size_t row1, const ne_dense *values);
/** The same in linear memory: all rows in ascending order, handed to take at most block at a time. */
NE_API ne_status ne_affinity_compute_rows(ne_affinity *affinity, const ne_dense *x, size_t block, ne_rows_fn take,
                                          void *user);
/** Phase "affinity", and "knn" before it; report may be NULL. */
NE_API ne_status ne_affinity_set_progress(ne_affinity *affinity, ne_progress_fn report, void *user);
/** Arrays of the last computation, one f64 a row. Over neighbors: "bandwidth" (eps_i of exp(-d / eps_i)), "entropy".
 *  Over all pairs: what the affinity solves for, as "bandwidth" and "dual" of symmetric_entropic. */
NE_API ne_status ne_affinity_get_array(const ne_affinity *affinity, const char *name, double *values, size_t count);
/** Array options: "init_dual", n x 1, of sinkhorn and doubly_stochastic_quadratic: the numbers to begin with, as array "dual"
 *  of an earlier solution, which ends the solver at once; NULL takes it back. errors: NE_UNKNOWN_NAME. NE_INVALID_ARGUMENT:
 *  a shape, a bad number; and of the computation whose x has other rows. */
NE_API ne_status ne_affinity_set_array(ne_affinity *affinity, const char *name, const ne_dense *values);

/* --- 6. Embedding ----------------------------------------------------------------------------------------------- */

/** A map from n x d data to n x c coordinates: iterative ("tsne") or not ("pca"). */
typedef struct ne_embedding ne_embedding;

NE_API ne_status ne_embedding_create(ne_context *context, const char *name, ne_embedding **embedding);
NE_API void      ne_embedding_free(ne_embedding *embedding);
NE_API ne_status ne_embedding_set(ne_embedding *embedding, const char *name, const char *text);
NE_API ne_status ne_embedding_set_real(ne_embedding *embedding, const char *name, double value);
NE_API ne_status ne_embedding_set_int(ne_embedding *embedding, const char *name, int64_t value);
/** Array options: "init", n x c, the start itself, not rescaled (option init becomes "array"); NULL takes it back. */
NE_API ne_status ne_embedding_set_array(ne_embedding *embedding, const char *name, const ne_dense *values);
NE_API ne_status ne_embedding_get(const ne_embedding *embedding, const char *name, char *text, size_t size);
/** Results of the last fit: "n_iter" (steps taken), "kl" (exact, of the fitted affinity; computed when asked for, n^2
 *  pairs), "gradient_norm", "loss" (the last one tracked, else NaN), "lr" (in force at the end; before a fit the option),
 *  "random_state_used", "recall_measured", "seconds" and its parts "seconds_knn", "seconds_affinity", "seconds_init",
 *  "seconds_optimize". */
NE_API ne_status ne_embedding_get_real(const ne_embedding *embedding, const char *name, double *value);
NE_API ne_status ne_embedding_get_int(const ne_embedding *embedding, const char *name, int64_t *value);
/** Array results, f64: "bandwidth" (n) of the input affinity; of pca and incremental_pca: "mean" (d), "components"
 *  (c x d), "explained_variance" (c); of incremental_pca also "explained_variance_ratio" (c), "singular_values" (c),
 *  "noise_variance" (1); of kernel_pca: "eigenvalues" (c), "eigenvectors" (n x c); of phate: "stress" (1), "n_iter" (1). */
NE_API ne_status ne_embedding_get_array(const ne_embedding *embedding, const char *name, double *values, size_t count);
NE_API size_t    ne_embedding_option_count(const ne_embedding *embedding);
NE_API ne_status ne_embedding_option_info(const ne_embedding *embedding, size_t index, const char *field, char *text,
                                          size_t size);
NE_API ne_status ne_embedding_set_progress(ne_embedding *embedding, ne_progress_fn progress, void *user);

/** The bytes that a fit to n x d data of a type (NE_F32 or NE_F64) takes of the context's allocator at its peak, under the
 *  present options: mostly within a tenth. Neither the caller's x and y nor an earlier fit, which stays until the new one
 *  is there, is counted; nor what a plug-in's hooks allocate. What depends on the data is taken as for data with clusters
 *  and few equal rows. plan() of the method gets an x without data.
 *  errors   NE_OUT_OF_MEMORY: more than an address can reach. What a fit would say of n and of the options. */
NE_API ne_status ne_estimate_memory(const ne_embedding *embedding, size_t n, size_t d, int32_t dtype, size_t *bytes);
/** The same of n x d sparse rows with so many entries in all, the copy that a fit makes of them included. Taken as for text:
 *  columns are as frequent as its words (Zipf's law), and some rows are equal. */
NE_API ne_status ne_estimate_memory_sparse(const ne_embedding *embedding, size_t n, size_t d, size_t entries,
                                           int32_t dtype, size_t *bytes);

/** Fit the embedding to x, from the initialisation that option "init" names.
 *
 *  x        n x d, f32 or f64, any row stride; n >= 1, d >= 1, all finite.
 *  y        n x c, a writable view, f32 or f64. Written on NE_OK and on NE_CANCELLED, and on no other status.
 *  errors   NE_INVALID_ARGUMENT: the text names the first bad row and column. NE_CANCELLED: y is the state in
 *           which the callback said stop (if there was one already). NE_OUT_OF_MEMORY: embedding can be fitted again.
 *  threads  uses the threads of the context; y has the same bits for every number of them. */
NE_API ne_status ne_embedding_fit(ne_embedding *embedding, const ne_dense *x, const ne_dense *y);
NE_API ne_status ne_embedding_fit_f32(ne_embedding *embedding, const float *x, size_t n, size_t d, float *y);
/** The same of sparse rows, as ne_graph_build_sparse() takes them; "seconds_knn" and init = pca are those of sparse rows.
 *  errors   NE_UNSUPPORTED: a method, affinity or option that needs x itself: dense affinities, pairs drawn by distance
 *           (pacmap, localmap, trimap), keep_data; of the types without a loop all but pca. */
NE_API ne_status ne_embedding_fit_sparse(ne_embedding *embedding, const ne_csr *x, const ne_dense *y);
/** The same from a graph in place of data: distances, or an affinity (made symmetric as (P + P^T) / 2 and scaled to sum
 *  to 1). x may be NULL; only init = pca needs it, and becomes random without it, with a warning. */
NE_API ne_status ne_embedding_fit_graph(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x,
                                        const ne_dense *y);

/** A fit in pieces: start computes the affinity and the start, step takes up to k steps (and none beyond max_iter or
 *  after the stopping test passed), read writes the embedding as it stands. The bits are those of one fit. One of x and
 *  graph may be NULL. */
NE_API ne_status ne_embedding_start(ne_embedding *embedding, const ne_graph *graph, const ne_dense *x);
NE_API ne_status ne_embedding_step(ne_embedding *embedding, size_t k);
NE_API ne_status ne_embedding_read(const ne_embedding *embedding, const ne_dense *y);

/** What ne_gradient_check() found; coordinates are in the caller's order. */
typedef struct ne_gradient_report {
    size_t  struct_size; /* sizeof(ne_gradient_report), set by the caller */
    double  worst;       /* largest |gradient - difference| of the coordinates tried, over the largest |gradient| */
    int64_t row, column; /* where */
    double  gradient, difference; /* there: what the method says, and the central difference of its loss */
    int64_t tried;                /* coordinates: all n c, or 512 drawn by the seed */
    double  loss;                 /* at y */
} ne_gradient_report;

/** Compare the gradient of the next step of a started embedding with central differences of its loss, at y (n x c), or
 *  where the embedding stands (y NULL). Every method that reports a loss can be checked, a user's own above all; the
 *  random draws are those of that step. Meant for a few hundred rows: each coordinate costs two losses.
 *  errors   NE_NOT_FITTED: nothing was started. NE_UNSUPPORTED: the method reports no loss. */
NE_API ne_status ne_gradient_check(ne_embedding *embedding, const ne_dense *y, ne_gradient_report *report);

/** Coordinates of new rows, and rows of new coordinates, by a fitted embedding.
 *  errors   NE_NOT_FITTED; NE_UNSUPPORTED: this type has no such map. */
NE_API ne_status ne_embedding_transform(const ne_embedding *embedding, const ne_dense *x, const ne_dense *y);
/** The same of sparse rows, by a fitted pca. */
NE_API ne_status ne_embedding_transform_sparse(const ne_embedding *embedding, const ne_csr *x, const ne_dense *y);
NE_API ne_status ne_embedding_inverse_transform(const ne_embedding *embedding, const ne_dense *y, const ne_dense *x);

/** Rows that arrive in blocks: the fit so far, by ne_embedding_fit() or by this, takes in those of x (m x d). The rows
 *  are not kept, and their coordinates are what ne_embedding_transform() gives. An error leaves the fit as it was.
 *  errors   NE_UNSUPPORTED: this type has to see all rows at once. NE_INVALID_ARGUMENT: x has other columns than the
 *           rows before it. */
NE_API ne_status ne_embedding_partial_fit(ne_embedding *embedding, const ne_dense *x);

/* --- 7. Scores of an embedding y (n x c) of data x (n x d). Linear memory; exact neighbors; see docs/scores.md. ---- */

/** Kullback-Leibler divergence sum_ij p_ij log(p_ij / q_ij) in nats, of an affinity (as it stands in the graph, scaled
 *  to sum to 1) and the Student kernel with degrees_of_freedom (1 for t-SNE) over all pairs. n^2 pairs in f32, summed in
 *  f64. van der Maaten & Hinton 2008, equation 1. */
NE_API ne_status ne_score_kl(ne_context *context, const ne_graph *affinity, const ne_dense *y,
                             double degrees_of_freedom, double *value);
/** 1 - (2 / (n k (2n - 3k - 1))) sum_i sum_{j in k nearest of i in y} max(0, rank of j seen from i in x - k); euclidean,
 *  1 <= k < n / 2. Venna & Kaski 2001, equation 3. */
NE_API ne_status ne_score_trustworthiness(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k,
                                          double *value);
/** Mean share of the k nearest rows in x that are among the k nearest in y. */
NE_API ne_status ne_score_knn_preservation(ne_context *context, const ne_dense *x, const ne_dense *y, size_t k,
                                           double *value);
/** Share of rows whose label wins the vote of its k nearest other rows in y (the smallest label wins ties). */
NE_API ne_status ne_score_knn_accuracy(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k,
                                       double *value);
/** Mean share of the k nearest other rows in y that have the row's own label. */
NE_API ne_status ne_score_knn_label_agreement(ne_context *context, const ne_dense *y, const int64_t *labels, size_t k,
                                              double *value);

/** How the scores below are taken; a member that is 0, or NULL in place of the struct, stands for the default. */
typedef struct ne_score_options {
    size_t        struct_size; /* sizeof(ne_score_options) */
    const char   *metric;      /* silhouette: a registered name ("euclidean"); "precomputed": y is n x n distances */
    const double *weights;     /* silhouette: n, one a row (all 1) */
    size_t        sample;      /* silhouette: so many rows, drawn at random and scored among themselves (all) */
    size_t        clusters;    /* k-means: how many (as many as there are labels) */
    size_t        rounds;      /* k-means: of Lloyd's iteration, at most (100) */
    size_t        restarts;    /* k-means: the best of so many (10) */
    uint64_t      seed;
} ne_score_options;

/** Mean over i of (b_i - a_i) / max(a_i, b_i): a_i the mean distance of row i to the other rows of its label, b_i the
 *  least such mean over another label's rows; 0 for a row alone with its label. n^2 distances. each: n values, the terms
 *  of that mean, NaN for rows outside of the sample; or NULL. Rousseeuw 1987. */
NE_API ne_status ne_score_silhouette(ne_context *context, const ne_dense *y, const int64_t *labels,
                                     const ne_score_options *options, double *each, double *value);
/** Adjusted Rand index of the labels and the clusters that k-means finds in y, from starts by k-means++ (Arthur &
 *  Vassilvitskii 2007). assigned: n, the cluster of each row; or NULL. */
NE_API ne_status ne_score_kmeans_ari(ne_context *context, const ne_dense *y, const int64_t *labels,
                                     const ne_score_options *options, int64_t *assigned, double *value);
/** Adjusted Rand index of two labellings of n rows: 1 the same partition, 0 what chance gives. Hubert & Arabie 1985. */
NE_API ne_status ne_score_adjusted_rand(ne_context *context, const int64_t *a, const int64_t *b, size_t n,
                                        double *value);

/* --- 8. Extending. Tables are const, live as long as the process, and only grow at the end. ---------------------- */

/** Sets the calling thread's error text and returns status; for hooks. */
NE_API ne_status ne_fail(ne_status status, const char *format, ...) NE_FORMAT(2, 3);

typedef enum ne_option_type {
    NE_OPT_REAL   = 1, /* a double in the parameter block; "auto" is NaN */
    NE_OPT_INT    = 2, /* an int64_t; "none" is INT64_MIN */
    NE_OPT_BOOL   = 3, /* an int64_t, 0 or 1 */
    NE_OPT_CHOICE = 4, /* an int64_t, the place of the word in choices */
    NE_OPT_NAME   = 5  /* a char[NE_NAME_SIZE]: the name of a registered type, checked when it is used */
} ne_option_type;

enum {
    NE_NAME_SIZE = 48
};

enum {
    NE_OPT_MIN_OPEN   = 1, /* min itself is outside the range */
    NE_OPT_MAX_OPEN   = 2,
    NE_OPT_AUTO       = 4, /* a real that may be "auto" */
    NE_OPT_NONE       = 8, /* an int that may be "none" */
    NE_OPT_MAX_FROM_N = 16 /* the upper bound is n + max, as n - 1 for max = -1: checked when the data comes */
};

/** One option: the only place in which its default, range, unit and help stand. */
typedef struct ne_option {
    const char *name;
    int32_t     type; /* ne_option_type */
    uint32_t    flags;
    size_t      offset;    /* into the type's parameter block */
    const char *preset;    /* the default, as text: "30", "auto" */
    const char *reference; /* the default under reference=torchdr; NULL: the same */
    double      min, max;
    const char *choices; /* "auto|exact|barnes_hut|fft" */
    const char *unit;
    const char *help; /* one line */
} ne_option;

/** Another default for an option that the type inherits. */
typedef struct ne_preset {
    const char *name, *preset, *reference;
} ne_preset;

/** A distance between two rows of d numbers. For built-in and user's metrics alike; distances are not negative, and
 *  NaN is an error of the fit. Called from several threads at once. distance_f64 may be NULL: rows are then narrowed. */
typedef struct ne_metric_ops {
    size_t      struct_size; /* sizeof(ne_metric_ops) */
    const char *name, *help;
    double (*distance_f32)(const float *a, const float *b, size_t d, void *user);
    double (*distance_f64)(const double *a, const double *b, size_t d, void *user);
    void *user;
} ne_metric_ops;

NE_API ne_status ne_metric_register(const ne_metric_ops *ops);

/** What a hook may know of the fit it serves. */
typedef struct ne_problem {
    size_t          struct_size;
    size_t          n, c;
    size_t          row0, row1; /* the rows of this rank: its hooks are called for pieces of this range only */
    const ne_csr   *affinity;   /* symmetric, sums to 1, f32, rows in working order; NULL before on_affinity_computed */
    const int64_t  *order;      /* n: the caller's index of each working row; random numbers are keyed by it */
    uint64_t        seed;
    int64_t         max_iter;
    int32_t         threads;
    int32_t         reference; /* 1 under reference=torchdr */
    ne_context     *context;   /* for ne_allocate() */
    const ne_dense *x; /* the caller's rows in the caller's order, or NULL: in plan() and on_affinity_computed() */
    const ne_csr   *distances;      /* what neighbors() asked for, ascending in each row: in on_affinity_computed() */
    const float    *dense_affinity; /* n x n, where terms.dense_affinity asked for it; else NULL */
    const int32_t  *circle;     /* n: the place of a row on a random circle fixed for the fit; NULL without sampling */
    const int32_t  *circle_row; /* n: the row at a place */
    const struct ne_metric_ops *metric; /* of the neighbor search, or of the graph given in its place; NULL without */
    const ne_csr *sparse; /* the caller's rows where they are sparse, in place of x: columns ascend, no value is 0 */
} ne_problem;

/** 128 random bits for hooks, the same for the same arguments: keyed by the fit's seed; row is a caller's index. */
NE_API void ne_draw(const ne_problem *problem, uint32_t step, uint64_t row, uint32_t slot, uint32_t word[4]);
/** The rotation of the circle that gives every row its slot-th partner at a step, in [1, n - 1]: row i draws
 *  circle_row[(circle[i] + rotation) % n], and is drawn by circle_row[(circle[i] + n - rotation) % n]. Uniform over the other
 *  rows, and each row is drawn exactly once a slot, so that both ends of a pair can gather it. */
NE_API uint32_t ne_draw_rotation(const ne_problem *problem, uint32_t step, uint32_t slot);

/** How the stock kernels serve a method, filled by plan() and changed by on_step_begin().
 *
 *  Minimised: attract * L_att + repulse * L_rep over z, with q_ij = kernel(|z_i - z_j|^2),
 *    L_att = -sum_ij p_ij log q_ij,   L_rep = log sum_{i != j} q_ij  (NE_OVER_PAIRS),
 *    (1/n) sum_i log sum_{j != i} q_ij  (NE_OVER_ROWS)  or  sum_{i != j} q_ij  (NE_UNNORMALISED);
 *  with NE_REPULSION_SAMPLED, Neg(i) the rows that i draws at this step,
 *    L_rep = (1/n) sum_i log sum_{m in Neg(i)} q_im  (NE_OVER_ROWS)  or  -(1/n) sum_i sum_{m in Neg(i)} log(1 - q_im)  (NE_UNNORMALISED). */
typedef struct ne_terms {
    size_t      struct_size;
    const char *affinity_out; /* before plan(): the table's */
    const void *affinity_out_params;
    int32_t     normalised; /* ne_normalisation */
    int32_t     repulsion;  /* ne_repulsion */
    double      attract, repulse;
    int64_t     negatives;         /* NE_REPULSION_SAMPLED: how many each row draws, at every step */
    int32_t     exclude_neighbors; /* and not among its neighbors */
    int32_t     keep_order;        /* 1: working order does not change after on_affinity_computed() */
    int32_t     dense_affinity;    /* 1: problem.dense_affinity in place of problem.affinity */
    int32_t     manifold;          /* ne_manifold */
    double      momentum;          /* where the option is auto; NaN: as the schedule has it. In plan(): from 50
                                      steps after early exaggeration on but for the last tenth of max_iter, above 0.
                                      In on_step_begin(): of this step */
    int32_t     one_end;           /* 1: hooks move one end of each pair: the gradient of row i is that of the loss of
                                      the range [i, i + 1), the other rows held fixed */
    int32_t     again;             /* before_gradient() of the same step at another z, by ne_gradient_check(): what the
                                      gradient takes for constant stays, what starts from the last step starts there again */
} ne_terms;

typedef enum ne_normalisation {
    NE_UNNORMALISED = 0,
    NE_OVER_PAIRS   = 1,
    NE_OVER_ROWS    = 2
} ne_normalisation;

typedef enum ne_repulsion {
    NE_REPULSION_AUTO       = 0,
    NE_REPULSION_EXACT      = 1,
    NE_REPULSION_BARNES_HUT = 2,
    NE_REPULSION_FFT        = 3,
    NE_REPULSION_NONE       = 4, /* the method has its own repulsion hook, or none */
    NE_REPULSION_SAMPLED    = 5
} ne_repulsion;

typedef enum ne_manifold {
    NE_EUCLIDEAN     = 0,
    NE_POINCARE_BALL = 1 /* z stays inside the unit ball; its optimizer is riemannian_adam */
} ne_manifold;

/** How directed rows P become the affinity. */
typedef enum ne_combination {
    NE_COMBINE_MEAN  = 0, /* (P + P^T) / 2, scaled to sum to 1 */
    NE_COMBINE_UNION = 1, /* P + P^T - P o P^T: either of two independent events; not scaled */
    NE_COMBINE_NONE  = 2  /* as it is: directed, not scaled */
} ne_combination;

/** The distances of all pairs of n rows, in memory or computed again at each visit. */
typedef struct ne_pairs ne_pairs;
typedef ne_status (*ne_pairs_fn)(void *user, size_t row, const float *distances);

NE_API size_t ne_pairs_rows(const ne_pairs *pairs);
/** Calls visit(user, row, distances) once for each row, from several threads and in any order, with the distances to all
 *  n rows (to itself: what the metric says). errors: NE_CANCELLED; what visit returns for the first row that fails. */
NE_API ne_status ne_pairs_visit(const ne_pairs *pairs, ne_pairs_fn visit, void *user);
/** The context for ne_allocate(), and for a solver that goes through iterations: nonzero when it has to stop. */
NE_API ne_context *ne_pairs_context(const ne_pairs *pairs);
NE_API int         ne_pairs_progress(const ne_pairs *pairs, int64_t step, int64_t steps);

/** What solve() found. */
typedef struct ne_solution {
    size_t  struct_size;
    double *dual;     /* n x dual_count, for solve() to fill */
    int64_t n_iter;   /* iterations taken */
    double  residual; /* how far the largest condition is from being met; 0 where there is nothing to iterate */
    int32_t met;      /* 1: within the tolerance asked for */
    int32_t started;  /* 1: dual holds numbers to begin with */
} ne_solution;

/** An affinity. An input affinity has weights(), rows() or matrix(), an output affinity kernel() or pair_kernel(); it may
 *  be both. All but solve(), compute() and matrix() are called from several threads.
 *
 *  weights      One directed row: the affinities of count neighbors at the given distances, ascending, into values (they
 *               need not sum to anything: combine tells). bandwidth receives the row's scale.
 *  kernel       count squared distances s: q[i] = kernel(s[i]) and slope[i] = -d log q / ds, both finite and not negative.
 *  compute      In place of weights() where a row needs to know other rows: the directed affinity of a graph of distances.
 *  pair_kernel  For a kernel that is no function of s: count pairs of rows of c coordinates, zi and zj; q[i], and if
 *               gradient (count x c) is not NULL, that of -log q with respect to zi.
 *  solve, rows  Over all pairs in linear memory. solve() fills dual_count numbers for each row, the ones that dual_names
 *               names; then rows() makes one row of values from its n distances and the duals of all rows: P_row,j, or
 *               P_j,row where across is 1. It writes all n values, the one on the diagonal too.
 *  matrix       In place of both, for what needs all pairs at once: n rows of n values, stride apart.
 *  prepare      Once before a computation or a fit: the one hook that may write to params, what it works out of options. */
typedef struct ne_affinity_ops {
    size_t           struct_size; /* sizeof(ne_affinity_ops) */
    const char      *name, *help;
    const ne_option *options;
    size_t           option_count, option_size, params_size;
    ne_status (*check)(const void *params, size_t n);  /* what relates options to each other and to n; may be NULL */
    size_t (*neighbors)(const void *params, size_t n); /* how many neighbors a row wants; n - 1: all of them */
    ne_status (*weights)(const void *params, size_t n, size_t count, const float *distances, float *values,
                         double *bandwidth);
    int32_t row_sum_is_one; /* 1: each row's weights sum to 1, and P is (P + P^T) / (2n) */
    void (*kernel)(const void *params, size_t count, const float *s, float *q, float *slope);
    int32_t combine; /* ne_combination */
    ne_status (*compute)(const void *params, ne_context *context, const ne_graph *distances, ne_graph **affinity);
    void (*pair_kernel)(const void *params, size_t c, size_t count, const float *zi, const float *zj, float *q,
                        float *gradient);
    size_t             dual_count;
    const char *const *dual_names;
    ne_status (*solve)(const void *params, const ne_pairs *pairs, ne_solution *solution);
    ne_status (*rows)(const void *params, size_t n, size_t row, int32_t across, const float *distances,
                      const double *dual, float *values);
    ne_status (*matrix)(const void *params, const ne_pairs *pairs, size_t stride, float *values);
    int32_t takes_matrix; /* 1: x is no data but an n x n matrix, whose entries stand in for the distances */
    ne_status (*prepare)(void *params);
    const char *metric; /* the default of option "metric" where the affinity stands alone; NULL: sqeuclidean */
} ne_affinity_ops;

NE_API ne_status ne_affinity_register(const ne_affinity_ops *ops);

/** A method. The loop calls, in this order: plan once; on_affinity_computed once; then for each step on_step_begin,
 *  before_gradient, the gradient (whole_loss, or else the attractive and the repulsive one), the optimizer, on_step_end.
 *  A NULL hook is the stock one that terms describe. z is n x c, row-major, in working order; a hook writes the rows [row0, row1) of
 *  gradient and no other (gradient points at row 0), and is called for several ranges at once from several threads.
 *  Gradient and loss hooks leave the weights attract and repulse out; the loop applies them. whole_loss() has no weights
 *  but its own. Loss hooks add up over ranges, compute in double, and are called when a loss is wanted: a method with a gradient hook and
 *  without the loss hook of the same side has no loss to report. */
typedef struct ne_method_ops {
    size_t      struct_size;                /* sizeof(ne_method_ops) where the table was compiled */
    const char *name, *help;                /* "tsne"; one line */
    const char *affinity_in, *affinity_out; /* names of its affinities, whose options become the method's; or NULL */
    const ne_option *options;               /* option_count entries, option_size bytes apart, */
    size_t           option_count, option_size; /* so that a longer ne_option breaks no old plug-in */
    const ne_preset *presets;
    size_t           preset_count;
    size_t params_size, state_size; /* the block that option offsets point into; the method's own state, zeroed */

    ne_status (*plan)(const void *params, const ne_problem *problem, void *state, ne_terms *terms);
    ne_status (*on_affinity_computed)(const void *params, const ne_problem *problem, void *state);
    ne_status (*on_step_begin)(const void *params, const ne_problem *problem, void *state, int64_t step,
                               ne_terms *terms);
    ne_status (*attractive_gradient)(const void *params, const ne_problem *problem, void *state, const float *z,
                                     size_t row0, size_t row1, float *gradient);
    ne_status (*repulsive_gradient)(const void *params, const ne_problem *problem, void *state, const float *z,
                                    size_t row0, size_t row1, float *gradient);
    ne_status (*attractive_loss)(const void *params, const ne_problem *problem, void *state, const float *z,
                                 size_t row0, size_t row1, double *loss);
    ne_status (*repulsive_loss)(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                                size_t row1, double *loss);
    ne_status (*whole_loss)(const void *params, const ne_problem *problem, void *state, const float *z, size_t row0,
                            size_t row1, float *gradient, double *loss);
    ne_status (*on_step_end)(const void *params, const ne_problem *problem, void *state, int64_t step, const float *z);

    /* A map without a loop, as pca: fit replaces all of the above. state is one block of state_size, zeroed, owned by the
     * library; fit and transform may allocate through context only. */
    ne_status (*fit)(const void *params, ne_context *context, void *state, const ne_dense *x, const ne_dense *y);
    ne_status (*transform)(const void *params, const ne_context *context, const void *state, const ne_dense *x,
                           const ne_dense *y);
    ne_status (*inverse_transform)(const void *params, const ne_context *context, const void *state, const ne_dense *y,
                                   const ne_dense *x);
    ne_status (*get_array)(const void *state, const char *name, const double **values, size_t *count);
    void (*clear)(ne_context *context, void *state); /* frees what state holds */

    /* How many neighbors of each row on_affinity_computed() finds in problem.distances: for a method without affinity_in. */
    size_t (*neighbors)(const void *params, size_t n);
    /* Once a step, before the gradient hooks: what they need of all of z. Called from one thread; may use
     * problem.threads. */
    ne_status (*before_gradient)(const void *params, const ne_problem *problem, void *state, int64_t step,
                                 const float *z, ne_terms *terms);
    /* Of a map without a loop: takes more rows into state, which is zeroed before the first ones. On an error state has to
     * be what it was. */
    ne_status (*partial_fit)(const void *params, ne_context *context, void *state, const ne_dense *x);
    /* fit() and transform() of sparse rows: columns ascend within a row, and no value is 0. */
    ne_status (*fit_sparse)(const void *params, ne_context *context, void *state, const ne_csr *x, const ne_dense *y);
    ne_status (*transform_sparse)(const void *params, const ne_context *context, const void *state, const ne_csr *x,
                                  const ne_dense *y);
} ne_method_ops;

/** Add a method, which ne_embedding_create() then finds by ops->name. Safe from any thread. errors:
 *  NE_INVALID_ARGUMENT: the name is taken, a help line is missing, a default is outside its range. */
NE_API ne_status ne_method_register(const ne_method_ops *ops);

/** The registered names, built-in ones first: kind is "method", "affinity" or "metric". NULL past the end. */
NE_API const char *ne_type_name(const char *kind, size_t index);
NE_API const char *ne_type_help(const char *kind, size_t index);

/** Memory from the context's allocator, for hooks: 64-byte aligned, zeroed, count * size checked; NULL with the error
 *  text set when there is none. */
NE_API void *ne_allocate(ne_context *context, size_t count, size_t size);
NE_API void  ne_release(ne_context *context, void *block);

/* --- 9. Experimental. No promise: may change or go in any release. ----------------------------------------------- */
#ifdef NE_EXPERIMENTAL
/** The objective (attract and repulse at 1) and its gradient (n x c) at y, in f64 and exact over all pairs, of the affinity of the last fit or
 *  start. Either output may be NULL. */
NE_API ne_status ne_embedding_gradient(const ne_embedding *embedding, const double *y, double *gradient, double *loss);
#endif

#ifdef __cplusplus
}
#endif
#endif
