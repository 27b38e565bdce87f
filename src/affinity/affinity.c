/* affinity/affinity.c: see affinity.h. */
#include "affinity/affinity.h"

#include <math.h>

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
};

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

ne_status affinity_compute(ne_affinity *a, const ne_dense *x, const csr *distances, csr *to)
{
    const ne_allocator *mem       = &a->context->memory;
    const size_t        n         = x ? x->rows : distances->rows;
    csr                 made      = {0};
    knn_report          report    = {0};
    double             *bandwidth = NULL, *entropy = NULL;
    ne_status           st;

    if (!a->ops->weights) return ne_fail(NE_UNSUPPORTED, "%s: an output affinity has no input form", a->ops->name);
    if ((st = options_check_n(&a->options, n)) != NE_OK) return st;
    if (a->ops->check && (st = a->ops->check(a->params, n)) != NE_OK) return st;
    st = x ? knn_build(a->context, &a->knn, (uint64_t)a->base.random_state, x, a->ops->neighbors(a->params, n), NULL,
                       &made, &report)
           : csr_copy(mem, distances, &made);
    if (st != NE_OK) goto done;
    bandwidth = memory_zero(mem, n, sizeof *bandwidth);
    entropy   = memory_zero(mem, n, sizeof *entropy);
    if (!bandwidth || !entropy) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    if ((st = affinity_apply(a->context, a->ops, a->params, &made, bandwidth)) != NE_OK) goto done;
    measure_entropy(&made, entropy);
    const double sum = a->ops->row_sum_is_one ? (double)n : csr_sum(&made);
    if (!(sum > 0)) {
        st = ne_fail(NE_INVALID_ARGUMENT, "%s: the affinities sum to %g", a->ops->name, sum);
    } else if (a->base.symmetrize) {
        st = csr_symmetrise(a->context, &made, 0.5 / sum, to);
    } else {
        for (size_t e = 0; e < made.entries; e++) made.val[e] = (float)((double)made.val[e] / sum);
        if ((st = csr_sort_rows(a->context, &made)) == NE_OK) {
            *to  = made;
            made = (csr){0};
        }
    }
    if (st == NE_OK) {
        memory_free(mem, a->bandwidth);
        memory_free(mem, a->entropy);
        a->bandwidth = bandwidth;
        a->entropy   = entropy;
        a->rows      = n;
        bandwidth = entropy = NULL;
    }
done:
    csr_clear(mem, &made);
    memory_free(mem, bandwidth);
    memory_free(mem, entropy);
    return st;
}
