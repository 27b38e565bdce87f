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
    KERNEL_CUSTOM   = 3, /* ops->kernel(params, ...) */
    KERNEL_LARGEVIS = 4  /* q = 1 / (2 + s),  w = 1 / (2 + s) */
} kernel_kind;

typedef struct output_kernel {
    kernel_kind            kind;
    double                 shape; /* nu or sigma */
    const ne_affinity_ops *ops;
    const void            *params;
} output_kernel;

/* The edges of a CSR in a form of the backend's own, for attraction; cpu/edge_groups.h has the CPU's. */
typedef struct edge_groups edge_groups;

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
    const edge_groups   *edges; /* p packed by edges_pack(), or NULL; the loss is always over p */
} attraction_job;

/* --- Repulsion over all pairs:
 *       f_i = sum_{j != i} q_ij w(s_ij) (z_i - z_j),   normaliser = sum_{i in rows} sum_{j != i} q_ij.
 *     The gradient of L_rep = log sum_{i != j} q_ij at z_i is -4 f_i / S, S the normaliser over all rows.
 *     Over rows (plan.over_rows), with S_i = sum_{j != i} q_ij (+ 1 if plan.diagonal):
 *       f_i = sum_{j != i} (1 / S_i + 1 / S_j) q_ij w(s_ij) (z_i - z_j),   normaliser = sum_{i in rows} log S_i.
 *     The gradient of L_rep = (1/n) sum_i log S_i at z_i is -(2/n) f_i. */
typedef struct repulsion_job {
    const float *z;
    float       *f;
    size_t       row0, row1;
    double       normaliser; /* out */
} repulsion_job;

/* --- Repulsion from rows drawn at random, M = count for each row, fresh at every step, m in Neg(i):
 *       over_rows:  f_i = sum_{m in Neg(i)} a_im + sum_{j: i in Neg(j)} a_ji,  a_im = q_im w(s_im) (z_i - z_m) / W_i,
 *                   W_i = sum_{m in Neg(i)} q_im,             loss = sum_i log W_i;
 *       else:       a_im = q_im w(s_im) (z_i - z_m) / (1 - q_im),   loss = -sum_i sum_m log(1 - q_im).
 *     The gradient of L_rep = loss / n at z_i is -(2/n) f_i. Neg(i) comes from rotations of a random circle (ne_draw_rotation):
 *     no list is kept, and the rows that drew i are known. With lists (reference, or neighbors excluded) Neg(i) is drawn
 *     row by row: uniform over the rows that are not excluded. */
typedef struct negatives_job {
    size_t               n, c, row0, row1;
    const float         *z;
    float               *f;
    double              *loss; /* NULL: not wanted */
    const output_kernel *kernel;
    int                  over_rows;
    size_t               count;
    int                  lists;    /* draw row by row in place of the circle */
    const ne_csr        *excluded; /* its columns are left out too, or NULL; with lists only */
    const ne_problem    *problem;  /* seed, order, circle */
    uint32_t             step;
} negatives_job;

/* What a repulsion object works with; its workspace grows with the layout and is kept between steps. */
typedef struct repulsion_plan {
    size_t               n, c;
    const output_kernel *kernel;
    ne_repulsion         method; /* AUTO: chosen anew from the layout of each step, by cost */
    int                  over_rows, diagonal;
    double               accuracy; /* bound on the relative L2 error of the forces: 0.01 by default; exact ignores it */
} repulsion_plan;

typedef struct repulsion repulsion;

/* --- k nearest neighbors. */
typedef enum knn_method {
    KNN_AUTO        = 0,
    KNN_EXACT       = 1,
    KNN_APPROXIMATE = 2,
    KNN_FAISS       = 3
} knn_method;

typedef enum faiss_index {
    FAISS_FLAT  = 0,
    FAISS_IVF   = 1,
    FAISS_HNSW  = 2,
    FAISS_IVFPQ = 3
} faiss_index;

typedef struct faiss_options {
    int64_t index;                                             /* faiss_index */
    int64_t nlist, nprobe, hnsw_m, ef_construction, ef_search; /* nlist, ef_search: 0 chooses */
    int64_t pq_m, pq_bits;                                     /* ivfpq: codes a row, bits a code */
} faiss_options;

typedef struct knn_request {
    const ne_dense      *x; /* n x d, f32 or f64, host, checked: all finite */
    size_t               k; /* 1 .. n - 1 */
    const ne_metric_ops *metric;
    knn_method           method;
    double               recall; /* target of the approximate engine, (0, 1] */
    uint64_t             seed;
    const progress      *progress;
    const faiss_options *faiss;  /* with KNN_FAISS only */
    const ne_csr        *sparse; /* in place of x, for knn_sparse */
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
    const ne_csr   *sparse; /* in place of x, for pca_sparse */
    size_t          count;
    uint64_t        seed;
    double         *mean, *components, *variance;
} pca_job;

/* --- Optimizers, with torch.optim's formulas and names. r is the rate, g the gradient, all per coordinate. */
typedef enum optimizer_kind {
    OPTIMIZER_SGD             = 0,
    OPTIMIZER_ADAM            = 1,
    OPTIMIZER_ADAMW           = 2,
    OPTIMIZER_ADAGRAD         = 3,
    OPTIMIZER_RMSPROP         = 4,
    OPTIMIZER_RIEMANNIAN_ADAM = 5 /* on the Poincare ball; without it the flat form */
} optimizer_kind;

typedef struct optimizer_rule {
    optimizer_kind kind;
    double         dampening, weight_decay, beta1, beta2, eps, alpha, lr_decay, initial_accumulator;
    int            nesterov, amsgrad, centered;
    int            reference; /* TorchDR's exponent 2t + 1 in riemannian_adam */
} optimizer_rule;

/* How many arrays of n x c floats the rule needs besides u: 0, 1 (second) or 2 (second, third). */
static inline int optimizer_arrays(const optimizer_rule *rule)
{
    return rule->kind == OPTIMIZER_SGD ? 0 : 1 + ((rule->kind == OPTIMIZER_RMSPROP && rule->centered) || rule->amsgrad);
}

/* --- One optimizer step, all in one pass over the rows; for sgd:
 *       g      = attract_scale * attraction - repulse_scale * repulsion
 *       gain   = sign(g) != sign(u) ? gain + 0.2 : 0.8 gain, at least 0.01     (if gains)
 *       u      = momentum * u - rate * gain * g
 *       u      = u * min(1, max_step / |u_i|)                                  (per point, if max_step > 0)
 *       z      = z + u
 *     and sums |g|^2 in double. The other optimizers: cpu/update.c and cpu/optimizers.c. */
typedef struct update_job {
    size_t                n, c;
    const float          *attraction, *repulsion; /* n x c; repulsion may be NULL */
    double                attract_scale, repulse_scale;
    float                *gains; /* n x c or NULL */
    float                *u, *z;
    double                momentum, rate, max_step;
    double                look_ahead; /* nesterov: the momentum before the scheduler's ratio, see optim/schedule.h */
    const optimizer_rule *rule;       /* NULL: plain sgd */
    float                *second, *third;  /* see optimizer_arrays() */
    int64_t               count;           /* updates since the optimizer's start, this one included: 1, 2, ... */
    int                   poincare;        /* z lives in the unit ball */
    double                gradient_square; /* out */
    int                   all_finite;      /* out: no NaN or infinity in z */
} update_job;

struct ne_backend {
    const char *name;
    ne_status (*knn)(ne_context *context, const knn_request *request, knn_result *result);
    /* The k nearest rows of request->x, exactly, for each row of queries (checked: as many columns, finite): index and
     * distance are rows x k, each row ascending by (distance, index); 1 <= k <= n. */
    ne_status (*knn_query)(ne_context *context, const knn_request *request, const ne_dense *queries, int32_t *index,
                           float *distance);
    ne_status (*pca)(ne_context *context, const pca_job *job);
    /* The same two of sparse rows: knn exactly, and for some metrics only. */
    ne_status (*knn_sparse)(ne_context *context, const knn_request *request, knn_result *result);
    ne_status (*pca_sparse)(ne_context *context, const pca_job *job);
    ne_status (*attract)(ne_context *context, const attraction_job *job);
    /* *made is NULL where attraction would gain nothing by it. */
    ne_status (*edges_pack)(ne_context *context, const ne_csr *p, size_t c, const output_kernel *kernel,
                            edge_groups **made);
    void (*edges_free)(ne_context *context, edge_groups *edges);
    ne_status (*repulsion_create)(ne_context *context, const repulsion_plan *plan, repulsion **made);
    ne_status (*repulse)(ne_context *context, repulsion *with, repulsion_job *job);
    void (*repulsion_free)(ne_context *context, repulsion *with);
    ne_status (*negatives)(ne_context *context, const negatives_job *job);
    ne_status (*update)(ne_context *context, update_job *job);

    /* For estimates: the bytes that an operation takes at most, its result included, beside what it is given. In double,
     * where no product overflows. Of x only the shape and the type are looked at. */
    double (*knn_bytes)(const ne_context *context, const knn_request *request);
    double (*pca_bytes)(const ne_context *context, double n, double d, int is_float, double count);
    /* Of sparse rows with so many entries, of which nothing but that is known. NaN, and the error is told: knn_sparse()
     * would refuse with NE_UNSUPPORTED. */
    double (*knn_sparse_bytes)(const ne_context *context, const knn_request *request, double entries);
    double (*pca_sparse_bytes)(const ne_context *context, double n, double d, double entries, int32_t dtype,
                               double count);
    double (*edges_bytes)(double rows, double entries, size_t c, const output_kernel *kernel);
    double (*repulsion_bytes)(const ne_context *context, const repulsion_plan *plan); /* kept from step to step */
    double (*negatives_bytes)(const ne_context *context, const negatives_job *job);
};

extern const ne_backend backend_cpu; /* cpu/cpu.c */

#endif
