/* matcher_equivalence.c: a neighbor embedding is an affinity matcher, shown on counts of gene expression.
 *
 * t-SNE minimises -sum_ij P_ij log Q_ij with the entropic affinity P and the Student kernel Q, normalised over all pairs.
 * "tsne" does that in two parts, attraction along the edges of P and repulsion between all pairs; "affinity_matcher" takes
 * the loss as it stands. From one P, one start, and with one optimizer both go the same way.
 *
 * The data: cells of a few types, and for each gene a count that is negative binomial, as sequencing gives it: a Poisson
 * number whose mean, for a cell of this type and depth, is itself gamma distributed. Each cell is divided by its
 * total (its library size), scaled to 10,000 counts, and log(1 + x) is taken.
 *
 *     cc matcher_equivalence.c -lne -lm && ./a.out */
#include <math.h>
#include <ne.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CELLS   = 300,
    GENES   = 120,
    TYPES   = 4,
    MARKERS = 12, /* genes that a type expresses more than others do */
    STEPS   = 60
};

/* --- Random numbers: the same on every machine -------------------------------------------------------------------- */

static uint64_t seed = 2023;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return ((double)(seed >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* Marsaglia & Tsang 2000; shape >= 1. */
static double gamma_number(double shape)
{
    const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        const double x = normal(), v = pow(1 + c * x, 3);
        if (v > 0 && log(uniform()) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

static int poisson(double mean)
{
    double product = uniform();
    int    count   = 0;
    if (mean > 50) return (int)fmax(0, floor(mean + sqrt(mean) * normal() + 0.5));
    for (const double least = exp(-mean); product > least; count++) product *= uniform();
    return count;
}

/* Mean m and variance m + m^2 / dispersion. */
static int negative_binomial(double mean, double dispersion)
{
    return poisson(gamma_number(dispersion) * mean / dispersion);
}

static void make_cells(float *x)
{
    double base[GENES];
    for (size_t g = 0; g < GENES; g++) base[g] = exp(1.2 * normal());
    for (size_t i = 0; i < CELLS; i++) {
        const size_t type  = i % TYPES;
        const double depth = exp(0.4 * normal());
        int          count[GENES], total = 0;
        for (size_t g = 0; g < GENES; g++) {
            const double more = g / MARKERS == type ? 6 : 1;
            count[g]          = negative_binomial(base[g] * more * depth, 2);
            total += count[g];
        }
        for (size_t g = 0; g < GENES; g++) x[i * GENES + g] = (float)log1p(1e4 * count[g] / (total ? total : 1));
    }
}

/* --- Two fits of one affinity -------------------------------------------------------------------------------------- */

typedef const char *setting[2];

static ne_status fit(ne_context *context, const char *method, setting *set, size_t count, const ne_graph *affinity,
                     const ne_dense *start, const ne_dense *y)
{
    ne_embedding *embedding = NULL;
    ne_status     st        = ne_embedding_create(context, method, &embedding);
    for (size_t i = 0; st == NE_OK && i < count; i++) st = ne_embedding_set(embedding, set[i][0], set[i][1]);
    if (st == NE_OK) st = ne_embedding_set_int(embedding, "max_iter", STEPS);
    if (st == NE_OK) st = ne_embedding_set_array(embedding, "init", start);
    if (st == NE_OK) st = ne_embedding_fit_graph(embedding, affinity, NULL, y);
    ne_embedding_free(embedding);
    return st;
}

static ne_dense matrix(float *data, size_t cols)
{
    return (ne_dense){.struct_size = sizeof(ne_dense), .data = data, .rows = CELLS, .cols = cols, .dtype = NE_F32};
}

static void compare(const float *start, const float *a, const float *b)
{
    double apart = 0, moved = 0;
    printf("cell  type      start            tsne             affinity_matcher\n");
    for (size_t i = 0; i < CELLS; i++) {
        if (i < 8)
            printf("%4zu  %4zu  %7.4f %7.4f  %7.4f %7.4f  %7.4f %7.4f\n", i, i % TYPES, (double)start[2 * i],
                   (double)start[2 * i + 1], (double)a[2 * i], (double)a[2 * i + 1], (double)b[2 * i],
                   (double)b[2 * i + 1]);
        for (size_t k = 2 * i; k < 2 * i + 2; k++) {
            apart = fmax(apart, fabs((double)a[k] - (double)b[k]));
            moved = fmax(moved, fabs((double)a[k] - (double)start[k]));
        }
    }
    printf("After %d steps: longest way %.3f, largest difference %.2e\n", STEPS, moved, apart);
}

int main(void)
{
    static float   x[CELLS * GENES], start[CELLS * 2], a[CELLS * 2], b[CELLS * 2];
    static setting one[]   = {{"optimizer", "adam"}, {"lr", "0.1"},          {"gains", "false"},
                              {"max_step", "0"},     {"repulsion", "exact"}, {"early_exaggeration_coeff", "1"}};
    static setting other[] = {{"optimizer", "adam"}, {"lr", "0.1"}, {"loss_fn", "cross_entropy_loss"}};
    const ne_dense data = matrix(x, GENES), from = matrix(start, 2), to_a = matrix(a, 2), to_b = matrix(b, 2);
    ne_context    *context  = NULL;
    ne_affinity   *affinity = NULL;
    ne_graph      *p        = NULL;
    ne_status      st       = ne_context_create(&context);

    make_cells(x);
    for (size_t i = 0; i < CELLS * 2; i++) start[i] = (float)normal();
    if (st == NE_OK) st = ne_affinity_create(context, "entropic", &affinity);
    if (st == NE_OK) st = ne_affinity_set(affinity, "perplexity", "20");
    if (st == NE_OK) st = ne_affinity_compute(affinity, &data, &p);
    if (st == NE_OK) st = fit(context, "tsne", one, sizeof one / sizeof *one, p, &from, &to_a);
    if (st == NE_OK) st = fit(context, "affinity_matcher", other, sizeof other / sizeof *other, p, &from, &to_b);
    if (st == NE_OK) compare(start, a, b);
    else fprintf(stderr, "%s\n", ne_last_error());
    ne_graph_free(p);
    ne_affinity_free(affinity);
    ne_context_free(context);
    return st == NE_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
