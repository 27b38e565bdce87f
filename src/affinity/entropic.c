/* affinity/entropic.c: the affinity with one perplexity for every row (Hinton & Roweis 2002).
 *
 *     p_j = exp(-(d_j - d_min) / eps) / sum_l exp(-(d_l - d_min) / eps),   eps such that H(p) = log perplexity (nats)
 *
 * With beta = 1 / eps, D_j = d_j - d_min, S = sum exp(-beta D), E and V the mean and the variance of D under p:
 *     H = log S + beta E,   dH / d(log beta) = -beta^2 V,
 * so H falls with log beta and a Newton step on log beta, clipped to 3 and kept inside a bracket, needs 6 evaluations
 * on average. Subtracting the nearest distance keeps S at least 1: nothing underflows. All sums in double.
 * An evaluation is one pass over the row. */
#include "affinity/input.h"
#include "base/clones.h"
#include "cpu/vector_exp.h"

#include <math.h>

typedef struct entropic_params {
    double  perplexity;
    int64_t max_iter, sparsity, reference;
} entropic_params;

#define AT(field) offsetof(entropic_params, field)
static const ne_option entropic_options[] = {
    {.name   = "perplexity",
     .type   = NE_OPT_REAL,
     .offset = AT(perplexity),
     .preset = "30",
     .min    = 1,
     .max    = -1,
     .flags  = NE_OPT_MAX_FROM_N,
     .unit   = "neighbors",
     .help   = "effective number of neighbors of each point: exp of the entropy of its affinities"},
    {.name   = "max_iter_affinity",
     .type   = NE_OPT_INT,
     .offset = AT(max_iter),
     .preset = "100",
     .min    = 1,
     .max    = 1e6,
     .help   = "most evaluations of the search for a row's bandwidth"},
    {.name   = "sparsity",
     .type   = NE_OPT_BOOL,
     .offset = AT(sparsity),
     .preset = "true",
     .help   = "affinities to the 3 * perplexity nearest neighbors only; false: to all points"},
    {.name    = "reference",
     .type    = NE_OPT_CHOICE,
     .offset  = AT(reference),
     .preset  = "none",
     .choices = "none|torchdr",
     .help    = "torchdr: every default, and the treatment of corner cases, as in TorchDR 0.5"},
};

enum {
    CHUNK = 512
};

typedef struct row_sums {
    double s, d, dd; /* sum e, sum e D, sum e D^2 with e = exp(-beta D) */
} row_sums;

/* Eight lanes whatever the vector width, so that the order of the sums is fixed. Unused lanes get e = 0. */
NE_CLONES static void entropic_chunk(size_t count, const float *restrict distances, double nearest, double beta,
                                     double *restrict e, row_sums *restrict sums)
{
    double s[8] = {0}, d[8] = {0}, dd[8] = {0};
    double D[8], x[8];
    for (size_t j = 0; j < count; j += 8) {
        const size_t lanes = count - j < 8 ? count - j : 8;
        for (size_t l = 0; l < 8; l++) D[l] = l < lanes ? (double)distances[j + l] - nearest : INFINITY;
#pragma omp simd
        for (int l = 0; l < 8; l++) x[l] = vector_exp(-beta * D[l]);
        for (size_t l = 0; l < lanes; l++) e[j + l] = x[l];
#pragma omp simd
        for (int l = 0; l < 8; l++) {
            const double safe = x[l] > 0 ? D[l] : 0;
            s[l] += x[l];
            d[l] += x[l] * safe;
            dd[l] += x[l] * safe * safe;
        }
    }
    for (int l = 0; l < 8; l++) {
        sums->s += s[l];
        sums->d += d[l];
        sums->dd += dd[l];
    }
}

/* H and its slope at beta. */
static double entropy_at(size_t count, const float *distances, double beta, double *slope)
{
    double   scratch[CHUNK];
    row_sums sums = {0, 0, 0};
    for (size_t j = 0; j < count; j += CHUNK)
        entropic_chunk(count - j < CHUNK ? count - j : CHUNK, distances + j, (double)distances[0], beta, scratch,
                       &sums);
    const double mean = sums.d / sums.s;
    *slope            = -beta * beta * (sums.dd / sums.s - mean * mean);
    return log(sums.s) + beta * mean;
}

/* values may be distances: each chunk is read before it is written. */
static void write_row(size_t count, const float *distances, double beta, double scale, float *values)
{
    const double nearest = (double)distances[0];
    double       e[CHUNK];
    row_sums     sums = {0, 0, 0};
    for (size_t j = 0; j < count; j += CHUNK)
        entropic_chunk(count - j < CHUNK ? count - j : CHUNK, distances + j, nearest, beta, e, &sums);
    for (size_t j = 0; j < count; j += CHUNK) {
        const size_t part   = count - j < CHUNK ? count - j : CHUNK;
        row_sums     unused = {0, 0, 0};
        entropic_chunk(part, distances + j, nearest, beta, e, &unused);
        for (size_t l = 0; l < part; l++) values[j + l] = (float)(scale * e[l] / sums.s);
    }
}

static ne_status entropic_weights(const void *params, size_t n, size_t count, const float *distances, float *values,
                                  double *bandwidth)
{
    const entropic_params *p          = params;
    const double           perplexity = p->reference ? floor(p->perplexity) : p->perplexity;
    const double           target     = log(perplexity);
    double                 low = -INFINITY, high = INFINITY, u, slope, mean = 0;
    size_t                 tied = 0;
    (void)n;

    while (tied < count && distances[tied] == distances[0]) tied++;
    for (size_t j = 0; j < count; j++) mean += (double)distances[j] - (double)distances[0];
    if (tied == count || perplexity >= (double)count) {
        *bandwidth = INFINITY;
        for (size_t j = 0; j < count; j++) values[j] = (float)(1.0 / (double)count);
    } else if ((double)tied >= perplexity) {
        *bandwidth = 0; /* the entropy cannot fall below log(tied): the limit of a vanishing bandwidth */
        for (size_t j = 0; j < count; j++) values[j] = j < tied ? (float)(1.0 / (double)tied) : 0;
    } else {
        u = -log(mean / (double)count);
        for (int64_t t = 0; t < p->max_iter; t++) {
            const double f = entropy_at(count, distances, exp(u), &slope) - target;
            if (fabs(f) < 1e-12) break;
            if (f > 0) low = u;
            else high = u;
            double step = slope < 0 ? -f / slope : f > 0 ? 3.0 : -3.0;
            step        = step > 3 ? 3 : step < -3 ? -3 : step;
            double next = u + step;
            if (next <= low || next >= high) next = isinf(high) ? low + 3 : isinf(low) ? high - 3 : (low + high) / 2;
            if (next == u) break;
            u = next;
        }
        write_row(count, distances, exp(u), 1, values);
        *bandwidth = exp(-u);
    }
    return NE_OK;
}

static size_t entropic_neighbors(const void *params, size_t n)
{
    const entropic_params *p    = params;
    const size_t           most = p->reference && n > 3 ? n - 2 : n - 1;
    const double           want = p->reference ? fmax(2, 3 * floor(p->perplexity)) : ceil(3 * p->perplexity);
    return !p->sparsity ? n - 1 : want < (double)most ? (size_t)want : most;
}

const ne_affinity_ops affinity_entropic = {
    .struct_size    = sizeof(ne_affinity_ops),
    .name           = "entropic",
    .help           = "each row a Gaussian whose bandwidth gives it the same perplexity, the input affinity of t-SNE",
    .options        = entropic_options,
    .option_count   = sizeof entropic_options / sizeof *entropic_options,
    .option_size    = sizeof(ne_option),
    .params_size    = sizeof(entropic_params),
    .neighbors      = entropic_neighbors,
    .weights        = entropic_weights,
    .row_sum_is_one = 1,
};
