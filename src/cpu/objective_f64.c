/* cpu/objective_f64.c: see objective_f64.h.
 *
 *     L_att = -sum_ij p_ij log q_ij              dL_att/dz_i =  4 sum_j p_ij w_ij (z_i - z_j)
 *     pairs:  L_rep = log S, S = sum_i R_i       dL_rep/dz_i = -4 sum_j q_ij / S w_ij (z_i - z_j)
 *     rows:   L_rep = 1/n sum_i log R_i          dL_rep/dz_i = -2/n sum_j (q_ij / R_i + q_ij / R_j) w_ij (z_i - z_j)
 *     none:   L_rep = S                          dL_rep/dz_i = -4 sum_j q_ij w_ij (z_i - z_j)
 *
 * with R_i = sum_{j != i} q_ij. Two sweeps over all pairs: log R_i first, then the gradient. All is done with log q and
 * the largest term of a row in front of the sum, so a point far from all others, whose q underflow, is no special case.
 *
 * Cost: about 60 ns a pair and sweep, the logarithms and exponentials of the C library. A block of rows is a
 * thread's, and blocks are added up in order. */
#include "cpu/objective_f64.h"

#include "cpu/attract.h"
#include "cpu/kernel.h"
#include "cpu/repulse_exact.h"
#include "cpu/repulse_exact_rows.h"

#include <math.h>

enum {
    ROWS = 16
};

typedef struct objective {
    size_t               n, c;
    const ne_csr        *p;
    const output_kernel *kernel;
    ne_normalisation     normalisation;
    const double        *y;
    double              *log_row; /* log R_i */
    double               log_sum; /* log S */
} objective;

static double squared_distance(const objective *of, size_t i, size_t j)
{
    const double *a = of->y + i * of->c, *b = of->y + j * of->c;
    double        s = 0;
    for (size_t k = 0; k < of->c; k++) s += (a[k] - b[k]) * (a[k] - b[k]);
    return s;
}

/* log sum exp of what has been added: the largest term so far, and the sum of all in units of it. */
typedef struct log_sum {
    double largest, sum;
} log_sum;

static log_sum log_sum_add(log_sum to, double term)
{
    if (term > to.largest) to = (log_sum){term, to.sum * exp(to.largest - term) + 1};
    else if (term > -INFINITY) to.sum += exp(term - to.largest);
    return to;
}

static double log_sum_value(log_sum of)
{
    return of.largest + log(of.sum);
}

static const log_sum log_sum_empty = {-INFINITY, 0};

static double log_row_sum(const objective *of, size_t i)
{
    log_sum sum = log_sum_empty;
    for (size_t j = 0; j < of->n; j++)
        if (j != i) sum = log_sum_add(sum, kernel_log_f64(of->kernel, squared_distance(of, i, j), NULL));
    return log_sum_value(sum);
}

/* What the pair i, j weighs in the gradient of L_rep, but for the slope. */
static double repulsive_weight(const objective *of, size_t i, size_t j, double log_q)
{
    double weight = 0;
    if (!(log_q > -INFINITY)) weight = 0;
    else if (of->normalisation == NE_OVER_PAIRS) weight = -4 * exp(log_q - of->log_sum);
    else if (of->normalisation == NE_UNNORMALISED) weight = -4 * exp(log_q);
    else weight = -2 / (double)of->n * (exp(log_q - of->log_row[i]) + exp(log_q - of->log_row[j]));
    return weight;
}

static double entry(const ne_csr *p, size_t e)
{
    return p->dtype == NE_F32 ? (double)((const float *)p->val)[e] : ((const double *)p->val)[e];
}

/* The loss of row i's edges; its gradient, all of it, if that is not NULL. */
static double objective_row(const objective *of, size_t i, double *gradient)
{
    const size_t c = of->c, first = of->p ? (size_t)of->p->start[i] : 0, last = of->p ? (size_t)of->p->start[i + 1] : 0;
    double       loss = 0, slope;

    for (size_t k = 0; gradient && k < c; k++) gradient[k] = 0;
    for (size_t e = first; e < last; e++) {
        const size_t j = (size_t)of->p->col[e];
        const double p = entry(of->p, e), log_q = kernel_log_f64(of->kernel, squared_distance(of, i, j), &slope);
        if (p > 0) loss -= p * log_q;
        for (size_t k = 0; gradient && k < c; k++) gradient[k] += 4 * p * slope * (of->y[i * c + k] - of->y[j * c + k]);
    }
    for (size_t j = 0; gradient && j < of->n; j++) {
        if (j == i) continue;
        const double log_q  = kernel_log_f64(of->kernel, squared_distance(of, i, j), &slope);
        const double weight = repulsive_weight(of, i, j, log_q) * slope;
        for (size_t k = 0; k < c; k++) gradient[k] += weight * (of->y[i * c + k] - of->y[j * c + k]);
    }
    return loss;
}

static double repulsive_loss(const objective *of)
{
    double loss = 0;
    if (of->normalisation == NE_OVER_PAIRS) loss = of->log_sum;
    else if (of->normalisation == NE_UNNORMALISED) loss = exp(of->log_sum);
    else {
        for (size_t i = 0; i < of->n; i++) loss += of->log_row[i];
        loss /= (double)of->n;
    }
    return loss;
}

ne_status objective_f64(ne_context *context, size_t n, size_t c, const ne_csr *p, const output_kernel *kernel,
                        ne_normalisation normalisation, const double *y, double *gradient, double *loss)
{
    const int threads = context_threads(context);
    double   *part    = memory_new(&context->memory, n, sizeof *part);
    objective of      = {.n = n, .c = c, .p = p, .kernel = kernel, .normalisation = normalisation, .y = y};
    ne_status status  = NE_OK;

    of.log_row = memory_new(&context->memory, n, sizeof *of.log_row);
    if (!part || !of.log_row) {
        status = NE_OUT_OF_MEMORY;
        goto done;
    }
#pragma omp parallel for schedule(dynamic, ROWS) num_threads(threads)
    for (size_t i = 0; i < n; i++) of.log_row[i] = log_row_sum(&of, i);
    log_sum all = log_sum_empty;
    for (size_t i = 0; i < n; i++) all = log_sum_add(all, of.log_row[i]);
    of.log_sum = log_sum_value(all);

#pragma omp parallel for schedule(dynamic, ROWS) num_threads(threads)
    for (size_t i = 0; i < n; i++) part[i] = objective_row(&of, i, gradient ? gradient + i * c : NULL);
    if (loss) {
        *loss = repulsive_loss(&of);
        for (size_t i = 0; i < n; i++) *loss += part[i];
    }
done:
    memory_free(&context->memory, of.log_row);
    memory_free(&context->memory, part);
    return status;
}

ne_status objective_kl(ne_context *context, size_t n, size_t c, const ne_csr *p, const output_kernel *kernel,
                       ne_normalisation normalisation, const float *z, double *kl)
{
    const float         *val     = p->val;
    const size_t         entries = (size_t)p->start[n];
    const repulsion_plan rows    = {.n = n, .c = c, .kernel = kernel, .over_rows = 1};
    double               total = 0, entropy = 0, energy = 0, log_normaliser = 0;
    float               *forces  = memory_new(&context->memory, n, c * sizeof *forces); /* what the kernels also make */
    double              *log_row = memory_new(&context->memory, n, sizeof *log_row);
    attraction_job       attract = {
              .n = n, .c = c, .row1 = n, .p = p, .z = z, .f = forces, .loss = &energy, .kernel = kernel};
    repulsion_job repulse = {.z = z, .f = forces, .row1 = n};
    ne_status     status  = forces && log_row ? NE_OK : NE_OUT_OF_MEMORY;

    if (status == NE_OK) status = cpu_attract(context, &attract);
    if (status == NE_OK && normalisation == NE_OVER_ROWS) {
        status = repulse_exact_row_sums(context, &rows, z, log_row);
        for (size_t i = 0; status == NE_OK && i < n; i++) log_normaliser += log_row[i] / (double)n;
        log_normaliser += log((double)n);
    } else if (status == NE_OK) {
        status         = repulse_exact(context, n, c, kernel, &repulse);
        log_normaliser = log(repulse.normaliser);
    }
    if (status == NE_OK) {
        for (size_t e = 0; e < entries; e++) {
            const double value = (double)val[e];
            total += value;
            if (value > 0) entropy += value * log(value);
        }
        *kl = (entropy + energy) / total - log(total) + log_normaliser;
    }
    memory_free(&context->memory, log_row);
    memory_free(&context->memory, forces);
    return status;
}
