/* backend/backend.h: the operations that every device offers, as one const table; the fit reaches its kernels through it
 * and through nothing else.
 *
 * Conventions of every kernel:
 *   - z is n x c float32, row-major, no padding, in working order (for locality); f likewise.
 *   - A kernel owns rows: it writes rows [row0, row1) of its output and gathers from all of z. No atomics.
 *   - Blocks are of constant size; each writes its own partial sum, added in block order: the bits do not depend on the
 *     number of threads. Float inside a tile, double between tiles.
 *   - All memory comes from the context's allocator, taken by the calling thread outside parallel regions. */
#ifndef NE_BACKEND_BACKEND_H
#define NE_BACKEND_BACKEND_H

#include "base/context.h"
#include "ne.h"

/* --- The output kernel q(s) of s = |z_i - z_j|^2, and its slope w(s) = -d log q / ds. */
typedef enum kernel_kind {
    KERNEL_STUDENT  = 1, /* q = (1 + s / nu)^(-(nu + 1) / 2),  w = (nu + 1) / (2 nu) / (1 + s / nu) */
    KERNEL_GAUSSIAN = 2, /* q = exp(-s / sigma),  w = 1 / sigma */
    KERNEL_CUSTOM   = 3  /* ops->kernel(params, ...) */
} kernel_kind;

typedef struct output_kernel {
    kernel_kind            kind;
    double                 shape; /* nu or sigma */
    const ne_affinity_ops *ops;
    const void            *params;
} output_kernel;

/* --- Attraction over the edges of a symmetric CSR:
 *       f_i = sum_j p_ij w(s_ij) (z_i - z_j),   loss = -sum_{i in rows, j} p_ij log q_ij.
 *     The gradient of L_att = -sum_ij p_ij log q_ij (p symmetric) at z_i is 4 f_i. */
typedef struct attraction_job {
    size_t               n, c, row0, row1;
    const ne_csr        *p; /* f32 values */
    const float         *z;
    float               *f;    /* n x c; rows [row0, row1) are written */
    double              *loss; /* NULL: not wanted, and not paid for */
    const output_kernel *kernel;
} attraction_job;

/* --- Repulsion over all pairs:
 *       f_i = sum_{j != i} q_ij w(s_ij) (z_i - z_j),   normaliser = sum_{i in rows} sum_{j != i} q_ij.
 *     The gradient of L_rep = log sum_{i != j} q_ij at z_i is -4 f_i / S, S the normaliser over all rows. */
typedef struct repulsion_job {
    const float *z;
    float       *f;
    size_t       row0, row1;
    double       normaliser; /* out */
} repulsion_job;

/* What a repulsion object works with; its workspace grows with the layout and is kept between steps. */
typedef struct repulsion_plan {
    size_t               n, c;
    const output_kernel *kernel;
    ne_repulsion         method;   /* AUTO: chosen anew from the layout of each step, by cost */
    double               accuracy; /* bound on the relative L2 error of the forces: 0.01 by default; exact ignores it */
} repulsion_plan;

typedef struct repulsion repulsion;

/* --- k nearest neighbors. */
typedef enum knn_method {
    KNN_AUTO        = 0,
    KNN_EXACT       = 1,
    KNN_APPROXIMATE = 2
} knn_method;

typedef struct knn_request {
    const ne_dense      *x; /* n x d, f32 or f64, host, checked: all finite */
    size_t               k; /* 1 .. n - 1 */
    const ne_metric_ops *metric;
    knn_method           method;
    double               recall; /* target of the approximate engine, (0, 1] */
    uint64_t             seed;
    const progress      *progress;
} knn_request;

typedef struct knn_result {
    int32_t *index;    /* n x k, each row ascending by (distance, index); from the context's allocator */
    float   *distance; /* n x k */
    double   recall;   /* measured on a sample against exact search; 1 when exact */
    int      exact;
} knn_result;

/* --- Principal components of the rows of x (f32 or f64), in double.
 *     mean[d], components (count x d, orthonormal rows, the entry largest in absolute value is positive, the first on
 *     ties), variance[count] descending (divisor n - 1). count <= min(n, d). */
typedef struct pca_job {
    const ne_dense *x;
    size_t          count;
    uint64_t        seed;
    double         *mean, *components, *variance;
} pca_job;

/* --- One optimizer step, all in one pass over the rows:
 *       g      = attract_scale * attraction - repulse_scale * repulsion
 *       gain   = sign(g) != sign(u) ? gain + 0.2 : 0.8 gain, at least 0.01     (if gains)
 *       u      = momentum * u - rate * gain * g
 *       u      = u * min(1, max_step / |u_i|)                                  (per point, if max_step > 0)
 *       z      = z + u
 *     and sums |g|^2 in double. */
typedef struct update_job {
    size_t       n, c;
    const float *attraction, *repulsion; /* n x c; repulsion may be NULL */
    double       attract_scale, repulse_scale;
    float       *gains; /* n x c or NULL */
    float       *u, *z;
    double       momentum, rate, max_step;
    double       gradient_square; /* out */
    int          all_finite;      /* out: no NaN or infinity in z */
} update_job;

struct ne_backend {
    const char *name;
    ne_status (*knn)(ne_context *context, const knn_request *request, knn_result *result);
    ne_status (*pca)(ne_context *context, const pca_job *job);
    ne_status (*attract)(ne_context *context, const attraction_job *job);
    ne_status (*repulsion_create)(ne_context *context, const repulsion_plan *plan, repulsion **made);
    ne_status (*repulse)(ne_context *context, repulsion *with, repulsion_job *job);
    void (*repulsion_free)(ne_context *context, repulsion *with);
    ne_status (*update)(ne_context *context, update_job *job);
};

extern const ne_backend backend_cpu; /* cpu/cpu.c */

#endif
