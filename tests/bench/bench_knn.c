/* tests/bench/bench_knn.c: seconds of the k-NN engines, phase by phase.
 *
 *     bench_knn FILE.npy|N,D,CLUSTERS [k=90] [recall=0.95] [threads=0] [metric=sqeuclidean]
 *               [what=exact,approximate,auto,pca] [runs=3]     what also: phases, flat, ivfflat, hnsw, ivfpq
 *
 * FILE.npy: n x d float32 in C order; or normal clusters of unit width, their centres 3 apart on average in each
 * column. The best of the runs; phases of the approximate engine are those of knn_approximate(). Recall is against the
 * exact neighbors of 2000 rows that no engine knows of, beside the engine's own figure. flat, ivfflat, hnsw and ivfpq are faiss
 * with the options' defaults, through the plug-in in NE_PLUGIN_PATH. */
#include "base/blas.h"
#include "base/clock.h"
#include "base/random.h"
#include "cpu/knn.h"
#include "cpu/knn_recall.h"
#include "cpu/knn_visit.h"
#include "cpu/pca.h"
#include "cpu/top_k.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds of all processors together, for a machine that others use too; what waiting threads spin away is in it. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static float *read_npy(const char *name, size_t *n, size_t *d)
{
    FILE         *file = fopen(name, "rb");
    unsigned char head[10];
    char          text[512] = "";
    float        *x         = NULL;
    if (file && fread(head, 1, 10, file) == 10) {
        const size_t size  = head[8] + 256u * head[9];
        const char  *shape = NULL;
        if (size < sizeof text && fread(text, 1, size, file) == size) shape = strstr(text, "'shape': (");
        if (shape && strstr(text, "'<f4'") && sscanf(shape, "'shape': (%zu, %zu", n, d) == 2) {
            x = malloc(*n * *d * sizeof *x);
            if (x && fread(x, sizeof *x, *n * *d, file) != *n * *d) {
                free(x);
                x = NULL;
            }
        }
    }
    if (file) fclose(file);
    return x;
}

static float *make_clusters(size_t n, size_t d, size_t clusters)
{
    float *x = malloc(n * d * sizeof *x);
    for (size_t i = 0; x && i < n; i++)
        for (size_t j = 0; j < d; j++) {
            const random_block a = random_draw(7, STREAM_SAMPLE, 0, i, (uint32_t)j);
            const random_block b = random_draw(7, STREAM_SAMPLE, 1, i % clusters, (uint32_t)j);
            double             noise[2], centre[2];
            random_normal(a.word[0], a.word[1], noise);
            random_normal(b.word[0], b.word[1], centre);
            x[i * d + j] = (float)(noise[0] + 3 / sqrt(2.0) * centre[0]);
        }
    return x;
}

static void say(void *user, int level, const char *text)
{
    (void)user;
    (void)level;
    printf("    %s\n", text);
}

typedef struct truth {
    size_t   rows;
    int32_t *query;
    float   *distance; /* rows x k */
} truth;

/* All distances, of a quarter of the rows. */
static void by_definition(const ne_dense *x, size_t k, const ne_metric_ops *metric, truth *made)
{
    const float *data = x->data;
    uint64_t    *key  = malloc(x->rows * sizeof *key);
    made->rows /= 4;
    for (size_t q = 0; q < made->rows; q++) {
        const size_t i     = (size_t)made->query[q * 4];
        size_t       count = 0;
        made->query[q]     = (int32_t)i;
        for (size_t j = 0; j < x->rows; j++)
            if (j != i)
                key[count++] = top_k_key(
                    (float)metric->distance_f32(data + i * x->cols, data + j * x->cols, x->cols, metric->user),
                    (uint32_t)j);
        top_k_sort(key, count);
        for (size_t a = 0; a < k; a++) made->distance[q * k + a] = top_k_value(key[a]);
    }
    free(key);
}

static truth find_truth(ne_context *context, const ne_dense *x, size_t k, const ne_metric_ops *metric)
{
    const size_t n    = x->rows;
    truth        made = {.rows = n < 2000 ? n : 2000};
    int32_t     *index;
    knn_rows     rows = {0};
    made.query        = malloc(made.rows * sizeof *made.query);
    made.distance     = malloc(made.rows * k * sizeof *made.distance);
    index             = malloc(made.rows * k * sizeof *index);
    for (size_t q = 0; q < made.rows; q++) {
        const random_block a    = random_draw(11, STREAM_SAMPLE, 5, q, 0);
        const size_t       from = q * n / made.rows, to = (q + 1) * n / made.rows;
        made.query[q] = (int32_t)(from + random_below(a.word[0], a.word[1], to - from));
    }
    knn_rows_create(context, x, metric, &rows);
    const knn_search search = {.rows = &rows, .k = k, .skip_self = 1};
    if (rows.distinct.first) by_definition(x, k, metric, &made); /* whose ids would be those of distinct rows */
    else knn_exact_some(context, &search, made.query, made.rows, index, made.distance);
    knn_rows_clear(&context->memory, &rows);
    free(index);
    return made;
}

static double agreement(const truth *of, const float *got, size_t k)
{
    size_t found = 0;
    for (size_t q = 0; q < of->rows; q++)
        for (size_t a = 0; a < k; a++) found += got[(size_t)of->query[q] * k + a] <= of->distance[q * k + k - 1];
    return (double)found / (double)(of->rows * k);
}

/* The steps of knn_approximate(), each with its processor seconds. */
static void phases(ne_context *context, const ne_dense *x, size_t k, double recall, const ne_metric_ops *metric)
{
    const ne_allocator *mem      = &context->memory;
    knn_rows            rows     = {0};
    knn_sketch          sketch   = {0};
    knn_cells           cells    = {0};
    knn_pilot           pilot    = {0};
    knn_plan            plan     = {0};
    knn_recall          measured = {0};
    double              t[9];
    int32_t            *index    = memory_new(mem, x->rows, k * sizeof *index);
    float              *distance = memory_new(mem, x->rows, k * sizeof *distance);
    t[0]                         = cpu_seconds();
    knn_rows_create(context, x, metric, &rows);
    const knn_search search = {.rows = &rows, .k = k, .skip_self = 1, .recall = recall};
    blas_enter();
    t[1] = cpu_seconds();
    knn_pilot_create(context, &search, 0, &pilot);
    t[2] = cpu_seconds();
    knn_sketch_create(context, &rows, 0, &sketch);
    if (!sketch.whole) knn_sketch_correlate(context, &rows, pilot.query, pilot.queries, pilot.index, k, &sketch);
    t[3] = cpu_seconds();
    knn_cells_create(context, &rows, 0, &sketch, &cells);
    t[4] = cpu_seconds();
    knn_pilot_plan(context, &search, &sketch, &cells, &pilot, recall, &plan);
    t[5] = cpu_seconds();
    printf("  rows %.3f  pilot %.3f  sketch %.3f (%zu columns, rho %.2f)  cells %.3f (%zu)  plan %.3f\n", t[1] - t[0],
           t[2] - t[1], t[3] - t[2], sketch.width, sketch.rho, t[4] - t[3], cells.count, t[5] - t[4]);
    printf("  plan: visit %zu, measure %zu, expected recall %.4f, cost %.0f ns a row; exact %.0f\n", plan.scan,
           plan.keep, plan.recall, plan.cost, knn_pilot_exact_cost(&search));
    if (plan.scan) {
        knn_visit(context, &search, &sketch, &cells, &plan, index, distance);
        t[6] = cpu_seconds();
        knn_recall_measure(context, &search, &sketch, &cells, &plan, 0, distance, &measured);
        t[7] = cpu_seconds();
        printf("  visit %.3f (%.0f ns a row)  recall of the pilot %.4f\n", t[6] - t[5],
               1e9 * (t[6] - t[5]) / (double)x->rows, knn_pilot_recall(&pilot, distance));
        printf("  recall %.3f: %.4f +- %.4f of %zu rows\n", t[7] - t[6], measured.mean, measured.error, measured.rows);
    }
    blas_leave();
    knn_pilot_clear(mem, &pilot);
    knn_sketch_clear(mem, &sketch);
    knn_cells_clear(mem, &cells);
    knn_rows_clear(mem, &rows);
    memory_free(mem, index);
    memory_free(mem, distance);
}

int main(int argc, char **argv)
{
    size_t       n = 10000, d = 50, clusters = 20;
    const size_t k       = argc > 2 ? strtoul(argv[2], NULL, 10) : 90;
    const double recall  = argc > 3 ? atof(argv[3]) : 0.95;
    const long   threads = argc > 4 ? atol(argv[4]) : 0;
    const char  *name = argc > 5 ? argv[5] : "sqeuclidean", *what = argc > 6 ? argv[6] : "exact,approximate,auto,pca";
    const ne_metric_ops *metric = NULL;
    const int            runs   = argc > 7 ? atoi(argv[7]) : 3;
    float               *x;
    ne_context          *context = NULL;

    if (argc > 1 && sscanf(argv[1], "%zu,%zu,%zu", &n, &d, &clusters) == 3) x = make_clusters(n, d, clusters);
    else x = argc > 1 ? read_npy(argv[1], &n, &d) : make_clusters(n, d, clusters);
    for (size_t m = 0; metric_builtin(m); m++)
        if (strcmp(metric_builtin(m)->name, name) == 0) metric = metric_builtin(m);
    if (!x || !metric || ne_context_create(&context) != NE_OK) {
        fprintf(stderr, "bench_knn: %s\n", !x ? "cannot read the file" : !metric ? "no such metric" : ne_last_error());
        return 1;
    }
    ne_context_set_int(context, "threads", threads);
    printf("%zu x %zu, k = %zu, %s, recall %.2f, %d threads\n", n, d, k, name, recall, context_threads(context));
    const ne_dense view = {sizeof view, x, n, d, d, NE_F32, NE_HOST};
    static const struct engine {
        const char *name;
        knn_method  method;
        int64_t     index;
    } engines[] = {
        {"exact", KNN_EXACT, 0},          {"approximate", KNN_APPROXIMATE, 0}, {"auto", KNN_AUTO, 0},
        {"flat", KNN_FAISS, FAISS_FLAT},  {"ivfflat", KNN_FAISS, FAISS_IVF},   {"hnsw", KNN_FAISS, FAISS_HNSW},
        {"ivfpq", KNN_FAISS, FAISS_IVFPQ}};
    const truth exact = find_truth(context, &view, k, metric);
    if (strstr(what, "phases")) phases(context, &view, k, recall, metric);
    for (size_t e = 0; e < sizeof engines / sizeof *engines; e++) {
        if (!strstr(what, engines[e].name)) continue;
        const faiss_options faiss   = {engines[e].index, 0, 16, 16, 40, 0, 16, 8};
        knn_request         request = {
                    .x = &view, .k = k, .metric = metric, .method = engines[e].method, .recall = recall, .faiss = &faiss};
        double best = INFINITY, best_cpu = INFINITY;
        for (int run = 0; run < runs && (run == 0 || best < 5); run++) {
            knn_result   got   = {0};
            const double begin = clock_seconds(), cpu = cpu_seconds();
            if (run == 0) ne_context_set_log(context, say, NULL);
            if (cpu_knn(context, &request, &got) != NE_OK) printf("  %s: %s\n", engines[e].name, ne_last_error());
            best     = fmin(best, clock_seconds() - begin);
            best_cpu = fmin(best_cpu, cpu_seconds() - cpu);
            ne_context_set_log(context, NULL, NULL);
            if (run == 0 && got.distance)
                printf("  %s: recall %.4f, says %.4f%s\n", engines[e].name, agreement(&exact, got.distance, k),
                       got.recall, got.exact ? ", exact" : "");
            memory_free(&context->memory, got.index);
            memory_free(&context->memory, got.distance);
        }
        printf("%-12s %.3f s, processors %.3f s\n", engines[e].name, best, best_cpu);
    }
    for (size_t count = 2; strstr(what, "pca") && count <= 64 && count <= d; count *= 32) {
        double *out = malloc((d + count * d + count) * sizeof *out), best = INFINITY;
        for (int run = 0; run < 3 && out; run++) {
            const pca_job job = {
                .x = &view, .count = count, .mean = out, .components = out + d, .variance = out + d + count * d};
            const double begin = clock_seconds();
            if (cpu_pca(context, &job) != NE_OK) printf("  pca: %s\n", ne_last_error());
            best = fmin(best, clock_seconds() - begin);
        }
        printf("pca, %2zu      %.3f s\n", count, best);
        free(out);
    }
    free(exact.query);
    free(exact.distance);
    ne_context_free(context);
    free(x);
    return 0;
}
