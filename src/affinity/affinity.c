/* affinity/affinity.c: see affinity.h. */
#include "affinity/affinity.h"

#include "affinity/dense.h"
#include "base/view.h"

#include <math.h>
#include <string.h>

static const ne_option affinity_options[] = {
    {.name      = "symmetrize",
     .type      = NE_OPT_BOOL,
     .offset    = offsetof(affinity_params, symmetrize),
     .preset    = "true",
     .reference = "false",
     .help      = "(P + P^T) / 2; false: each row as it is, rows summing to 1 / n"},
    {.name   = "random_state",
     .type   = NE_OPT_INT,
     .offset = offsetof(affinity_params, random_state),
     .preset = "0",
     .min    = 0,
     .max    = 0x1p53,
     .help   = "seed of an approximate neighbor search"},
    {.name    = "reference",
     .type    = NE_OPT_CHOICE,
     .offset  = offsetof(affinity_params, reference),
     .preset  = "none",
     .choices = "none|torchdr",
     .help    = "torchdr: every default as in TorchDR 0.5"},
};

/* By itself an affinity goes by the names of TorchDR's class, too; those of an embedding's loop are longer. */
static const option_alias affinity_aliases[] = {
    {"max_iter", "max_iter_affinity"}, {"tol", "tol_affinity"},          {"faiss_index_type", "faiss_index"},
    {"faiss_M", "faiss_pq_m"},         {"faiss_nbits", "faiss_pq_bits"},
};
static const option_names affinity_names = {.aliases     = affinity_aliases,
                                            .alias_count = sizeof affinity_aliases / sizeof *affinity_aliases};

ne_status affinity_new(ne_context *context, const ne_affinity_ops *ops, ne_affinity **affinity)
{
    const ne_allocator *mem  = &context->memory;
    ne_status           st   = NE_OK;
    ne_affinity        *made = memory_zero(mem, 1, sizeof *made);

    if (!made) return NE_OUT_OF_MEMORY;
    made->context = context;
    made->ops     = ops;
    context_hold(context);
    made->params = memory_zero(mem, 1, ops->params_size);
    if (!made->params) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = options_add(mem, &made->options, ops->name, ops->options, ops->option_count, ops->option_size,
                          made->params)) != NE_OK)
        goto done;
    if ((st = options_add(mem, &made->options, "affinity", affinity_options,
                          sizeof affinity_options / sizeof *affinity_options, sizeof(ne_option), &made->base)) != NE_OK)
        goto done;
    if ((st = options_add(mem, &made->options, "k-NN", knn_options, knn_option_count, sizeof(ne_option), &made->knn)) !=
        NE_OK)
        goto done;
    made->options.names   = &affinity_names;
    made->options.presets = made->presets;
    if (ops->metric) made->presets[made->options.preset_count++] = (ne_preset){"metric", ops->metric, ops->metric};
    if (ops->combine == NE_COMBINE_UNION) /* which TorchDR has, too */
        made->presets[made->options.preset_count++] = (ne_preset){"symmetrize", "true", "true"};
    if (ops == &affinity_entropic) /* the reference of t-SNE, which has the same option, is 100 */
        made->presets[made->options.preset_count++] = (ne_preset){"max_iter_affinity", "100", "1000"};
    st = options_reset(&made->options);
done:
    if (st == NE_OK) *affinity = made;
    else affinity_free(made);
    return st;
}

void affinity_free(ne_affinity *affinity)
{
    if (affinity) {
        ne_context         *context = affinity->context;
        const ne_allocator *mem     = &context->memory;
        memory_free(mem, affinity->params);
        memory_free(mem, affinity->bandwidth);
        memory_free(mem, affinity->entropy);
        memory_free(mem, affinity->dual);
        memory_free(mem, affinity->start);
        options_clear(mem, &affinity->options);
        memory_free(mem, affinity);
        context_release(context);
    }
}

/* H of each row, of its values divided by their sum. */
static void measure_entropy(const csr *m, double *entropy)
{
    for (size_t i = 0; i < m->rows; i++) {
        double sum = 0, weighted = 0;
        for (int64_t e = m->start[i]; e < m->start[i + 1]; e++)
            if (m->val[e] > 0) {
                sum += (double)m->val[e];
                weighted += (double)m->val[e] * log((double)m->val[e]);
            }
        entropy[i] = sum > 0 ? log(sum) - weighted / sum : 0;
    }
}

/* What every computation begins with. */
static ne_status check(ne_affinity *a, size_t n)
{
    ne_status st = options_check_n(&a->options, n);
    if (st == NE_OK && a->start && a->start_rows != n)
        st = ne_fail(NE_INVALID_ARGUMENT, "init_dual: %zu values, x has %zu rows", a->start_rows, n);
    if (st == NE_OK && a->ops->check) st = a->ops->check(a->params, n);
    if (st == NE_OK && a->ops->prepare) st = a->ops->prepare(a->params);
    return st;
}

/* Takes the arrays over. */
static void commit(ne_affinity *a, size_t n, double *bandwidth, double *entropy, const ne_solution *solution)
{
    const ne_allocator *mem = &a->context->memory;
    memory_free(mem, a->bandwidth);
    memory_free(mem, a->entropy);
    memory_free(mem, a->dual);
    a->rows      = n;
    a->bandwidth = bandwidth;
    a->entropy   = entropy;
    a->dual      = solution->dual;
    a->n_iter    = solution->n_iter;
    a->residual  = solution->residual;
}

static ne_status compute_neighbors(ne_affinity *a, const ne_dense *x, const csr *distances, csr *to)
{
    const ne_allocator *mem       = &a->context->memory;
    const size_t        n         = x ? x->rows : distances->rows;
    csr                 made      = {0};
    knn_report          report    = {0};
    double             *bandwidth = memory_zero(mem, n, sizeof *bandwidth);
    double             *entropy   = memory_zero(mem, n, sizeof *entropy);
    ne_status           st        = bandwidth && entropy ? NE_OK : NE_OUT_OF_MEMORY;

    if (st == NE_OK)
        st = x ? knn_build(a->context, &a->knn, (uint64_t)a->base.random_state, x, a->ops->neighbors(a->params, n),
                           &a->progress, &made, &report)
               : csr_copy(mem, distances, &made);
    if (st == NE_OK) st = affinity_of_graph(a->context, a->ops, a->params, &a->knn, &made, bandwidth);
    if (st == NE_OK) {
        measure_entropy(&made, entropy);
        st = a->base.symmetrize ? affinity_combine(a->context, a->ops, &made, to)
                                : affinity_keep_directed(a->context, a->ops, &made, to);
    }
    if (st == NE_OK) {
        commit(a, n, bandwidth, entropy, &(ne_solution){.struct_size = sizeof(ne_solution)});
        bandwidth = entropy = NULL;
    }
    csr_clear(mem, &made);
    memory_free(mem, bandwidth);
    memory_free(mem, entropy);
    return st;
}

/* --- Over all pairs ---------------------------------------------------------------------------------------------- */

static dense_affinity dense_of(const ne_affinity *a)
{
    const dense_affinity dense = {.context  = a->context,
                                  .ops      = a->ops,
                                  .params   = a->params,
                                  .combined = a->base.symmetrize != 0,
                                  .start    = a->start,
                                  .progress = &a->progress};
    return dense;
}

static void commit_dense(ne_affinity *a, dense_affinity *dense, size_t n)
{
    commit(a, n, NULL, NULL, &dense->solution);
    dense->solution.dual = NULL;
}

/* Entries that are not 0, row after row, into a CSR that grows. */
typedef struct collector {
    const ne_allocator *mem;
    csr                 made;
    size_t              room;
    ne_status           status;
} collector;

static ne_status make_room(collector *c, size_t need)
{
    const size_t room = c->room * 2 > need ? c->room * 2 : need;
    int32_t     *col  = memory_new(c->mem, room, sizeof *col);
    float       *val  = memory_new(c->mem, room, sizeof *val);
    if (!col || !val) {
        memory_free(c->mem, col);
        memory_free(c->mem, val);
        return NE_OUT_OF_MEMORY;
    }
    memcpy(col, c->made.col, c->made.entries * sizeof *col);
    memcpy(val, c->made.val, c->made.entries * sizeof *val);
    memory_free(c->mem, c->made.col);
    memory_free(c->mem, c->made.val);
    c->made.col = col;
    c->made.val = val;
    c->room     = room;
    return NE_OK;
}

static int collect(void *user, size_t row0, size_t row1, const float *values, size_t stride)
{
    collector *c = user;
    csr       *m = &c->made;
    for (size_t i = row0; i < row1 && c->status == NE_OK; i++) {
        const float *row = values + (i - row0) * stride;
        if (row[i] != 0)
            c->status = ne_fail(NE_UNSUPPORTED, "zero_diag: a graph has no diagonal, and row %zu has %g there", i,
                                (double)row[i]);
        else if (m->entries + m->rows > c->room) c->status = make_room(c, m->entries + m->rows);
        for (size_t j = 0; c->status == NE_OK && j < m->rows; j++)
            if (row[j] != 0) {
                m->col[m->entries]   = (int32_t)j;
                m->val[m->entries++] = row[j];
            }
        m->start[i + 1] = (int64_t)m->entries;
    }
    return c->status != NE_OK;
}

static ne_status compute_pairs(ne_affinity *a, const ne_dense *x, csr *to)
{
    const ne_allocator *mem   = &a->context->memory;
    const size_t        n     = x->rows;
    dense_affinity      dense = dense_of(a);
    collector           c     = {.mem = mem, .room = n};
    ne_status           st    = csr_new(mem, n, n, &c.made);

    c.made.entries = 0;
    if (st == NE_OK) st = dense_open(&dense, &a->knn, x, NULL, 0);
    if (st == NE_OK) st = dense_rows(&dense, n, collect, &c);
    if (c.status != NE_OK) st = c.status;
    if (st == NE_OK) {
        commit_dense(a, &dense, n);
        *to    = c.made;
        c.made = (csr){0};
    }
    dense_close(&dense);
    csr_clear(mem, &c.made);
    return st;
}

ne_status affinity_compute(ne_affinity *a, const ne_dense *x, const csr *distances, csr *to)
{
    const int neighbors = (a->ops->weights || a->ops->compute) && a->ops->neighbors;
    ne_status st;

    if (!neighbors && (!a->ops->rows || !x))
        return ne_fail(NE_UNSUPPORTED, "%s: %s", a->ops->name,
                       a->ops->rows     ? "it needs the data, a graph is not enough"
                       : a->ops->matrix ? "it has no sparse form"
                                        : "an output affinity has no input form");
    st = check(a, x ? x->rows : distances->rows);
    if (st == NE_OK && neighbors) st = affinity_check_graph(a->ops, a->params);
    if (st == NE_OK) st = neighbors ? compute_neighbors(a, x, distances, to) : compute_pairs(a, x, to);
    return st;
}

/* In place from the back: value j of the wide row lies on values 2 j and 2 j + 1 of the narrow one. */
static void widen(size_t n, void *row)
{
    for (size_t j = n; j-- > 0;) {
        float narrow;
        memcpy(&narrow, (char *)row + j * sizeof narrow, sizeof narrow);
        const double wide = (double)narrow;
        memcpy((char *)row + j * sizeof wide, &wide, sizeof wide);
    }
}

ne_status affinity_compute_dense(ne_affinity *a, const ne_dense *x, const ne_dense *y)
{
    const int      wide = y->dtype == NE_F64;
    const size_t   n = x->rows, stride = view_stride(y) * (wide ? 2 : 1);
    dense_affinity dense = dense_of(a);
    ne_status      st    = check(a, n);

    if (st == NE_OK) st = dense_matrix(&dense, &a->knn, x, y->data, stride);
    if (st == NE_OK) {
        for (size_t i = 0; wide && i < n; i++) widen(n, (double *)y->data + i * view_stride(y));
        commit_dense(a, &dense, n);
    }
    dense_close(&dense);
    return st;
}

/* --- Rows to the caller. */

typedef struct giver {
    size_t     n;
    ne_rows_fn take;
    void      *user;
} giver;

static int give(void *user, size_t row0, size_t row1, const float *values, size_t stride)
{
    const giver   *g = user;
    const ne_dense v = {.struct_size = sizeof v,
                        .data        = (void *)(uintptr_t)values,
                        .rows        = row1 - row0,
                        .cols        = g->n,
                        .stride      = stride,
                        .dtype       = NE_F32};
    return g->take(g->user, row0, row1, &v);
}

ne_status affinity_compute_rows(ne_affinity *a, const ne_dense *x, size_t block, ne_rows_fn take, void *user)
{
    const ne_allocator *mem   = &a->context->memory;
    const size_t        n     = x->rows;
    dense_affinity      dense = dense_of(a);
    giver               g     = {n, take, user};
    float              *room  = NULL;
    ne_status           st    = check(a, n);

    if (st == NE_OK && a->ops->rows) {
        st = dense_open(&dense, &a->knn, x, NULL, 0);
        if (st == NE_OK) st = dense_rows(&dense, block, give, &g);
    } else if (st == NE_OK) { /* what needs all pairs at once, or lacks rows() */
        room = memory_new(mem, n, n * sizeof *room);
        st   = room ? dense_matrix(&dense, &a->knn, x, room, n) : NE_OUT_OF_MEMORY;
        for (size_t r = 0; st == NE_OK && r < n; r += block)
            if (give(&g, r, r + block < n ? r + block : n, room + r * n, n))
                st = ne_fail(NE_CANCELLED, "cancelled at row %zu of the affinity", r);
    }
    if (st == NE_OK) commit_dense(a, &dense, n);
    dense_close(&dense);
    memory_free(mem, room);
    return st;
}
