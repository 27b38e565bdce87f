/* affinity/input.c: see input.h. */
#include "affinity/input.h"

enum {
    ROWS = 256
};

ne_status affinity_apply(ne_context *context, const ne_affinity_ops *ops, const void *params, csr *distances,
                         double *bandwidth)
{
    const size_t  n      = distances->rows;
    const int64_t blocks = (int64_t)(n / ROWS + (n % ROWS != 0));
    size_t       *failed = memory_new(&context->memory, (size_t)blocks, sizeof *failed);
    ne_status     st     = NE_OK;
    float        *row    = NULL;
    double        ignored;

    if (!failed) return NE_OUT_OF_MEMORY;
#pragma omp parallel for schedule(dynamic, 4) num_threads(context_threads(context))
    for (int64_t b = 0; b < blocks; b++) {
        const size_t from = (size_t)b * ROWS, to = from + ROWS < n ? from + ROWS : n;
        failed[b] = n;
        for (size_t i = from; i < to && failed[b] == n; i++) {
            double       scale  = 0;
            float       *values = distances->val + distances->start[i];
            const size_t count  = (size_t)(distances->start[i + 1] - distances->start[i]);
            if (ops->weights(params, n, count, values, values, &scale) != NE_OK) failed[b] = i;
            if (bandwidth) bandwidth[i] = scale;
        }
    }
    /* The error text belongs to a worker: the first bad row is done again in the caller's thread, which gets the text. */
    for (int64_t b = 0; b < blocks && st == NE_OK; b++)
        if (failed[b] < n) {
            const size_t i     = failed[b];
            const size_t count = (size_t)(distances->start[i + 1] - distances->start[i]);
            row                = memory_new(&context->memory, count, sizeof *row);
            st                 = !row ? NE_OUT_OF_MEMORY
                                      : ops->weights(params, n, count, distances->val + distances->start[i], row, &ignored);
            if (st == NE_OK) st = ne_fail(NE_INTERNAL, "%s: row %zu failed once and not twice", ops->name, i);
        }
    memory_free(&context->memory, row);
    memory_free(&context->memory, failed);
    return st;
}

output_kernel output_kernel_of(const ne_affinity_ops *ops, const void *params)
{
    output_kernel kernel = {.kind = KERNEL_CUSTOM, .ops = ops, .params = params};
    if (ops == &affinity_student) kernel.kind = KERNEL_STUDENT;
    else if (ops == &affinity_gaussian) kernel.kind = KERNEL_GAUSSIAN;
    if (kernel.kind != KERNEL_CUSTOM) kernel.shape = *(const double *)params;
    return kernel;
}
