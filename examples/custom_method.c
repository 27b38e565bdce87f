/* custom_method: the elastic embedding (Carreira-Perpinan, ICML 2010) as a method of one's own.
 *
 *     E(Z) = sum_ij p_ij |z_i - z_j|^2  +  (lambda / n) sum_{i != j} exp(-|z_i - z_j|^2),   sum_ij p_ij = 1
 *
 * The library minimises  -sum p_ij log q_ij  +  repulse * sum q_ij:  with q the Gaussian kernel these are E's own terms,
 * so the stock kernels do the work. Added are the weight lambda and that it grows, so that no fold of the start stays.
 *
 *     custom_method [FILE.csv]     numbers, a row a line; without a file three clouds of points */
#include <ne.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct elastic {
    double  lambda;
    int64_t homotopy;
} elastic;

static const ne_option options[] = {
    {.name   = "lambda",
     .type   = NE_OPT_REAL,
     .offset = offsetof(elastic, lambda),
     .preset = "0.1",
     .min    = 0,
     .max    = 1e9,
     .help   = "weight of the repulsion"},
    {.name   = "homotopy",
     .type   = NE_OPT_INT,
     .offset = offsetof(elastic, homotopy),
     .preset = "100",
     .min    = 0,
     .max    = 1e9,
     .help   = "steps over which the weight grows a hundredfold, to lambda"},
};

static const ne_preset presets[] = {{"max_iter", "400", NULL}, {"optimizer", "adam", NULL}, {"lr", "0.1", NULL}};

static ne_status plan(const void *params, const ne_problem *problem, void *state, ne_terms *terms)
{
    (void)params, (void)problem, (void)state;
    terms->normalised = NE_UNNORMALISED;
    terms->repulsion  = NE_REPULSION_EXACT;
    return NE_OK;
}

static ne_status on_step_begin(const void *params, const ne_problem *problem, void *state, int64_t step,
                               ne_terms *terms)
{
    const elastic *p    = params;
    const double   left = step < p->homotopy ? 1 - (double)step / (double)p->homotopy : 0;
    (void)state;
    terms->repulse = p->lambda * pow(0.01, left) / (double)problem->n;
    return NE_OK;
}

static const ne_method_ops elastic_embedding = {
    .struct_size   = sizeof(ne_method_ops),
    .name          = "elastic_embedding",
    .help          = "elastic embedding: springs and repulsion",
    .affinity_in   = "entropic",
    .affinity_out  = "gaussian",
    .options       = options,
    .option_count  = sizeof options / sizeof *options,
    .option_size   = sizeof(ne_option),
    .presets       = presets,
    .preset_count  = sizeof presets / sizeof *presets,
    .params_size   = sizeof(elastic),
    .plan          = plan,
    .on_step_begin = on_step_begin,
};

/* The numbers of a file, in lines of the same length; without one, three clouds in 10 dimensions. */
static float *read_numbers(const char *path, size_t *rows, size_t *cols)
{
    FILE  *file  = path ? fopen(path, "r") : NULL;
    size_t count = 0, room = path ? 4000000 : 2400; /* a file's first four million numbers */
    float *x = malloc(room * sizeof *x);
    *cols    = path ? 0 : 10;
    for (; x && !path && count < room; count++) x[count] = (float)rand() / (float)RAND_MAX + (float)(count / *cols % 3);
    while (x && file && count < room && fscanf(file, "%f", &x[count]) == 1) {
        count++;
        if (fgetc(file) != ',' && !*cols) *cols = count;
    }
    if (file) fclose(file);
    *rows = *cols ? count / *cols : 0;
    return x;
}

int main(int argc, char **argv)
{
    ne_context        *context   = NULL;
    ne_embedding      *embedding = NULL;
    ne_gradient_report report    = {.struct_size = sizeof report};
    size_t             n = 0, d = 0;
    double             trust = 0;
    float         *x = read_numbers(argc > 1 ? argv[1] : NULL, &n, &d), *y = x && n ? calloc(n, 2 * sizeof *y) : NULL;
    const ne_dense data = {.struct_size = sizeof data, .data = x, .rows = n, .cols = d, .dtype = NE_F32};
    const ne_dense map  = {.struct_size = sizeof map, .data = y, .rows = n, .cols = 2, .dtype = NE_F32};
    ne_status      st   = y ? ne_method_register(&elastic_embedding) : ne_fail(NE_IO, "no numbers to read");
    if (st == NE_OK) st = ne_context_create(&context);
    if (st == NE_OK) st = ne_embedding_create(context, "elastic_embedding", &embedding);
    if (st == NE_OK) st = ne_embedding_set_real(embedding, "perplexity", 20);

    /* Is the gradient the derivative of the loss? Worth asking of every new method, after a few steps. */
    if (st == NE_OK) st = ne_embedding_start(embedding, NULL, &data);
    if (st == NE_OK) st = ne_embedding_step(embedding, 50);
    if (st == NE_OK) st = ne_gradient_check(embedding, NULL, &report);

    if (st == NE_OK) st = ne_embedding_fit(embedding, &data, &map);
    if (st == NE_OK) st = ne_score_trustworthiness(context, &data, &map, 10, &trust);
    if (st != NE_OK) fprintf(stderr, "custom_method: %s\n", ne_last_error());
    else printf("gradient off by %.1e, trustworthiness %.4f of %zu rows\n", report.worst, trust, n);
    ne_embedding_free(embedding);
    ne_context_free(context);
    free(x), free(y);
    return st != NE_OK;
}
