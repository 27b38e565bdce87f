/* metrics/kl.c: see kl.h. The work is that of objective_kl(), n^2 pairs by the kernels of the fit; what is added here is
 * for coordinates from anywhere: moved to their centre of mass in double before they are narrowed, since far from the
 * origin floats would lose the small distances. */
#include "metrics/kl.h"

#include "base/memory.h"
#include "base/view.h"
#include "cpu/objective_f64.h"

static double sum_of(const ne_csr *affinity)
{
    const float *p   = affinity->val;
    double       sum = 0;
    for (int64_t e = 0; e < affinity->start[affinity->rows]; e++) sum += (double)p[e];
    return sum;
}

static void read_centred(const ne_dense *y, float *z)
{
    const double n = (double)y->rows;
    for (size_t j = 0; j < y->cols; j++) {
        double mean = 0;
        for (size_t i = 0; i < y->rows; i++) mean += view_get(y, i, j) / n;
        for (size_t i = 0; i < y->rows; i++) z[i * y->cols + j] = (float)(view_get(y, i, j) - mean);
    }
}

ne_status kl_score(ne_context *context, const ne_csr *affinity, const ne_dense *y, double nu, double *value)
{
    const output_kernel kernel = {.kind = KERNEL_STUDENT, .shape = nu};
    const double        sum    = sum_of(affinity);
    float              *z      = NULL;
    ne_status           st     = NE_OK;

    if (!(sum > 0)) {
        st = ne_fail(NE_INVALID_ARGUMENT, "affinity: the entries sum to %g, a positive sum is needed", sum);
        goto done;
    }
    z = memory_new(&context->memory, y->rows, y->cols * sizeof *z);
    if (!z) {
        st = NE_OUT_OF_MEMORY;
        goto done;
    }
    read_centred(y, z);
    st = objective_kl(context, y->rows, y->cols, affinity, &kernel, NE_OVER_PAIRS, z, value);
done:
    memory_free(&context->memory, z);
    return st;
}
