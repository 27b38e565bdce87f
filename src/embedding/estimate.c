/* embedding/estimate.c: the memory of a fit, from its shape and options. The phases of start.c and step.c in their order, as
 * entries of a ledger: what is held, and the most that ever was. Each module says what its part takes, next to where it
 * allocates.
 *
 * Largest, as a rule: P + P^T while the rows of P and their transpose are there (about 28 bytes a neighbor and row); with
 * fewer than some 40 neighbors the sketches of the neighbor search; below some 10,000 rows of many columns the covariance
 * that the start by principal components sums up. */
#include "base/registry.h"
#include "base/sparse.h"
#include "embedding/embedding.h"
#include "init/init.h"
#include "init/spectral.h"
#include "methods/methods.h"
#include "methods/pacmap.h"
#include "methods/trimap.h"

#include <math.h>

typedef struct ledger {
    double held, most;
} ledger;

/* For a while. */
static void pass(ledger *l, double bytes)
{
    l->most = fmax(l->most, l->held + bytes);
}

static void hold(ledger *l, double bytes)
{
    l->held += bytes;
    pass(l, 0);
}

/* Entries of P + P^T, k in each row of P: half of the neighbors are mutual, in nearly all data between 0.4 and 0.65 of
 * them, and all of them where k is n - 1. */
static double united_entries(double n, double k)
{
    return n * k * (1.5 - 0.5 * k / (n - 1));
}

/* --- What a fit goes through ------------------------------------------------------------------------------------- */

typedef struct shape {
    const ne_embedding *e;
    const ne_dense     *x;    /* without data; or NULL, and */
    const ne_csr       *rows; /* without data */
    double              entries;
    ne_status           status;
    ne_problem          problem;
    ne_terms            terms;
    output_kernel       kernel;
    repulsion_plan      repulsion;
    double              n, d, c;
    double              affinities, distances; /* entries that are held */
} shape;

/* Search the neighbors; their distances stay. */
static void search(shape *s, ledger *l, double k)
{
    const ne_context *context = s->e->context;
    knn_request       request = {.x      = s->x,
                                 .k      = (size_t)k,
                                 .metric = s->problem.metric,
                                 .method = (knn_method)s->e->knn.method,
                                 .recall = s->e->knn.recall,
                                 .faiss  = &s->e->knn.faiss,
                                 .sparse = s->rows};
    const double      bytes   = s->rows ? context->backend->knn_sparse_bytes(context, &request, s->entries)
                                        : context->backend->knn_bytes(context, &request);
    if (isnan(bytes)) s->status = NE_UNSUPPORTED;
    pass(l, bytes);
    hold(l, csr_bytes(s->n, s->n * k));
}

static void sparse_affinity(shape *s, ledger *l)
{
    const double k = (double)s->e->input->neighbors(s->e->params.input, s->problem.n), entries = s->n * k;
    const int    directed = s->e->input->combine == NE_COMBINE_NONE;

    search(s, l, k);
    hold(l, s->n * sizeof(double)); /* bandwidth */
    if (s->terms.exclude_neighbors) s->distances = entries;
    if (s->terms.exclude_neighbors) hold(l, csr_bytes(s->n, entries));
    s->affinities = directed ? entries : united_entries(s->n, k);
    if (!directed) pass(l, csr_symmetrise_bytes(s->n, entries, s->affinities));
    l->held += csr_bytes(s->n, s->affinities) - csr_bytes(s->n, entries);
}

static void affinity(shape *s, ledger *l)
{
    const ne_embedding *e = s->e;
    if (s->terms.dense_affinity && s->rows) {
        s->status =
            ne_fail(NE_UNSUPPORTED, "%s: compares all pairs of rows of a dense x, and x is sparse", e->ops->name);
    } else if (s->terms.dense_affinity) {
        hold(l, s->n * s->n * sizeof(float));
        pass(l, affinity_dense_bytes(e->context, e->input, s->n, s->d));
    } else if (e->input) {
        sparse_affinity(s, l);
    } else if (e->ops->neighbors) {
        const double k = fmin((double)e->ops->neighbors(e->params.method, s->problem.n), s->n - 1);
        search(s, l, k);
        s->distances = s->n * k;
    }
}

static void start(const shape *s, ledger *l)
{
    const base_params *b        = &s->e->base;
    const int          spectral = b->init == INIT_SPECTRAL && s->affinities > 0;
    if (spectral) pass(l, spectral_start_bytes(s->n, s->affinities, s->problem.c));
    if (s->rows && (b->init == INIT_PCA || (b->init == INIT_SPECTRAL && !spectral)))
        pass(l, init_pca_sparse_bytes(s->e->context, s->n, s->d, s->entries, s->rows->dtype, s->c));
    else if (b->init == INIT_PCA || (b->init == INIT_SPECTRAL && !spectral))
        pass(l, init_pca_bytes(s->e->context, s->n, s->d, s->x->dtype == NE_F32, s->c));
    else if (b->process_duplicates && b->init != INIT_ARRAY) pass(l, init_share_places_bytes(s->n));
    if (!s->terms.dense_affinity) pass(l, fit_sort_bytes(s->n, s->c, s->affinities, s->distances));
}

/* What the method's own arrays take: while on_affinity_computed() runs, and from then on. */
static double method_bytes(const shape *s, const void *state, double *kept)
{
    const ne_method_ops *ops     = s->e->ops;
    ne_problem           problem = s->problem;
    double               most    = 0;

    *kept = 0;
    if (ops == &method_localmap) problem.reference = 0;
    if (ops == &method_pacmap || ops == &method_localmap)
        most = pacmap_bytes(&problem, state, ops == &method_localmap, kept);
    else if (ops == &method_trimap) most = trimap_bytes(&problem, state, kept);
    else if (ops == &method_umap) most = umap_bytes(s->e->params.method, &problem, kept);
    return most;
}

static void steps(const shape *s, ledger *l)
{
    const ne_context   *context = s->e->context;
    const negatives_job sampled = {.n         = s->problem.n,
                                   .c         = s->problem.c,
                                   .over_rows = s->terms.normalised == NE_OVER_ROWS,
                                   .count     = (size_t)s->terms.negatives,
                                   .lists     = s->problem.reference || s->terms.exclude_neighbors};
    int                 sorts   = 0;

    for (int64_t t = 1; t < s->problem.max_iter && t <= 1000; t++) sorts |= fit_sort_is_due(s->problem.n, &s->terms, t);
    if (s->repulsion.n) hold(l, context->backend->repulsion_bytes(context, &s->repulsion));
    if (sorts) pass(l, fit_sort_bytes(s->n, s->c, s->affinities, s->distances));
    if (fit_packs(s->e, &s->terms))
        hold(l, context->backend->edges_bytes(s->n, s->affinities, s->problem.c, &s->kernel));
    if (s->terms.repulsion == NE_REPULSION_SAMPLED) pass(l, context->backend->negatives_bytes(context, &sampled));
}

static ne_status fit_bytes(shape *s, const void *state, double *bytes)
{
    const ne_embedding *e = s->e;
    ledger              l = {0};
    double              kept;

    if (s->rows) hold(&l, sparse_bytes(s->n, s->entries, s->rows->dtype));
    hold(&l, 2 * s->n * s->c * sizeof(float) + (double)state_layout(e, s->problem.n, s->problem.c).bytes);
    if (e->base.keep_data) hold(&l, s->n * s->d * sizeof(float));
    if (s->terms.negatives > 0) hold(&l, 3 * s->n * sizeof(int32_t)); /* the circle */
    affinity(s, &l);
    start(s, &l);
    pass(&l, method_bytes(s, state, &kept));
    hold(&l, kept);
    if (s->distances > 0 && !s->terms.exclude_neighbors) {
        l.held -= csr_bytes(s->n, s->distances);
        s->distances = 0;
    }
    steps(s, &l);
    *bytes = l.most;
    return s->status;
}

/* --- A map without a loop ---------------------------------------------------------------------------------------- */

static ne_status model_bytes(const ne_embedding *e, double n, double d, const ne_dense *x, const ne_csr *rows,
                             double entries, double *bytes)
{
    int64_t      columns = 0;
    ne_status    st      = options_get_int(&e->options, "n_components", &columns);
    const double c       = (double)columns;

    if (rows && !e->ops->fit_sparse) st = ne_fail(NE_UNSUPPORTED, "%s: takes dense rows only", e->ops->name);
    if (st == NE_OK && c > fmin(n, d) && e->ops == &method_pca)
        st = ne_fail(NE_OUT_OF_RANGE, "n_components: %g is outside [1, %g], the smaller of rows and columns", c,
                     fmin(n, d));
    if (st != NE_OK) return st;
    *bytes = (double)e->ops->state_size;
    if (e->ops == &method_pca && rows)
        *bytes += sparse_bytes(n, entries, rows->dtype) + (d + c * d + c) * sizeof(double) +
                  e->context->backend->pca_sparse_bytes(e->context, n, d, entries, rows->dtype, c);
    else if (e->ops == &method_pca)
        *bytes +=
            (d + c * d + c) * sizeof(double) + e->context->backend->pca_bytes(e->context, n, d, x->dtype == NE_F32, c);
    else if (e->ops == &method_phate)
        *bytes += n * n * sizeof(float) +
                  fmax(affinity_dense_bytes(e->context, &affinity_phate, n, d),
                       (n * n + n * (3 * c + 52)) * sizeof(double)); /* the Gram matrix's eigenvectors */
    else st = ne_fail(NE_UNSUPPORTED, "%s: does not say how much memory it takes", e->ops->name);
    return st;
}

/* --- Both -------------------------------------------------------------------------------------------------------- */

/* plan() has a say in what is done, and gets a state to say it to. */
static ne_status loop_bytes(const ne_embedding *e, size_t n, size_t d, const ne_dense *x, const ne_csr *rows,
                            double entries, double *bytes)
{
    ne_context         *context  = e->context;
    const ne_allocator *mem      = &context->memory;
    const size_t        c        = (size_t)e->base.n_components;
    const int           searches = e->input || e->ops->neighbors;
    void               *state    = NULL;
    shape               s        = {.e       = e,
                                    .x       = x,
                                    .rows    = rows,
                                    .entries = entries,
                                    .n       = (double)n,
                                    .d       = (double)d,
                                    .c       = (double)c,
                                    .problem = {.struct_size = sizeof s.problem,
                                                .n           = n,
                                                .c           = c,
                                                .row1        = n,
                                                .max_iter    = e->base.max_iter,
                                                .threads     = context_threads(context),
                                                .reference   = e->base.reference != 0,
                                                .context     = context,
                                                .x           = x,
                                                .sparse      = rows}};
    ne_status           st;

    if ((st = base_check(&e->base)) != NE_OK || (st = fit_check_rows(e, n)) != NE_OK) return st;
    if (rows && (st = fit_check_sparse(e)) != NE_OK) return st;
    if (n > SIZE_MAX / 64 / c)
        return ne_fail(NE_OUT_OF_MEMORY, "n_components: %zu columns of %zu rows are more than an address can reach", c,
                       n);
    if (searches && n > INT32_MAX) return ne_fail(NE_UNSUPPORTED, "n: %zu rows are more than %d", n, INT32_MAX);
    if (searches && !(s.problem.metric = registry_find(REGISTRY_METRIC, e->knn.metric))) return NE_UNKNOWN_NAME;
    state = memory_zero(mem, 1, e->ops->state_size);
    if (!state) return NE_OUT_OF_MEMORY;
    st = fit_plan(e, &s.problem, state, &s.terms, &s.kernel, &s.repulsion);
    if (st == NE_OK) st = fit_bytes(&s, state, bytes);
    if (e->ops->clear) e->ops->clear(context, state);
    memory_free(mem, state);
    return st;
}

ne_status embedding_estimate(const ne_embedding *e, size_t n, size_t d, int32_t dtype, const size_t *entries,
                             size_t *bytes)
{
    const ne_dense  dense  = {.struct_size = sizeof dense, .rows = n, .cols = d, .stride = d, .dtype = dtype};
    const ne_csr    listed = {.struct_size = sizeof listed, .rows = n, .cols = d, .dtype = dtype};
    const ne_dense *x      = entries ? NULL : &dense;
    const ne_csr   *rows   = entries ? &listed : NULL;
    const double    count  = entries ? (double)*entries : 0;
    const size_t    size   = dtype == NE_F32 ? sizeof(float) : sizeof(double);
    double          about  = 0;
    ne_status       st;

    if (x && n > SIZE_MAX / 2 / size / d)
        return ne_fail(NE_OUT_OF_MEMORY, "x: %zu x %zu values are more than an address can reach", n, d);
    st = e->ops->fit ? model_bytes(e, (double)n, (double)d, x, rows, count, &about)
                     : loop_bytes(e, n, d, x, rows, count, &about);
    if (st == NE_OK && about > (double)(SIZE_MAX / 2))
        st = ne_fail(NE_OUT_OF_MEMORY, "memory: %g bytes are more than an address can reach", about);
    if (st == NE_OK) *bytes = (size_t)about;
    return st;
}
